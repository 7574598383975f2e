"""test_http.py -- What HTTP caching promises, seen through lighttpd."""
import email.utils
import re
import time

from backend import Answer, page
from testsite import TOKEN, SiteCase, wait_until

ROUTES = """
[bloat page]
key = {name:slug}
timeout = 1h
timeout_404 = 30s
keep = 1d
[bloat lazy]
key = {name:slug}
[bloat capped]
key = {name:slug}
origin = cap
timeout = 60s
[bloat ignoring]
key = {name:slug}
origin = ignore
timeout = 5m
[bloat stripped]
key = {name:slug}
timeout = 1h
set_cookie = strip
[bloat graceful]
key = {name:slug}
timeout = 1h
grace = 1h
stale_if_error = 1h
[bloat kept]
key = {name:slug}
keep = 1h
[bloat declared]
key = {name:slug}
timeout = 1h
query = page:uint=1 sort:name|price=name
[bloat plain]
key = {name:slug}
timeout = 1h
query = none
[bloat dressed]
key = {name:slug}
timeout = 1h
vary = X-Shade
cookie = theme
lang = en fr de
[bloat named]
key = {name}
timeout = 1h
"""
for _name in re.findall(r"^\[bloat (\w+)\]", ROUTES, re.M):
    ROUTES += f"""
[route {_name}]
match = GET /{_name}/{{name{'' if _name == 'named' else ':slug'}}}
bloat = {_name}(name)
"""

OLD = {"cache_control": "max-age=60", "age": "100"}  # Stale from the start.


class HttpCase(SiteCase):
    ROUTES = ROUTES

    def wait_for_hit(self, target, **headers):
        wait_until(lambda: self.site.get(target, **headers).cache_status.startswith("dory; hit"),
                   f"{target} {headers} is a hit")

    def ttl(self, target):
        """The lifetime that is left of what is stored."""
        response = self.site.get(target)
        self.assert_hit(response)
        return int(re.search(r"; ttl=(-?\d+)", response.cache_status)[1])


class Hits(HttpCase):
    def test_the_second_request_is_a_hit(self):
        self.backend.on("/page/a", page("hello", x_mark="kept"))
        first = self.get_stored("/page/a")
        second = self.site.get("/page/a")
        self.assertEqual((first.text, second.text), ("hello", "hello"))
        self.assertRegex(first.cache_status, r"^dory; fwd=uri-miss; stored")
        self.assertRegex(second.cache_status, r'^dory; hit; ttl=\d+; key="page\(a\)"$')
        self.assertEqual(second.header("X-Mark"), "kept")
        self.assertEqual(second.header("Content-Length"), "5")
        self.assertRegex(second.header("Age"), r"^\d+$")
        self.assertEqual(self.backend.count(), 1)

    def test_age_counts_from_the_origin(self):
        self.backend.on("/page/a", page("hello", age="1000"))
        self.get_stored("/page/a")
        self.assertIn(int(self.site.get("/page/a").header("Age")), range(1000, 1030))

    def test_a_deflated_page_says_so(self):
        self.get_stored("/page/a")
        sequence = self.site.deflate("page(a)")
        self.assertRegex(self.site.get("/page/a").cache_status,
                         rf'^dory; fwd=miss;.*detail="deflated {sequence}"')

    def test_head_is_served_from_a_get(self):
        self.backend.on("/page/a", page("hello"))
        self.get_stored("/page/a")
        head = self.site.http("HEAD", "/page/a")
        self.assert_hit(head)
        self.assertEqual((head.status, head.body, head.header("Content-Length")), (200, b"", "5"))
        self.assertEqual(self.backend.count(), 1)

    def test_head_of_a_cold_page_leaves_gets_right(self):
        self.backend.on("/page/a", page("hello"))
        self.assertEqual(self.site.http("HEAD", "/page/a").body, b"")
        self.assertEqual(self.site.get("/page/a").text, "hello")
        self.assertEqual(self.site.get("/page/a").text, "hello")

    def test_other_methods_pass(self):
        self.get_stored("/page/a")
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            self.site.http(method, "/page/a", b"x")
        self.assertEqual([r.method for r in self.backend.requests("/page/a")],
                         ["GET", "POST", "PUT", "DELETE", "OPTIONS"])

    def test_what_no_route_matches_passes_as_it_is(self):
        for _ in range(2):
            response = self.site.get("/other/thing?b=2&a=1")
            self.assertEqual(response.text, "default")
            self.assert_fetched(response)
        self.assertEqual([r.target for r in self.backend.requests()], ["/other/thing?b=2&a=1"] * 2)

    def test_backend_connections_are_used_again(self):
        for i in range(20):
            self.site.get(f"/other/{i}")
        self.assertLessEqual(len({r.connection for r in self.backend.requests()}), 2)


class Conditions(HttpCase):
    def test_a_matching_etag_gets_304(self):
        self.backend.on("/page/a", page("hello", etag='"v1"'))
        self.get_stored("/page/a")
        for sent, status in (('"v1"', 304), ('W/"v1"', 304), ('"x", "v1"', 304), ("*", 304),
                             ('"v2"', 200)):
            response = self.site.get("/page/a", if_none_match=sent)
            self.assertEqual((sent, response.status), (sent, status))
            self.assertEqual(response.header("ETag"), '"v1"')
        self.assertEqual(self.backend.count(), 1)

    def test_an_unchanged_date_gets_304(self):
        self.backend.on("/page/a", page("hello", last_modified="Sun, 06 Nov 2022 08:49:37 GMT"))
        self.get_stored("/page/a")
        for sent, status in (("Sun, 06 Nov 2022 08:49:37 GMT", 304),
                             ("Sun, 06 Nov 2022 08:49:36 GMT", 200)):
            response = self.site.get("/page/a", if_modified_since=sent)
            self.assertEqual((sent, response.status), (sent, status))
        self.assertEqual(self.backend.count(), 1)

    def test_without_last_modified_the_date_counts(self):
        self.backend.on("/page/a", page("x", date="Sun, 06 Nov 1994 08:49:37 GMT",
                                        cache_control="max-age=3000000000"))
        self.get_stored("/page/a")
        for since, status in (("Sun, 06 Nov 1994 08:49:37 GMT", 304),
                              ("Sun, 06 Nov 1994 08:49:36 GMT", 200)):
            response = self.site.get("/page/a", if_modified_since=since)
            self.assert_hit(response)
            self.assertEqual(response.status, status)

    def test_a_condition_on_a_cold_page_is_not_the_backends(self):
        self.backend.on("/page/a", page("hello", etag='"v1"'))
        self.assertEqual(self.site.get("/page/a", if_none_match='"v1"').status, 304)
        self.assertIsNone(self.backend.requests()[0].header("If-None-Match"))
        self.assertEqual(self.site.get("/page/a").text, "hello")

    def test_a_stale_page_is_revalidated(self):
        def answer(request):
            if request.header("If-None-Match") == '"v1"':
                return Answer(status=304, headers=(("ETag", '"v1"'),
                                                   ("Cache-Control", "max-age=60")))
            return page("hello", etag='"v1"', **OLD)
        self.backend.on("/page/a", answer)
        self.get_stored("/page/a")
        self.assertEqual(self.site.get("/page/a").text, "hello")
        self.assertEqual(self.backend.requests()[1].header("If-None-Match"), '"v1"')
        wait_until(lambda: self.site.entries()[0]["state"] == "fresh", "the entry is fresh again")
        third = self.site.get("/page/a")
        self.assertEqual(third.text, "hello")
        self.assert_hit(third)
        self.assertEqual(self.backend.count(), 2)

    def test_a_304_does_not_freshen_what_was_deflated_meanwhile(self):
        def answer(request):
            if request.header("If-None-Match") == '"v1"':
                return Answer(status=304, headers=(("ETag", '"v1"'),
                                                   ("Cache-Control", "max-age=60")))
            return page("new" if self.deflated else "old", etag='"v1"', **OLD)
        self.deflated = False
        self.backend.on("/page/a", answer)
        self.get_stored("/page/a")
        self.backend.hold("/page/a")
        asking = self.site.later(self.site.get, "/page/a")
        self.backend.wait_for("/page/a", 2)
        self.site.deflate("page(a)")
        self.deflated = True
        self.backend.release("/page/a")
        self.assertEqual(asking.result(20).text, "new")
        self.assertEqual(self.site.get("/page/a").text, "new")
        self.assertIsNone(self.backend.requests()[2].header("If-None-Match"))

    def test_what_must_be_revalidated_is_asked_about_each_time(self):
        def answer(request):
            if request.header("If-None-Match") == '"v1"':
                return Answer(status=304, headers=(("ETag", '"v1"'),))
            return page("hello", etag='"v1"', cache_control="no-cache")
        self.backend.on("/kept/a", answer)
        self.get_stored("/kept/a")
        for n in (2, 3, 4):
            response = self.site.get("/kept/a")
            self.assertEqual((response.status, response.text), (200, "hello"))
            self.assertIn("fwd=stale; fwd-status=304", response.cache_status)
            self.assertEqual(self.backend.count(), n)

    def test_a_revalidated_page_that_changed_is_replaced(self):
        self.backend.on("/page/a", page("one", etag='"v1"', **OLD))
        self.get_stored("/page/a")
        self.backend.on("/page/a", page("two", etag='"v2"'))
        self.assertEqual(self.get_stored("/page/a", 2).text, "two")
        self.assert_hit(self.site.get("/page/a"))

    def test_ranges_are_cut_from_the_whole_that_came_for_one(self):
        self.backend.on("/page/a", page("0123456789"))
        for _ in range(2):
            response = self.site.get("/page/a", range="bytes=2-4")
            self.assertIn((response.status, response.text), ((206, "234"), (200, "0123456789")))
        self.assertEqual(self.site.get("/page/a").text, "0123456789")
        self.assertEqual([r.header("Range") for r in self.backend.requests()], ["bytes=2-4"])


class Storing(HttpCase):
    def test_what_must_not_be_stored_is_not(self):
        kept_out = {
            "no-store": {"cache_control": "no-store"},
            "private": {"cache_control": "max-age=60, private"},
            "private-list": {"cache_control": ["max-age=60", "private"]},
            "set-cookie": {"set_cookie": "a=b", "cache_control": "max-age=60"},
            "vary-all": {"vary": "*", "cache_control": "max-age=60"},
            "error": {"status": 500}, "unavailable": {"status": 503},
            "partial": {"status": 206, "content_range": "bytes 0-1/9"},
        }
        for name, fields in kept_out.items():
            with self.subTest(name):
                path = "/page/" + name
                self.backend.on(path, page("x", **fields))
                for _ in range(3):
                    self.assert_fetched(self.site.get(path))
                self.assertEqual(self.backend.count(path), 3)
        self.assertEqual(self.site.entries(), [])

    def test_lifetimes(self):
        # Expires counts from Date, and a Date in the past is an age: so both are near now.
        date, later = (email.utils.formatdate(time.time() + s, usegmt=True) for s in (0, 300))
        cases = {
            "/page/none": ({}, 3600),
            "/page/max-age": ({"cache_control": "max-age=60"}, 60),
            "/page/s-maxage": ({"cache_control": "max-age=60, s-maxage=120"}, 120),
            "/page/expires": ({"date": date, "expires": later}, 300),
            "/page/max-age-first": ({"cache_control": "max-age=60", "date": date,
                                     "expires": later}, 60),
            "/page/aged": ({"cache_control": "max-age=600", "age": "100"}, 500),
            "/page/missing": ({"status": 404}, 30),
            "/page/moved": ({"status": 301, "location": "/page/x"}, 3600),
            "/lazy/max-age": ({"cache_control": "max-age=60"}, 60),
            "/capped/long": ({"cache_control": "max-age=600"}, 60),
            "/capped/short": ({"cache_control": "max-age=6"}, 6),
            "/ignoring/long": ({"cache_control": "max-age=6000"}, 300),
            "/ignoring/short": ({"cache_control": "max-age=0"}, 300),
        }
        for n, (path, (fields, ttl)) in enumerate(cases.items()):
            with self.subTest(path):
                self.backend.on(path, page("x", **fields))
                self.get_stored(path, n + 1)
                self.assertIn(self.ttl(path), range(ttl - 20, ttl + 1))

    def test_without_a_lifetime_nothing_is_a_hit(self):
        for _ in range(2):
            self.assert_fetched(self.site.get("/lazy/a"))
        self.assertEqual(self.backend.count(), 2)

    def test_what_is_stale_on_arrival_is_fetched_again(self):
        self.backend.on("/lazy/a", page("x", **OLD))
        for _ in range(2):
            self.assert_fetched(self.site.get("/lazy/a"))
        self.assertEqual(self.backend.count(), 2)

    def test_set_cookie_is_stripped_where_the_bloat_says_so(self):
        self.backend.on("/stripped/a", page("x", set_cookie="sid=1"))
        self.get_stored("/stripped/a")
        second = self.site.get("/stripped/a")
        self.assert_hit(second)
        self.assertIsNone(second.header("Set-Cookie"))

    def test_hop_by_hop_fields_are_not_passed_on(self):
        self.backend.on("/page/a", page("x", connection="X-Hop", x_hop="1", keep_alive="timeout=5",
                                        x_end="1"))
        self.get_stored("/page/a")
        for response in (self.site.get("/page/a"), self.site.get("/other")):
            for name in ("X-Hop", "Keep-Alive"):
                self.assertIsNone(response.header(name))


class Stale(HttpCase):
    def test_within_grace_the_stale_page_comes_at_once_and_one_fetch_refreshes_it(self):
        self.backend.on("/graceful/a", page("old", **OLD))
        self.get_stored("/graceful/a")
        self.backend.on("/graceful/a", page("new"))
        self.backend.hold("/graceful/a")
        for _ in range(5):
            stale = self.site.get("/graceful/a")
            self.assertEqual(stale.text, "old")
            self.assertRegex(stale.cache_status, "^dory; hit; .*fwd=stale|^dory; hit; fwd=stale")
        self.backend.wait_for("/graceful/a", 2)
        self.backend.release("/graceful/a")
        self.site.wait_for_metric("stored", 2)
        self.assertEqual(self.site.get("/graceful/a").text, "new")
        self.assertEqual(self.backend.count("/graceful/a"), 2)

    def test_a_hard_deflate_ends_grace_too(self):
        self.backend.on("/graceful/a", page("old", **OLD))
        self.get_stored("/graceful/a")
        self.backend.on("/graceful/a", page("new"))
        self.site.deflate("graceful(a)")
        self.assertEqual(self.site.get("/graceful/a").text, "new")

    def test_a_soft_deflate_makes_stale(self):
        self.backend.on("/graceful/a", page("old"))
        self.get_stored("/graceful/a")
        self.backend.on("/graceful/a", page("new"))
        self.assertEqual(self.site.admin("POST", "deflate?soft=1", b"graceful(a)").status, 200)
        self.assertEqual(self.site.get("/graceful/a").text, "old")
        self.site.wait_for_metric("stored", 2)
        self.assertEqual(self.site.get("/graceful/a").text, "new")

    def test_a_soft_deflate_without_grace_means_fetching(self):
        self.backend.on("/page/a", page("old"))
        self.get_stored("/page/a")
        self.backend.on("/page/a", page("new"))
        self.site.admin("POST", "deflate?soft=1", b"page(a)")
        self.assertEqual(self.site.get("/page/a").text, "new")


class Selecting(HttpCase):
    def test_vary_of_the_response_selects(self):
        self.backend.on("/page/a", lambda r: page(r.header("X-Shade") or "none", vary="x-shade"))
        shades = ({"x_shade": "red"}, {"x_shade": "blue"}, {})
        for fields in shades:
            self.wait_for_hit("/page/a", **fields)
        self.backend.forget()
        for fields in shades:
            self.assertEqual(self.site.get("/page/a", **fields).text, fields.get("x_shade", "none"))
        self.assertEqual(self.backend.count(), 0)

    def test_a_language_is_found_by_who_prefers_it(self):
        self.backend.on("/page/a", page("hallo", vary="accept-language", content_language="de"))
        self.wait_for_hit("/page/a", accept_language="en, de")
        self.backend.forget()
        self.assert_hit(self.site.get("/page/a", accept_language="fr;q=0.5, de"))
        self.assertEqual(self.backend.count(), 0)
        self.assert_fetched(self.site.get("/page/a", accept_language="fr, de;q=0.5"))

    def test_a_language_is_shared_with_who_waits_and_prefers_it(self):
        self.backend.on("/page/a", page("hallo", vary="accept-language", content_language="de"))
        self.backend.hold("/page/a")
        first = self.site.later(self.site.get, "/page/a", accept_language="en, de")
        self.backend.wait_for("/page/a")
        second = self.site.later(self.site.get, "/page/a", accept_language="fr;q=0.5, de")
        self.site.wait_for_metric("misses+collapsed", 2)
        self.backend.release("/page/a")
        self.assertEqual((first.result(5).text, second.result(5).text), ("hallo", "hallo"))
        self.assertEqual(self.backend.count("/page/a"), 1)

    def test_of_too_many_variants_the_oldest_goes(self):
        self.backend.on("/page/a", lambda r: page(r.header("X-Shade"), vary="x-shade"))
        shades = [f"shade-{i}" for i in range(17)]
        for n, shade in enumerate(shades, 1):
            self.get_stored("/page/a", 2 * n, x_shade=shade)
        for shade in shades[1:]:
            self.assert_hit(self.site.get("/page/a", x_shade=shade))
        self.assert_fetched(self.site.get("/page/a", x_shade=shades[0]))

    def test_a_deflate_covers_every_variant(self):
        self.backend.on("/page/a", lambda r: page(r.header("X-Shade") or "none", vary="x-shade"))
        for shade in ("red", "blue"):
            self.wait_for_hit("/page/a", x_shade=shade)
        self.site.deflate("page(a)")
        for shade in ("red", "blue"):
            self.assert_fetched(self.site.get("/page/a", x_shade=shade))

    def test_declared_fields_cookies_and_languages_select(self):
        seen = lambda r: " ".join(f"{n}={r.header(n)}" for n in ("X-Shade", "Cookie",
                                                                 "Accept-Language"))
        self.backend.on("/dressed/a", lambda r: page(seen(r)))
        red = self.get_stored("/dressed/a", 1, x_shade="red", cookie="theme=dark; sid=9",
                              accept_language="fr-CH, fr;q=0.9, en;q=0.8")
        self.assertIn("X-Shade=red", red.text)
        self.assertIn("Cookie=theme=dark ", red.text + " ")
        self.assertRegex(red.text, "Accept-Language=fr( |$|,|-)")
        same = self.site.get("/dressed/a", x_shade="red", cookie="sid=10; theme=dark",
                             accept_language="fr")
        self.assert_hit(same)
        for n, other in enumerate(({"x_shade": "blue"}, {"x_shade": "red"},
                                   {"x_shade": "red", "cookie": "theme=dark"},
                                   {"x_shade": "red", "cookie": "theme=light",
                                    "accept_language": "fr"})):
            self.assert_fetched(self.get_stored("/dressed/a", n + 2, **other))

    def test_undeclared_query_parameters_are_dropped(self):
        self.backend.on("/declared/a", lambda r: page(r.target))
        first = self.get_stored("/declared/a?junk=1&page=2")
        self.assertNotIn("junk", first.text)
        self.assertIn("page=2", first.text)
        for same in ("?page=2", "?page=2&sort=name", "?x=y&page=2&junk=3", "?sort=name&page=2"):
            self.assert_hit(self.site.get("/declared/a" + same))
        self.assert_fetched(self.get_stored("/declared/a?page=2&sort=price", 2))
        self.assert_fetched(self.get_stored("/declared/a?page=3", 3))
        self.assert_fetched(self.get_stored("/declared/a", 4))
        self.assert_hit(self.site.get("/declared/a?page=1"))

    def test_query_none_drops_all_of_it(self):
        self.get_stored("/plain/a?x=1")
        self.assert_hit(self.site.get("/plain/a"))
        self.assertEqual([r.target for r in self.backend.requests()], ["/plain/a"])

    def test_by_default_every_query_is_a_page_of_its_own(self):
        self.get_stored("/page/a?x=1&y=2")
        self.assert_fetched(self.get_stored("/page/a?y=2&x=1", 2))
        self.assert_hit(self.site.get("/page/a?x=1&y=2"))
        self.assertEqual([r.target for r in self.backend.requests()],
                         ["/page/a?x=1&y=2", "/page/a?y=2&x=1"])

    def test_the_backend_gets_the_path_encoded(self):
        for n, (sent, got) in enumerate({
                "/named/a%20b": "/named/a%20b", "/named/a%3Fb": "/named/a%3Fb",
                "/named/a%25b": "/named/a%25b", "/named/a%23b": "/named/a%23b",
                "/named/caf%c3%a9": "/named/caf%C3%A9", "/named/a:b": "/named/a:b"}.items()):
            self.get_stored(sent, n + 1)
            self.assertEqual(self.backend.requests()[n].target, got)

    def test_keys_with_delimiters_are_not_confused(self):
        self.backend.on("/named/a%20b", page("blank"))
        self.backend.on("/named/a+b", page("plus"))
        for path, text in (("/named/a%20b", "blank"), ("/named/a+b", "plus")):
            for _ in range(2):
                self.assertEqual(self.site.get(path).text, text)


class ClosedWorld(HttpCase):
    EVIL = ("Cookie", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For",
            "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Original-URL",
            "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
            "X-Host", "X-Real-IP", "Via", "Proxy-Authorization", "Range", "Cache-Control",
            "If-None-Match", "If-Modified-Since", "If-Range", "TE", "Dory-Token", "Dory-Key")

    def test_what_is_not_in_the_key_does_not_reach_the_backend(self):
        self.site.http("GET", "/page/a", headers=[(name, "evil") for name in self.EVIL])
        self.assertNotIn(b"evil", self.backend.wait_for("/page/a")[0].head)

    def test_authorization_is_passed_and_bypasses_the_store(self):
        self.backend.on("/page/a", lambda r: page(r.header("Authorization") or "nobody"))
        for _ in range(2):
            response = self.site.get("/page/a", authorization="Bearer x")
            self.assertEqual(response.text, "Bearer x")
            self.assert_fetched(response)
        self.assertEqual(self.site.get("/page/a").text, "nobody")
        self.assertEqual(self.site.get("/page/a", authorization="Bearer x").text, "Bearer x")

    def test_a_passed_request_keeps_its_own_fields(self):
        self.site.http("POST", "/other", b"a=1", headers=[
            ("Cookie", "sid=1"), ("Content-Type", "text/csv"), ("X-Own", "1"),
            ("Dory-Token", TOKEN), ("X-Forwarded-For", "6.6.6.6"), ("Accept-Language", "de")])
        got = self.backend.wait_for("/other")[0]
        self.assertEqual([got.header(n) for n in ("Cookie", "Content-Type", "X-Own",
                                                  "Accept-Language", "Host")],
                         ["sid=1", "text/csv", "1", "de", "shop.test"])
        self.assertEqual(got.header("X-Forwarded-For"), "127.0.0.1")
        self.assertIsNone(got.header("Dory-Token"))

    def test_hosts_do_not_share_pages(self):
        self.backend.on("/page/a", lambda r: page(r.header("Host")))
        for _ in range(2):
            for host in ("one.test", "two.test"):
                self.assertEqual(self.site.http("GET", "/page/a", host=host).text, host)
        self.assertEqual(self.backend.count(), 2)
        self.site.wait_for_metric("stored", 2)
        self.assert_hit(self.site.http("GET", "/page/a", host="ONE.test"))
