"""test_eviction.py -- A store much smaller than the traffic: never too large, never in the way."""
import os
import random
import time

from backend import page
from ordeal import FaultCase
from testsite import wait_until

SIZE = 16 << 20
TRAFFIC = 5 * SIZE


def body(name):
    """Of 1 to 200 KiB: some go to the tables, some to files."""
    chance = random.Random(name)
    return chance.randbytes(64) * (chance.choice((16, 64, 320, 1600, 3200)))


class Eviction(FaultCase):
    DORY = f"workers = 2\nsize = {SIZE >> 20}M\nbody_file_min = 64K\nmax_object = 1G"

    def setUp(self):
        super().setUp()
        self.backend.default = lambda r: page(body(r.path))
        self.backend.on("/page/passing", page(body("/page/passing"), cache_control="no-store"))

    def on_disk(self):
        """What the store takes: every file, as long as it is or as many blocks as it has."""
        taken = 0
        for folder, _, names in os.walk(os.path.join(self.site.dir, "store")):
            for name in names:
                try:
                    st = os.stat(os.path.join(folder, name))
                except FileNotFoundError:  # It went meanwhile.
                    continue
                if name == "data.mdb":
                    taken += st.st_size
                elif folder != os.path.join(self.site.dir, "store"):
                    taken += st.st_blocks * 512
        return taken

    def get(self, name, doryd=None):
        began = time.monotonic()
        r = (doryd or self.site.doryd).ask("GET", "/page/" + name)
        self.assertLess(time.monotonic() - began, self.ANSWER_S)
        self.assertEqual((r.status, r.body), (200, body("/page/" + name)))
        return r

    def catch_up(self):
        """What was asked for last is stored."""
        wait_until(lambda: "dory; hit" in self.get("last").cache_status, "it is stored")

    def fill(self):
        """Five times what it holds, with one page asked for again and again."""
        asked, n, hot = 0, 0, []
        while asked < TRAFFIC:
            asked += len(self.get(f"cold-{n}").body)
            n += 1
            if n % 10 == 0:
                hot.append("dory; hit" in self.get("hot").cache_status)
            if n % 50 == 0:
                self.assertLessEqual(self.on_disk(), SIZE * 1.01)
        return hot

    def test_five_times_its_size_passes_through_and_the_hot_page_stays(self):
        wait_until(lambda: "dory; hit" in self.get("hot").cache_status, "the hot page is a hit")
        with self.ordeal() as ordeal:
            hot = self.fill()
            ordeal.mend(self.catch_up)
        self.assertGreater(sum(hot), 0.95 * len(hot))
        self.assertGreater(self.site.metric("evicted"), 100)
        self.assertLessEqual(self.on_disk(), SIZE * 1.01)

    def test_a_full_store_takes_deflates_and_new_pages(self):
        with self.ordeal() as ordeal:
            self.fill()
            ordeal.mend(self.catch_up)
        self.site.deflate("page(*)")
        self.assert_fetched(self.get("hot"))
        wait_until(lambda: "dory; hit" in self.get("new").cache_status, "a new page is a hit")
        for n in range(20):
            self.site.deflate(f"page(new-{n})")
        self.assertLessEqual(self.on_disk(), SIZE * 1.01)

    def test_what_is_larger_than_the_store_passes_and_the_rest_stays(self):
        wait_until(lambda: "dory; hit" in self.get("hot").cache_status, "the hot page is a hit")
        large = b"x" * (SIZE + (4 << 20))
        self.backend.on("/page/large", page(large))
        for n in (1, 2):
            last = self.site.doryd.ask("GET", "/page/large")
            self.assertEqual(last.body, large)
            self.assertEqual(self.backend.count("/page/large"), n)
        self.assertIn('detail="store-full"', last.cache_status)
        self.assertLessEqual(self.on_disk(), SIZE * 1.01)
        self.assertIn("dory; hit", self.get("hot").cache_status)
