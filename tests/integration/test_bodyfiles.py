"""test_bodyfiles.py -- Bodies that are files: right bytes, whatever happens to their entry."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

import fcgi
from backend import page
from ordeal import FaultCase
from testsite import DORYD, PAGES, WAIT_S, Apache, Lighttpd, SiteCase, sendfile_lines, wait_until
from test_bodies import digest, noise

BIG = 300000
ROUTES = PAGES + """
[bloat kept]
key = {name}
timeout = 1h
grace = 0
keep = 1h
[route kept]
match = GET /kept/{name}
bloat = kept(name)
"""


def sending_lighttpd(folder, address):
    """As root it runs as www-data, which may use what its group may."""
    store = os.path.join(folder, "store")
    more = ""
    if os.geteuid() == 0:
        more = 'server.username = "www-data"\nserver.groupname = "www-data"'
        shutil.chown(folder, group="www-data")
        os.chmod(folder, 0o770)
        shutil.chown(address, group="www-data")
        for path, _, files in os.walk(store):
            for each in (path, *(os.path.join(path, name) for name in files)):
                shutil.chown(each, group="www-data")
        for path in (store, os.path.join(store, "bodies")):
            os.chmod(path, os.stat(path).st_mode | 0o2000)
        for name in ("lighttpd.log", "lighttpd.out"):
            with open(os.path.join(folder, name), "a"):
                shutil.chown(os.path.join(folder, name), user="www-data")
    return Lighttpd(folder, address, more=more, fastcgi=sendfile_lines(folder))


class FileCase(SiteCase):
    ROUTES = ROUTES

    def assert_same(self, got, want):
        self.assertEqual(digest(got), digest(want))

    def files(self):
        """Names below `bodies`, and their sizes."""
        found = {}
        for path, _, names in os.walk(os.path.join(self.site.dir, "store", "bodies")):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # It went meanwhile.
                    found[os.path.join(path, name)] = os.stat(os.path.join(path, name)).st_size
        return found

    def store_body(self, target, body, **headers):
        """Have it fetched, and wait until it is stored."""
        self.backend.on(target, page(body, **headers))
        self.assert_same(self.site.doryd.ask("GET", target).body, body)
        wait_until(lambda: self.site.doryd.ask("GET", target).cache_status
                   .startswith("dory; hit"), "it is stored")

    def assert_nothing_leaks(self, call, doryd=None):
        doryd = doryd or self.site.doryd
        call()
        before = doryd.descriptors()
        for _ in range(5):
            call()
        wait_until(lambda: doryd.descriptors() <= before, "its descriptors are closed")


class Everywhere:
    """What holds through every web server, whoever sends the file."""

    def test_the_bytes_are_right(self):
        for n in (65535, 65536, 65537, BIG, 5 << 20):
            with self.subTest(n):
                self.store_body(f"/page/{n}", noise(n))
                for _ in range(3):
                    r = self.site.get(f"/page/{n}")
                    self.assert_hit(r)
                    self.assert_same(r.body, noise(n))
                    self.assertEqual(r.header("Content-Length"), str(n))
                    self.assertIsNone(r.header("X-Sendfile"))
        self.assertEqual(sorted(self.files().values()), [65536, 65537, BIG, 5 << 20])

    def test_head_and_304_carry_no_body(self):
        self.store_body("/page/a", noise(BIG), etag='"v1"')
        for _ in range(3):
            r = self.site.http("HEAD", "/page/a")
            self.assert_hit(r)
            self.assertEqual((r.status, r.body), (200, b""))
            self.assertEqual(r.header("Content-Length"), str(BIG))
            r = self.site.get("/page/a", if_none_match='"v1"')
            self.assert_hit(r)
            self.assertEqual((r.status, r.body), (304, b""))
            self.assert_same(self.site.get("/page/a", if_none_match='"v0"').body, noise(BIG))

    def test_a_new_version_is_served_at_once(self):
        for n in range(BIG, BIG + 5):
            self.store_body("/page/a", noise(n))
            self.assert_same(self.site.get("/page/a").body, noise(n))
            self.site.deflate("page(a)")

    def test_an_error_page_keeps_its_status(self):
        self.store_body("/page/gone", noise(BIG), status=410, cache_control="max-age=60")
        r = self.site.get("/page/gone")
        self.assert_hit(r)
        self.assertEqual(r.status, 410)
        self.assert_same(r.body, noise(BIG))

    def test_a_client_that_leaves_while_it_reads_leaves_nothing_behind(self):
        self.store_body("/page/a", noise(5 << 20))

        def leave():
            with socket.create_connection(("127.0.0.1", self.site.server.port), WAIT_S) as s:
                s.sendall(b"GET /page/a HTTP/1.1\r\nHost: shop.test\r\n\r\n")
                s.recv(1000)

        self.assert_nothing_leaks(leave)
        self.assert_same(self.site.get("/page/a").body, noise(5 << 20))


class ThroughLighttpd(Everywhere, FileCase):
    pass


@unittest.skipUnless(Apache.is_installed(), "no apache2 with mod_proxy_fcgi")
class ThroughApache(Everywhere, FileCase):
    SERVER = Apache

    # Apache tells nobody the length of what it answers HEAD with, or sends in chunks: see
    # test_apache.py. What differs is not about files.


class SentByLighttpd(Everywhere, FileCase):
    DORY = "workers = 2\nsendfile_header = X-Sendfile"
    SERVER = staticmethod(sending_lighttpd)

    def test_the_path_is_told_instead_of_the_bytes(self):
        self.store_body("/page/a", noise(BIG))
        r = self.site.doryd.ask("GET", "/page/a")
        self.assert_hit(r)
        self.assertEqual(r.body, b"")
        self.assertEqual(self.files(), {r.header("X-Sendfile"): BIG})

    def test_lighttpd_answers_ranges_of_it(self):
        self.store_body("/page/a", noise(BIG))
        r = self.site.get("/page/a", range="bytes=1000-1999")
        self.assertEqual(r.status, 206)
        self.assert_same(r.body, noise(BIG)[1000:2000])

    def test_a_backend_cannot_name_files(self):
        self.store_body("/page/a", noise(BIG))
        path, = self.files()
        for name in ("X-Sendfile", "X-LIGHTTPD-send-file", "X-Sendfile2"):
            with self.subTest(name):
                self.backend.on("/page/" + name, page("mine", **{name: path}))
                for _ in range(2):
                    self.assertEqual(self.site.get("/page/" + name).body, b"mine")

    def test_nothing_but_bodies_is_there_for_its_group(self):
        store = os.path.join(self.site.dir, "store")
        self.store_body("/page/a", noise(BIG))
        path, = self.files()
        self.assertEqual(os.stat(store).st_mode & 0o777, 0o710)
        self.assertEqual(os.stat(os.path.join(store, "data.mdb")).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)


class OverFastcgi(FileCase):
    LIGHTTPD = False

    def test_connections_are_kept(self):
        self.store_body("/page/a", noise(BIG))
        self.store_body("/page/b", noise(1000))
        with self.site.doryd.connect() as c:
            for _ in range(3):
                for name, n in (("a", BIG), ("b", 1000), ("a", BIG)):
                    r = c.ask("GET", "/page/" + name, keep=True)
                    self.assert_hit(r)
                    self.assert_same(r.body, noise(n))

    def test_a_slow_reader_gets_its_whole_old_body(self):
        old, new = noise(8 << 20), noise(BIG)
        for what in ("deflated", "replaced", "swept"):
            with self.subTest(what):
                self.site.deflate("*")
                self.store_body("/page/a", old)
                with self.site.doryd.connect() as c:
                    c.send(fcgi.request(fcgi.params("GET", "/page/a")))
                    self.assertTrue(c.socket.recv(1, socket.MSG_PEEK))
                    self.site.deflate("page(a)")
                    if what != "deflated":
                        self.store_body("/page/a", new)
                    if what == "swept":
                        for path in self.files():
                            with contextlib.suppress(FileNotFoundError):
                                os.unlink(path)
                    r = c.read()
                    self.assertTrue(r.complete)
                    self.assert_same(r.body, old)

    def test_a_304_keeps_the_file(self):
        self.store_body("/kept/a", noise(BIG), etag='"v1"')
        before = self.files()
        self.site.dory("deflate", "--soft", "kept(a)")
        self.backend.on("/kept/a", page("", status=304, etag='"v1"'))
        r = self.site.doryd.ask("GET", "/kept/a")
        self.assertIn("fwd-status=304", r.cache_status)
        self.assert_same(r.body, noise(BIG))
        self.assertEqual(self.files(), before)

    def test_nothing_leaks(self):
        self.store_body("/page/a", noise(BIG), etag='"v1"')
        self.assert_nothing_leaks(lambda: [self.site.doryd.ask("GET", "/page/a"),
                                           self.site.doryd.ask("HEAD", "/page/a")])

        def leave():
            with self.site.doryd.connect() as c:
                c.send(fcgi.request(fcgi.params("GET", "/page/a")))
                c.socket.recv(10)

        self.assert_nothing_leaks(leave)


class Spoilt(FaultCase, FileCase):
    """Files that are not what they were, or whose process was killed."""
    ROUTES = ROUTES

    def test_a_file_that_is_cut_short_while_it_is_sent_cuts_the_answer(self):
        self.store_body("/page/a", noise(8 << 20))
        path, = self.files()
        with self.ordeal() as ordeal:
            with self.site.doryd.connect() as c:
                c.send(fcgi.request(fcgi.params("GET", "/page/a")))
                self.assertTrue(c.socket.recv(1, socket.MSG_PEEK))
                os.truncate(path, 4 << 20)
                r = c.read()
            self.assertFalse(r.complete)
            self.assertLess(len(r.body), 8 << 20)
            ordeal.mend()

    def test_a_missing_or_short_file_is_a_miss_and_its_entry_goes(self):
        for spoil in (os.unlink, lambda path: os.truncate(path, 5)):
            with self.ordeal() as ordeal:
                self.site.deflate("*")
                before = set(self.files())
                self.store_body("/page/a", noise(BIG))
                bad = self.site.metric("bad_records")
                new, = set(self.files()) - before
                spoil(new)
                self.backend.on("/page/a", page(noise(BIG + 1)))
                ordeal.mend()
                r = self.site.doryd.ask("GET", "/page/a")
                self.assert_fetched(r)
                self.assertIn("bad-record", r.cache_status)
                self.assert_same(r.body, noise(BIG + 1))
                self.assertGreater(self.site.metric("bad_records"), bad)
                wait_until(lambda: self.site.doryd.ask("GET", "/page/a").cache_status
                           .startswith("dory; hit"), "it is stored again")
                self.assert_same(self.site.doryd.ask("GET", "/page/a").body, noise(BIG + 1))

    def leave_orphans(self):
        """Put there by one who died long ago."""
        folder = os.path.join(self.store, "bodies", "ab")
        os.makedirs(folder, exist_ok=True)
        for name in ("ab00000000000001", "ab00000000000002.tmp"):
            with open(os.path.join(folder, name), "w"):
                pass

    def test_a_killed_daemon_leaves_no_orphans(self):
        with self.ordeal() as ordeal:
            for round_ in range(3):
                for i in range(20):
                    self.backend.on(f"/page/{round_}-{i}", page(noise(BIG + i)))
                asked = [self.site.later(self.site.doryd.ask, "GET", f"/page/{round_}-{i}")
                         for i in range(20)]
                asked[0].result(WAIT_S)
                self.site.doryd.kill()
                for each in asked:
                    each.exception(WAIT_S)
                self.site.restart()
            self.leave_orphans()
            self.site.doryd.kill()
            ordeal.mend(self.site.restart)
            for name in re.findall(r"page\((\d-\d+)\)", str(self.site.entries())):
                r = self.site.doryd.ask("GET", "/page/" + name)
                self.assert_hit(r)
                self.assert_same(r.body, noise(BIG + int(name[2:])))


class AsCgi(FileCase):
    LIGHTTPD = False
    DORY = "workers = 2\nsendfile_header = X-Sendfile"

    def test_a_cgi_process_sends_the_bytes(self):
        self.store_body("/page/a", noise(BIG))
        self.site.doryd.send(signal.SIGSTOP)
        try:
            done = subprocess.run(
                [DORYD, "-c", self.site.ini], stdin=subprocess.DEVNULL, capture_output=True,
                timeout=WAIT_S, check=True,
                env={"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET", "PATH_INFO": "/page/a",
                     "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "shop.test"})
        finally:
            self.site.doryd.send(signal.SIGCONT)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        self.assertIn(b"dory; hit", head)
        self.assertNotIn(b"X-Sendfile", head)
        self.assert_same(body, noise(BIG))
