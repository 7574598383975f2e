"""test_bad_input.py -- Nonsense from clients, web servers and backends: refused, survived."""
import socket
import struct
import threading

import fcgi
from backend import page, raw, trickle
from testsite import PAGES, TOKEN, SiteCase, wait_until

AUTH = [("Dory-Token", TOKEN)]


class BadCase(SiteCase):
    ROUTES = PAGES

    def setUp(self):
        super().setUp()
        self.site.get("/page/well")
        self.site.wait_for_metric("stored", 1)
        self.descriptors = self.site.doryd.descriptors()

    def assert_well(self):
        """doryd is alive and serves, and no descriptor is left open."""
        self.assertTrue(self.site.doryd.is_alive(), self.site.doryd.output()[-4000:])
        self.assert_hit(self.site.get("/page/well"))
        # A few more stay for connections to the backend.
        wait_until(lambda: self.site.doryd.descriptors() <= self.descriptors + 4,
                   f"at most {self.descriptors + 4} descriptors")


class Admin(BadCase):
    def assert_nothing_deflated(self):
        self.assert_hit(self.site.get("/page/well"))

    def test_an_unknown_scope_is_refused_with_a_reason_and_deflates_nothing(self):
        for scope in ("nothing(1)", "page", "page()", "page(a, b)", "page(", "tag:", "product 1",
                      "", "page(*, *)"):
            with self.subTest(scope):
                body = f"page(well)\n{scope}\n" if scope else ""
                r = self.site.admin("POST", "deflate", body.encode())
                self.assertEqual(r.status, 400, r.text)
                self.assertRegex(r.header("Content-Type"), "^(text/plain|application/json)")
                self.assertGreater(len(r.text), 15, "no reason is given")
                self.assert_nothing_deflated()
        self.assertRegex(self.site.admin("POST", "deflate", b"pgae(well)").text, "page")

    def test_without_the_right_token_the_admin_path_is_not_there(self):
        absent = self.site.http("GET", "/_dory/nothing-like-it", host="localhost")
        wrong = [[], [("Dory-Token", "")], [("Dory-Token", TOKEN[:-1])],
                 [("Dory-Token", TOKEN + "0")], [("Dory-Token", "1" * 32)],
                 [("Authorization", "Bearer x")], [("Authorization", "Basic " + TOKEN)],
                 [("Cookie", "Dory-Token=" + TOKEN)]]
        for headers in wrong:
            with self.subTest(headers):
                for method, name in (("POST", "deflate?scope=*"), ("GET", "stat"),
                                     ("GET", "entries"), ("POST", "bloats/page/disable")):
                    r = self.site.admin(method, name, headers=headers)
                    self.assertEqual((r.status, r.text), (404, absent.text))
        r = self.site.admin("POST", "deflate?scope=*&token=" + TOKEN, headers=[])
        self.assertEqual(r.status, 404)
        self.assert_nothing_deflated()
        self.assertEqual(self.backend.count(), 1)

    def test_another_host_or_method_is_not_there(self):
        r = self.site.admin("POST", "deflate", b"page(well)", AUTH, host="evil.test")
        self.assertEqual(r.status, 404)
        r = self.site.admin("GET", "deflate?scope=page(well)", None, AUTH)
        self.assertIn(r.status, (404, 405))
        self.assert_nothing_deflated()

    def test_names_like_the_admin_path_never_reach_the_backend(self):
        for target in ("/_dory", "/_dory/", "//_dory/deflate", "/_dory/./deflate",
                       "/_dory//deflate", "/_dory%2Fdeflate", "/_dory/deflate/", "/_dory/x",
                       "/x/../_dory/x"):
            r = self.site.http("POST", target, b"page(well)", AUTH)
            self.assertEqual(r.status, 404, target)
        self.assert_nothing_deflated()
        self.assertEqual(self.backend.count(), 1)


class Refused(BadCase):
    LIGHTTPD = True

    def test_malformed_requests_get_400_and_go_nowhere(self):
        get = fcgi.params
        cases = {
            "path with CR LF": get(path=b"/page/a\r\nX: y"),
            "path with NUL": get(path=b"/page/a\0b"),
            "path with DEL": get(path=b"/page/a\x7fb"),
            "dot segment": get(path="/page/../secret"),
            "last dot segment": get(path="/page/.."),
            "query with a control byte": get(target="/page/a?x=\x01"),
            "query with a blank": get(target="/page/a?x=a b"),
            "header with CR LF": get(headers=[("X-A", "a\r\nX-Evil: 1")]),
            "header with LF": get(headers=[("X-A", "a\nX-Evil: 1")]),
            "header name with a blank": get(headers=[("X A", "a")]),
            "a name that came twice": get(headers=[("X-A", "1"), ("X_A", "2")]),
            "two tokens": get(headers=[("Dory-Token", "1"), ("Dory_Token", "2")]),
            "method with a blank": get(method="GET /evil"),
            "method with CR LF": get(method="GET\r\n"),
            "host with a path": get(host="shop.test/evil"),
            "host with a blank": get(host="a b"),
            "length that is no number": get(method="POST") + [("CONTENT_LENGTH", "abc")],
            "negative length": [("CONTENT_LENGTH", "-1")] + get(method="POST", length=False),
            "Connection names Host": get(headers=[("Connection", "close, Host")]),
        }
        for name, params in cases.items():
            with self.subTest(name):
                with self.site.doryd.connect() as c:
                    c.send(fcgi.request(params))
                    r = c.read()
                # A NUL can be refused before there is a request to answer.
                if r is None and "NUL" in name:
                    continue
                self.assert_plain_error(r, 400)
                for word in ("evil", "secret", "X-"):
                    self.assertNotIn(word, r.text)
        self.assertEqual(self.backend.count(), 1)
        self.assert_well()

    def test_oversized_parameters_are_refused(self):
        cases = {
            "a value of 100 KB": fcgi.params(headers=[("X-A", "a" * 100000)]),
            "1,000 parameters": fcgi.params(headers=[(f"X-{i}", "a") for i in range(1000)]),
            "a path of 70 KB": fcgi.params(target="/page/" + "a" * 70000),
        }
        for name, params in cases.items():
            with self.subTest(name):
                with self.site.doryd.connect() as c:
                    try:
                        c.send(fcgi.request(params))
                    except (BrokenPipeError, ConnectionResetError):
                        continue
                    r = c.read()
                    self.assertTrue(r is None or r.status in (400, 414, 431), r)
        self.assertEqual(self.backend.count(), 1)
        self.assert_well()

    def test_a_key_that_is_too_long_is_passed_or_refused(self):
        r = self.site.doryd.ask("GET", "/page/" + "a" * 8000)
        self.assertIn(r.status, (200, 400, 414))
        self.assert_well()

    def test_malformed_records_end_their_connection_only(self):
        begin = fcgi.record(fcgi.BEGIN, struct.pack(">HB5x", 1, 0))
        params = fcgi.stream(fcgi.PARAMS, b"".join(fcgi.pair(*p) for p in fcgi.params()))
        end = fcgi.record(fcgi.STDIN)
        big = struct.pack(">II", 0xbfffffff, 0xbfffffff)
        huge = struct.pack(">II", 0xffffffff, 0xffffffff)
        names = b"".join(fcgi.pair(n, "") for n in ("FCGI_MAX_CONNS", "FCGI_MPXS_CONNS") * 4)
        cases = {
            "management record": fcgi.record(fcgi.GET_VALUES, names, request_id=0),
            "management record in a request":
                begin + fcgi.record(fcgi.GET_VALUES, names, request_id=0) + params + end,
            "unknown type": fcgi.record(77, b"x" * 100, request_id=0),
            "lengths that add up past 2^31": begin + fcgi.record(fcgi.PARAMS, big) + params + end,
            "the longest lengths": begin + fcgi.record(fcgi.PARAMS, huge) + params + end,
            "a length past its record":
                begin + fcgi.record(fcgi.PARAMS, b"\x05\x7fHELLO") + fcgi.record(fcgi.PARAMS) + end,
            "half a length":
                begin + fcgi.record(fcgi.PARAMS, b"\x80\x00") + fcgi.record(fcgi.PARAMS) + end,
            "no BEGIN": params + end,
            "another version": b"\x07" + begin[1:] + params + end,
            "a role we do not have": fcgi.record(fcgi.BEGIN, struct.pack(">HB5x", 2, 0)) + params,
            "request id 0": fcgi.record(fcgi.BEGIN, struct.pack(">HB5x", 1, 0), request_id=0),
            "two requests on one connection":
                begin + fcgi.record(fcgi.BEGIN, struct.pack(">HB5x", 1, 0), request_id=2) + params,
            "a short BEGIN": fcgi.record(fcgi.BEGIN, b"\0\1"),
            "ABORT before anything": fcgi.record(fcgi.ABORT),
            "ABORT after BEGIN": begin + fcgi.record(fcgi.ABORT),
            "STDIN before PARAMS": begin + end + params,
            "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "zeros": b"\0" * 10000,
            "all ones": b"\xff" * 10000,
            "parameters without end": begin + fcgi.record(fcgi.PARAMS, b"\x01\x01ab" * 4000) * 40,
            "nothing": b"",
        }
        for name, data in cases.items():
            with self.subTest(name), self.site.doryd.connect() as c:
                try:
                    c.send(data)
                    c.socket.shutdown(socket.SHUT_WR)
                    r = c.read()
                except (BrokenPipeError, ConnectionResetError):
                    continue
                self.assertTrue(r is None or r.status in (0, 200, 400), r)
        self.assertNotIn("/", [r.target for r in self.backend.requests()])
        self.assert_well()

    def test_half_a_request_and_silence_hold_up_nobody(self):
        whole = fcgi.request(fcgi.params(target="/page/well"))
        silent = [self.site.doryd.connect() for _ in range(100)]
        for i, c in enumerate(silent):
            c.send(whole[:1 + i * (len(whole) - 2) // 100])
        for _ in range(20):
            self.assert_hit(self.site.get("/page/well"))
        for c in silent:
            c.close()
        self.assert_well()

    def test_a_request_in_single_bytes_is_served(self):
        with self.site.doryd.connect() as c:
            for byte in fcgi.request(fcgi.params(target="/page/well")):
                c.send(bytes([byte]))
            self.assert_hit(c.read())

    def test_padding_is_skipped(self):
        with self.site.doryd.connect() as c:
            block = b"".join(fcgi.pair(*p) for p in fcgi.params(target="/page/well"))
            c.send(fcgi.record(fcgi.BEGIN, struct.pack(">HB5x", 1, 0)))
            c.send(fcgi.record(fcgi.PARAMS, block[:100], padding=7))
            c.send(fcgi.record(fcgi.PARAMS, block[100:], padding=255))
            c.send(fcgi.record(fcgi.PARAMS) + fcgi.record(fcgi.STDIN, padding=1))
            self.assert_hit(c.read())

    def test_keep_alive_connections_are_used_again(self):
        with self.site.doryd.connect() as c:
            for _ in range(50):
                self.assert_hit(c.ask("GET", "/page/well", keep=True))
            self.assert_hit(c.ask("GET", "/page/well"))
            self.assertTrue(c.is_closed())
        self.assert_well()

    def test_requests_that_come_together_are_answered_one_by_one(self):
        hit = fcgi.request(fcgi.params(target="/page/well"), keep=True)
        bodies = [b"a" * 10, b"b" * 100000]
        posts = [fcgi.request(fcgi.params("POST", "/form", body=b), b, keep=True) for b in bodies]
        self.backend.on("/form", lambda request: page(request.body, cache_control="no-store"))
        wire = b"".join([hit] * 300 + [posts[0], hit, posts[1]] + [hit] * 3)
        with self.site.doryd.connect() as c:
            sent = self.site.later(c.send, wire[:-20])
            for _ in range(300):
                self.assert_hit(c.read())
            self.assertEqual(c.read().body, bodies[0])
            self.assert_hit(c.read())
            self.assertEqual(c.read().body, bodies[1])
            self.assert_hit(c.read())
            self.assert_hit(c.read())
            sent.result(20)
            c.send(wire[-20:])
            self.assert_hit(c.read())
        self.assert_well()


def answer(head, body=b"", end="close"):
    return raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body, end=end)


# What a backend may send: name, its bytes, and what may come of it. "error": 502. "cut": 502, or a
# response that the client can see is cut short. "served": 200 with the body "body". "stored": the
# same, and a hit from then on: what follows the body's length is no part of it (RFC 9112 section 6.3).
BACKENDS = [
    ("closed at once", raw(b""), "error"),
    ("reset at once", raw(end="reset"), "error"),
    ("half a head", raw(b"HTTP/1.1 200 OK\r\nContent-Le"), "error"),
    ("garbage", raw(b"\x00\x01\x02garbage\r\n\r\n"), "error"),
    ("HTTP/0.9", raw(b"<html>old</html>"), "error"),
    ("RTSP", raw(b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody"), "error"),
    ("status 99", raw(b"HTTP/1.1 99 Low\r\nContent-Length: 4\r\n\r\nbody"), "error"),
    ("status 999", raw(b"HTTP/1.1 999 High\r\nContent-Length: 4\r\n\r\nbody"), "error"),
    ("status 1000", raw(b"HTTP/1.1 1000 High\r\nContent-Length: 4\r\n\r\nbody"), "error"),
    ("status 101", raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nbody"), "error"),
    ("shorter than its length", answer(b"Content-Length: 100\r\n", b"body"), "cut"),
    ("reset in the body", answer(b"Content-Length: 100\r\n", b"body", "reset"), "cut"),
    ("chunks without end", answer(b"Transfer-Encoding: chunked\r\n", b"4\r\nbody\r\n"), "cut"),
    ("half a chunk", answer(b"Transfer-Encoding: chunked\r\n", b"40\r\nbody"), "cut"),
    ("bad chunk", answer(b"Transfer-Encoding: chunked\r\n", b"4\r\nbody\r\nzz\r\n"), "cut"),
    ("longer than its length", answer(b"Content-Length: 4\r\n", b"bodybody"), "stored"),
    ("ended by closing", answer(b"", b"body"), "served"),
    ("HTTP/1.0", raw(b"HTTP/1.0 200 OK\r\n\r\nbody"), "served"),
    ("two lengths", answer(b"Content-Length: 4\r\nContent-Length: 5\r\n", b"body"), "error"),
    ("a list of lengths", answer(b"Content-Length: 4, 5\r\n", b"body"), "error"),
    ("a huge length", answer(b"Content-Length: 99999999999999999999\r\n", b"body"), "error"),
    ("a signed length", answer(b"Content-Length: +4\r\n", b"body"), "error"),
    ("a length that is a word", answer(b"Content-Length: four\r\n", b"body"), "error"),
    ("length and chunks", answer(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                                 b"4\r\nbody\r\n0\r\n\r\n"), "error"),
    ("gzip as transfer encoding", answer(b"Transfer-Encoding: gzip\r\n", b"body"), "error"),
    ("a NUL in a field", answer(b"X-A: a\0b\r\nContent-Length: 4\r\n", b"body"), "error"),
    ("a CR in a field", answer(b"X-A: a\rX-Evil: 1\r\nContent-Length: 4\r\n", b"body"), "error"),
    ("a blank before the colon", answer(b"X-A : a\r\nContent-Length: 4\r\n", b"body"), "error"),
    ("20,000 fields", answer(b"X-A: a\r\n" * 20000 + b"Content-Length: 4\r\n", b"body"), "error"),
    ("a field of 200 KB", answer(b"X-A: " + b"a" * 200000 + b"\r\n", b"body"), "error"),
    ("10,000 interim responses", raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 10000), "error"),
    ("an interim response", raw(
        b"HTTP/1.1 103 Early\r\nSet-Cookie: early=1\r\nX-Early: 1\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: no-store\r\n\r\nbody"), "served"),
    ("trailers", answer(b"Transfer-Encoding: chunked\r\nCache-Control: no-store\r\n",
                        b"4\r\nbody\r\n0\r\nSet-Cookie: late=1\r\nX-Late: 1\r\n\r\n"), "served"),
]


class Backends(BadCase):
    def test_malformed_answers_are_not_stored_nor_passed_on_as_whole(self):
        stored = ["page(well)"]
        for i, (name, script, want) in enumerate(BACKENDS):
            with self.subTest(name):
                path = f"/page/bad{i}"
                self.backend.on(path, script)
                self.assert_outcome(self.site.get(path), want)
                asked = self.backend.count(path)
                # A safe request is sent again where a kept connection broke before any answer.
                self.assertLessEqual(asked, 2 if name == "reset at once" else 1)
                if want == "stored":
                    self.site.wait_for_metric("stored", 2)
                    stored.append(f"page(bad{i})")
                self.assert_outcome(self.site.get(path), want)
                self.assertEqual(self.backend.count(path) == asked, want == "stored")
        self.assertEqual(sorted(e["key"] for e in self.site.entries()), sorted(stored))
        self.assert_well()

    def assert_outcome(self, r, want):
        if want in ("served", "stored"):
            self.assertEqual((r.status, r.text, r.complete), (200, "body", True))
        elif want == "error" or r.complete:
            self.assert_plain_error(r, 502)
        for name in ("X-Early", "X-Late", "X-Evil", "Set-Cookie"):
            self.assertIsNone(r.header(name), name)

    def test_a_folded_field_is_unfolded_or_refused(self):
        self.backend.on("/page/a", answer(b"X-A: a\r\n b\r\nContent-Length: 4\r\n", b"body"))
        r = self.site.get("/page/a")
        self.assertIn(r.status, (200, 502))
        self.assertIn(r.header("X-A"), ("a b", None))
        self.assert_well()

    def test_a_backend_that_is_down_is_502_and_recovers_at_once(self):
        self.backend.stop()
        for _ in range(2):  # A fifth in a row would open the breaker: see test_backend.
            self.assert_plain_error(self.site.get("/page/a"), 502)
            self.assert_plain_error(self.site.get("/other"), 502)
        self.assert_hit(self.site.get("/page/well"))
        self.backend.start()
        self.assertEqual(self.site.get("/page/a").text, "default")
        self.assert_well()


class Silent(BadCase):
    """Each test waits for a time-out, and for nothing else that takes long."""
    ORIGIN = "connect_timeout = 500ms\nfirst_byte_timeout = 500ms\nidle_timeout = 500ms"

    def test_a_backend_that_is_silent_is_504_at_the_limit(self):
        for path in ("/page/a", "/other"):
            self.backend.hold(path)
            self.assert_plain_error(self.site.get(path), 504)
            self.backend.release(path)
        self.assertEqual(self.site.get("/page/a").text, "default")
        self.assert_well()

    def test_a_backend_that_goes_silent_after_its_head_is_504_or_cut(self):
        told = threading.Event()
        self.addCleanup(told.set)
        self.backend.on("/page/a", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                                       lambda: told.wait(20)))
        r = self.site.get("/page/a")
        self.assertTrue(r.status == 504 or not r.complete, r)
        self.assert_well()

    def test_those_who_wait_for_a_silent_backend_are_told_together(self):
        self.backend.hold("/page/a")
        crowd = [self.site.later(self.site.get, "/page/a") for _ in range(20)]
        self.assertEqual({r.result(20).status for r in crowd}, {504})
        self.assertEqual(self.backend.count("/page/a"), 1)
        self.backend.release("/page/a")
        self.assert_well()


class Slow(BadCase):
    """All of it takes longer than any of these limits, each part far less."""
    ORIGIN = "first_byte_timeout = 2s\nidle_timeout = 2s"

    def test_a_slow_sender_within_the_limit_is_waited_for(self):
        parts = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", *[b"x"] * 10]
        self.backend.on("/page/a", raw(*trickle(parts, 0.22), end="keep"))
        self.assertEqual(self.site.get("/page/a").text, "x" * 10)
