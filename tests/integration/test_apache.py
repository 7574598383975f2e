"""test_apache.py -- Behind Apache, as config/apache.conf has it: what lighttpd does otherwise."""
import base64
import hashlib
import http.client
import os
import socket
import unittest

import fcgi
from backend import page, raw
from testsite import PAGES, TOKEN, WAIT_S, Apache, SiteCase

ROUTES = PAGES + """
[route save]
match = POST /page/{name}
deflate = page(name)
"""


@unittest.skipUnless(Apache.is_installed(), "apache2-bin is not installed")
class ApacheCase(SiteCase):
    ROUTES = ROUTES
    SERVER = Apache

    def raw(self, request):
        """Bytes of our own to Apache: the response as a fcgi.Response."""
        with socket.create_connection(("127.0.0.1", self.site.server.port), WAIT_S) as s:
            s.sendall(request)
            response = http.client.HTTPResponse(s)
            response.begin()
            return fcgi.Response(response.status, response.getheaders(), response.read())


class Requests(ApacheCase):
    def test_the_second_request_is_a_hit(self):
        self.backend.on("/page/a", page("hello", etag='"v1"'))
        self.assert_fetched(self.get_stored("/page/a"))
        hit = self.site.get("/page/a")
        self.assert_hit(hit)
        self.assertEqual((hit.text, hit.header("Content-Length"), hit.header("ETag")),
                         ("hello", "5", '"v1"'))
        self.assertEqual(self.site.get("/page/a", if_none_match='"v1"').status, 304)
        head = self.site.http("HEAD", "/page/a")
        self.assertEqual((head.status, head.body, head.header("Content-Length")), (200, b"", "5"))
        self.assertEqual(self.backend.count(), 1)

    def test_the_root_and_paths_of_folders_are_dorys_to_answer(self):
        os.mkdir(os.path.join(self.site.dir, "htdocs", "folder"))
        for target in ("/", "/folder", "/folder/", "/folder/x", "/a/b/c/", "/index.html?x=1"):
            self.assertEqual(self.site.get(target).text, "default")
        self.assertEqual([r.target for r in self.backend.requests()],
                         ["/", "/folder", "/folder/", "/folder/x", "/a/b/c/", "/index.html?x=1"])

    def test_a_post_arrives_whole_and_deflates(self):
        self.get_stored("/page/a")
        self.assertEqual(self.site.http("POST", "/page/a", b"x" * 300000).status, 200)
        self.assertEqual(self.backend.requests()[1].body, b"x" * 300000)
        self.assert_fetched(self.site.get("/page/a"))

    def test_a_chunked_upload_arrives_whole(self):
        r = self.raw(b"POST /other HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        self.assertEqual(r.status, 200)
        self.assertEqual(self.backend.requests("/other")[0].body, b"hello world")

    def test_a_get_with_a_body_is_not_cached(self):
        r = self.site.http("GET", "/page/fat", b"q=evil")
        self.assertIn(r.status, (200, 400))
        self.assert_fetched(self.site.get("/page/fat"))

    def test_paths_are_encoded_anew(self):
        for n, (sent, got) in enumerate({
                "/page/a%3Fb": "/page/a%3Fb", "/page/a%23b": "/page/a%23b",
                "/page/a%25b": "/page/a%25b", "/page/a%252Fb": "/page/a%252Fb",
                "/page/a%20b": "/page/a%20b", "/page/%FF": "/page/%FF"}.items()):
            self.get_stored(sent, n + 1)
            self.assertEqual(self.backend.requests()[n].target, got)
            self.assert_hit(self.site.get(sent))

    def test_control_bytes_that_apache_decodes_are_refused(self):
        for target in ("/page/x%0d%0aX-Evil:%201", "/page/x%0a", "/page/x%09", "/page/x%7f"):
            self.assert_plain_error(self.site.get(target), 400)
        self.assertEqual(self.backend.count(), 0)
        self.assertEqual(self.site.doryd.output().count("X-Evil"),
                         self.site.doryd.output().count("\\x0d\\x0aX-Evil"))

    def test_a_target_with_a_host_is_read_by_its_path(self):
        r = self.raw(b"GET http://two.test/page/a?x=1 HTTP/1.1\r\nHost: one.test\r\n\r\n")
        self.assertEqual(r.status, 200)
        got = self.backend.requests()[0]
        self.assertEqual((got.target, got.header("Host")), ("/page/a?x=1", "two.test"))

    def test_an_old_client_without_a_host_gets_the_sites_page(self):
        r = self.raw(b"GET /page/a HTTP/1.0\r\n\r\n")
        self.assertEqual(r.status, 200)
        self.assertRegex(self.backend.requests()[0].header("Host"), r"^shop\.test(:\d+)?$")


class Administration(ApacheCase):
    def test_the_admin_path_deflates(self):
        self.get_stored("/page/a")
        self.assertEqual(self.site.admin("POST", "deflate", b"page(a)", headers=[]).status, 404)
        self.assert_hit(self.site.get("/page/a"))
        for headers in ([("Dory-Token", TOKEN)], [("Authorization", "Bearer " + TOKEN)]):
            r = self.site.admin("POST", "deflate", b"page(a)", headers)
            self.assertEqual(r.status, 200, r.text)
        self.assertRegex(self.site.get("/page/a").cache_status, 'detail="deflated 2"')

    def test_purge_deflates_the_key_of_its_url(self):
        self.get_stored("/page/a")
        self.site.http("PURGE", "/page/a")
        self.assert_hit(self.site.get("/page/a"))
        r = self.site.http("PURGE", "/page/a", headers=[("Dory-Token", TOKEN)])
        self.assertEqual(r.status, 200, r.text)
        self.assert_fetched(self.site.get("/page/a"))

    def test_authorization_reaches_dory_and_bypasses_the_store(self):
        self.backend.on("/page/a", lambda r: page(r.header("Authorization") or "nobody"))
        self.get_stored("/page/a")
        self.assertEqual(self.site.get("/page/a", authorization="Bearer x").text, "Bearer x")
        self.assertEqual(self.site.get("/page/a").text, "nobody")


class Users(ApacheCase):
    """Apache asks for a password itself and hides Authorization: REMOTE_USER alone tells."""

    @staticmethod
    def SERVER(folder, address):
        hashed = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
        users = os.path.join(folder, "users")
        with open(users, "w") as f:
            f.write("ann:{SHA}" + hashed + "\n")
        os.chmod(users, 0o644)
        return Apache(folder, address, f"""
            <Location "/">
                SetHandler "proxy:unix:{address}|fcgi://dory/"
                AuthType Basic
                AuthName shop
                AuthUserFile "{users}"
                Require valid-user
            </Location>""")

    def test_pages_of_a_user_whom_apache_knows_are_not_stored(self):
        for _ in range(2):
            r = self.site.get("/page/a", authorization="Basic YW5uOnNlY3JldA==")
            self.assertEqual(r.status, 200, r.text)
            self.assert_fetched(r)
        self.assertEqual(self.site.entries(), [])


class Responses(ApacheCase):
    def test_large_pages_arrive_whole(self):
        body = bytes(range(256)) * 40000
        self.backend.on("/page/big", page(body))
        self.backend.on("/other", page(body))
        self.assertTrue(self.site.get("/other").body == body)
        self.assertTrue(self.get_stored("/page/big").body == body)
        hit = self.site.get("/page/big")
        self.assert_hit(hit)
        self.assertTrue(hit.body == body)
        self.assertEqual(hit.header("Content-Length"), str(len(body)))

    def test_a_page_that_breaks_off_is_seen_to(self):
        part = b"x" * 100000
        self.backend.on("/length", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", part))
        self.backend.on("/chunks", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                       b"186a0\r\n" + part + b"\r\n"))
        for path in ("/length", "/chunks"):
            with self.subTest(path):
                r = self.site.get(path)
                # Apache makes an error page of its own where nothing of the body had come.
                self.assertTrue(r.status in (502, 503) or not r.complete, (r.status, r.text[:500]))
