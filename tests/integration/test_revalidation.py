"""test_revalidation.py -- What is stale while it is still on its way into the store."""
from backend import Answer, page
from testsite import FaultyDisk, SiteCase

ROUTES = """
[bloat page]
key = {name:slug}
keep = 1h
[route page]
match = GET /page/{name:slug}
bloat = page(name)
"""


class Landing(SiteCase):
    """The writer is held up, so that the first response is with it for as long as a test wants."""
    ROUTES = ROUTES
    LIGHTTPD = False

    def setUp(self):
        super().setUp()
        self.text = "hello"
        self.backend.on("/page/a", self.answer)
        self.disk = FaultyDisk(self.site.dir)
        self.site.doryd.stop()
        self.site.restart(env=self.disk.env)

    def answer(self, request):
        tag = f'"{self.text}"'
        if request.header("If-None-Match") == tag:
            return Answer(status=304, headers=(("ETag", tag),))
        return page(self.text, cache_control="no-cache", etag=tag, vary="Accept")

    def get(self):
        return self.site.doryd.ask("GET", "/page/a")

    def begin(self):
        """The first page is with the writer, and a second request has asked about it."""
        self.disk.break_with("stuck")
        self.assertEqual(self.get().text, "hello")
        self.backend.hold("/page/a")
        asking = self.site.later(self.get)
        self.assertEqual(self.backend.wait_for("/page/a", 2)[1].header("If-None-Match"), '"hello"')
        return asking

    def test_it_is_asked_about(self):
        asking = self.begin()
        self.backend.release("/page/a")
        self.disk.mend()
        response = asking.result(20)
        self.assertEqual((response.status, response.text), (200, "hello"))
        self.assertIn("fwd=stale; fwd-status=304", response.cache_status)
        self.assertEqual(self.backend.count(), 2)

    def test_a_304_does_not_freshen_what_was_deflated_meanwhile(self):
        asking = self.begin()
        self.disk.mend()
        self.site.deflate("page(a)")
        self.text = "changed"
        self.backend.release("/page/a")
        self.assertEqual(asking.result(20).text, "changed")
        self.assertIsNone(self.backend.requests()[2].header("If-None-Match"))

    def test_another_variant_is_not_asked_about(self):
        self.disk.break_with("stuck")
        self.assertEqual(self.get().text, "hello")
        other = self.site.doryd.ask("GET", "/page/a", headers=[("Accept", "text/plain")])
        self.disk.mend()
        self.assertEqual(other.text, "hello")
        self.assertIsNone(self.backend.requests()[1].header("If-None-Match"))
