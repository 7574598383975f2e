"""test_threats.py -- What an attacker would try, from in front of lighttpd and from behind Dory."""
import gzip
import http.client
import os
import re
import socket

import fcgi
from backend import Answer, page, raw, trickle
from testsite import TOKEN, WAIT_S, SiteCase, quickest, quote, wait_until

ROUTES = """
[bloat page]
key = {name}
timeout = 1h
[bloat number]
key = {id:uint}
timeout = 1h
[bloat pair]
key = {a} {b}
timeout = 1h
[bloat static]
key = {file:path}
timeout = 1h
[bloat account]
key = {rest:path}
timeout = 1h
[bloat lazy]
key = {name}
[route page]
match = GET /page/{name}
bloat = page(name)
[route number]
match = GET /number/{id:uint}
bloat = number(id)
[route pair]
match = GET /pair/{a}/{b}
bloat = pair(a, b)
[route static]
match = GET /static/{file:path}
bloat = static(file)
[route account]
match = GET /account/{rest:path}
bloat = account(rest)
[route lazy]
match = GET /lazy/{name}
bloat = lazy(name)
[bloat tagged]
key = {name}
timeout = 1h
keep = 1d
tags = catalog
[route tagged]
match = GET /tagged/{name}
bloat = tagged(name)
[route save]
match = POST /save
deflate = page(query.name)
"""
AUTH = [("Dory-Token", TOKEN)]
MIB = 1 << 20


class ThreatCase(SiteCase):
    ROUTES = ROUTES

    def raw(self, request):
        """Bytes of our own to lighttpd: the response, None where the connection just ends."""
        with socket.create_connection(("127.0.0.1", self.site.server.port), WAIT_S) as s:
            s.sendall(request)
            response = http.client.HTTPResponse(s)
            try:
                response.begin()
            except (http.client.HTTPException, ConnectionError):
                return None
            return fcgi.Response(response.status, response.getheaders(), response.read())

    def assert_never_a_hit(self, target, n=3, **headers):
        self.backend.forget()
        for _ in range(n):
            self.assert_fetched(self.site.get(target, **headers))
        self.assertEqual(self.backend.count(), n)


class Keys(ThreatCase):
    # Names that frameworks, caches and web servers read something into.
    UNKEYED = """Client-IP CF-Connecting-IP CF-Visitor Cookie Cookie2 Destination Fastly-Client-IP
        Forwarded Front-End-Https From Max-Forwards Pragma Proxy-Connection Range Remote-User
        Request-URI SSL-Client-Cert Surrogate-Capability True-Client-IP Upgrade Via
        X-Amz-Website-Redirect-Location X-ARR-SSL X-Auth-User X-Backend-Host X-Client-IP
        X-Cluster-Client-IP X-Forward-For X-Forwarded X-Forwarded-By X-Forwarded-For
        X-Forwarded-Host X-Forwarded-Path X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Proto
        X-Forwarded-Scheme X-Forwarded-Server X-Forwarded-Ssl X-Forwarded-User X-Host
        X-Host-Override X-HTTP-Destinationurl X-HTTP-Host-Override X-HTTP-Method
        X-HTTP-Method-Override X-HTTPS X-Invoke-Path X-Matched-Path X-Method-Override
        X-Middleware-Prefetch X-Middleware-Subrequest X-Original-Host X-Original-URI X-Original-URL
        X-Originating-IP X-Override-URL X-Proxy-URL X-Real-IP X-Remote-User X-Rewrite-URL X-Scheme
        X-Script-Name X-Server-Name X-URL-Scheme X-WAP-Profile""".split()

    def test_what_is_not_in_the_key_poisons_nothing(self):
        self.backend.on("/page/a", lambda r: page(r.head))
        # One by one: lighttpd refuses more than 8 KiB, and one could hide behind another.
        for n, name in enumerate(self.UNKEYED):
            target = f"/page/a?{n}"
            self.site.http("GET", target, headers=[(name, "evil")])
            got = self.site.get(target)
            self.assertNotIn("evil", got.text, name)
        self.assertNotIn(b"evil", b"".join(r.head for r in self.backend.requests()))

    def test_delimiters_in_arguments_make_no_other_key(self):
        self.backend.default = lambda r: page(r.target)
        pairs = [("a%3Ab", "c"), ("a", "b%3Ac"), ("a%2Cb", "c"), ("a", "b%2Cc"), ("a%2C%20b", "c"),
                 ("a%22", "b"), ("a", "%22b"), ("a%29", "b"), ("*", "b"), ("a", "*"), ("%25", "b"),
                 ("%2525", "b"), ("a%25", "2Cb")]
        texts = []
        for n, (a, b) in enumerate(pairs):
            texts.append(self.get_stored(f"/pair/{a}/{b}", n + 1).text)
        keys = [e["key"] for e in self.site.entries()]
        self.assertEqual((len(set(keys)), len(set(texts))), (len(pairs), len(pairs)), keys)
        self.site.deflate("pair(a:b, c)", 'pair("*", b)')
        for (a, b), text in zip(pairs, texts):
            response = self.site.get(f"/pair/{a}/{b}")
            self.assertEqual(response.text, text)
            if (a, b) in (("a%3Ab", "c"), ("*", "b")):
                self.assert_fetched(response)
            else:
                self.assert_hit(response)

    def test_the_path_of_a_key_is_the_path_that_was_asked_for(self):
        self.backend.default = page("mine", cache_control="private")
        self.backend.on("/static/x.css", page("ours"))
        for target in ("/account/x.css", "/account;x.css", "/account%3Bx.css", "/account%3Fx.css",
                       "/account%23.css", "/account%2Fx.css", "/static/..%2faccount/me",
                       "/static/%2e%2e/account/me", "/static/../account/me", "//account/me",
                       "/account//me", "/account/.", "/account/./me", "/account/me/..",
                       "/account/me%00.css", "/account/me%0a.css", "/account/me%20", "/ACCOUNT/me",
                       "/account/me.", "/account/me.css/", "/account/%2e%2e%2fstatic/x.css",
                       "/account\\me", "/static/x.css%3F/../../account/me", "/account/me%ZZ.css",
                       "/account/%u002e", "/account/me;jsessionid=1", "/account/me~"):
            with self.subTest(target):
                self.backend.forget()
                answers = [self.site.get(target) for _ in range(2)]
                got = [r.target for r in self.backend.requests()]
                self.assertEqual(len(set(got)), min(len(got), 1), got)
                if any(t.startswith(("/account", "//account")) for t in got):
                    self.assertEqual([a.text for a in answers], ["mine"] * 2)
                    self.assertEqual(len(got), 2, "a private page was stored")
                self.assertFalse(any(".." in t.split("/") or "." in t.split("/") for t in got))
        self.assertEqual({e["path"] for e in self.site.entries()} - {"/static/x.css"}, set())

    def test_paths_that_look_like_hosts_stay_with_the_backend(self):
        for target in ("/@evil.test/", "/%40evil.test/", "//evil.test/x", "/%5cevil.test",
                       "/:80/", "/http://evil.test/", "/?http://evil.test/"):
            self.assertEqual(self.site.get(target).text, "default", target)
        self.assertEqual(self.backend.count(), 7)
        self.assertEqual({r.header("Host") for r in self.backend.requests()}, {"shop.test"})

    def test_spellings_of_a_host_are_one_and_none_is_its_own(self):
        self.backend.on("/page/a", lambda r: page(r.header("Host") or "none"))
        for host in ("shop.test", "SHOP.test", "shop.test:80", "shop.test.", "Shop.Test.:80"):
            r = self.site.doryd.ask("GET", "/page/a", host=host)
            self.assertEqual(r.text, "shop.test", host)
            self.site.wait_for_metric("stored", 1)
        self.assertEqual(self.backend.count(), 1)
        old = self.raw(b"GET /page/a HTTP/1.0\r\n\r\n")
        self.assertTrue(old.status == 400 or old.text != "shop.test", old)
        for host in ("shop.test:81", "shop.test.evil", "evil"):
            self.assertNotEqual(self.site.doryd.ask("GET", "/page/a", host=host).text, "shop.test")

    def test_what_the_web_server_knows_of_a_user_is_not_stored(self):
        for extra in ([("REMOTE_USER", "ann")], [("REMOTE_USER", "ann"), ("AUTH_TYPE", "Basic")]):
            for _ in range(2):
                with self.site.doryd.connect() as c:
                    c.send(fcgi.request(fcgi.params(target="/page/me") + extra))
                    self.assert_fetched(c.read())
        self.assertEqual(self.backend.count(), 4)
        self.assertEqual(self.site.entries(), [])

    def test_queries_are_keys_as_they_are_written(self):
        self.backend.on("/page/a", lambda r: page(r.target))
        targets = ["/page/a" + q for q in ("?a=1&a=2", "?a=2&a=1", "?x=1;y=2", "?x=1&y=2", "?", "",
                                           "?a", "?a=", "?%61=1", "?A=1", "?a=1&")]
        for _ in range(2):
            for target in targets:
                # lighttpd would decode what needs no escape.
                self.assertIn(self.site.doryd.ask("GET", target).text, {target, target.rstrip("?")})

    def test_a_flood_of_queries_leaves_the_hot_page_a_hit(self):
        self.get_stored("/page/hot")
        with self.site.doryd.connect() as c:
            for n in range(2000):
                c.ask("GET", f"/page/flood?{n}", keep=True)
                if n % 100 == 0:
                    self.assert_hit(c.ask("GET", "/page/hot", keep=True))


class Varying(ThreatCase):
    def test_a_vary_of_everything_or_too_much_is_not_stored(self):
        for name, vary in (("all", "*"), ("among", "Accept, *"), ("many", ", ".join(
                f"X-{i}" for i in range(100))), ("long", "X-" + "a" * 5000)):
            with self.subTest(name):
                self.backend.on("/page/" + name, page(name, vary=vary))
                self.assert_never_a_hit("/page/" + name)

    def test_odd_varys_do_no_harm(self):
        for name, vary in (("other", "Other"), ("empty", ""), ("commas", ",,,"), ("bad", "a b\x01"),
                           ("quoted", '"x'), ("twice", "x-a, X-A")):
            with self.subTest(name):
                self.backend.on("/page/" + name, page(name, vary=vary))
                for _ in range(2):
                    self.assertIn(self.site.get("/page/" + name).status, (200, 502))
        self.assertEqual(self.site.get("/page/well").status, 200)

    def test_absent_and_empty_fields_are_told_apart(self):
        self.backend.on("/page/a", lambda r: page(repr(r.header("X-Shade")), vary="X-Shade"))
        ask = lambda headers: self.site.doryd.ask("GET", "/page/a", headers=headers).text
        for _ in range(2):
            self.assertEqual(ask([]), "None")
            self.assertIn(ask([("X-Shade", "")]), ("''", "None"))

    def test_a_thousand_variants_are_bounded_or_served_and_go_with_one_deflate(self):
        self.backend.on("/page/a", lambda r: page(r.header("X-Shade"), vary="X-Shade"))
        with self.site.doryd.connect() as c:
            for n in range(1000):
                r = c.ask("GET", "/page/a", keep=True, headers=[("X-Shade", f"s{n}")])
                self.assertEqual(r.text, f"s{n}")
        self.site.deflate("page(a)")
        for n in (0, 1, 500, 998, 999):
            self.assert_fetched(self.site.get("/page/a", x_shade=f"s{n}"))


class Methods(ThreatCase):
    def test_trace_and_connect_go_nowhere(self):
        for method in ("TRACE", "CONNECT"):
            r = self.site.doryd.ask(method, "/page/a", headers=[("Cookie", "secret")])
            self.assert_plain_error(r, 405)
        r = self.raw(b"TRACE /page/a HTTP/1.1\r\nHost: shop.test\r\nCookie: secret\r\n\r\n")
        self.assertTrue(r is None or r.status in (405, 501), r)
        self.assertEqual(self.backend.count(), 0)

    def test_methods_are_case_sensitive_tokens(self):
        self.get_stored("/page/a")
        for method in ("get", "Get", "GETT", "PATCH", "X-METHOD", "!#$%&'*+-.^_`|~"):
            r = self.site.doryd.ask(method, "/page/a")
            self.assertNotRegex(r.cache_status, "^dory; hit", method)

    def test_a_head_of_a_missing_page_stores_no_empty_one(self):
        self.backend.on("/page/a", page("hello"))
        for _ in range(2):
            self.assertEqual(self.site.http("HEAD", "/page/a").header("Content-Length"), "5")
        self.assertEqual(self.site.get("/page/a").text, "hello")


class Framing(ThreatCase):
    def test_framing_fields_in_disguise_do_not_reach_the_backend(self):
        for name in ("Content_Length: 999", "Transfer_Encoding: chunked", "Content_Length: 0"):
            self.backend.forget()
            r = self.raw(f"POST /other HTTP/1.1\r\nHost: shop.test\r\n{name}\r\n"
                         "Content-Length: 3\r\n\r\nabc".encode())
            got = self.backend.requests()
            self.assertTrue(r.status == 400 or [g.body for g in got] == [b"abc"], (name, r, got))
            for g in got:
                self.assertEqual((g.header("Content-Length"), g.header("Transfer-Encoding")),
                                 ("3", None))

    def test_hop_by_hop_fields_end_here(self):
        headers = [("Connection", "close, X-Hop"), ("X-Hop", "evil"), ("TE", "evil"),
                   ("Trailer", "evil"), ("Keep-Alive", "evil"), ("Proxy-Connection", "evil"),
                   ("Proxy-Authorization", "evil"), ("Proxy", "evil"), ("Expect", "evil")]
        for target in ("/page/a", "/other"):
            self.site.doryd.ask("GET", target, headers=headers)
            self.assertNotIn(b"evil", self.backend.wait_for(target)[0].head)

    def test_two_spellings_of_a_field_are_refused(self):
        for headers in ([("X_Forwarded_For", "1"), ("X-Forwarded-For", "9")],
                        [("Dory_Token", TOKEN), ("Dory-Token", "y")],
                        [("X_A", "1"), ("X-A", "2")]):
            self.assert_plain_error(self.site.http("GET", "/page/a", headers=headers), 400)
        self.assertEqual(self.backend.count(), 0)

    def test_an_upload_waits_for_no_100_continue(self):
        body = b"x" * (2 * MIB)

        def upload(*headers):
            r = self.site.doryd.ask("POST", "/upload", body, headers=headers)
            self.assertEqual(r.status, 200)

        # libcurl would wait for a second each time.
        took = quickest(upload) + quickest(lambda: upload(("Expect", "100-continue")))
        self.assertLess(took, 0.9)
        for request in self.backend.requests():
            self.assertEqual((len(request.body), request.header("Expect")), (2 * MIB, None))

    def test_a_post_is_delivered_at_most_once(self):
        self.site.get("/other")  # So that there is a kept connection.
        self.backend.on("/pay", raw(b"", end="close"))
        self.assert_plain_error(self.site.http("POST", "/pay", b"1"), 502)
        self.assertEqual(self.backend.count("/pay"), 1)


class Answers(ThreatCase):
    """What a backend may do to its own cache and clients."""

    def test_malformed_fields_are_neither_passed_on_nor_stored(self):
        heads = {
            "name with a blank": b"X A: 1\r\n", "no name": b": 1\r\n", "no colon": b"nonsense\r\n",
            "control in a name": b"X\x01A: 1\r\n", "escape in a value": b"X-A: \x1b[2J\r\n",
            "DEL in a value": b"X-A: \x7f\r\n",
            "bare CR": b"X-A: 1\rX-Evil: 1\r\n",
        }
        for n, (name, head) in enumerate(heads.items()):
            with self.subTest(name):
                self.backend.on(f"/page/{n}", raw(
                    b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 4\r\n\r\nbody"))
                r = self.site.doryd.ask("GET", f"/page/{n}")
                self.assertIn(r.status, (200, 502))
                for field, value in r.headers:
                    self.assertNotRegex(field + value, r"[\x00-\x08\x0a-\x1f\x7f]")
                    self.assertNotIn("Evil", field)
                if r.status == 502:
                    self.assert_fetched(self.site.get(f"/page/{n}"))

    def test_a_folded_line_before_all_fields_is_refused(self):
        self.get_stored("/page/well")  # libcurl may remember its last field.
        self.backend.on("/page/a", raw(b"HTTP/1.1 200 OK\r\n X-A: 1\r\nContent-Length: 4\r\n\r\nx"))
        for _ in range(5):
            self.assert_plain_error(self.site.get("/page/a"), 502)
        self.assert_hit(self.site.get("/page/well"))

    def test_the_reason_phrase_is_not_passed_on(self):
        self.backend.on("/page/a", raw(b"HTTP/1.1 200 \x1b<evil>\xff\r\nContent-Length: 4\r\n\r\nbody"))
        for _ in range(2):
            with self.site.doryd.connect() as c:
                c.begin("GET", "/page/a")
                kind, content = c.read_record()
                self.assertNotIn(b"evil", content)

    def test_lifetimes_that_are_no_numbers_are_none(self):
        far = {"Date": "Sun, 06 Nov 2122 08:49:37 GMT"}
        fresh = ["max-age=18446744073709551616", "max-age=99999999999999999999999", "max-age=60"]
        stale = ["max-age=-1", "max-age=", "max-age=x", "max-age=0", "max-age=60, max-age=0",
                 "max-age=1.5", "s-maxage=-1, max-age=60", "max-age=+60", "max-age=0x60"]
        for n, value in enumerate(fresh + stale):
            with self.subTest(value):
                target = f"/lazy/{n}"
                self.backend.on(target, page("x", cache_control=value))
                self.site.get(target)
                wait_until(lambda: self.site.metric("stored") >= n + 1 or value in stale, "stored")
                again = self.site.get(target)
                if value in fresh:
                    self.assert_hit(again)
                    self.assertGreaterEqual(int(again.header("Age")), 0)
                else:
                    self.assert_fetched(again)
        self.backend.on("/lazy/far", page("x", cache_control="max-age=60", age="4294967296", **far))
        self.assert_never_a_hit("/lazy/far")
        for expires in ("0", "-1", "Thu, 99 Foo 2999 99:99:99 GMT", "", "S000 00"):
            self.backend.on("/lazy/expires", page("x", expires=expires))
            self.assert_never_a_hit("/lazy/expires", 2)

    def test_header_blocks_of_any_size_come_back_as_they_were_or_not_at_all(self):
        n = 0
        for size in (4095, 4096, 4097, 8191, 8192, 8193, 16383, 16384, 16385, 32767, 65534, 65535,
                     65536, 65537):
            with self.subTest(size):
                fields = [(f"X-{i}", f"{i % 10}" * 1000) for i in range(size // 1008)]
                fields.append(("X-Last", "z" * (size - sum(len(a) + len(b) + 4 for a, b in fields)
                                                - len("X-Last: \r\n"))))
                target = f"/page/head{size}"
                self.backend.on(target, Answer(b"body", headers=tuple(fields)))
                first = self.site.doryd.ask("GET", target)
                if first.status == 502:
                    continue
                n += 1
                self.site.wait_for_metric("stored+uncacheable", n)
                second = self.site.doryd.ask("GET", target)
                sent = lambda r: [h for h in r.headers if h[0].startswith("X-") and h[0] !=
                                  "X-Content-Type-Options"]
                self.assertEqual(sent(first), fields)
                self.assertEqual((sent(second), second.text), (fields, "body"))

    def test_ranges_do_not_overflow_nor_multiply(self):
        body = b"0123456789" * 100
        self.backend.on("/page/a", page(body, etag='"v1"'))
        self.get_stored("/page/a")
        for sent in ("bytes=" + ",".join(["0-"] * 1000), "bytes=-18446744073709551615",
                     "bytes=9223372036854775807-", "bytes=18446744073709551616-", "bytes=5-2",
                     "bytes=-0", "bytes=-", "bytes=0-18446744073709551615", "bytes=a-b", "lines=1-2",
                     "bytes=0-0,-1", "bytes = 0-1", "bytes=--1"):
            with self.subTest(sent[:40]):
                r = self.site.doryd.ask("GET", "/page/a", headers=[("Range", sent)])
                self.assertIn(r.status, (200, 206, 416))
                self.assertLessEqual(len(r.body), len(body))
                if r.status == 200:
                    self.assertEqual(r.body, body)
        r = self.site.doryd.ask("GET", "/page/a", headers=[("Range", "bytes=0-1"),
                                                           ("If-Range", '"v2"')])
        self.assertEqual((r.status, r.body), (200, body))
        self.assertEqual(self.backend.count(), 1)

    def test_packed_bodies_are_not_unpacked(self):
        packed = gzip.compress(b"\0" * (10 * MIB))
        self.backend.on("/page/a", page(packed, content_encoding="gzip"))
        for _ in range(2):
            r = self.site.get("/page/a", accept_encoding="gzip")
            self.assertEqual((r.body == packed, r.header("Content-Encoding")), (True, "gzip"))

    def test_an_endless_page_takes_no_memory(self):
        self.site.configure(dory="workers = 2\nmax_object = 1M")
        self.site.doryd.stop()
        self.site.restart()
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        self.backend.on("/page/endless", raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[piece] * 2000, b"0\r\n\r\n"))
        before = self.peak_kib()
        with self.site.doryd.connect() as c:
            c.begin("GET", "/page/endless")
            total, got = 0, c.read_record()
            while got is not None and got[0] != fcgi.END:
                total += len(got[1])
                got = c.read_record()
        self.assertGreater(total, 2000 * 65536)
        if "DORY_SANITIZED" not in os.environ:  # A sanitizer keeps what was freed.
            self.assertLess(self.peak_kib() - before, 40 * 1024)
        self.assert_fetched(self.site.get("/page/endless"))

    def peak_kib(self):
        with open(f"/proc/{self.site.doryd.pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])

    def test_a_redirect_is_the_clients_to_follow(self):
        for status, to in ((302, "file:///etc/passwd"), (301, "http://evil.test/"), (307, "//x")):
            target = f"/page/{status}"
            self.backend.on(target, page("moved", status=status, location=to))
            r = self.site.get(target)
            self.assertEqual((r.status, r.header("Location"), r.text), (status, to, "moved"))
        self.assertEqual(self.backend.count(), 3)

    def test_fields_for_caches_end_here_and_clients_cannot_send_them(self):
        self.backend.on("/page/a", page("x", surrogate_key="one two", cache_tag="three",
                                        surrogate_control="max-age=9", xkey="four"))
        first = self.get_stored("/page/a")
        for r in (first, self.site.get("/page/a")):
            for name in ("Surrogate-Key", "Cache-Tag", "Surrogate-Control", "xkey"):
                self.assertIsNone(r.header(name), name)
        self.backend.on("/page/b", page("x"))
        self.site.http("GET", "/page/b", headers=[("Surrogate-Key", "one"), ("Cache-Tag", "one")])
        self.site.wait_for_metric("stored", 2)
        self.site.deflate("tag:one")
        self.assert_fetched(self.site.get("/page/a"))
        self.assert_hit(self.site.get("/page/b"))

    def test_a_page_whose_tags_do_not_all_fit_is_not_stored(self):
        for n, tags in enumerate((" ".join(f"t{i}" for i in range(1000)), "x" * 2000)):
            self.backend.on(f"/page/{n}", page("x", surrogate_key=tags))
            self.assert_never_a_hit(f"/page/{n}")

    def test_a_page_that_is_validated_keeps_its_tags(self):
        def answer(request):
            fields = (("ETag", '"v1"'), ("Cache-Control", "max-age=60"))
            if request.header("If-None-Match"):
                return Answer(status=304, headers=fields)
            return page("x", surrogate_key="sale", etag='"v1"', cache_control="max-age=60", age="99")
        self.backend.on("/tagged/a", answer)
        self.get_stored("/tagged/a")
        self.site.get("/tagged/a")
        self.assertEqual(self.backend.requests()[1].header("If-None-Match"), '"v1"')
        wait_until(lambda: self.site.entries()[0]["state"] == "fresh", "the entry is fresh again")
        self.assert_hit(self.site.get("/tagged/a"))
        self.site.deflate("tag:sale")
        self.assert_fetched(self.site.get("/tagged/a"))

    def test_a_backend_that_trickles_is_cut_off_and_not_stored(self):
        self.site.configure(origin="timeout = 1s")
        self.site.doryd.stop()
        self.site.restart()
        parts = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 60]
        self.backend.on("/page/a", raw(*trickle(parts)))
        for _ in range(2):
            r = self.site.get("/page/a")
            self.assertTrue(r.status == 504 or not r.complete, r)
        self.assertEqual(self.site.entries(), [])


class Surroundings(ThreatCase):
    def test_proxy_variables_and_netrc_change_no_fetch(self):
        for name, text in ((".netrc", "machine 127.0.0.1 login evil password evil\n"),
                           (".curlrc", "user = evil:evil\n")):
            with open(os.path.join(self.site.dir, name), "w") as f:
                f.write(text)
        nowhere = "http://127.0.0.1:1"
        keys = os.path.join(self.site.dir, "keys")
        self.site.doryd.stop()
        self.site.restart(env={
            "http_proxy": nowhere, "HTTP_PROXY": nowhere, "ALL_PROXY": nowhere, "all_proxy": nowhere,
            "HOME": self.site.dir, "CURL_HOME": self.site.dir, "SSLKEYLOGFILE": keys})
        for target in ("/page/a", "/other"):
            self.assertEqual(self.site.get(target).text, "default")
            self.assertIsNone(self.backend.requests(target)[0].header("Authorization"))

    def test_cookies_of_the_backend_are_not_sent_back_to_it(self):
        self.backend.on("/other", page("x", set_cookie="sid=1; Path=/"))
        for _ in range(2):
            self.site.get("/other")
        self.assertEqual([r.header("Cookie") for r in self.backend.requests()], [None, None])


class Administration(ThreatCase):
    def setUp(self):
        super().setUp()
        self.get_stored("/page/well")

    def assert_nothing_deflated(self):
        self.assert_hit(self.site.get("/page/well"))

    def test_browsers_are_refused_even_with_the_token(self):
        for headers in ([("Origin", "https://evil.test")], [("Origin", "null")],
                        [("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")]):
            r = self.site.admin("POST", "deflate", b"*", AUTH + headers)
            self.assertIn(r.status, (403, 404), headers)
            self.assertIsNone(r.header("Access-Control-Allow-Origin"))
        for host in ("evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "localhost@evil"):
            r = self.site.admin("POST", "deflate", b"*", AUTH, host=host)
            self.assertIn(r.status, (400, 403, 404), host)
        for method in ("GET", "OPTIONS", "HEAD", "PUT"):
            self.assertIn(self.site.admin(method, "deflate?scope=*").status, (403, 404, 405), method)
        self.assert_nothing_deflated()

    def test_the_token_goes_nowhere_but_in(self):
        for target in ("/page/a", "/other", "/_DORY/deflate", "/_dor/deflate"):
            self.site.http("GET", target, headers=AUTH)
        self.site.http("POST", "/other", b"x", AUTH)
        self.site.admin("POST", "deflate?scope=*&token=" + TOKEN, headers=[])
        self.site.admin("POST", "deflate", b"*", [("Authorization", "Bearer " + TOKEN[:-1])])
        sent = b"".join(r.head for r in self.backend.requests())
        self.assertNotIn(TOKEN.encode(), sent)
        with open(f"/proc/{self.site.doryd.pid}/cmdline") as f:
            self.assertNotIn(TOKEN, f.read())
        self.assertNotIn(TOKEN, self.site.doryd.output())
        self.assert_nothing_deflated()

    def test_other_spellings_of_the_admin_path_do_nothing(self):
        for target in ("/_DORY/deflate", "/_dory;x/deflate", "/_dory/deflate;x", "/_dory%3Fdeflate",
                       "/_dory%00/deflate", "/_dory/./x/deflate", "/_dory/deflate/",
                       "/_dory\\deflate", "/_dory%2fdeflate%2f", "/_dory/DEFLATE"):
            with self.subTest(target):
                r = self.site.http("POST", target + "?scope=*", b"*", AUTH, host="localhost")
                self.assertNotIn("sequence", r.text)
        self.assert_nothing_deflated()

    def test_without_a_token_file_there_is_no_admin_path(self):
        with open(self.site.ini) as f:
            text = f.read()
        with open(self.site.ini, "w") as f:
            f.write(re.sub(r"token_file = .*", "", text))
        self.site.doryd.stop()
        self.site.restart()
        for headers in ([], AUTH, [("Dory-Token", "")]):
            r = self.site.admin("POST", "deflate", b"*", headers)
            self.assertEqual(r.status, 404)
        self.assert_nothing_deflated()
        self.assertEqual(self.backend.count(), 1)

    def test_many_deflates_at_once_are_all_done_and_hold_up_no_hit(self):
        crowd = [self.site.later(self.site.deflate, f"page(x{i})") for i in range(200)]
        for _ in range(50):
            self.assert_nothing_deflated()
        self.assertEqual(sorted(r.result(20) for r in crowd), list(range(1, 201)))

    def test_a_scope_covers_no_more_than_it_says(self):
        for n, key in enumerate(("1", "10", "100", "11")):
            self.get_stored("/number/" + key, n + 2)
        self.site.deflate("number(1)")
        for key in ("10", "100", "11"):
            self.assert_hit(self.site.get("/number/" + key))
        self.assert_fetched(self.site.get("/number/1"))

    def test_an_argument_that_is_missing_widens_no_deflate(self):
        self.backend.on("/save", page("saved"))
        for query in ("", "?", "?name=", "?name", "?other=well", "?name=*", "?name=%2A",
                      "?name=well,*", "?name=x)", "?name=%2A&name=well2"):
            with self.subTest(query):
                r = self.site.http("POST", "/save" + query, b"x")
                self.assertIn(r.status, (200, 400, 404, 500), r.text)
                self.assert_nothing_deflated()
        self.assertEqual(self.site.http("POST", "/save?name=well", b"x").status, 200)
        self.assert_fetched(self.site.get("/page/well"))

    def test_a_huge_deflate_is_refused_or_done_and_nothing_between(self):
        body = "\n".join(f"page(x{i})" for i in range(50000)).encode()
        r = self.site.admin("POST", "deflate", body)
        self.assertIn(r.status, (200, 400, 413), r.text[:200])
        self.assert_nothing_deflated()


class Peers(ThreatCase):
    def test_2000_connections_are_borne(self):
        self.get_stored("/page/a")
        before = self.site.doryd.descriptors()
        whole = fcgi.request(fcgi.params(target="/page/a"))
        crowd = []
        try:
            for n in range(2000):
                crowd.append(self.site.doryd.connect())
                if n % 2:
                    crowd[-1].send(whole[:50])
            self.assert_hit(self.site.get("/page/a"))
            crowd[-2].send(whole)
            self.assert_hit(crowd[-2].read())
        finally:
            for c in crowd:
                c.close()
        wait_until(lambda: self.site.doryd.descriptors() <= before + 4, "descriptors are closed")

    def test_nothing_that_a_client_sends_writes_lines_into_the_log(self):
        log = os.path.join(self.site.dir, "access.log")
        self.site.configure(dory=f"access_log = {log}\nlog_level = debug")
        self.site.doryd.stop()
        self.site.restart()
        evil = "a\x1b[31m\xff\"' FAKE"
        for headers in ([("User-Agent", evil)], [("Referer", evil)], [("X-A", "a\nFAKE")]):
            self.site.doryd.ask("GET", "/page/a", headers=headers)
        for path in (b"/page/a\nFAKE LINE", b"/page/\x1b[2J", b"/page/\xff\xfe"):
            self.site.doryd.ask("GET", "/page/x", path=path)
        self.site.doryd.ask("GET", "/page/x", host="a\nFAKE")
        self.site.doryd.ask("GET\nFAKE", "/page/x")
        self.site.doryd.stop()
        text = self.site.doryd.output().encode("utf-8", "surrogateescape")
        with open(log, "rb") as f:
            text += f.read()
        self.assertNotRegex(text, rb"[\x00-\x08\x0b-\x1f\x7f-\xff]")
        self.assertFalse([line for line in text.split(b"\n") if line.startswith(b"FAKE")])
        self.site.restart()

    def test_error_pages_repeat_nothing(self):
        self.backend.stop()
        script = "<script>alert(1)</script>"
        for path in ("/page/" + script.replace("/", ""), "/other/" + script):
            r = self.site.doryd.ask("GET", path + "?" + quote(script), path=path,
                                    headers=[("X-A", script), ("User-Agent", script)])
            self.assert_plain_error(r, 502)
            self.assertEqual(r.header("X-Content-Type-Options"), "nosniff")
            whole = r.text + "".join(v for n, v in r.headers)
            self.assertNotIn("script", whole.lower())
        self.backend.start()
