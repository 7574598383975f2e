"""test_slow.py -- Many slow fetches, or fetches that never end, do nothing to hits."""
import os
import resource
import statistics
import subprocess
import time

import fcgi
from testsite import FCGILOAD, SiteCase, full_listener

SLOW = 2000
SILENT = 1000
MEMORY_KB = 64 * 1024
STACK = 256 * 1024  # Bytes, for each thread of a doryd that is given no more.
# A build with sanitizers is several times slower; what is promised is promised of a normal one.
P99_US = 50000 if os.environ.get("DORY_SANITIZED") else 10000


class Slow(SiteCase):
    ROUTES = """
[bloat slow]
timeout = 1h
[route slow]
match = GET /slow
bloat = slow()
[route page]
match = GET /page
bloat = page()
[bloat page]
timeout = 1h
"""
    ORIGIN = "max_fetches = 4000\nfirst_byte_timeout = 2m"
    LIGHTTPD = False

    def setUp(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        super().setUp()

    def p99_us(self, *args):
        """
        Of the hits in a run, the median of three: a machine that is busy with others for a moment
        spoils one of them. Where hits wait for what is slow they do so in each.
        """
        return statistics.median(self.p99_of_run_us(*args) for _ in range(3))

    def p99_of_run_us(self, *args):
        command = [FCGILOAD, "-a", "unix:" + self.site.socket, "-c", "4", "-n", "1000", "-d", "20",
                   "-p", "/page", *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        numbers = dict(word.split("=") for word in done.stdout.split())
        self.assertEqual((numbers["requests"], numbers["errors"]), ("1000", "0"))
        return int(numbers["p99_us"])

    def crowd(self, n, timeout=60, first=0):
        """So many requests that nobody has answered yet."""
        waiting = []
        for i in range(first, first + n):
            c = fcgi.Connection(self.site.socket, timeout=timeout)
            self.addCleanup(c.close)
            waiting.append(c.begin("GET", f"/slow?n={i}"))
        return waiting

    def assert_hits_are_fast(self, alone_us, *args):
        """
        As fast as is promised. Where the machine has no such time for hits alone either, they may
        take three times that: what waits for slow fetches waits for seconds.
        """
        p99_us = self.p99_us(*args)
        self.assertLess(p99_us, max(P99_US, 3 * alone_us))
        return p99_us

    def store_page(self):
        self.assertEqual(self.site.doryd.ask("GET", "/page").text, "default")
        self.site.wait_for_metric("stored", 1)

    def test_hits_stay_fast_beside_2000_slow_misses(self):
        self.store_page()
        alone_us = [self.p99_us("-k"), self.p99_us()]
        self.backend.on("/slow", lambda request: "slow " + request.target)
        self.backend.hold("/slow")
        waiting = self.crowd(SLOW)
        self.backend.wait_for("/slow", SLOW, timeout=60)
        self.assert_hits_are_fast(alone_us[0], "-k")
        self.assert_hits_are_fast(alone_us[1])
        self.backend.release("/slow")
        for i, c in enumerate(waiting):
            self.assertEqual(c.read().text, f"slow /slow?n={i}")
        self.assertEqual(self.backend.count("/slow"), SLOW)

    def restart(self, origin):
        self.site.configure(origin=origin)
        self.site.doryd.stop()
        self.site.restart()

    def memory_kb(self):
        """The most that doryd has had of it."""
        with open(f"/proc/{self.site.doryd.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))

    def answered_s(self):
        """What this machine takes for as many where the backend is not silent."""
        began = time.monotonic()
        for c in self.crowd(SILENT, first=SILENT):
            self.assertEqual(c.read().status, 200)
        self.backend.forget()
        return time.monotonic() - began

    def assert_silence_is_504(self, max_fetches):
        answered_s = self.answered_s()
        self.restart(f"max_fetches = {max_fetches}\nconnect_timeout = 2s\nfirst_byte_timeout = 4s")
        self.store_page()
        alone_us = self.p99_us("-k")  # Its own Host makes another key: stored from here on.
        self.backend.hold("/slow")
        waiting = self.crowd(SILENT)
        asked = time.monotonic()
        self.backend.wait_for("/slow", min(SILENT, max_fetches), timeout=60)
        p99_us = self.assert_hits_are_fast(alone_us, "-k")
        self.assertEqual([c.read().status for c in waiting], [504] * SILENT)
        took, memory_kb = time.monotonic() - asked, self.memory_kb()
        print(f"# {SILENT} at a silent backend, max_fetches = {max_fetches}: {took:.1f} s, "
              f"p99 of hits {p99_us} us, {memory_kb // 1024} MiB at most", flush=True)
        # In turns it would be an hour.
        self.assertLess(took, 4 + 2 + max(6, 3 * answered_s))
        self.backend.release("/slow")
        if "DORY_SANITIZED" not in os.environ:  # A sanitizer has memory of its own.
            self.assertLess(memory_kb, MEMORY_KB)

    def test_1000_requests_to_a_silent_backend_are_answered_in_time(self):
        self.assert_silence_is_504(4000)

    def test_those_who_wait_for_a_place_at_it_are_too(self):
        self.assert_silence_is_504(128)

    def test_who_gets_a_place_late_has_no_more_time_than_the_others(self):
        self.restart("max_fetches = 1\nconnect_timeout = 300ms\nfirst_byte_timeout = 4s")
        self.backend.hold("/slow")
        first, = self.crowd(1)
        self.backend.wait_for("/slow")  # It has the place.
        second, = self.crowd(1, first=1)
        time.sleep(2.5)  # Most of its patience.
        self.backend.hold("/slow?n=1")
        self.backend.release("/slow")
        self.assertEqual(first.read().status, 200)
        self.backend.wait_for("/slow", 2)
        began = time.monotonic()
        self.assertEqual(second.read().status, 504)
        self.assertLess(time.monotonic() - began, 3.3)  # For itself it would have 4.3 s.
        self.backend.release("/slow?n=1")

    def test_many_who_wait_for_a_backend_that_is_down_cost_no_stack(self):
        """The breaker opens: the queue goes at once, each that fails giving the next its place."""
        limits = resource.getrlimit(resource.RLIMIT_STACK)
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_STACK, limits)
        self.backend.stop()
        self.restart(f"url = {full_listener(self)}\nconnect_timeout = 3s\nbreaker = 1\n"
                     "max_fetches = 1")
        statuses = {c.read().status for c in self.crowd(SLOW)}
        self.assertLessEqual(statuses, {502, 504})
        self.assertTrue(self.site.doryd.is_alive())
