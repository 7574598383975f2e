"""test_head.py -- HEAD asks as GET does, so what is stored for GET profits (RFC 9111 4.3.5)."""
from backend import Answer, page
from testsite import SiteCase

ROUTES = """
[bloat page]
key = {name}
keep = 1h
[route page]
match = GET /page/{name}
bloat = page(name)
"""
STALE = {"cache_control": "max-age=60", "age": "100"}


class Head(SiteCase):
    ROUTES = ROUTES

    def store(self, answer):
        self.backend.on("/page/a", answer)
        self.site.get("/page/a")
        self.site.wait_for_metric("stored", 1)

    def ask(self, **fields):
        """A HEAD, which has all of a GET's fields and nothing of its body."""
        r = self.site.http("HEAD", "/page/a")
        self.assertEqual((r.status, r.body), (200, b""))
        self.assertEqual({n: r.header(n.replace("_", "-")) for n in fields}, fields)

    def assert_stored(self, text, **fields):
        r = self.site.get("/page/a")
        self.assert_hit(r)
        self.assertEqual(r.text, text)
        self.assertEqual({n: r.header(n.replace("_", "-")) for n in fields}, fields)
        self.assertEqual({r.method for r in self.backend.requests()}, {"GET"})

    def test_what_is_unchanged_is_freshened(self):
        def answer(request):
            if request.header("If-None-Match") == '"v1"':
                return Answer(status=304, headers=(("ETag", '"v1"'), ("X-Mark", "two"),
                                                   ("Cache-Control", "max-age=60")))
            return page("one", etag='"v1"', x_mark="one", **STALE)
        self.store(answer)
        self.ask(ETag='"v1"', X_Mark="two")
        self.assert_stored("one", ETag='"v1"', X_Mark="two")
        self.assertEqual(self.backend.count(), 2)

    def test_what_has_changed_is_replaced(self):
        self.store(page("one", etag='"v1"', **STALE))
        self.backend.on("/page/a", page("two!", etag='"v2"', cache_control="max-age=60"))
        self.ask(ETag='"v2"', Content_Length="4")
        self.site.wait_for_metric("stored", 2)
        self.assert_stored("two!", ETag='"v2"')
        self.assertEqual(self.backend.count(), 2)

    def test_what_is_gone_is_not_served_again(self):
        self.store(page("one", etag='"v1"', **STALE))
        self.backend.on("/page/a", page("gone", status=410, cache_control="max-age=60"))
        self.assertEqual(self.site.http("HEAD", "/page/a").status, 410)
        self.site.wait_for_metric("stored", 2)
        r = self.site.get("/page/a")
        self.assert_hit(r)
        self.assertEqual((r.status, r.text), (410, "gone"))
