"""test_rules.py -- The rules of RFC 9111 and its family, seen through lighttpd."""
from backend import Answer, page
from testsite import SiteCase, wait_until

ROUTES = """
[bloat page]
key = {name:slug}
timeout = 1h
[route page]
match = GET /page/{name:slug}
bloat = page(name)
[bloat mine]
key = {name:slug}
[route mine]
match = GET /mine/{name:slug}
bloat = mine(name)
bypass = none
authorization = forward
[bloat post]
key = {name:slug}
timeout = 1h
query = page:uint=1
store_post = yes
[route post]
match = GET /post/{name:slug}
bloat = post(name)
[bloat list]
key = {name:slug} {n:uint}
timeout = 1h
query = n:uint=1 utm:str
[route list]
match = GET /list/{name:slug}
bloat = list(name, n=query.n)
[bloat capped]
key = {name:slug}
timeout = 1h
origin = cap
[route capped]
match = GET /capped/{name:slug}
bloat = capped(name)
[bloat kept]
key = {name:slug}
keep = 1h
[route kept]
match = GET /kept/{name:slug}
bloat = kept(name)
[route change]
match = POST /change/{name:slug}
"""


MINUTE = r"ttl=(60|[45]\d)\b"  # That a response lives for, less what a slow machine took so far.


class RulesCase(SiteCase):
    ROUTES = ROUTES


class Invalidation(RulesCase):
    """RFC 9111 section 4.4: no route names what these deflate."""

    def test_a_successful_write_deflates_its_own_url(self):
        self.get_stored("/page/a")
        self.assertEqual(self.site.http("POST", "/page/a", b"x").status, 200)
        self.assertRegex(self.site.get("/page/a").cache_status, r'fwd=miss;.*detail="deflated')

    def test_a_failed_write_deflates_nothing(self):
        self.get_stored("/page/a")
        self.backend.on("/page/a", page("no", status=409))
        self.assertEqual(self.site.http("PUT", "/page/a", b"x").status, 409)
        self.assert_hit(self.site.get("/page/a"))

    def test_a_read_deflates_nothing(self):
        self.get_stored("/page/a")
        self.backend.on("/page/a", page("x", location="/page/a"))
        self.assertEqual(self.site.http("OPTIONS", "/page/a").status, 200)
        self.assert_hit(self.site.get("/page/a"))

    def test_location_and_content_location_are_deflated(self):
        for i, name in enumerate("abcd"):
            self.get_stored(f"/page/{name}", i + 1)
        self.backend.on("/change/x", page(
            "ok", status=201, location="../page/a#new",
            content_location=f"http://shop.test/page/b"))
        self.assertEqual(self.site.http("POST", "/change/x", b"x").status, 201)
        self.assertIn("deflated", self.site.get("/page/a").cache_status)
        self.assertIn("deflated", self.site.get("/page/b").cache_status)
        self.assert_hit(self.site.get("/page/c"))

    def test_the_location_of_another_origin_is_not(self):
        self.get_stored("/page/a")
        self.backend.on("/change/x", page("ok", location="http://other.example/page/a"))
        self.assertEqual(self.site.http("POST", "/change/x", b"x").status, 200)
        self.assert_hit(self.site.get("/page/a"))

    def test_the_location_of_a_failed_write_is_not(self):
        self.get_stored("/page/a")
        self.backend.on("/change/x", page("no", status=500, location="/page/a"))
        self.assertEqual(self.site.http("POST", "/change/x", b"x").status, 500)
        self.assert_hit(self.site.get("/page/a"))

    def test_a_write_tells_what_it_changed_when_its_client_has_left_too(self):
        self.get_stored("/page/a")
        self.backend.on("/change/x", page("ok", status=201, location="/page/a"))
        self.backend.hold("/change/x")
        with self.site.doryd.connect() as c:
            c.begin("POST", "/change/x", b"x")
            self.backend.wait_for("/change/x")
        wait_until(lambda: self.site.metric("connections") <= 1, "its connection to end")
        self.backend.release("/change/x")
        self.site.wait_for_metric("deflates", 1)
        self.assertIn("deflated", self.site.get("/page/a").cache_status)


class Posted(RulesCase):
    """RFC 9110 section 9.3.3."""
    FRESH = {"cache_control": "max-age=60"}

    def post(self, target, *, body="new", status=200, request=(), **fields):
        self.backend.on(target, page(body, status=status, **fields))
        return self.site.http("POST", target, b"x=1", request)

    def test_an_answer_that_is_the_page_answers_a_later_get(self):
        self.get_stored("/post/a")
        posted = self.post("/post/a", content_location="http://shop.test/post/a", **self.FRESH)
        self.assertRegex(posted.cache_status, "fwd=method; stored; " + MINUTE)
        self.site.wait_for_metric("stored", 2)
        got = self.site.get("/post/a")
        self.assert_hit(got)
        self.assertEqual((got.text, self.backend.count("/post/a")), ("new", 2))
        self.site.deflate("post(a)")
        self.assert_fetched(self.site.get("/post/a"))

    def test_any_other_is_not_stored(self):
        here = {"content_location": "/post/a"}
        for why, target, more in (
                ("it does not say that it is the page", "/post/a", self.FRESH),
                ("it says that it is another", "/post/a",
                 {"content_location": "/post/b", **self.FRESH}),
                ("it does not say for how long", "/post/a", here),
                ("it is old on arrival", "/post/a", {"age": "100", **here, **self.FRESH}),
                ("it is not 200", "/post/a", {"status": 201, **here, **self.FRESH}),
                ("it has a cookie", "/post/a", {"set_cookie": "a=b", **here, **self.FRESH}),
                ("it is private", "/post/a", {"cache_control": "private, max-age=60", **here}),
                ("it was for one who said who they are", "/post/a",
                 {"request": (("Authorization", "Basic eDp5"),), **here, **self.FRESH}),
                ("its query has more than a GET's", "/post/a?x=1",
                 {"content_location": "/post/a?x=1", **self.FRESH}),
                ("its bloat does not want it", "/page/a",
                 {"content_location": "/page/a", **self.FRESH})):
            with self.subTest(why):
                posted = self.post(target, **more)
                self.assertNotIn("stored", posted.cache_status)
                self.assert_fetched(self.site.get(target))


class NamedFields(RulesCase):
    def test_fields_that_no_cache_and_private_name_are_only_for_who_asked(self):
        self.backend.on("/page/a", page(
            "hello", cache_control='max-age=60, no-cache="x-once, x-twice", private="x-mine"',
            x_once="1", x_twice="2", x_mine="3", x_all="4"))
        first = self.get_stored("/page/a")
        self.assertEqual([first.header(n) for n in ("X-Once", "X-Twice", "X-Mine", "X-All")],
                         ["1", "2", "3", "4"])
        second = self.site.get("/page/a")
        self.assert_hit(second)
        self.assertEqual([second.header(n) for n in ("X-Once", "X-Twice", "X-Mine", "X-All")],
                         [None, None, None, "4"])

    def test_who_joins_a_fetch_does_not_get_them_either(self):
        self.backend.on("/page/a", page("hello", cache_control='max-age=60, private="x-mine"',
                                        x_mine="3"))
        self.backend.hold("/page/a")
        one = self.site.later(self.site.get, "/page/a")
        self.backend.wait_for("/page/a", 1)
        two = self.site.later(self.site.get, "/page/a")
        self.site.wait_for_metric("collapsed", 1)
        self.backend.release("/page/a")
        self.assertEqual((one.result().header("X-Mine"), two.result().header("X-Mine")),
                         ("3", None))


class Targeted(RulesCase):
    def test_cdn_cache_control_decides_and_goes_on(self):
        self.backend.on("/page/a", page("hello", cache_control="no-store",
                                        cdn_cache_control="max-age=60"))
        first = self.get_stored("/page/a")
        self.assertEqual(first.header("CDN-Cache-Control"), "max-age=60")
        self.assert_hit(self.site.get("/page/a"))

    def test_surrogate_control_ends_here(self):
        self.backend.on("/page/a", page("hello", cache_control="no-store",
                                        surrogate_control="max-age=60"))
        self.assertIsNone(self.get_stored("/page/a").header("Surrogate-Control"))
        self.assert_hit(self.site.get("/page/a"))

    def test_surrogate_control_stands_after_a_304_that_has_none(self):
        self.backend.on("/kept/a", page("hello", cache_control="no-store", etag='"1"', age="100",
                                        surrogate_control="max-age=60"))
        self.get_stored("/kept/a")
        self.backend.on("/kept/a", Answer(status=304, headers=(("ETag", '"1"'),)))
        again = self.site.get("/kept/a")
        self.assertEqual((again.status, again.text), (200, "hello"))
        self.assertRegex(again.cache_status, "fwd-status=304; stored; " + MINUTE)
        self.assert_hit(self.site.get("/kept/a"))
        self.assertEqual(self.backend.count("/kept/a"), 2)


class Variants(RulesCase):
    def test_lists_of_languages_that_prefer_the_same_share_an_entry(self):
        self.backend.on("/page/a", page("hello", cache_control="max-age=60",
                                        vary="Accept-Language"))
        self.get_stored("/page/a", 2, Accept_Language="en, DE;q=0.5")
        self.assert_hit(self.site.get("/page/a", Accept_Language="de;q=0.50 ,en;q=1"))
        self.assert_fetched(self.site.get("/page/a", Accept_Language="de, en;q=0.5"))


class Searches(RulesCase):
    """No-Vary-Search: queries that are one to a response."""

    def begin(self, rule, target="/page/a?id=1&utm=x", **more):
        """The first of a test: it is stored, with a signpost that leads to it."""
        self.backend.default = page("one", no_vary_search=rule, **more)
        self.get_stored(target, 2)
        self.backend.default = page("two", no_vary_search=rule, **more)

    def assert_stored(self, target, text="one", **headers):
        response = self.site.get(target, **headers)
        self.assert_hit(response)
        self.assertEqual(response.text, text)

    def assert_new(self, target, **headers):
        response = self.site.get(target, **headers)
        self.assert_fetched(response)
        self.assertEqual(response.text, "two")

    def test_parameters_that_do_not_matter(self):
        self.begin('params=("utm" "ref")')
        for target in ("?id=1&utm=x", "?id=1", "?utm=y&id=1&ref", "?%69d=1"):
            self.assert_stored("/page/a" + target)
        # Each of these is another one than those before it, which may be stored by now.
        for target in ("?id=2&utm=x", "?id=1&other=1", "?id=%zz", "?utm=x"):
            self.assert_new("/page/a" + target)

    def test_all_parameters_may_be_gone(self):
        self.begin('params=("utm" "ref")')
        self.assert_new("/page/a")
        wait_until(lambda: self.site.get("/page/a?utm=x").cache_status.startswith("dory; hit"),
                   "the same without its parameter")
        self.assert_stored("/page/a", "two")

    def test_all_but_some(self):
        self.begin('params, except=("id")')
        self.assert_stored("/page/a?a=1&id=1&b=2")
        self.assert_new("/page/a?a=1")

    def test_their_order(self):
        self.begin("key-order")
        self.assert_stored("/page/a?utm=x&id=1")
        self.assert_new("/page/a?utm=x")

    def test_a_field_that_is_wrong_says_nothing(self):
        self.backend.default = page("one", no_vary_search="params=(utm)")
        self.get_stored("/page/a?id=1&utm=x")
        self.assert_stored("/page/a?id=1&utm=x")
        self.backend.default = page("two")
        self.assert_new("/page/a?id=1")

    def test_a_deflate_covers_all_of_them(self):
        for scope in ("page(a)", "url:/page/a?id=1&utm=y", "url:/page/a", "page(*)"):
            self.backend.default = page("one", no_vary_search='params=("utm")')
            self.assertEqual(self.site.get("/page/a?id=1&utm=x").text, "one")
            wait_until(lambda: self.site.get("/page/a?id=1").cache_status.startswith("dory; hit"),
                       "another query is a hit")
            self.backend.default = page("two", no_vary_search='params=("utm")')
            self.site.deflate(scope)
            for target in ("?id=1", "?id=1&utm=x", "?id=1&utm=z"):
                self.assertEqual(self.site.get("/page/a" + target).text, "two")
            self.site.deflate("*")

    def test_fields_that_vary_tell_them_apart_too(self):
        self.backend.default = page("one", no_vary_search="params", vary="Accept")
        self.get_stored("/page/a?utm=x", 3)
        self.backend.default = page("two", no_vary_search="params", vary="Accept")
        self.assert_stored("/page/a?utm=y")
        self.assert_new("/page/a?utm=y", accept="text/plain")

    def test_what_was_stored_for_one_query_alone_goes(self):
        self.backend.default = page("old", cache_control="max-age=60", age="100", etag='"1"')
        self.site.get("/kept/a?utm=x")
        self.site.wait_for_metric("stored", 1)
        self.backend.default = page("one", cache_control="max-age=60", no_vary_search="params")
        self.get_stored("/kept/a?utm=x", 3)
        self.assert_stored("/kept/a?utm=x")
        self.assert_stored("/kept/a?utm=y")

    def test_a_rule_leads_to_no_response_of_another_rule(self):
        self.begin('params=("a")', "/page/a?a=1&b=2")
        self.backend.default = page("two", no_vary_search='params=("c")')
        self.get_stored("/page/a?c=1&b=3", 4)
        self.assert_new("/page/a?c=1&b=2")

    def test_keys_are_never_one(self):
        self.begin("params", "/list/a?n=1&utm=x")
        self.assert_stored("/list/a?utm=y")
        self.assert_new("/list/a?n=2")

    def test_only_an_origin_that_is_obeyed_is_heard(self):
        self.backend.default = page("one", no_vary_search="params")
        self.get_stored("/capped/a?utm=x")
        self.backend.default = page("two")
        self.assert_new("/capped/a?utm=y")

    def test_explain_and_show_find_it(self):
        self.begin('params=("utm")')
        told = self.site.dory("explain", "GET", "http://shop.test/page/a?id=1&utm=y").stdout
        self.assertIn("fresh", told)
        shown = self.site.dory("show", "page(a)").stdout
        self.assertIn("id=1&", shown)
        self.assertNotIn("two", shown)


class Wishes(RulesCase):
    """RFC 9111 section 5.2.1, where the configuration honours it."""
    DORY = "workers = 2\nclient_cache_control = honour"

    def ask(self, wish):
        return self.site.get("/page/a", cache_control=wish)

    def test_no_cache_asks_the_backend_about_what_is_fresh(self):
        self.backend.on("/page/a", page("hello", etag='"1"'))
        self.get_stored("/page/a")
        self.backend.on("/page/a", Answer(status=304, headers=(("ETag", '"1"'),)))
        again = self.ask("no-cache")
        self.assertEqual((again.status, again.text), (200, "hello"))
        self.assertRegex(again.cache_status, "fwd=request; fwd-status=304")
        self.assertEqual(self.backend.requests("/page/a")[1].header("If-None-Match"), '"1"')
        self.assert_hit(self.site.get("/page/a"))

    def test_no_store_leaves_nothing_behind(self):
        self.assert_fetched(self.ask("no-store"))
        self.assertRegex(self.site.get("/page/a").cache_status, "fwd=uri-miss")

    def test_too_old_is_fetched_and_young_enough_is_a_hit(self):
        self.backend.on("/page/a", page("hello", age="100"))
        self.get_stored("/page/a")
        self.assert_hit(self.ask("max-age=2000"))
        self.assertRegex(self.ask("max-age=50").cache_status, "fwd=request")

    def test_only_if_cached_never_reaches_the_backend(self):
        refused = self.ask("only-if-cached")
        self.assertEqual((refused.status, self.backend.count()), (504, 0))
        self.get_stored("/page/a")
        self.assert_hit(self.ask("only-if-cached"))


class IgnoredWishes(RulesCase):
    def test_by_default_no_client_drives_the_backend(self):
        self.get_stored("/page/a")
        for wish in ("no-cache", "no-store", "max-age=0", "min-fresh=999999"):
            self.assert_hit(self.site.get("/page/a", cache_control=wish, pragma="no-cache"))
        self.assert_fetched(self.site.get("/page/b", cache_control="only-if-cached"))


class CacheStatus(RulesCase):
    """RFC 9211 section 2: what became of a request, and why."""

    def test_what_is_stored_says_for_how_long(self):
        self.backend.on("/page/a", page("hello", cache_control="max-age=60"))
        self.assertRegex(self.site.get("/page/a").cache_status,
                         rf'^dory; fwd=uri-miss; stored; {MINUTE}; key="page\(a\)"$')

    def test_what_is_not_stored_says_why(self):
        for reason, fields in (
                ("no-store", {"cache_control": "no-store"}),
                ("private", {"cache_control": "private"}),
                ("set-cookie", {"set_cookie": "a=b"}),
                ("vary", {"vary": "Accept, *"}),
                ("no-lifetime", {"cache_control": "max-age=0"}),
                ("status", {"status": 429})):
            self.backend.on("/page/a", page("hello", **fields))
            self.assertEqual(self.site.get("/page/a").cache_status,
                             f'dory; fwd=uri-miss; key="page(a)"; detail="{reason}"')

    def test_a_304_to_the_client_says_what_the_backend_said(self):
        self.backend.on("/page/a", page("hello", etag='"1"'))
        answer = self.site.get("/page/a", if_none_match='"1"')
        self.assertEqual(answer.status, 304)
        self.assertRegex(answer.cache_status, "fwd=uri-miss; fwd-status=200; stored; ttl=")


class Authorization(RulesCase):
    """RFC 9111 section 3.5, where the route lets Authorization through."""

    def test_an_answer_that_is_for_all_is_stored(self):
        for n, word in enumerate(("public", "must-revalidate", "s-maxage=60")):
            self.backend.on(f"/mine/a{n}", page("hello", cache_control=f"max-age=60, {word}"))
            self.get_stored(f"/mine/a{n}", n + 1, authorization="me")
            self.assert_hit(self.site.get(f"/mine/a{n}"))
            self.assertEqual(self.backend.requests(f"/mine/a{n}")[0].header("Authorization"), "me")

    def test_any_other_is_for_who_asked(self):
        self.backend.on("/mine/a", page("hello", cache_control="max-age=60"))
        answer = self.site.get("/mine/a", authorization="me")
        self.assertIn('detail="authorization"', answer.cache_status)
        self.assert_fetched(self.site.get("/mine/a"))

    def test_nobody_shares_the_fetch(self):
        self.backend.on("/mine/a", page("hello", cache_control="max-age=60"))
        self.backend.hold("/mine/a")
        one = self.site.later(self.site.get, "/mine/a", authorization="me")
        self.backend.wait_for("/mine/a", 1)
        two = self.site.later(self.site.get, "/mine/a")
        self.backend.wait_for("/mine/a", 2)
        self.backend.release("/mine/a")
        self.assertEqual((one.result().status, two.result().status), (200, 200))
        self.assertIsNone(self.backend.requests("/mine/a")[1].header("Authorization"))
