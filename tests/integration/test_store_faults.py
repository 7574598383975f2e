"""test_store_faults.py -- A store that breaks: the site stays up, tells why, and is well again."""
import os
import shutil
import time

from backend import page
from testsite import TOKEN, SiteCase, wait_until

ROUTES = """
[bloat page]
key = {name}
timeout = 1h
[route page]
match = GET /page/{name}
bloat = page(name)
"""
WELL_S = 1.0  # A second after its fault ended a store is well.


class FaultCase(SiteCase):
    ROUTES = ROUTES
    LIGHTTPD = False

    @property
    def store(self):
        return os.path.join(self.site.dir, "store")

    @property
    def data(self):
        return os.path.join(self.store, "data.mdb")

    def get(self, name, doryd=None):
        """A page, quickly, with the bytes that the backend has for it."""
        began = time.monotonic()
        r = (doryd or self.site.doryd).ask("GET", "/page/" + name)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(r.status, 200, r.text)
        self.assertEqual(r.text, "this is /page/" + name)
        return r

    def setUp(self):
        super().setUp()
        self.backend.default = lambda request: page("this is " + request.path)

    def store_page(self, name):
        """A page that is a hit from now on."""
        before = self.site.metric("stored")
        self.get(name)
        self.site.wait_for_metric("stored", before + 1)
        self.assert_hit(self.get(name))

    def deflate_status(self, *scopes, doryd=None):
        r = (doryd or self.site.doryd).ask(
            "POST", "/_dory/deflate", "\n".join(scopes).encode(), host="localhost",
            headers=[("Dory-Token", TOKEN)])
        return r.status

    def wait_until_well(self, name="well", timeout=WELL_S + 0.5):
        """Pages are stored and found again. Half a second more: the machine is busy with tests."""
        wait_until(lambda: "dory; hit" in self.get(name).cache_status,
                   "pages are stored and found", timeout)

    def assert_passes(self, detail, name="other"):
        r = self.get(name)
        self.assert_fetched(r)
        self.assertIn(f'detail="{detail}"', r.cache_status)

    def restart(self, **more):
        self.site.doryds.remove(self.site.doryd)
        self.site.doryd = self.site.start_doryd(**more)


class Away(FaultCase):
    """The store cannot be opened, or goes while it is in use."""

    def test_doryd_starts_without_a_store_and_opens_it_once_it_can(self):
        self.store_page("kept")
        self.site.doryd.stop()
        os.rename(self.store, self.store + ".away")
        with open(self.store, "w") as f:
            f.write("no directory")
        self.restart()
        for _ in range(3):
            self.assert_passes("store-unavailable")
        descriptors = self.site.doryd.descriptors()
        self.assertEqual(self.deflate_status("page(kept)"), 503)
        time.sleep(0.6)  # It has tried again meanwhile, and said so once only.
        self.assertEqual(self.site.doryd.output().count("not a directory"), 1)
        self.assertLessEqual(self.site.doryd.descriptors(), descriptors + 1)
        os.unlink(self.store)
        os.rename(self.store + ".away", self.store)
        wait_until(lambda: "hit" in self.get("kept").cache_status, "a hit again", WELL_S)
        self.assertEqual(self.deflate_status("page(kept)"), 200)
        self.assert_fetched(self.get("kept"))

    def test_files_that_are_removed_in_use_serve_nothing_more(self):
        other = self.site.start_doryd(name="other")
        self.store_page("kept")
        self.assert_hit(self.get("kept", other))
        descriptors = self.site.doryd.descriptors()
        shutil.rmtree(self.store)
        # At once, in both: who removed it may have meant it as a deflate.
        self.assert_fetched(self.get("kept", other))
        self.assert_fetched(self.get("kept"))
        self.wait_until_well()
        wait_until(lambda: "hit" in self.get("well", other).cache_status, "one store", WELL_S)
        self.assertEqual(self.deflate_status("page(well)"), 200)
        self.assert_fetched(self.get("well", other))
        self.assertLessEqual(self.site.doryd.descriptors(), descriptors + 4)

    def test_a_deflate_is_not_acknowledged_by_a_store_that_is_gone(self):
        other = self.site.start_doryd(name="other")
        self.store_page("kept")
        for name in ("data.mdb", "lock.mdb", "open.lock"):
            os.unlink(os.path.join(self.store, name))
        self.deflate_status("page(a)", doryd=other)  # 200 only once it is on the new store.
        self.wait_until_well("a")
        wait_until(lambda: self.deflate_status("page(a)", doryd=other) == 200, "a deflate", WELL_S)
        self.assert_fetched(self.get("a"))

    def test_a_response_asked_for_before_the_store_was_lost_is_not_stored_in_the_next(self):
        self.store_page("kept")
        for _ in range(3):
            self.site.deflate("page(kept)")
        self.backend.hold("/page/slow")
        slow = self.site.later(self.site.doryd.ask, "GET", "/page/slow")
        self.backend.wait_for("/page/slow")
        shutil.rmtree(self.store)
        self.wait_until_well()
        self.assertEqual(self.deflate_status("page(slow)"), 200)
        self.backend.release("/page/slow")
        self.assertEqual(slow.result(10).status, 200)
        self.assert_fetched(self.get("slow"))


class AtStart(FaultCase):
    """Whatever lies where the store should be: doryd starts, and serves what is right."""

    def assert_begun_anew(self, damage, aside=True):
        self.store_page("kept")
        sequence = self.site.deflate("page(other)")
        self.assertEqual(sequence, 1)
        self.site.doryd.kill()
        damage()
        self.restart()
        self.assert_fetched(self.get("kept"))
        self.wait_until_well()
        self.assertEqual(self.deflate_status("page(well)"), 200)
        self.assert_fetched(self.get("well"))
        kept = [n for n in os.listdir(self.store) if n.startswith("store.bad-")]
        self.assertEqual(len(kept), aside)
        self.assertEqual(self.site.doryd.output().count("set aside as"), aside)

    def overwrite(self, begin, end=None):
        size = os.path.getsize(self.data)
        with open(self.data, "r+b") as f:
            f.seek(begin)
            f.write(os.urandom((size if end is None else end) - begin))

    def replace(self, make):
        os.unlink(self.data)
        make(self.data)

    def test_a_file_cut_short_is_set_aside(self):
        self.assert_begun_anew(lambda: os.truncate(self.data, 8192))

    def test_a_garbage_header_is_set_aside(self):
        self.assert_begun_anew(lambda: self.overwrite(0, 8192))

    def test_garbage_pages_are_set_aside(self):
        self.assert_begun_anew(lambda: self.overwrite(8192))

    def test_a_directory_in_its_place_is_set_aside(self):
        self.assert_begun_anew(lambda: self.replace(os.mkdir))

    def test_a_fifo_in_its_place_is_set_aside(self):
        self.assert_begun_anew(lambda: self.replace(os.mkfifo))

    def test_zero_bytes_are_a_new_store(self):
        self.assert_begun_anew(lambda: os.truncate(self.data, 0), aside=False)

    def test_a_file_that_another_process_uses_is_left_alone(self):
        other = self.site.start_doryd(name="other")
        self.store_page("kept")
        self.site.doryd.kill()
        os.rename(self.data, self.data + ".moved")
        with open(self.data, "wb") as f:
            f.write(b"garbage " * 2048)
        self.restart()
        # Once nobody has the old one open any more, what is there now makes room.
        self.wait_until_well(timeout=5)
        wait_until(lambda: "hit" in self.get("well", other).cache_status, "one store", 5)
        self.assertEqual(self.deflate_status("page(well)", doryd=other), 200)
        self.assert_fetched(self.get("well"))


class Together(FaultCase):
    """Several processes on one store."""

    def test_eight_that_start_at_once_on_nothing_all_serve(self):
        for round_ in range(3):
            self.site.doryd.stop()
            self.site.doryds.remove(self.site.doryd)
            shutil.rmtree(self.store)
            starts = [self.site.later(self.site.start_doryd, name=f"d{round_}{i}")
                      for i in range(8)]
            doryds = [s.result(20) for s in starts]
            for i, doryd in enumerate(doryds):
                wait_until(lambda d=doryd: "store-" not in self.get("x", d).cache_status,
                           "it has a store", 5)
                self.assertEqual(self.deflate_status("page(x)", doryd=doryd), 200)
            self.assertEqual(self.site.metric("sequence", doryds[0]), 8)
            for doryd in doryds[1:]:
                doryd.stop()
                self.site.doryds.remove(doryd)
            self.site.doryd = doryds[0]
