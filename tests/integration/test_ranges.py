"""test_ranges.py -- Parts of a stored response (RFC 9110 section 14), through both servers."""
import unittest

from backend import Answer, page
from testsite import PAGES, Apache, SiteCase

SIZES = {"record": 1000, "chunks": 50000, "file": 300000}
ETAG = '"v1"'
MOST = 65536  # Of several ranges together; for more there is the whole.


def parts_of(r):
    """Of multipart/byteranges: (Content-Range, Content-Type, body) of each."""
    kind, _, boundary = r.header("Content-Type").partition("; boundary=")
    assert kind == "multipart/byteranges" and boundary
    first, *parts, end = (b"\r\n" + r.body).split(b"\r\n--" + boundary.strip('"').encode())
    assert (first, end) == (b"", b"--\r\n"), (first[:99], end[:99])
    found = []
    for part in parts:
        head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        found.append((fields["Content-Range"], fields["Content-Type"], body))
    return found


class Ranges(SiteCase):
    """lighttpd: what it cuts itself and what Dory cuts look the same."""
    ROUTES = PAGES

    def setUp(self):
        super().setUp()
        self.bodies = {name: bytes(i * 7 % 251 for i in range(size))
                       for name, size in SIZES.items()}
        for n, (name, body) in enumerate(self.bodies.items(), 1):
            self.backend.on("/page/" + name, page(body, etag=ETAG, x_mark="kept"))
            self.site.get("/page/" + name)
            self.site.wait_for_metric("stored", n)

    def ask(self, name, value, **more):
        return self.site.get("/page/" + name, range=value, **more)

    def test_one_range_is_a_part(self):
        for name, body in self.bodies.items():
            size = len(body)
            for value, first, last in (("bytes=0-0", 0, 0), ("bytes=5-", 5, size - 1),
                                       ("bytes=-7", size - 7, size - 1),
                                       (f"bytes=1-{2 ** 64 + 5}", 1, size - 1),
                                       (f"bytes=333-{size - 334}", 333, size - 334)):
                with self.subTest(name=name, value=value):
                    r = self.ask(name, value)
                    self.assertEqual((r.status, r.header("Content-Range")),
                                     (206, f"bytes {first}-{last}/{size}"))
                    self.assertEqual(r.body, body[first:last + 1])
                    self.assertEqual((r.header("Content-Length"), r.header("X-Mark"),
                                      r.header("ETag")), (str(len(r.body)), "kept", ETAG))
        self.assertEqual(self.backend.count(), len(self.bodies))

    def test_a_range_beyond_the_end_cannot_be_satisfied(self):
        for name, body in self.bodies.items():
            for value in (f"bytes={len(body)}-", "bytes=9223372036854775807-"):
                r = self.ask(name, value)
                self.assertEqual((r.status, r.header("Content-Range")),
                                 (416, f"bytes */{len(body)}"))

    def test_if_range_that_does_not_fit_gets_the_whole(self):
        for value in ('"v2"', 'W/"v1"', "Thu, 01 Jan 2015 00:00:00 GMT"):
            r = self.ask("record", "bytes=0-1", if_range=value)
            self.assertEqual((r.status, r.body), (200, self.bodies["record"]))
        self.assertEqual(self.ask("record", "bytes=0-1", if_range=ETAG).status, 206)

    def test_validators_come_before_the_range(self):
        r = self.ask("record", "bytes=0-1", if_none_match=ETAG)
        self.assertEqual((r.status, r.body), (304, b""))

    def test_several_ranges_are_parts_of_one_answer(self):
        for name, body in self.bodies.items():
            size = len(body)
            for value, spans in (("bytes=0-0,-1", [(0, 0), (size - 1, size - 1)]),
                                 ("bytes=700-,4-9,1-5", [(700, size - 1), (1, 9)]),
                                 (f"bytes=2-3,{size}-,5-5,", [(2, 3), (5, 5)])):
                with self.subTest(name=name, value=value):
                    r = self.ask(name, value)
                    if r.status == 200:
                        self.assertGreater(sum(b - a + 1 for a, b in spans), MOST)
                        self.assertTrue(r.body == body)
                        continue
                    self.assertEqual((r.status, r.header("Content-Range")), (206, None))
                    self.assertEqual(r.header("Content-Length"), str(len(r.body)))
                    self.assertEqual((r.header("X-Mark"), r.header("ETag")), ("kept", ETAG))
                    self.assertTrue(sorted(parts_of(r)) == sorted(
                        (f"bytes {a}-{b}/{size}", "text/html", body[a:b + 1])
                        for a, b in spans))
        self.assertEqual(self.backend.count(), len(self.bodies))

    def test_several_that_are_one_or_none_are_no_multipart(self):
        r = self.ask("record", "bytes=0-4,5-9,2-")
        self.assertEqual((r.status, r.body), (206, self.bodies["record"]))
        self.assertEqual(self.ask("record", "bytes=1000-,-0").status, 416)

    def test_if_range_and_validators_hold_for_several(self):
        r = self.ask("record", "bytes=0-1,4-5", if_range='"v2"')
        self.assertEqual((r.status, r.body), (200, self.bodies["record"]))
        self.assertEqual(self.ask("record", "bytes=0-1,4-5", if_range=ETAG).status, 206)
        self.assertEqual(self.ask("record", "bytes=0-1,4-5", if_none_match=ETAG).status, 304)

    def test_a_status_field_of_the_backend_has_no_say(self):
        self.backend.on("/page/odd", Answer(b"0123", headers=(("Status", "404 Not Found"),)))
        self.assertEqual(self.site.get("/page/odd").status, 200)
        self.site.wait_for_metric("stored", len(SIZES) + 1)
        r = self.ask("odd", "bytes=1-1")
        self.assertEqual((r.status, r.body), (206, b"1"))

    def test_many_ranges_cost_no_more_than_the_whole(self):
        r = self.ask("record", "bytes=" + ",".join(["0-"] * 1000))
        self.assertLessEqual(len(r.body), len(self.bodies["record"]))


@unittest.skipUnless(Apache.is_installed(), "apache2-bin is not installed")
class RangesThroughApache(Ranges):
    SERVER = Apache


class RangesOverFastCGI(Ranges):
    """No server in between that could cut a range itself."""

    def ask(self, name, value, **more):
        fields = [(n.replace("_", "-").title(), v) for n, v in more.items()]
        return self.site.doryd.ask("GET", "/page/" + name, host="shop.test",
                                   headers=[("Range", value), *fields])

    def test_a_head_request_has_no_range(self):
        r = self.site.doryd.ask("HEAD", "/page/record", host="shop.test",
                                headers=[("Range", "bytes=0-1")])
        self.assertEqual((r.status, r.header("Content-Length")), (200, "1000"))

    def test_what_is_just_being_stored_is_cut_too(self):
        for n in range(30):  # At once: the response is whole, and not yet in the store.
            name = f"new{n}"
            self.backend.on("/page/" + name, page(b"0123456789"))
            self.site.doryd.ask("GET", "/page/" + name, host="shop.test")
            r = self.ask(name, "bytes=2-4")
            self.assertEqual((r.status, r.header("Content-Range"), r.body),
                             (206, "bytes 2-4/10", b"234"))
            self.assertEqual(self.ask(name, "bytes=10-").status, 416)
            self.assertEqual(self.backend.count("/page/" + name), 1)
