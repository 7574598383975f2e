"""test_bodies.py -- Bodies of every size, both ways, slow on either side."""
import hashlib
import random
import threading

import fcgi
from backend import page, raw
from testsite import PAGES, SiteCase, wait_until

MIB = 1 << 20


def noise(n):
    return random.Random(n).randbytes(n)


def digest(data):
    return len(data), hashlib.sha1(data).hexdigest()


class BodyCase(SiteCase):
    ROUTES = PAGES

    def assert_same(self, got, want):
        self.assertEqual(digest(got), digest(want))

    def assert_hits_go_on(self):
        for _ in range(20):
            self.assert_hit(self.site.doryd.ask("GET", "/page/well"))

    def setUp(self):
        super().setUp()
        self.site.get("/page/well")
        self.site.wait_for_metric("stored", 1)


class Uploads(BodyCase):
    def test_the_backend_gets_the_body(self):
        for n in (0, 1, 8192, 65536, MIB, 20 * MIB):
            with self.subTest(n):
                self.backend.forget()
                body = noise(n)
                self.assertEqual(self.site.http("POST", "/upload", body).status, 200)
                self.assert_same(self.backend.requests("/upload")[0].body, body)

    def test_the_backend_gets_the_body_over_fastcgi_in_pieces(self):
        body = noise(300000)
        with self.site.doryd.connect() as c:
            c.send(fcgi.request(fcgi.params("POST", "/upload", body=body), end=False))
            for at in range(0, len(body), 7001):
                c.send(fcgi.record(fcgi.STDIN, body[at:at + 7001], padding=at % 8))
            c.send(fcgi.record(fcgi.STDIN))
            self.assertEqual(c.read().status, 200)
        self.assert_same(self.backend.requests("/upload")[0].body, body)

    def test_a_body_without_a_length_arrives_whole(self):
        for n in (0, 1, 300000):
            with self.subTest(n):
                self.backend.forget()
                body = noise(n)
                with self.site.doryd.connect() as c:
                    headers = [("Transfer-Encoding", "chunked")]
                    c.send(fcgi.request(fcgi.params("POST", "/upload", length=False,
                                                    headers=headers), body))
                    self.assertEqual(c.read().status, 200)
                self.assert_same(self.backend.requests("/upload")[0].body, body)

    def test_a_slow_upload_holds_up_nobody(self):
        body = noise(100000)
        slow = [self.site.doryd.connect() for _ in range(8)]
        for i, c in enumerate(slow):
            c.send(fcgi.request(fcgi.params("POST", f"/upload{i}", body=body), end=False))
            c.send(fcgi.record(fcgi.STDIN, body[:1000]))
        self.assert_hits_go_on()
        for c in slow:
            c.send(fcgi.stream(fcgi.STDIN, body[1000:]))
        for i, c in enumerate(slow):
            self.assertEqual(c.read().status, 200)
            c.close()
            self.assert_same(self.backend.requests(f"/upload{i}")[0].body, body)

    def test_a_client_that_leaves_while_it_sends_leaves_nothing_behind(self):
        before = self.site.doryd.descriptors()
        for _ in range(20):
            with self.site.doryd.connect() as c:
                c.send(fcgi.request(fcgi.params("POST", "/upload", body=b"x" * 100000), end=False))
                c.send(fcgi.record(fcgi.STDIN, b"x" * 5000))
        wait_until(lambda: self.site.doryd.descriptors() <= before + 4, "descriptors are closed")
        self.assertEqual(self.backend.count("/upload"), 0, "a cut upload counts as whole")
        self.assert_hits_go_on()

    def test_a_body_shorter_than_its_length_is_refused(self):
        with self.site.doryd.connect() as c:
            c.send(fcgi.request(fcgi.params("POST", "/upload", body=b"x" * 100), b"x" * 10))
            r = c.read()
        self.assertTrue(r is None or r.status == 400, r)
        self.assertEqual(self.backend.count("/upload"), 0)

    def test_a_get_with_a_body_is_not_cached(self):
        for _ in range(2):
            with self.site.doryd.connect() as c:
                r = c.ask("GET", "/page/fat", b"q=evil")
                self.assertIn(r.status, (200, 400))
                self.assertNotRegex(r.cache_status, "^dory; hit")
        self.assert_fetched(self.site.get("/page/fat"))


class Downloads(BodyCase):
    def test_the_client_gets_the_body(self):
        for i, n in enumerate((0, 1, 4079, 4080, 4081, 65535, 65536, 262144, MIB, 20 * MIB)):
            with self.subTest(n):
                body = noise(n)
                self.backend.on("/page/big", page(body))
                self.backend.on("/other", page(body))
                self.site.deflate("page(big)")
                self.assert_same(self.site.get("/other").body, body)
                self.assert_same(self.site.get("/page/big").body, body)
                self.site.wait_for_metric("stored", i + 2)
                hit = self.site.get("/page/big")
                self.assert_hit(hit)
                self.assert_same(hit.body, body)
                self.assertEqual(hit.header("Content-Length"), str(n))

    def test_a_chunked_body_is_stored_with_its_length(self):
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (b"hello", b" ", b"world"))
        self.backend.on("/page/chunked", raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks, b"0\r\n\r\n",
            end="keep"))
        self.assertEqual(self.site.get("/page/chunked").text, "hello world")
        self.site.wait_for_metric("stored", 2)
        hit = self.site.get("/page/chunked")
        self.assert_hit(hit)
        self.assertEqual((hit.text, hit.header("Content-Length")), ("hello world", "11"))

    def test_a_body_without_a_bloat_is_streamed(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.backend.on("/other", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n",
                                      b"a" * 100000, lambda: gate.wait(20), b"b" * 100000))
        with self.site.doryd.connect() as c:
            c.begin("GET", "/other")
            got = b""
            while got.count(b"a") < 100000:
                got += c.read_record()[1]
            before = got.count(b"b")
            gate.set()
            kind = None
            while kind != fcgi.END:
                kind, content = c.read_record()
                got += content if kind == fcgi.STDOUT else b""
            self.assertEqual(got.count(b"b") - before, 100000)

    def test_a_slow_reader_gets_all_and_holds_up_nobody(self):
        body = noise(5 * MIB)
        self.backend.on("/page/big", page(body))
        self.backend.on("/other", page(body))
        self.assert_same(self.site.get("/page/big").body, body)
        self.site.wait_for_metric("stored", 2)
        slow = [self.site.doryd.connect().begin("GET", path) for path in ("/page/big", "/other")]
        self.assert_hits_go_on()
        for c in slow:
            self.assert_same(c.read().body, body)
            c.close()

    def test_a_slow_reader_does_not_slow_those_who_share_its_fetch(self):
        body = noise(2 * MIB)
        self.backend.on("/page/big", page(body))
        self.backend.hold("/page/big")
        slow = self.site.doryd.connect().begin("GET", "/page/big")
        self.backend.wait_for("/page/big")
        other = self.site.later(self.site.doryd.ask, "GET", "/page/big")
        self.site.wait_for_metric("misses+collapsed", 3)
        self.backend.release("/page/big")
        self.assert_same(other.result(20).body, body)
        self.assert_same(slow.read().body, body)
        slow.close()

    def test_a_client_that_leaves_while_it_reads_leaves_nothing_behind(self):
        body = noise(MIB)
        self.backend.on("/page/big", page(body))
        self.site.get("/page/big")
        self.site.wait_for_metric("stored", 2)
        before = self.site.doryd.descriptors()
        for _ in range(20):
            with self.site.doryd.connect() as c:
                c.begin("GET", "/page/big")
        wait_until(lambda: self.site.doryd.descriptors() <= before + 2, "descriptors are closed")
        self.assert_same(self.site.get("/page/big").body, body)

    def test_more_than_max_object_is_streamed_and_not_stored(self):
        self.site.configure(dory="workers = 2\nmax_object = 64K")
        self.site.doryd.stop()
        self.site.restart()
        body = noise(100000)
        self.backend.on("/page/large", page(body))
        for n in (1, 2):
            self.assert_same(self.site.get("/page/large").body, body)
            self.assertEqual(self.backend.count("/page/large"), n)
