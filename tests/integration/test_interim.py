"""test_interim.py -- Interim responses: passed on behind lighttpd, and behind nothing else."""
import socket
import threading

from backend import raw
from testsite import PAGES, Apache, SiteCase

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
WORKING = b"HTTP/1.1 102 Processing\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


class InterimCase(SiteCase):
    ROUTES = PAGES

    def connect(self, target, version="HTTP/1.1"):
        """A request whose answer is read as it comes."""
        s = socket.create_connection(("127.0.0.1", self.site.server.port), timeout=10)
        self.addCleanup(s.close)
        s.sendall(f"GET {target} {version}\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode())
        return s

    def read_all(self, s):
        data = b""
        while part := s.recv(65536):
            data += part
        return data

    def statuses(self, target, version="HTTP/1.1"):
        """Of all header blocks of the answer, and the last one with its body."""
        rest, found = self.read_all(self.connect(target, version)), []
        while rest.startswith(b"HTTP/1."):
            head, _, rest = rest.partition(b"\r\n\r\n")
            found.append(int(head.split()[1]))
        return found, head, rest


class BehindLighttpd(InterimCase):
    def test_early_hints_come_before_the_answer_does(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.site.backend.on("/page/a", raw(HINT, lambda: gate.wait(20), FINAL))
        s = self.connect("/page/a")
        early = b""
        while b"\r\n\r\n" not in early:
            early += s.recv(65536)
        self.assertRegex(early, rb"(?s)^HTTP/1\.1 103 .*Link: </a\.css>; rel=preload\r\n")
        gate.set()
        self.assertRegex(self.read_all(s), rb"(?s)HTTP/1\.1 200 .*\r\n\r\nbody$")

    def test_102_and_several_are_passed_on_100_and_unknown_ones_are_not(self):
        self.site.backend.on("/page/a", raw(
            b"HTTP/1.1 100 Continue\r\n\r\n", WORKING, HINT, b"HTTP/1.1 104 What\r\n\r\n", HINT,
            FINAL))
        found, _, body = self.statuses("/page/a")
        self.assertEqual((found, body), ([102, 103, 103, 200], b"body"))

    def test_a_hint_has_no_say_in_the_answer_and_is_not_stored(self):
        self.site.backend.on("/page/a", raw(
            b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=1\r\nCache-Control: no-store\r\n"
            b"X-Hint: 1\r\nSurrogate-Control: no-store\r\n\r\n", FINAL))
        whole = self.read_all(self.connect("/page/a"))
        hint = whole[:whole.index(b"HTTP/1.1 200")]
        self.assertIn(b"X-Hint: 1", hint)
        for name in (b"Set-Cookie", b"Surrogate-Control"):
            self.assertNotIn(name, whole)
        self.site.wait_for_metric("stored", 1)
        found, head, body = self.statuses("/page/a")
        self.assertEqual((found, body), ([200], b"body"))
        self.assertIn(b"dory; hit", head)
        self.assertNotIn(b"X-Hint", head)

    def test_a_flood_is_cut_off(self):
        self.site.backend.on("/page/a", raw(HINT * 20, FINAL))
        found, _, body = self.statuses("/page/a")
        self.assertEqual((found, body), ([103] * 8 + [200], b"body"))

    def test_a_client_of_http_1_0_gets_none(self):
        self.site.backend.on("/page/a", raw(HINT, FINAL))
        self.assertEqual(self.statuses("/page/a", "HTTP/1.0")[0], [200])

    def test_who_joined_gets_the_answer_alone(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.site.backend.on("/page/a", raw(lambda: gate.wait(20), HINT, FINAL))
        first = self.connect("/page/a")
        self.site.backend.wait_for("/page/a")
        second = self.site.later(self.site.get, "/page/a")
        self.site.wait_for_metric("misses+collapsed", 2)
        gate.set()
        self.assertEqual(second.result(10).text, "body")
        self.assertIn(b" 103 ", self.read_all(first))

    def test_drop_drops_them(self):
        self.site.configure(dory="interim = drop")
        self.site.doryd.stop()
        self.site.restart()
        self.site.backend.on("/page/a", raw(HINT, FINAL))
        self.assertEqual(self.statuses("/page/a")[0], [200])


class BehindApache(InterimCase):
    SERVER = Apache

    def test_none_is_passed_on(self):
        self.site.backend.on("/page/a", raw(WORKING, HINT, FINAL))
        found, _, body = self.statuses("/page/a")
        self.assertEqual((found, body), ([200], b"body"))
