"""test_backend.py -- A backend at its worst: what clients get, and that nothing wrong is kept."""
import threading
import time

from backend import Backend, page, raw
from testsite import PAGES, SiteCase, full_listener, quickest, wait_until

OK = b"HTTP/1.1 200 OK\r\n"
FOUR = b"Content-Length: 4\r\n"
BODY = b"\r\nbody"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# Refused before the client has seen any of it. Each is sent whole, on a connection that then stays
# open: where Dory used it again, the next answer would be read out of step.
REFUSED = {
    "a status line that is none": b"garbage\r\n\r\n",
    "HTTP 0.9": b"<html>hello</html>",
    "another protocol": b"RTSP/1.0 200 OK\r\n" + FOUR + BODY,
    "status 99": b"HTTP/1.1 99 Odd\r\n" + FOUR + BODY,
    "status 999": b"HTTP/1.1 999 Odd\r\n" + FOUR + BODY,
    "status 1000": b"HTTP/1.1 1000 Odd\r\n" + FOUR + BODY,
    "a change of protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "interim responses without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + OK + FOUR + BODY,
    "20,000 fields": OK + b"X-A: 1\r\n" * 20000 + FOUR + BODY,
    "a line of 200 KB": OK + b"X-A: " + b"a" * 200000 + b"\r\n" + FOUR + BODY,
    "two lengths": OK + FOUR + b"Content-Length: 5\r\n" + BODY + b"x",
    "a list of lengths": OK + b"Content-Length: 4, 4\r\n" + BODY,
    "a huge length": OK + b"Content-Length: 99999999999999999999999\r\n" + BODY,
    "a length with a sign": OK + b"Content-Length: +4\r\n" + BODY,
    "a length below zero": OK + b"Content-Length: -4\r\n" + BODY,
    "a length and chunked": OK + FOUR + CHUNKED + b"\r\n4\r\nbody\r\n0\r\n\r\n",
    "chunked and a length": OK + CHUNKED + FOUR + b"\r\n4\r\nbody\r\n0\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "one unasked coding": OK + b"Transfer-Encoding: gzip\r\n" + BODY,
    "chunked inside another": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "chunked twice": OK + CHUNKED + CHUNKED.upper() + b"\r\n4\r\nbody\r\n0\r\n\r\n",
    "chunked in a list, twice": OK + b"Transfer-Encoding:\tChunked ,chunked \r\n\r\n0\r\n\r\n",
    "identity": OK + b"Transfer-Encoding: identity\r\n" + FOUR + BODY,
    "an unknown coding": OK + b"Transfer-Encoding: x-new\r\n" + FOUR + BODY,
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + CHUNKED +
                           b"\r\n4\r\nbody\r\n0\r\n\r\n",
    "a bare CR": OK + b"X-A: 1\rX-B: 2\r\n" + FOUR + BODY,
    "a NUL": OK + b"X-A: 1\x002\r\n" + FOUR + BODY,
    "a field without a name": OK + b": 1\r\n" + FOUR + BODY,
    "a blank in a name": OK + b"X A: 1\r\n" + FOUR + BODY,
}

# The head was good, and the body is not: (what is sent, how the connection ends).
CUT = {
    "a length too long": (OK + b"Content-Length: 40\r\n" + BODY, "close"),
    "a reset": (OK + b"Content-Length: 40\r\n" + BODY, "reset"),
    "chunks that end early": (OK + CHUNKED + b"\r\n4\r\nbody\r\n", "close"),
    "a chunk that ends early": (OK + CHUNKED + b"\r\n40\r\nbody", "close"),
    "a chunk size that is none": (OK + CHUNKED + b"\r\n4\r\nbody\r\nzz\r\nbody\r\n0\r\n\r\n", "keep"),
}


class Worst(SiteCase):
    ROUTES = PAGES
    ORIGIN = "connect_timeout = 1s\nfirst_byte_timeout = 1s\nidle_timeout = 1s"
    LIGHTTPD = False

    def get(self, target):
        return self.site.doryd.ask("GET", target)

    def assert_well_again(self, target):
        """Nothing was stored, and the next answer is the next one: no connection is out of step."""
        self.assertEqual([e["key"] for e in self.site.entries()], [])
        bad = self.backend.requests(target)[-1].connection
        self.backend.on(target, page("well", cache_control="no-store"))
        self.assertEqual(self.get(target).text, "well")
        self.assertNotEqual(self.backend.requests(target)[-1].connection, bad)

    def test_malformed_answers_are_refused(self):
        for n, (name, sent) in enumerate(REFUSED.items()):
            with self.subTest(name):
                target = f"/page/{n}"
                self.backend.on(target, raw(sent, end="keep"))
                self.assert_plain_error(self.get(target), 502)
                self.assert_well_again(target)

    def test_bodies_that_are_cut_end_so_that_the_client_can_tell(self):
        for n, (name, (sent, end)) in enumerate(CUT.items()):
            with self.subTest(name):
                target = f"/page/{n}"
                self.backend.on(target, raw(sent, end=end))
                r = self.get(target)
                self.assertTrue(r is None or r.status == 502 or not r.complete, r)
                self.assert_well_again(target)

    def test_a_body_longer_than_its_length_is_cut_there_and_leaves_no_rest(self):
        self.backend.on("/page/a", raw(OK + FOUR + BODY + b"HTTP/1.1 200 OK\r\n", end="keep"))
        self.assertEqual(self.get("/page/a").text, "body")
        self.backend.on("/other", "well")
        self.assertEqual(self.get("/other").text, "well")
        self.assertNotEqual(*[r.connection for r in self.backend.requests()])

    def test_a_body_that_ends_with_its_connection_is_passed_on_and_not_stored(self):
        for target, head in (("/page/a", OK), ("/page/b", b"HTTP/1.0 200 OK\r\n")):
            self.backend.on(target, raw(head + BODY))
            for n in (1, 2):
                self.assertEqual(self.get(target).text, "body")
                self.assertEqual(self.backend.count(target), n)
        self.assertEqual(self.site.entries(), [])

    def test_trailers_and_interim_responses_have_no_say(self):
        self.backend.on("/page/a", raw(
            b"HTTP/1.1 103 Early Hints\r\nCache-Control: max-age=999\r\nSet-Cookie: a=b\r\n\r\n" +
            OK + b"Cache-Control: no-store\r\n" + CHUNKED + b"Trailer: X-T\r\n\r\n" +
            b"4\r\nbody\r\n0\r\nCache-Control: max-age=999\r\nX-T: 1\r\n\r\n", end="keep"))
        for n in (1, 2):
            r = self.get("/page/a")
            self.assertEqual((r.status, r.text), (200, "body"))
            self.assertEqual((r.header("Set-Cookie"), r.header("X-T")), (None, None))
            self.assertEqual(r.header("Cache-Control"), "no-store")
            self.assertEqual(self.backend.count("/page/a"), n)

    def test_redirects_to_anything_are_passed_on_and_not_followed(self):
        for n, to in enumerate(("file:///etc/passwd", "gopher://x/", f"{self.backend.url}/evil")):
            self.backend.on(f"/page/{n}", page("moved", status=302, location=to))
            r = self.get(f"/page/{n}")
            self.assertEqual((r.status, r.header("Location")), (302, to))
        self.assertEqual(self.backend.count("/evil"), 0)

    def test_a_silent_backend_is_a_504_for_all_who_wait_at_once(self):
        self.backend.hold("/page/a")
        began = time.monotonic()
        crowd = [self.site.later(self.get, "/page/a") for _ in range(20)]
        for r in crowd:
            self.assert_plain_error(r.result(20), 504)
        self.assertLess(time.monotonic() - began, 5)  # 20 in a row would take 20 s and more.
        self.backend.release("/page/a")
        self.assertEqual(self.site.entries(), [])

    def test_silence_after_the_head_ends_the_answer_in_time(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.backend.on("/page/a", raw(OK + FOUR + b"\r\nbo", lambda: gate.wait(20)))
        r = self.get("/page/a")
        self.assertTrue(r is None or r.status == 504 or not r.complete, r)
        self.assertEqual(self.site.entries(), [])

    def test_a_backend_that_is_down_is_a_502_at_once(self):
        self.backend.stop()
        took = quickest(lambda: self.assert_plain_error(self.get("/page/a"), 502))
        self.assertLess(took, 0.9)
        self.backend.start()
        self.assertEqual(self.get("/page/a").text, "default")


class Once(SiteCase):
    DORY = "workers = 1"  # Its connections are kept by one.
    LIGHTTPD = False

    def test_a_post_is_not_sent_again_where_a_kept_connection_breaks(self):
        self.backend.on("/pay", raw(b"", end="close"))
        for n, body in enumerate((b"", b"1"), 1):
            self.assertEqual(self.site.doryd.ask("GET", "/other").text, "default")
            self.assert_plain_error(self.site.doryd.ask("POST", "/pay", body), 502)
            self.assertEqual(self.backend.count("/pay"), n, "it was sent again")


class Connecting(SiteCase):
    LIGHTTPD = False

    def second_url(self, url):
        """The first is the backend's, which is down."""
        self.backend.stop()
        self.site.configure(origin=f"url = {url}\nconnect_timeout = 1s")
        self.site.doryd.stop()
        self.site.restart()

    def test_a_connect_that_hangs_is_a_504_at_connect_timeout(self):
        self.second_url(full_listener(self))
        began = time.monotonic()
        self.assert_plain_error(self.site.doryd.ask("GET", "/other"), 504)
        self.assertLess(time.monotonic() - began, 5)

    def other_backend(self):
        other = Backend()
        self.addCleanup(other.stop)
        other.default = page("from the other")
        return other

    def assert_asked_once(self, other):
        for method, body in (("GET", b""), ("POST", b"x" * 100000)):
            r = self.site.doryd.ask(method, "/other", body)
            self.assertEqual((r.status, r.text), (200, "from the other"))
        self.assertEqual([len(r.body) for r in other.requests()], [0, 100000])

    def test_where_one_url_refuses_the_next_is_asked(self):
        other = self.other_backend()
        self.second_url(other.url)
        self.assert_asked_once(other)

    def test_where_the_name_of_one_has_no_address_the_next_is_asked(self):
        other = self.other_backend()
        self.second_url(f"http://{'a' * 64}.test:80 {other.url}")
        self.site.doryd.wait_for_output("cannot find its address")
        self.assert_asked_once(other)

    def test_timeout_is_for_all_urls_together(self):
        self.second_url(" ".join(full_listener(self) for _ in range(4)) + "\ntimeout = 1500ms")
        began = time.monotonic()
        self.assert_plain_error(self.site.doryd.ask("POST", "/other", b"x"), 504)
        self.assertLess(time.monotonic() - began, 3)  # Each for itself: 4 s.

    def test_what_one_url_has_seen_is_never_sent_to_the_next(self):
        other = self.other_backend()
        self.site.configure(origin=f"url = {other.url}\nconnect_timeout = 300ms\n"
                                   "first_byte_timeout = 200ms")
        self.site.doryd.stop()
        self.site.restart()
        self.backend.on("/reset", raw(b"", end="reset"))
        self.backend.hold("/silent")
        for target, status in (("/reset", 502), ("/silent", 504)):
            for n, body in enumerate((b"", b"x" * 100000), 1):
                self.assert_plain_error(self.site.doryd.ask("POST", target, body), status)
                self.assertEqual(self.backend.count(target), n)
        self.backend.release("/silent")
        self.assertEqual(other.requests(), [])

    def test_where_one_url_hangs_the_next_is_asked(self):
        other = self.other_backend()
        self.second_url(f"{full_listener(self)} {other.url}")
        self.assert_asked_once(other)

    def fail_often(self, n):
        for _ in range(n):
            self.assert_plain_error(self.site.doryd.ask("GET", "/other"), 502)

    def test_a_backend_that_is_down_is_left_alone_but_for_a_probe(self):
        self.backend.stop()
        began = time.monotonic()
        self.fail_often(40)
        probes = time.monotonic() - began + 1
        self.assertGreaterEqual(self.site.metric("fetches"), 5)
        self.assertLessEqual(self.site.metric("fetches"), 5 + probes)
        self.assertEqual(self.site.metric("backends_down"), 1)
        self.site.doryd.wait_for_output("tried once a second")
        self.backend.start()
        wait_until(lambda: self.site.doryd.ask("GET", "/other").status == 200, "a probe", 3)
        self.assertEqual(self.site.metric("backends_down"), 0)
        self.site.doryd.wait_for_output("is reached again")
        for _ in range(10):
            self.assertEqual(self.site.doryd.ask("GET", "/other").status, 200)

    def test_while_one_probes_nobody_else_does(self):
        # Of one address, so that no other's probe is taken for its.
        self.site.configure(dory="workers = 1", routes=f"""
[backend gone]
url = {full_listener(self)}
breaker = 1
connect_timeout = 400ms
[route gone]
match = GET /gone
backend = gone
""")
        self.site.doryd.stop()
        self.site.restart()
        self.assert_plain_error(self.site.doryd.ask("GET", "/gone"), 504)
        fetches = self.site.metric("fetches")

        def probe():
            """One that is not refused at once."""
            c = self.site.doryd.connect()
            self.addCleanup(c.close)
            c.begin("GET", "/gone")
            return self.site.metric("fetches") > fetches

        wait_until(probe, "a probe")
        fetches = self.site.metric("fetches")
        for _ in range(5):
            probe()
        self.assertEqual(self.site.metric("fetches"), fetches, "probes at once")

    def test_a_url_that_hangs_holds_up_five_fetches_and_no_more(self):
        other = self.other_backend()
        self.second_url(f"{full_listener(self)} {other.url}")
        for _ in range(5):
            self.assertEqual(self.site.doryd.ask("GET", "/other").text, "from the other")
        began = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.site.doryd.ask("GET", "/other").text, "from the other")
        # Each would have waited for a second: only what probes does.
        self.assertLess(time.monotonic() - began, 5)

    def test_a_breaker_that_is_turned_off_tries_each_time(self):
        self.site.configure(origin="breaker = 0")
        self.site.doryd.stop()
        self.site.restart()
        self.backend.stop()
        self.fail_often(20)
        self.assertEqual(self.site.metric("fetches"), 20)
