"""test_queue.py -- Who waits for a place at a backend: how many, how long, and who is next."""
import select
import threading
import time

from backend import raw
from testsite import SiteCase

ROUTES = """
[bloat page]
key = {name:slug}
timeout = 1h
[route page]
match = GET /page/{name:slug}
bloat = page(name)
"""
SHORT_S = 2  # What never comes where a guard is taken away.
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


class QueueCase(SiteCase):
    ROUTES = ROUTES
    LIGHTTPD = False

    def begin(self, target):
        c = self.site.doryd.connect()
        self.addCleanup(c.close)
        return c.begin("GET", target)

    def take_place(self, target="/first"):
        """A request that is at the backend, and has its only place."""
        self.backend.hold(target)
        c = self.begin(target)
        self.backend.wait_for(target)
        return c

    def begin_queued(self, target):
        """One more, whose turn has not come."""
        n = self.site.metric("misses") + self.site.metric("passes")
        c = self.begin(target)
        self.site.wait_for_metric("misses+passes", n + 1)
        return c

    def assert_answered(self, c, within_s, what):
        self.assertTrue(select.select([c.socket], [], [], within_s)[0], what)


class OneWorker(QueueCase):
    """What a request leads to has happened when the next is read."""
    DORY = "workers = 1"
    ORIGIN = "max_fetches = 1"

    def test_no_more_than_max_fetches_are_sent_at_once(self):
        first = self.take_place()
        second = self.begin_queued("/second")
        self.assertEqual(self.site.metric("fetches"), 1, "fetches at once")
        self.backend.release("/first")
        self.assert_answered(second, SHORT_S, "nobody gave it the place")
        self.assertEqual([c.read().text for c in (first, second)], ["default"] * 2)

    def test_places_are_given_in_the_order_of_arrival(self):
        first = self.take_place()
        targets = [f"/turn/{n}" for n in range(5)]
        queued = [self.begin_queued(target) for target in targets]
        self.backend.release("/first")
        self.assertEqual({c.read().text for c in (first, *queued)}, {"default"})
        self.assertEqual([r.target for r in self.backend.requests()], ["/first", *targets])


class TwoWorkers(QueueCase):
    ORIGIN = "max_fetches = 1\nfirst_byte_timeout = 3s"

    def test_a_place_that_one_worker_gives_up_another_takes(self):
        first = self.take_place("/page/first")
        # Each key has its worker: of so many both have some.
        queued = [self.begin_queued(f"/page/n{n}") for n in range(8)]
        self.backend.release("/page/first")
        end = time.monotonic() + SHORT_S
        for c in (first, *queued):
            self.assert_answered(c, max(0, end - time.monotonic()), "nobody gave it the place")
            self.assertEqual(c.read().text, "default")


class Patience(QueueCase):
    """The time limits of a backend are those of a request, with the time that it was queued."""
    WAIT_S = 0.9
    LIMIT_S = 1.2

    def restart(self, origin):
        self.site.configure(origin="max_fetches = 1\nconnect_timeout = 100ms\n" + origin)
        self.site.doryd.stop()
        self.site.restart()

    def hold_body(self, target):
        """A request that has the only place, until its body is let go."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.backend.on(target, raw(OK, lambda: gate.wait(20), b"body", end="keep"))
        c = self.begin(target)
        self.assertTrue(select.select([c.socket], [], [], SHORT_S)[0], "no head")
        return c, gate

    def test_who_gets_no_place_within_first_byte_timeout_gets_504(self):
        self.restart("first_byte_timeout = 500ms")
        first, gate = self.hold_body("/first")
        second = self.begin_queued("/second")
        self.assert_answered(second, SHORT_S, "it waits for ever")
        self.assert_plain_error(second.read(), 504)
        gate.set()
        self.assertEqual(first.read().text, "body")
        self.assertEqual(self.site.doryd.ask("GET", "/third").text, "default")
        self.assertEqual(self.backend.count("/second"), 0)

    def assert_no_more_time(self, origin):
        self.restart(origin)
        first, gate = self.hold_body("/first")
        began = time.monotonic()
        second = self.begin_queued("/second")
        self.backend.hold("/second")
        time.sleep(began + self.WAIT_S - time.monotonic())
        gate.set()
        self.backend.wait_for("/second")
        # What is left is 0.4 s at most; for itself it would have 1.2 s and more.
        self.assert_answered(second, self.LIMIT_S - 0.3, "it has more time than the others")
        self.assert_plain_error(second.read(), 504)
        self.assertEqual(first.read().text, "body")

    def test_time_in_the_queue_counts_against_first_byte_timeout(self):
        self.assert_no_more_time(f"first_byte_timeout = {int(self.LIMIT_S * 1000)}ms")

    def test_time_in_the_queue_counts_against_timeout(self):
        self.assert_no_more_time(f"timeout = {int(self.LIMIT_S * 1000)}ms\nidle_timeout = 1s")
