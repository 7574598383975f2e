"""test_slow.py -- 2,000 slow fetches do not slow down hits."""
import os
import resource
import subprocess

import fcgi
from testsite import FCGILOAD, SiteCase

SLOW = 2000
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
        command = [FCGILOAD, "-a", "unix:" + self.site.socket, "-c", "4", "-n", "1000", "-d", "20",
                   "-p", "/page", *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=True)
        numbers = dict(word.split("=") for word in done.stdout.split())
        self.assertEqual((numbers["requests"], numbers["errors"]), ("1000", "0"))
        return int(numbers["p99_us"])

    def test_hits_stay_fast_beside_2000_slow_misses(self):
        self.assertEqual(self.site.doryd.ask("GET", "/page").text, "default")
        self.site.wait_for_metric("stored", 1)
        self.backend.on("/slow", lambda request: "slow " + request.target)
        self.backend.hold("/slow")
        waiting = []
        for i in range(SLOW):
            c = fcgi.Connection(self.site.socket, timeout=60)
            self.addCleanup(c.close)
            waiting.append(c.begin("GET", f"/slow?n={i}"))
        self.backend.wait_for("/slow", SLOW, timeout=60)
        self.assertLess(self.p99_us("-k"), P99_US)
        self.assertLess(self.p99_us(), P99_US)
        self.backend.release("/slow")
        for i, c in enumerate(waiting):
            self.assertEqual(c.read().text, f"slow /slow?n={i}")
        self.assertEqual(self.backend.count("/slow"), SLOW)
