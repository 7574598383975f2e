"""test_parts_deflated.py -- Deflates cover parts, and what is put together with them."""
import json

from test_parts import BODY, PartsCase, ranged
from testsite import TOKEN, wait_until

NEW = BODY.upper()


class Deflated(PartsCase):
    def test_a_deflate_covers_parts(self):
        for n, scope in enumerate(("page(a)", "page(*)", "*", "tag:sale")):
            self.backend.on("/page/a", ranged(cache_tag="sale"))
            self.store(2 * n + 1, range="bytes=0-4")
            self.site.deflate(scope)
            self.backend.on("/page/a", ranged(NEW, cache_tag="sale"))
            r = self.store(2 * n + 2, range="bytes=0-4")
            self.assert_part(r, 0, 4, NEW)
            self.assertIn("detail=\"deflated", r.cache_status)
            self.site.deflate(scope)

    def test_a_deflated_part_is_not_completed(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        self.site.deflate("page(a)")
        self.assert_whole(self.get())
        self.assertEqual(self.asked()[1], (None, None))

    def check_deflate_in_between(self, scope, **first):
        """What was put together with bytes from before a deflate is for nobody after it."""
        self.backend.on("/page/a", ranged(cache_tag="sale"))
        self.store(1, range="bytes=0-4")
        self.backend.hold("/page/a")
        early = self.site.later(self.get, **first)
        self.backend.wait_for("/page/a", 2)
        self.site.deflate(scope)
        # The same validator: only the deflate says that it is another.
        self.backend.on("/page/a", ranged(NEW, cache_tag="sale"))
        late = self.site.later(self.get)
        if scope.startswith("tag:"):
            self.site.wait_for_metric("collapsed", 1)  # Its tags are not known before its head.
        else:
            self.backend.wait_for("/page/a", 3)
        self.backend.release("/page/a")
        self.assertIn(early.result(10).status, (200, 206))
        self.assert_whole(late.result(10), NEW)
        self.assert_whole(self.get(), NEW)
        self.assert_part(self.get(range="bytes=0-9"), 0, 9, NEW)

    def test_a_deflate_while_a_part_is_completed(self):
        self.check_deflate_in_between("page(a)")

    def test_a_deflate_of_a_tag_while_a_part_is_completed(self):
        self.check_deflate_in_between("tag:sale")

    def test_a_deflate_while_a_part_is_joined(self):
        self.check_deflate_in_between("*", range="bytes=5-9")

    def test_a_joined_part_is_as_old_as_its_oldest_bytes(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        before = self.site.entries()[0]["sequence"]
        self.site.deflate("page(other)")
        self.store(2, range="bytes=5-9")
        entry, = self.site.entries()
        self.assertEqual((entry["bytes"], entry["sequence"]), (10, before))


class InALane(PartsCase):
    """One fetch at a time: what completes a part may have to wait before it is sent."""
    ORIGIN = "max_fetches = 1"

    def test_a_deflate_before_the_rest_is_asked_for(self):
        queued = self.queue_early()
        self.site.deflate("page(a)")
        self.backend.on("/page/a", ranged(NEW))
        self.assert_late_is_new(queued, "/page/b")

    def queue_early(self):
        """A part is stored, and what would complete it waits for a place behind /page/b."""
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        misses = self.site.metric("misses")
        self.backend.hold("/page/b")
        first = self.site.later(self.get, "b")
        self.backend.wait_for("/page/b", 1)
        early = self.site.later(self.get)
        self.site.wait_for_metric("misses", misses + 2)
        return first, early, misses + 2

    def assert_late_is_new(self, queued, held):
        """Who comes while that is held back gets what is new, and so does who comes after."""
        first, early, misses = queued
        late = self.site.later(self.get)
        self.site.wait_for_metric("misses+collapsed", misses + 1)
        self.backend.release(held)
        self.assertEqual([r.result(10).status for r in (first, early)], [200, 200])
        self.assert_whole(late.result(10), NEW)
        self.assert_whole(self.get(), NEW)

    def test_a_deflate_before_it_is_sent_is_before_its_first_bytes(self):
        queued = self.queue_early()
        self.site.deflate("page(a)")
        self.backend.on("/page/a", ranged(NEW))
        self.backend.hold("/page/a")
        self.backend.release("/page/b")
        self.backend.wait_for("/page/a", 2)
        self.assert_late_is_new(queued, "/page/a")

    def store_is_empty(self):
        r = self.site.doryd.ask("GET", "/_dory/entries", host="localhost",
                                headers=[("Dory-Token", TOKEN)])
        return r.status == 200 and json.loads(r.body)["entries"] == []

    def test_a_part_of_a_store_that_is_gone_is_not_completed(self):
        first, early, _ = self.queue_early()
        self.site.deflate("page(a)")
        self.backend.on("/page/a", ranged(NEW))
        self.site.remove_store()
        wait_until(self.store_is_empty, "a new store")
        self.backend.release("/page/b")
        self.assertEqual([r.result(10).status for r in (first, early)], [200, 200])
        self.assertEqual(self.asked()[1], (None, None))
        self.assert_whole(self.get(), NEW)
