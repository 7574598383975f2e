"""test_connections.py -- Connections of web servers, and what waits, at odd moments."""
import os
import resource
import signal
import time

import fcgi
from backend import page
from testsite import WAIT_S, SiteCase, wait_until

ROUTES = """
[bloat brief]
key = {name:slug}
timeout = 3s
[route brief]
match = GET /brief/{name:slug}
bloat = brief(name)
[route rest]
match = * /rest/{name:slug}
"""
SOON_S = 5


def cpu_s(pid):
    """The processor time a process has used."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Connections(SiteCase):
    ROUTES = ROUTES
    LIGHTTPD = False

    def connect(self, **more):
        connection = self.site.doryd.connect(**more)
        self.addCleanup(connection.close)
        return connection

    def begin_unread(self, keep=True):
        """A request that is answered at once, with its body still to come."""
        c = self.connect(timeout=SOON_S)
        pairs = fcgi.params("TRACE", "/rest/x", body=b"12345")
        c.send(fcgi.request(pairs, keep=keep, end=False))
        self.assertEqual(c.read().status, 405)
        return c

    def test_a_body_that_comes_after_the_answer_does_not_end_the_connection(self):
        c = self.begin_unread()
        c.send(fcgi.stream(fcgi.STDIN, b"12345"))
        self.assertEqual(c.ask("GET", "/rest/x", keep=True).body, b"default")

    def test_a_connection_whose_body_comes_late_does_not_hold_up_the_end(self):
        c = self.begin_unread()
        self.site.doryd.send(signal.SIGTERM)
        self.site.doryd.wait_for_output("draining")
        c.send(fcgi.stream(fcgi.STDIN, b"12345"))
        wait_until(lambda: not self.site.doryd.is_alive(), "doryd ends", SOON_S)

    def test_a_request_that_comes_while_another_is_served_is_served_next(self):
        self.backend.hold("/rest/a")
        c = self.connect(timeout=SOON_S)
        c.begin("GET", "/rest/a", keep=True)
        self.backend.wait_for("/rest/a")
        c.begin("GET", "/rest/b", keep=True)
        self.site.doryd.ask("GET", "/rest/c")  # By now the event loop has seen it.
        self.backend.release("/rest/a")
        self.assertEqual(c.read().body, b"default")
        self.assertEqual(c.read().body, b"default")
        self.backend.wait_for("/rest/b")

    def test_a_head_request_with_a_body_stays_one(self):
        r = self.site.doryd.ask("HEAD", "/rest/x", b"12345")
        self.assertEqual(r.status, 200)
        self.assertEqual([q.method for q in self.backend.requests("/rest/x")], ["HEAD"])

    def test_a_slow_reader_does_not_keep_a_stale_page_for_others(self):
        big = b"x" * (4 << 20)
        self.backend.on("/brief/big", page(big))
        slow = self.connect().begin("GET", "/brief/big")
        self.site.wait_for_metric("stored", 1)
        time.sleep(3.1)  # Its time is over; who reads slowly has most of it yet to come.
        self.assertEqual(self.site.doryd.ask("GET", "/brief/big").body, big)
        self.assertEqual(self.backend.count("/brief/big"), 2)
        self.assertEqual(slow.read().body, big)


    def test_without_descriptors_it_waits_and_does_not_spin(self):
        pid = self.site.doryd.pid
        few = self.site.doryd.descriptors() + 8
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, limits[1]))
        crowd = [self.connect() for _ in range(40)]
        before = cpu_s(pid)
        time.sleep(1)
        self.assertLess(cpu_s(pid) - before, 0.3)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for c in crowd:
            self.assertEqual(c.ask("GET", "/brief/a").body, b"default")


class OnePlace(SiteCase):
    ROUTES = ROUTES
    LIGHTTPD = False
    ORIGIN = "max_fetches = 1"

    def test_a_request_that_is_given_up_while_it_waits_never_reaches_the_backend(self):
        self.backend.hold("/rest/a")
        first = self.site.later(self.site.doryd.ask, "GET", "/rest/a")
        self.backend.wait_for("/rest/a")
        with self.site.doryd.connect() as c:
            c.begin("GET", "/rest/b")
            self.site.wait_for_metric("flights", 2)
        wait_until(lambda: self.site.metric("flights") == 1, "the second is given up")
        self.backend.release("/rest/a")
        self.assertEqual(first.result(WAIT_S).body, b"default")
        self.assertEqual(self.site.doryd.ask("GET", "/rest/c").body, b"default")
        self.assertEqual(self.backend.count("/rest/b"), 0)
