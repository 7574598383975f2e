"""test_revalidation.py -- What is stale while it is still on its way into the store."""
import os

from backend import Answer, page
from testsite import BUILD, SiteCase

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
        self.fault = os.path.join(self.site.dir, "fault")
        shim = os.path.join(BUILD, "tests", "support", "faultfs.so")
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.site.doryd.stop()
        self.site.doryds.remove(self.site.doryd)
        self.site.doryd = self.site.start_doryd(
            env={"LD_PRELOAD": shim, "FAULTFS": self.fault, "ASAN_OPTIONS": asan})

    def answer(self, request):
        tag = f'"{self.text}"'
        if request.header("If-None-Match") == tag:
            return Answer(status=304, headers=(("ETag", tag),))
        return page(self.text, cache_control="no-cache", etag=tag, vary="Accept")

    def get(self):
        return self.site.doryd.ask("GET", "/page/a")

    def hold_writer(self):
        with open(self.fault + ".new", "w") as f:
            f.write("stuck")
        os.rename(self.fault + ".new", self.fault)

    def begin(self):
        """The first page is with the writer, and a second request has asked about it."""
        self.hold_writer()
        self.assertEqual(self.get().text, "hello")
        self.backend.hold("/page/a")
        asking = self.site.later(self.get)
        self.assertEqual(self.backend.wait_for("/page/a", 2)[1].header("If-None-Match"), '"hello"')
        return asking

    def test_it_is_asked_about(self):
        asking = self.begin()
        self.backend.release("/page/a")
        os.unlink(self.fault)
        response = asking.result(20)
        self.assertEqual((response.status, response.text), (200, "hello"))
        self.assertIn("fwd=stale; fwd-status=304", response.cache_status)
        self.assertEqual(self.backend.count(), 2)

    def test_a_304_does_not_freshen_what_was_deflated_meanwhile(self):
        asking = self.begin()
        os.unlink(self.fault)
        self.site.deflate("page(a)")
        self.text = "changed"
        self.backend.release("/page/a")
        self.assertEqual(asking.result(20).text, "changed")
        self.assertIsNone(self.backend.requests()[2].header("If-None-Match"))

    def test_another_variant_is_not_asked_about(self):
        self.hold_writer()
        self.assertEqual(self.get().text, "hello")
        other = self.site.doryd.ask("GET", "/page/a", headers=[("Accept", "text/plain")])
        os.unlink(self.fault)
        self.assertEqual(other.text, "hello")
        self.assertIsNone(self.backend.requests()[1].header("If-None-Match"))
