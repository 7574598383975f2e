"""test_coalescing.py -- Many requests for one page are one fetch, unless they may not share it."""
import select
import threading
import time

from backend import page, raw
from testsite import SiteCase

ROUTES = """
[bloat page]
key = {name:slug}
timeout = 1h
[route page]
match = GET /page/{name:slug}
bloat = page(name)
"""


class Coalescing(SiteCase):
    ROUTES = ROUTES

    def crowd(self, n, path="/page/a", headers=lambda i: []):
        """`n` requests that all wait for a held fetch; then it is released. Their responses."""
        self.backend.hold(path)
        crowd = [self.site.later(self.site.http, "GET", path, headers=headers(i))
                 for i in range(n)]
        self.backend.wait_for(path)
        self.site.wait_for_metric("misses+collapsed", n)
        self.backend.release(path)
        return [r.result(30) for r in crowd]

    def test_200_requests_for_a_cold_key_are_one_fetch(self):
        self.backend.on("/page/a", lambda request: page(b"x" * 20000))
        responses = self.crowd(200)
        self.assertEqual(self.backend.count("/page/a"), 1)
        self.assertEqual({(r.status, r.body) for r in responses}, {(200, b"x" * 20000)})
        self.assertGreaterEqual(sum("collapsed" in r.cache_status for r in responses), 199)

    def test_requests_that_come_while_a_body_arrives_share_it(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"
        self.backend.on("/page/a", raw(head, b"a" * 10, lambda: gate.wait(20), b"b" * 10))
        crowd = [self.site.later(self.site.get, "/page/a")]
        self.backend.wait_for("/page/a")
        crowd += [self.site.later(self.site.get, "/page/a") for _ in range(9)]
        self.site.wait_for_metric("misses+collapsed", 10)
        gate.set()
        self.assertEqual({r.result(20).text for r in crowd}, {"a" * 10 + "b" * 10})
        self.assertEqual(self.backend.count("/page/a"), 1)

    def read_part(self, c):
        """What the next record brings, while the backend holds back all that follows."""
        self.assertTrue(select.select([c.socket], [], [], 10)[0], "it waits for the next part")
        return c.read_record()[1]

    def test_each_part_reaches_everybody_before_the_next_is_sent(self):
        gates = [threading.Event() for _ in range(3)]
        parts = [b"one" * 10, b"two" * 10, b"end" * 10]
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"
        for gate in gates:
            self.addCleanup(gate.set)
        self.backend.on("/page/a", raw(
            lambda: gates[0].wait(20), head + parts[0], lambda: gates[1].wait(20), parts[1],
            lambda: gates[2].wait(20), parts[2]))
        crowd = [self.site.doryd.connect() for _ in range(10)]
        for n, c in enumerate(crowd):
            self.addCleanup(c.close)
            c.begin("GET", "/page/a")
            self.site.wait_for_metric("misses+collapsed", n + 1)
        gates[0].set()
        have = [self.read_part(c).partition(b"\r\n\r\n")[2] for c in crowd]
        self.assertEqual(have, [parts[0]] * 10)
        # Who comes now gets what is there, at once.
        for _ in range(5):
            c = self.site.doryd.connect()
            self.addCleanup(c.close)
            crowd.append(c.begin("GET", "/page/a"))
            have.append(self.read_part(c).partition(b"\r\n\r\n")[2])
        self.assertEqual(have, [parts[0]] * 15)
        for gate, part in zip(gates[1:], parts[1:]):
            gate.set()
            self.assertEqual([self.read_part(c) for c in crowd], [part] * 15)
        self.assertEqual(self.backend.count("/page/a"), 1)
        self.site.wait_for_metric("stored", 1)
        self.assertEqual(self.site.get("/page/a").body, b"".join(parts))

    def test_what_arrived_whole_and_is_stale_is_shared_with_nobody_who_comes_then(self):
        self.backend.on("/page/a", page("new", cache_control="max-age=60, no-cache", etag='"1"'))
        for n in range(1, 31):  # At once: the one before is being stored.
            self.site.get("/page/a")
            self.assertEqual(self.backend.count("/page/a"), n)

    def assert_not_shared(self, **fields):
        """50 clients get 50 different pages, fetched side by side and not in a row."""
        together = threading.Barrier(49)
        lock, number = threading.Lock(), [0]

        def answer(_):
            with lock:
                number[0] += 1
                mine = number[0]
            if mine > 1:
                together.wait(20)
            return page(f"page {mine}", **{k: v.format(mine) for k, v in fields.items()})

        self.backend.on("/page/a", answer)
        responses = self.crowd(50)
        self.assertEqual({r.text for r in responses}, {f"page {i}" for i in range(1, 51)})
        self.assertEqual(self.site.entries(), [])
        return responses

    def test_50_clients_of_a_page_that_may_not_be_shared_take_two_turns_at_most(self):
        """One fetch to learn it, then all others at once: not one after the other."""
        together = threading.Barrier(49)
        lock, spans, numbers = threading.Lock(), [], iter(range(50))

        def answer(_):
            began = time.monotonic()
            with lock:
                number = next(numbers)
            if number > 0:
                together.wait(20)  # However slowly they come: for all of them, not for a time.
            with lock:
                spans.append((began, time.monotonic()))
            return page("mine", cache_control="private")

        self.backend.on("/page/a", answer)
        self.assertEqual({r.text for r in self.crowd(50)}, {"mine"})
        self.assertEqual(len(spans), 50)
        # The longest row of fetches of which each began after the one before had ended.
        turns, free_at = 0, 0
        for start, end in sorted(spans, key=lambda span: span[1]):
            if start >= free_at:
                turns, free_at = turns + 1, end
        self.assertLess(turns, 3)

    def test_a_response_with_set_cookie_is_not_shared(self):
        responses = self.assert_not_shared(set_cookie="sid={}")
        self.assertEqual(len({r.header("Set-Cookie") for r in responses}), 50)

    def test_a_private_response_is_not_shared(self):
        self.assert_not_shared(cache_control="private")

    def test_a_response_with_no_store_is_not_shared(self):
        self.assert_not_shared(cache_control="no-store")

    def test_after_a_private_response_nobody_waits_for_the_next(self):
        self.backend.on("/page/a", page("mine", cache_control="private"))
        self.site.get("/page/a")
        self.backend.hold("/page/a")
        crowd = [self.site.later(self.site.get, "/page/a") for _ in range(20)]
        self.backend.wait_for("/page/a", 21, 5)  # While all answers are held back.
        self.backend.release("/page/a")
        self.assertEqual({r.result(20).text for r in crowd}, {"mine"})

    def test_a_page_that_is_for_all_again_is_shared_at_once(self):
        self.backend.on("/page/a", page("mine", cache_control="private"))
        self.site.get("/page/a")
        self.backend.on("/page/a", page("all's"))
        self.assertEqual(self.site.get("/page/a").text, "all's")  # Stored, and the mark cleared.
        self.site.wait_for_metric("stored", 1)
        self.site.deflate("page(a)")
        self.backend.forget()
        self.backend.hold("/page/a")
        crowd = [self.site.later(self.site.get, "/page/a") for _ in range(20)]
        self.site.wait_for_metric("collapsed", 19)
        self.backend.release("/page/a")
        self.assertEqual({r.result(20).text for r in crowd}, {"all's"})
        self.assertEqual(self.backend.count("/page/a"), 1)

    def test_each_value_of_a_varying_field_gets_its_own_page(self):
        self.backend.on("/page/a", lambda r: page("for " + r.header("X-User"), vary="X-User"))
        user = lambda i: [("X-User", f"u{i % 10}")]
        want = [f"for u{i % 10}" for i in range(50)]
        self.assertEqual([r.text for r in self.crowd(50, headers=user)], want)
        again = [self.site.http("GET", "/page/a", headers=user(i)) for i in range(50)]
        self.assertEqual([r.text for r in again], want)

    def test_other_values_of_a_varying_field_are_fetched_side_by_side(self):
        gates = {f"u{i}": threading.Event() for i in range(3)}
        for gate in gates.values():
            self.addCleanup(gate.set)

        def answer(request):
            user = request.header("X-User")
            head = b"HTTP/1.1 200 OK\r\nVary: X-User\r\nContent-Length: 2\r\n\r\n"
            return raw(lambda: gates[user].wait(20), head + user.encode(), end="keep")

        def begin(user):
            return self.site.later(self.site.http, "GET", "/page/a", headers=[("X-User", user)])

        self.backend.on("/page/a", answer)
        crowd = [begin("u0")]
        self.backend.wait_for("/page/a")
        crowd += [begin(user) for user in ("u1", "u2", "u1", "u2")]
        self.site.wait_for_metric("misses+collapsed", 5)
        gates["u0"].set()
        # While neither has an answer, from which could be seen that it is not for the other.
        self.backend.wait_for("/page/a", 3, 4)
        for gate in gates.values():
            gate.set()
        self.assertEqual([r.result(20).text for r in crowd], ["u0", "u1", "u2", "u1", "u2"])
        self.assertEqual(self.backend.count("/page/a"), 3)

    def test_a_failed_fetch_fails_for_all_who_waited_at_once(self):
        self.backend.on("/page/a", raw(end="reset"))
        responses = self.crowd(50)
        self.assertEqual({r.status for r in responses}, {502})
        self.backend.on("/page/a", "well again")
        self.assertEqual(self.site.get("/page/a").text, "well again")

    def test_a_client_that_leaves_takes_nothing_from_the_others(self):
        self.backend.hold("/page/a")
        leader = self.site.doryd.connect()
        leader.begin("GET", "/page/a")
        self.backend.wait_for("/page/a")
        other = self.site.later(self.site.get, "/page/a")
        self.site.wait_for_metric("misses+collapsed", 2)
        leader.close()
        self.backend.release("/page/a")
        self.assertEqual(other.result(20).text, "default")
        self.assertEqual(self.backend.count("/page/a"), 1)
