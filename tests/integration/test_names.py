"""test_names.py -- Backends that are named: a DNS that hangs holds up nobody but who needs it."""
import os
import select
import signal
import subprocess
import time

from testsite import SiteCase, preloaded, wait_until

NAMES = 40  # More than are looked up at once.
THREADS = 16
PATIENCE_S = 1
SHORT_S = 3  # What never comes where a guard is taken away.

ROUTES = """
[backend named]
url = http://web.slow.test:$port
connect_timeout = $patience
$named
[route named]
match = * /named/{name:slug}
backend = named
[bloat page]
key = {name:slug}
timeout = 1h
[route page]
match = GET /page/{name:slug}
bloat = page(name)
backend = app
[route rest]
match = * /{rest:path}
backend = app
"""


class Names(SiteCase):
    LIGHTTPD = False

    def setUp(self):
        super().setUp()
        self.held = os.path.join(self.site.dir, "held")

    def restart(self, held=True, patience=f"{PATIENCE_S}s", named=""):
        """A doryd whose DNS hangs, or not yet."""
        self.configure(patience, named)
        self.hold(held)
        self.addCleanup(self.hold, False)
        self.site.doryd.stop()
        self.site.restart(env=preloaded("slowdns", SLOWDNS=self.held))

    def configure(self, patience, named=""):
        routes = ROUTES.replace("$port", str(self.backend.port))
        self.site.configure(routes=routes.replace("$patience", patience).replace("$named", named))

    def hold(self, held):
        if held:
            with open(self.held, "w"):
                pass
        elif os.path.exists(self.held):
            os.unlink(self.held)

    def wait_until_asked(self, n):
        """Until so many look-ups have begun."""
        wait_until(lambda: os.path.exists(self.held + ".asked") and
                   os.path.getsize(self.held + ".asked") >= n, f"{n} look-ups")

    def begin(self, target):
        c = self.site.doryd.connect()
        self.addCleanup(c.close)
        return c.begin("GET", target)

    def threads(self):
        return len(os.listdir(f"/proc/{self.site.doryd.pid}/task"))

    def read(self, c):
        self.assertTrue(select.select([c.socket], [], [], SHORT_S)[0], "no answer in time")
        return c.read()

    def get(self, target):
        return self.read(self.begin(target))

    def test_a_name_that_is_not_found_in_time_holds_up_its_own_requests_only(self):
        self.restart()
        self.assertEqual(self.get("/page/a").text, "default")
        self.site.wait_for_metric("stored", 1)
        began = time.monotonic()
        waiting = [self.begin("/named/a") for _ in range(20)]
        for n in range(20):
            self.assert_hit(self.get("/page/a"))
            self.assertEqual(self.get(f"/other?{n}").text, "default")
        self.assertEqual(self.backend.count("/named/a"), 0)
        for c in waiting:
            self.assert_plain_error(self.read(c), 504)
        self.assertLess(time.monotonic() - began, PATIENCE_S + 4)
        self.site.doryd.wait_for_output("still being looked up")
        # It is no fault of an address, of which there is none: nothing is left alone for it.
        self.assertEqual(self.site.metric("backends_down"), 0)
        self.hold(False)
        wait_until(lambda: self.get("/named/a").status == 200, "the name is found")

    def test_who_waits_for_a_name_goes_on_once_it_is_found(self):
        self.restart(patience="20s")
        waiting = [self.begin("/named/a") for _ in range(3)]
        self.site.wait_for_metric("passes", len(waiting))
        self.wait_until_asked(1)
        self.hold(False)
        self.assertEqual({self.read(c).text for c in waiting}, {"default"})

    def test_a_client_that_leaves_while_its_backend_is_looked_up_costs_nothing(self):
        self.restart(patience="60s")
        self.begin("/named/a").close()
        wait_until(lambda: self.site.metric("passes") == 1, "it came")
        self.site.wait_for_no_flights()
        self.assertEqual(self.backend.count("/named/a"), 0)

    def test_where_one_name_hangs_the_next_url_is_asked(self):
        self.restart(named=f"url = {self.backend.url}")
        self.assertEqual(self.get("/named/a").text, "default")

    def test_an_address_that_is_known_is_kept_while_dns_hangs(self):
        self.restart(held=False, patience="20s")
        self.assertEqual(self.get("/named/a").text, "default")
        self.hold(True)
        self.site.doryd.send(signal.SIGHUP)
        self.wait_until_asked(2)
        self.assertEqual(self.get("/named/a").text, "default")

    def test_however_many_names_hang_threads_are_few(self):
        self.restart(held=False)
        wait_until(lambda: self.get("/named/a").status == 200, "the first name is found")
        before = self.threads()
        self.hold(True)
        urls = "".join(f"url = http://n{i}.slow.test:{self.backend.port}\n" for i in range(NAMES))
        self.configure("20s", urls)
        for _ in range(3):  # Whoever asks again finds it asked.
            asked = self.site.doryd.output().count("reloaded")
            self.site.doryd.send(signal.SIGHUP)
            wait_until(lambda n=asked: self.site.doryd.output().count("reloaded") > n, "a reload")
        self.wait_until_asked(1 + THREADS)
        self.assertLessEqual(self.threads(), before + THREADS)
        self.hold(False)
        self.wait_until_asked(1 + NAMES)  # All have their turn.
        wait_until(lambda: self.threads() <= before, "the threads ended")

    def test_who_hangs_in_dns_ends_in_time(self):
        self.restart()
        self.wait_until_asked(1)
        self.site.doryd.send(signal.SIGTERM)
        try:
            status = self.site.doryd.child.wait(SHORT_S)
        except subprocess.TimeoutExpired:
            self.fail("it waits for DNS")
        self.assertEqual(status, 0)
