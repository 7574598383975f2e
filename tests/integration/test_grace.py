"""test_grace.py -- When what is stale is served: RFC 5861, the settings, and what forbids it."""
import select

from backend import Answer, page, raw
from testsite import SiteCase

ROUTES = ""
for _name, _lines in (("plain", ""), ("graced", "grace = 1h"), ("spare", "stale_if_error = 1h")):
    ROUTES += f"""
[bloat {_name}]
key = {{name:slug}}
timeout = 1h
keep = 1d
{_lines}
[route {_name}]
match = GET /{_name}/{{name:slug}}
bloat = {_name}(name)
"""

# Each of them says: never stale (RFC 9111 sections 4.2.4, 5.2.2.2, 5.2.2.4, 5.2.2.8, 5.2.2.10).
FORBIDS = ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60")
HOUR = 3600
SHORT_S = 4  # What never comes where a guard is taken away.


class GraceCase(SiteCase):
    ROUTES = ROUTES
    LIGHTTPD = False

    def get(self, target):
        return self.site.doryd.ask("GET", target)

    def store_old(self, target, cache_control, age=100):
        """An entry of that age, kept whether or not it may be served; then the page is another."""
        self.backend.on(target, page("old", cache_control=cache_control, age=str(age), etag='"1"'))
        self.assertEqual(self.get(target).text, "old")
        self.site.wait_for_metric("stored", 1)
        self.backend.on(target, page("new"))

    def assert_stale(self, response):
        self.assert_text(response, "old")
        self.assertRegex(response.cache_status, "^dory; hit;.*fwd=stale")


class WhileRevalidating(GraceCase):
    def assert_graced(self, target):
        """Answered at once, however long the one fetch takes that refreshes it."""
        self.backend.hold(target)
        with self.site.doryd.connect() as c:
            c.begin("GET", target)
            refresh = self.backend.wait_for(target, 2)[1]
            self.assertTrue(select.select([c.socket], [], [], SHORT_S)[0], "no answer at once")
            self.assert_stale(c.read())
        for _ in range(5):
            self.assert_stale(self.get(target))
        self.assertEqual(refresh.header("If-None-Match"), '"1"')
        self.backend.release(target)
        self.site.wait_for_metric("stored", 2)
        response = self.get(target)
        self.assert_text(response, "new")
        self.assert_hit(response)
        self.assertEqual(self.backend.count(target), 2)

    def assert_fetched_first(self, target):
        self.assert_text(self.get(target), "new")
        self.assertEqual(self.backend.count(target), 2)

    def test_the_response_asks_for_it(self):
        self.store_old("/plain/a", "max-age=60, stale-while-revalidate=60")
        self.assert_graced("/plain/a")

    def test_the_time_that_the_response_gives_ends(self):
        self.store_old("/plain/a", "max-age=60, stale-while-revalidate=60", age=121)
        self.assert_fetched_first("/plain/a")

    def test_the_bloat_has_grace(self):
        self.store_old("/graced/a", "max-age=60")
        self.assert_graced("/graced/a")

    def test_each_variant_is_refreshed_by_itself(self):
        target = "/graced/a"
        answer = {"age": "100", "cache_control": "max-age=60", "vary": "X-Kind"}
        self.backend.on(target, lambda r: page(r.header("X-Kind"), **answer))
        kinds = [[("X-Kind", kind)] for kind in ("one", "two")]
        for kind in kinds:
            self.site.doryd.ask("GET", target, headers=kind)
        self.site.wait_for_no_flights()
        self.backend.hold(target)
        for n, kind in enumerate(kinds * 2, 3):
            response = self.site.doryd.ask("GET", target, headers=kind)
            self.assertEqual(response.text, kind[0][1])
            self.assertRegex(response.cache_status, "^dory; hit;.*fwd=stale")
            self.backend.wait_for(target, min(n, 4), SHORT_S)
        self.assertEqual(self.backend.count(target), 4)
        self.backend.release(target)

    def test_grace_ends(self):
        self.store_old("/graced/a", "max-age=60", age=61 + HOUR)
        self.assert_fetched_first("/graced/a")

    def test_without_either_nothing_stale_is_served(self):
        self.store_old("/plain/a", "max-age=60")
        self.assert_fetched_first("/plain/a")

    def test_stale_if_error_is_for_errors_only(self):
        self.store_old("/spare/a", "max-age=60, stale-if-error=60")
        self.assert_fetched_first("/spare/a")

    def test_a_hard_deflate_ends_it(self):
        self.store_old("/graced/a", "max-age=60, stale-while-revalidate=600")
        self.site.deflate("graced(a)")
        self.assert_fetched_first("/graced/a")

    def test_a_304_makes_it_fresh(self):
        self.store_old("/graced/a", "max-age=60")
        self.backend.on("/graced/a", Answer(status=304, headers=(
            ("ETag", '"1"'), ("Cache-Control", "max-age=60"))))
        self.assert_stale(self.get("/graced/a"))
        self.backend.wait_for("/graced/a", 2)
        self.site.wait_for_no_flights()
        response = self.get("/graced/a")
        self.assert_text(response, "old")
        self.assertNotIn("fwd=stale", response.cache_status)
        self.assertEqual(self.backend.count("/graced/a"), 2)

    def test_a_refresh_that_fails_leaves_it_as_it_was(self):
        self.store_old("/graced/a", "max-age=60")
        self.backend.on("/graced/a", page("no", status=503))
        self.assert_stale(self.get("/graced/a"))
        self.backend.wait_for("/graced/a", 2)
        self.assert_stale(self.get("/graced/a"))

    def test_what_was_not_for_others_is_refreshed_by_one_fetch_at_a_time(self):
        target = "/graced/a"
        self.store_old(target, "max-age=60")
        self.backend.on(target, page("mine", cache_control="private"))
        self.assert_stale(self.get(target))
        self.backend.wait_for(target, 2)
        self.site.wait_for_metric("fetches", 2)
        self.site.wait_for_no_flights()  # The key is marked now: nobody is to wait for another's fetch.
        self.backend.on(target, page("new"))
        self.backend.hold(target)
        for _ in range(5):
            self.assert_stale(self.get(target))
        self.backend.wait_for(target, 3)
        self.backend.release(target)
        self.site.wait_for_metric("stored", 2)
        self.assert_text(self.get(target), "new")
        self.assertEqual(self.backend.count(target), 3)
        # It was for all: the mark is gone.
        self.site.deflate("graced(a)")
        self.backend.hold(target)
        crowd = [self.site.later(self.get, target) for _ in range(5)]
        self.site.wait_for_metric("collapsed", 4)
        self.backend.release(target)
        self.assertEqual({r.result(20).text for r in crowd}, {"new"})
        self.assertEqual(self.backend.count(target), 4)


class IfError(GraceCase):
    def assert_spared(self, target):
        self.backend.on(target, page("no", status=503))
        self.assert_stale(self.get(target))
        self.assertEqual(self.backend.count(target), 2)

    def assert_failed(self, target):
        self.backend.on(target, page("no", status=503))
        response = self.get(target)
        self.assertEqual((response.status, response.text), (503, "no"))

    def test_at_an_error_the_response_asks_for_it(self):
        self.store_old("/plain/a", "max-age=60, stale-if-error=60")
        self.assert_spared("/plain/a")

    def test_at_an_error_the_time_that_the_response_gives_ends(self):
        self.store_old("/plain/a", "max-age=60, stale-if-error=60", age=121)
        self.assert_failed("/plain/a")

    def test_at_an_error_the_bloat_has_it(self):
        self.store_old("/spare/a", "max-age=60")
        self.assert_spared("/spare/a")

    def test_at_an_error_the_time_of_the_bloat_ends(self):
        self.store_old("/spare/a", "max-age=60", age=61 + HOUR)
        self.assert_failed("/spare/a")

    def test_without_either_an_error_is_an_error(self):
        self.store_old("/plain/a", "max-age=60")
        self.assert_failed("/plain/a")

    def test_no_answer_at_all_is_an_error_too(self):
        self.store_old("/spare/a", "max-age=60")
        self.backend.on("/spare/a", raw(b"garbage\r\n\r\n"))
        self.assert_stale(self.get("/spare/a"))
        self.backend.stop()
        self.assert_stale(self.get("/spare/a"))

    def test_what_the_client_did_wrong_is_none(self):
        self.store_old("/spare/a", "max-age=60")
        self.backend.on("/spare/a", page("no", status=404))
        self.assertEqual(self.get("/spare/a").status, 404)

    def test_at_an_error_a_hard_deflate_ends_it(self):
        self.store_old("/spare/a", "max-age=60, stale-if-error=600")
        self.site.deflate("spare(a)")
        self.assert_failed("/spare/a")


def _add_forbidden(directive):
    name = directive.partition("=")[0].replace("-", "_")

    def graced(self):
        self.store_old("/graced/a", f"max-age=60, stale-while-revalidate=600, {directive}")
        self.assert_fetched_first("/graced/a")

    def spared(self):
        self.store_old("/spare/a", f"max-age=60, stale-if-error=600, {directive}")
        self.assert_failed("/spare/a")

    setattr(WhileRevalidating, f"test_never_against_{name}", graced)
    setattr(IfError, f"test_at_an_error_never_against_{name}", spared)


for _directive in FORBIDS:
    _add_forbidden(_directive)
