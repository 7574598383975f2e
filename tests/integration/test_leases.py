"""test_leases.py -- One fetch for each key among processes: doryds and CGI programs on one store."""
import os
import random
import resource
import select
import selectors
import signal
import subprocess
import threading
import time

import fcgi
from backend import page, raw
from testsite import DORYD, WAIT_S, SiteCase, wait_until

ROUTES = """
[bloat page]
key = {name:slug}
timeout = 1h
[bloat brief]
key = {name:slug}
timeout = 1s
grace = 1h
[bloat solid]
key = {name:slug}
timeout = 1h
stale_if_error = 1h
[route solid]
match = GET /solid/{name:slug}
bloat = solid(name)
[route page]
match = GET /page/{name:slug}
bloat = page(name)
[route brief]
match = GET /brief/{name:slug}
bloat = brief(name)
"""
KEY = "/page/a"
FETCHES = "misses+collapsed+leases_awaited"
KEYS = 200
STORED_US = 6000  # In that time a page is fetched and stored, mostly.
SHORT_S = 4  # What never comes where a guard is taken away.
SOON_S = 1.5  # Less than it takes until a process that is stopped is overtaken.


class LeaseCase(SiteCase):
    ROUTES = ROUTES
    LIGHTTPD = False
    PROCESSES = 2

    def setUp(self):
        super().setUp()
        self.doryds = [self.site.doryd]
        self.doryds += [self.site.start_doryd(name=f"more{i}") for i in range(1, self.PROCESSES)]
        self.one, self.two = self.doryds[:2]
        self.version = "old"
        self.backend.on(KEY, lambda _: page(self.version))

    def begin(self, doryd, path=KEY, headers=()):
        """A request whose response is read later."""
        c = doryd.connect()
        self.addCleanup(c.close)
        return c.begin("GET", path, headers=headers)

    def hold_with(self, doryd, path=KEY):
        """A request whose fetch has reached the backend, and stays there."""
        self.backend.hold(path)
        n = self.backend.count(path)
        c = self.begin(doryd, path)
        self.backend.wait_for(path, n + 1)
        return c

    def begin_waiting(self, doryd, path=KEY, headers=()):
        """A request that waits for another process."""
        n = self.site.metric("leases_awaited", doryd)
        c = self.begin(doryd, path, headers)
        wait_until(lambda: self.site.metric("leases_awaited", doryd) > n, "it waits", SHORT_S)
        return c

    def cgi(self, target=KEY):
        """Run doryd as a CGI program for one GET."""
        return subprocess.Popen(
            [DORYD, "-c", self.site.ini], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={
                **os.environ, "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET",
                "PATH_INFO": target, "SCRIPT_NAME": "", "QUERY_STRING": "", "HTTP_HOST": "shop.test",
                "SERVER_NAME": "shop.test", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
                "REMOTE_ADDR": "127.0.0.1"})


class TwoProcesses(LeaseCase):
    def test_a_request_waits_for_the_fetch_of_another_process(self):
        first = self.hold_with(self.one)
        second = self.begin_waiting(self.two)
        self.backend.release(KEY)
        self.assert_text(first.read(), "old")
        response = second.read()
        self.assert_text(response, "old")
        self.assert_hit(response)
        self.assertEqual(self.backend.count(KEY), 1)

    def ask_both_for_each(self, path):
        """One soon after the other."""
        late_us = random.Random(2026)
        with self.one.connect() as one, self.two.connect() as two:
            for i in range(KEYS):
                one.begin("GET", f"{path}/k{i}", keep=True)
                pause_until = time.perf_counter() + late_us.uniform(0, STORED_US) / 1e6
                while time.perf_counter() < pause_until:
                    pass
                two.begin("GET", f"{path}/k{i}", keep=True)
                self.assertEqual({c.read().text for c in (one, two)}, {"default"})

    def test_who_asks_while_another_stores_it_makes_no_fetch_of_its_own(self):
        """It may have looked before that, and ask for the lease just after it was given back."""
        self.ask_both_for_each("/page")
        fetched = len([r for r in self.backend.requests() if r.target.startswith("/page/k")])
        self.assertEqual(fetched, KEYS)

    def test_who_finds_it_stale_while_another_refreshes_it_makes_no_fetch_of_its_own(self):
        """It may have looked before that was stored, and ask for the lease just after."""
        old = set()

        def answer(request):
            age = "0" if request.target in old else "120"
            old.add(request.target)
            return page("default", cache_control="max-age=60", age=age)
        for i in range(KEYS):
            self.backend.on(f"/brief/k{i}", answer)
            self.one.ask("GET", f"/brief/k{i}")
        self.site.wait_for_no_flights(self.one)
        self.ask_both_for_each("/brief")
        for doryd in self.doryds:
            self.site.wait_for_no_flights(doryd)
        fetched = len([r for r in self.backend.requests() if r.target.startswith("/brief/k")])
        self.assertEqual(fetched, 2 * KEYS)

    def test_a_deflate_before_the_request_makes_it_fetch_for_itself(self):
        first = self.hold_with(self.one)
        self.version = "new"
        self.site.deflate("page(a)", doryd=self.one)
        second = self.begin(self.two)
        # While the first is still held: to wait for it would be to wait for nothing.
        self.backend.wait_for(KEY, 2, SHORT_S)
        self.backend.release(KEY)
        self.assert_text(first.read(), "old")
        self.assert_text(second.read(), "new")

    def test_who_comes_after_a_deflate_does_not_wait_with_those_who_came_before(self):
        first = self.hold_with(self.one)
        before = self.begin_waiting(self.two)
        self.version = "new"
        self.site.deflate("page(a)", doryd=self.one)
        after = self.begin(self.two)
        self.backend.wait_for(KEY, 2, SHORT_S)
        self.backend.release(KEY)
        self.assert_text(first.read(), "old")
        self.assert_text(before.read(), "new")
        self.assert_text(after.read(), "new")
        self.assertEqual(self.backend.count(KEY), 2)

    def test_a_deflate_while_it_waits_makes_one_more_fetch(self):
        first = self.hold_with(self.one)
        second = self.begin_waiting(self.two)
        self.version = "new"
        self.site.deflate("page(a)", doryd=self.one)
        self.backend.release(KEY)
        self.assert_text(first.read(), "old")
        self.assert_text(second.read(), "new")
        self.assertEqual(self.backend.count(KEY), 2)

    def test_what_may_not_be_stored_is_fetched_side_by_side(self):
        self.backend.on(KEY, lambda _: page("mine", cache_control="private"))
        self.check_side_by_side("mine")

    def test_what_cannot_be_stored_is_fetched_side_by_side(self):
        for doryd in self.doryds:
            resource.prlimit(doryd.pid, resource.RLIMIT_FSIZE, (32768, 32768))
        self.backend.on(KEY, lambda _: page("x" * 200000))
        self.check_side_by_side("x" * 200000)

    def check_side_by_side(self, text):
        first = self.hold_with(self.one)
        second = self.begin_waiting(self.two)
        self.backend.release(KEY)
        self.assert_text(first.read(), text)
        self.assert_text(second.read(), text)
        for doryd in self.doryds:
            self.site.wait_for_no_flights(doryd)
        # Both reach the backend while it answers neither.
        self.backend.hold(KEY)
        n = self.backend.count(KEY)
        others = [self.begin(self.one), self.begin(self.two)]
        self.backend.wait_for(KEY, n + 2, SHORT_S)
        self.backend.release(KEY)
        for other in others:
            self.assert_text(other.read(), text)

    def test_a_head_that_may_not_be_stored_frees_who_waits_at_once(self):
        head = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\n"
        told = threading.Event()
        self.addCleanup(told.set)
        self.backend.on(KEY, raw(head, lambda: told.wait(20), b"mine"))
        first = self.hold_with(self.one)
        second = self.begin_waiting(self.two)
        self.backend.release(KEY)
        self.backend.wait_for(KEY, 2)
        told.set()
        self.assert_text(first.read(), "mine")
        self.assert_text(second.read(), "mine")

    def test_a_second_fetch_after_a_deflate_is_waited_for_too(self):
        gates = [threading.Event(), threading.Event()]
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        answers = [raw(lambda: gates[0].wait(20), head + b"old", end="keep"),
                   raw(lambda: gates[1].wait(20), head + b"new", end="keep")]
        for gate in gates:
            self.addCleanup(gate.set)
        self.backend.on(KEY, lambda _: answers.pop(0))
        old = self.begin(self.one)
        self.backend.wait_for(KEY)
        self.site.deflate("page(a)", doryd=self.one)
        first = self.begin(self.one)
        self.backend.wait_for(KEY, 2)
        second = self.begin_waiting(self.two)
        gates[1].set()
        self.assert_text(first.read(), "new")
        # While the older one is still held back.
        ready = select.select([second.socket], [], [], SHORT_S)[0]
        self.assertTrue(ready, "it waits for the older fetch")
        self.assert_text(second.read(), "new")
        gates[0].set()
        self.assert_text(old.read(), "old")
        self.assertEqual(self.backend.count(KEY), 2)

    def assert_fails_once(self, answer, status):
        """Whoever waits, in whichever process: one fetch fails for all, and holds up nobody later."""
        self.backend.on(KEY, answer)
        first = self.hold_with(self.one)
        crowd = [self.begin_waiting(self.two)]
        crowd += [self.begin(doryd) for doryd in self.doryds for _ in range(5)]
        for doryd in self.doryds:
            self.site.wait_for_metric("collapsed", 5, doryd)
        self.backend.release(KEY)
        self.assertEqual({c.read().status for c in (first, *crowd)}, {status})
        self.assertEqual(self.backend.count(KEY), 1)
        self.backend.on(KEY, page("well"))
        self.assert_text(self.two.ask("GET", KEY), "well")

    def test_a_fetch_that_fails_is_made_once_for_all_processes(self):
        self.assert_fails_once(raw(end="reset"), 502)

    def test_an_error_of_the_backend_is_asked_for_once_by_all_processes(self):
        self.assert_fails_once(page("no", status=503), 503)

    def test_who_waits_for_another_process_gets_what_is_stale_where_it_fails(self):
        target = "/solid/a"
        self.backend.on(target, page("old", cache_control="max-age=60", age="100"))
        self.assert_text(self.one.ask("GET", target), "old")
        self.site.wait_for_metric("stored", 1, self.one)
        self.backend.on(target, page("no", status=503))
        self.hold_with(self.one, target)
        second = self.begin_waiting(self.two, target)
        self.backend.release(target)
        self.assert_text(second.read(), "old")
        self.assertEqual(self.backend.count(target), 2)

    def test_one_process_refreshes_what_is_stale(self):
        self.backend.on("/brief/a", lambda _: page(self.version))
        self.assert_text(self.one.ask("GET", "/brief/a"), "old")
        self.site.wait_for_metric("stored", 1, self.one)
        self.version = "new"
        self.backend.hold("/brief/a")
        end = time.monotonic() + WAIT_S
        while self.backend.count("/brief/a") < 2:
            self.assertLess(time.monotonic(), end)
            self.assert_text(self.one.ask("GET", "/brief/a"), "old")
        for _ in range(10):
            self.assert_text(self.two.ask("GET", "/brief/a"), "old")
        # A fetch of its own would have begun by the time that another page is there.
        self.two.ask("GET", "/page/b")
        self.assertEqual(self.backend.count("/brief/a"), 2)
        self.backend.release("/brief/a")
        wait_until(lambda: self.two.ask("GET", "/brief/a").text == "new", "the new page is there")

    def test_one_process_refreshes_what_was_not_for_others_last_time(self):
        target = "/brief/a"
        self.backend.on(target, page("old", cache_control="max-age=60", age="100"))
        self.assert_text(self.one.ask("GET", target), "old")
        self.site.wait_for_metric("stored", 1, self.one)
        self.backend.on(target, page("mine", cache_control="private"))
        self.assert_text(self.one.ask("GET", target), "old")
        self.backend.wait_for(target, 2)
        self.site.wait_for_no_flights(self.one)
        self.backend.on(target, page("new"))
        self.backend.hold(target)
        self.assert_text(self.one.ask("GET", target), "old")
        self.backend.wait_for(target, 3)
        for doryd in self.doryds * 3:
            self.assert_text(doryd.ask("GET", target), "old")
        self.two.ask("GET", "/page/b")  # As above.
        self.assertEqual(self.backend.count(target), 3)
        self.backend.release(target)
        wait_until(lambda: self.two.ask("GET", target).text == "new", "the new page is there")

    def test_a_killed_owner_is_replaced_at_once(self):
        self.hold_with(self.one)
        second = self.begin_waiting(self.two)
        began = time.monotonic()
        self.one.kill()
        self.backend.wait_for(KEY, 2)
        took_ms = (time.monotonic() - began) * 1000
        print(f"# killed: one more fetch after {took_ms:.1f} ms", flush=True)
        self.assertLess(took_ms, SOON_S * 1000)
        self.backend.release(KEY)
        self.assert_text(second.read(), "old")
        self.assertEqual(self.backend.count(KEY), 2)

    def test_what_a_stopped_owner_brings_after_a_deflate_is_not_stored(self):
        first = self.hold_with(self.one)
        self.one.send(signal.SIGSTOP)
        self.addCleanup(self.one.send, signal.SIGCONT)
        self.version = "new"
        self.site.deflate("page(a)", doryd=self.two)
        self.backend.release(KEY)
        self.assert_text(self.two.ask("GET", KEY), "new")
        self.site.wait_for_metric("stored", 1, self.two)
        self.one.send(signal.SIGCONT)
        self.assert_text(first.read(), "old")
        for doryd in self.doryds:
            response = doryd.ask("GET", KEY)
            self.assert_hit(response)
            self.assert_text(response, "new")

    def test_a_stopped_owner_is_overtaken_and_its_late_result_refused(self):
        first = self.hold_with(self.one)
        second = self.begin_waiting(self.two)
        self.one.send(signal.SIGSTOP)
        self.addCleanup(self.one.send, signal.SIGCONT)
        self.version = "new"  # Nobody deflates: the lease alone tells which of the two counts.
        self.backend.wait_for(KEY, 2, 2 * SHORT_S)
        self.backend.release(KEY)
        self.assert_text(second.read(), "new")
        self.site.wait_for_metric("stored", 1, self.two)
        self.one.send(signal.SIGCONT)
        self.assert_text(first.read(), "old")
        self.assert_text(self.one.ask("GET", "/page/b"), "default")
        self.site.wait_for_metric("stored", 1, self.one)  # Jobs are done in turn.
        response = self.two.ask("GET", KEY)
        self.assert_hit(response)
        self.assert_text(response, "new")

    def test_a_client_that_leaves_while_it_waits_costs_nothing(self):
        first = self.hold_with(self.one)
        self.begin_waiting(self.two).close()
        self.backend.release(KEY)
        self.assert_text(first.read(), "old")
        self.assert_hit(self.two.ask("GET", KEY))
        self.assertEqual(self.backend.count(KEY), 1)

    def test_a_waiting_daemon_drains_when_its_answer_has_come(self):
        first = self.hold_with(self.one)
        second = self.begin_waiting(self.two)
        self.two.send(signal.SIGTERM)
        self.backend.release(KEY)
        self.assert_text(second.read(), "old")
        self.assert_text(first.read(), "old")
        self.assertEqual(self.two.child.wait(WAIT_S), 0)


class Variants(LeaseCase):
    """Two values of a field that Vary names, asked for before anything is stored."""
    USERS = [[("X-User", "a")], [("X-User", "b")]]

    def setUp(self):
        super().setUp()
        self.heads, self.bodies = {}, {}
        for user in "ab":
            self.heads[user], self.bodies[user] = threading.Event(), threading.Event()
            self.addCleanup(self.heads[user].set)
            self.addCleanup(self.bodies[user].set)
        self.backend.on(KEY, self.answer)

    def answer(self, request):
        user = request.header("X-User")
        head = b"HTTP/1.1 200 OK\r\nVary: X-User\r\nContent-Length: 5\r\n\r\n"
        return raw(lambda: self.heads[user].wait(20), head, lambda: self.bodies[user].wait(20),
                   f"for {user}".encode(), end="keep")

    def assert_one_fetch_each(self, first, second):
        """Both are asked for by one process; the other wants the second."""
        self.backend.wait_for(KEY, 2)
        other = self.begin_waiting(self.two, headers=self.USERS[1])
        n = self.site.metric("leases_awaited", self.two)
        self.bodies["a"].set()
        self.assert_text(first.read(), "for a")
        # The first is there, and not what it waits for.
        wait_until(lambda: self.site.metric("leases_awaited", self.two) > n,
                   "it waits for the variant", SHORT_S)
        self.heads["b"].set()
        self.bodies["b"].set()
        for c in (second, other):
            self.assert_text(c.read(), "for b")
        self.assertEqual(self.backend.count(KEY), 2)

    def test_a_variant_that_joined_the_fetch_of_another_is_fetched_once(self):
        first = self.begin(self.one, headers=self.USERS[0])
        self.backend.wait_for(KEY)
        second = self.begin(self.one, headers=self.USERS[1])
        self.site.wait_for_metric("collapsed", 1, self.one)
        self.heads["a"].set()
        self.assert_one_fetch_each(first, second)

    def test_a_variant_that_came_after_the_head_of_another_is_fetched_once(self):
        self.heads["a"].set()
        first = self.begin(self.one, headers=self.USERS[0])
        self.assertTrue(select.select([first.socket], [], [], WAIT_S)[0], "no head")
        second = self.begin(self.one, headers=self.USERS[1])
        self.assert_one_fetch_each(first, second)


class OnePlace(LeaseCase):
    ORIGIN = "max_fetches = 1"

    def test_a_fetch_counts_from_when_it_is_sent(self):
        self.hold_with(self.one, "/page/b")
        misses = self.site.metric("misses", self.one)
        first = self.begin(self.one)  # It has the lease, and no place at the backend yet.
        self.site.wait_for_metric("misses", misses + 1, self.one)
        self.version = "new"
        self.site.deflate("page(a)", doryd=self.one)
        self.backend.hold(KEY)
        self.backend.release("/page/b")
        self.backend.wait_for(KEY)
        second = self.begin_waiting(self.two)
        self.backend.release(KEY)
        for c in (first, second):
            self.assert_text(c.read(), "new")
        self.assertEqual(self.backend.count(KEY), 1)


class LaterStore(LeaseCase):
    """A store that is not there at the start, or that is moved away."""

    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.site.dir, "store")

    def wait_for_leases(self, *doryds):
        """Until they have mapped what is there now."""
        path = os.path.join(self.store, "leases")

        def maps(doryd):
            with open(f"/proc/{doryd.pid}/maps") as f:
                return any(line.split()[5:] == [path] for line in f)

        for doryd in doryds:
            wait_until(lambda d=doryd: maps(d), "the leases are there")

    def assert_one_fetch(self, owner, other):
        self.site.wait_for_no_flights(owner)
        target = "/page/" + os.urandom(4).hex()
        first = self.hold_with(owner, target)
        second = self.begin_waiting(other, target)
        self.backend.release(target)
        self.assert_text(first.read(), "default")
        self.assert_text(second.read(), "default")
        self.assertEqual(self.backend.count(target), 1)

    def test_processes_that_started_without_a_store_share_fetches_once_it_is_there(self):
        for doryd in self.doryds:
            doryd.stop()
        os.rename(self.store, self.store + ".gone")
        with open(self.store, "w"):
            pass
        new = [self.site.start_doryd(name=f"new{i}") for i in range(2)]
        self.assertIn("store-", new[0].ask("GET", KEY).cache_status)
        os.unlink(self.store)
        self.wait_for_leases(*new)
        wait_until(lambda: all("store-" not in d.ask("GET", KEY).cache_status for d in new),
                   "the store is there")
        self.assert_one_fetch(*new)

    def test_where_the_store_was_replaced_old_and_new_processes_share_fetches(self):
        os.rename(self.store, self.store + ".gone")
        self.wait_for_leases(self.one, self.two)
        new = self.site.start_doryd(name="new")
        self.assert_one_fetch(self.one, new)
        self.assert_one_fetch(new, self.two)


class Impatient(LeaseCase):
    ORIGIN = "first_byte_timeout = 1s"

    def test_who_has_waited_as_long_as_for_a_first_byte_fetches_for_itself(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"
        slow = [head] + [part for _ in range(40) for part in (b"x", lambda: time.sleep(0.1))]
        self.backend.on(KEY, raw(*slow))
        first = self.begin(self.one)
        self.backend.wait_for(KEY)
        second = self.begin_waiting(self.two)
        self.backend.wait_for(KEY, 2)
        self.assert_text(first.read(), "x" * 40)
        self.assert_text(second.read(), "x" * 40)


class Herd(LeaseCase):
    PROCESSES = 4
    CGIS = 4
    REQUESTS = 500

    def test_500_cold_requests_over_8_processes_are_one_fetch(self):
        self.backend.hold(KEY)
        programs = [self.cgi() for _ in range(self.CGIS)]
        for program in programs:
            self.addCleanup(program.kill)
            self.addCleanup(program.stdout.close)
        self.backend.wait_for(KEY)
        each = (self.REQUESTS - self.CGIS) // self.PROCESSES
        crowd = [self.begin(doryd) for doryd in self.doryds for _ in range(each)]
        for doryd in self.doryds:
            self.site.wait_for_metric(FETCHES, each, doryd)
        released = time.monotonic()
        self.backend.release(KEY)
        waits = sorted(at - released for at in self.first_bytes(crowd))
        self.assertEqual({c.read().text for c in crowd}, {"old"})
        outputs = [program.communicate(timeout=WAIT_S)[0] for program in programs]
        self.assertEqual({fcgi.parse_response(o, True).text for o in outputs}, {"old"})
        self.assertEqual(self.backend.count(KEY), 1)
        half, p99 = (waits[int(len(waits) * part)] * 1000 for part in (0.5, 0.99))
        print(f"# herd: first bytes after the release: p50 {half:.1f} ms, p99 {p99:.1f} ms",
              flush=True)
        self.assertLess(p99, 2000)

    def first_bytes(self, crowd):
        """When each of them began to be answered."""
        waiting, times = {c.socket for c in crowd}, []
        with selectors.DefaultSelector() as selector:
            for s in waiting:
                selector.register(s, selectors.EVENT_READ)
            while len(times) < len(crowd):
                ready = selector.select(WAIT_S)
                self.assertTrue(ready, f"{len(crowd) - len(times)} have no answer")
                for key, _ in ready:
                    selector.unregister(key.fileobj)
                times += [time.monotonic()] * len(ready)
        return times
