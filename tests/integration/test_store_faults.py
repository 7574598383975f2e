"""test_store_faults.py -- A store that breaks: the site stays up, tells why, and is well again."""
import os
import shutil
import signal
import subprocess
import time

from ordeal import ANEW_S, ANSWER_S, WELL_S, FaultCase, ShimCase
from testsite import wait_until

STARTS = int(os.environ.get("DORY_STARTS", "3"))  # Rounds of eight daemons that start at once.


class Away(FaultCase):
    """The store cannot be opened, or goes while it is in use."""

    def test_doryd_starts_without_a_store_and_opens_it_once_it_can(self):
        self.store_page("kept")
        with self.ordeal() as ordeal:
            self.site.doryd.stop()
            os.rename(self.store, self.store + ".away")
            with open(self.store, "w") as f:
                f.write("no directory")
            self.site.restart()
            for _ in range(3):
                self.assert_passes("store-unavailable")
            descriptors = self.site.doryd.descriptors()
            self.assertEqual(self.deflate_status("page(kept)"), 503)
            self.site.doryd.wait_for_output("not a directory")
            time.sleep(0.6)  # It has tried again meanwhile, and said so once only.
            self.assertEqual(self.site.doryd.output().count("not a directory"), 1)
            self.assertLessEqual(self.site.doryd.descriptors(), descriptors + 2)
            os.unlink(self.store)
            ordeal.mend(lambda: os.rename(self.store + ".away", self.store))
            wait_until(lambda: "hit" in self.get("kept").cache_status, "a hit again", WELL_S)
        self.assertEqual(self.deflate_status("page(kept)"), 200)
        self.assert_fetched(self.get("kept"))

    def test_files_that_are_removed_in_use_serve_nothing_more(self):
        other = self.site.start_doryd(name="other")
        self.store_page("kept")
        self.assert_hit(self.get("kept", other))
        with self.ordeal(ANEW_S) as ordeal:
            ordeal.mend(self.site.remove_store)
            # At once, in both: who removed it may have meant it as a deflate.
            self.assert_fetched(self.get("kept", other))
            self.assert_fetched(self.get("kept"))
            wait_until(lambda: "hit" in self.get("well", other).cache_status, "a store", ANEW_S)
            wait_until(lambda: "hit" in self.get("well").cache_status, "one store", ANEW_S)
        self.assertEqual(self.deflate_status("page(well)"), 200)
        self.assert_fetched(self.get("well", other))

    def replace(self, make):
        """Another file takes its place, at once."""
        make(self.data + ".new")
        os.rename(self.data + ".new", self.data)

    def assert_replaced(self, make):
        self.assertEqual(self.deflate_status("page(kept)"), 200)
        self.get("kept")
        with self.ordeal(ANEW_S) as ordeal:
            ordeal.mend(lambda: self.replace(make))
            # A page that was deflated is not what it was before, in whatever store.
            self.get("kept")
            self.wait_until_well(timeout=ANEW_S)
            self.get("kept")
            self.get("kept")

    def test_garbage_that_replaces_it_in_use_is_set_aside(self):
        self.store_page("kept")

        def garbage(path):
            with open(path, "wb") as f:
                f.write(os.urandom(100000))
        self.assert_replaced(garbage)
        self.site.doryd.wait_for_output("set aside as")

    def test_a_copy_of_it_that_is_older_brings_nothing_back(self):
        self.store_page("kept")
        copy = os.path.join(self.site.dir, "copy")
        shutil.copy(self.data, copy)
        self.assert_replaced(lambda path: shutil.copy(copy, path))
        for end in ("stop", "kill"):
            with self.subTest(end):
                getattr(self.site.doryd, end)()
                self.replace(lambda path: shutil.copy(copy, path))
                self.site.restart()
                self.get("kept")
                self.get("kept")

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
        self.site.remove_store()
        self.wait_until_well()
        self.assertEqual(self.deflate_status("page(slow)"), 200)
        self.backend.release("/page/slow")
        self.assertEqual(slow.result(10).status, 200)
        self.assert_fetched(self.get("slow"))


class AtStart(FaultCase):
    """Whatever lies where the store should be: doryd starts, and serves what is right."""

    def assert_begun_anew(self, damage, aside=True):
        self.store_page("kept")
        with self.ordeal() as ordeal:
            self.assertEqual(self.site.deflate("page(other)"), 1)
            self.site.doryd.kill()
            damage()
            ordeal.mend(self.site.restart)
            self.assert_fetched(self.get("kept"))
        kept = [n for n in os.listdir(self.store) if n.startswith("store.bad-")]
        self.assertEqual(len(kept), aside)
        # The log has a thread of its own.
        wait_until(lambda: self.site.doryd.output().count("set aside as") == aside, "it is said")

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
        with self.ordeal(ANEW_S) as ordeal:
            self.site.doryd.kill()
            os.rename(self.data, self.data + ".moved")
            with open(self.data, "wb") as f:
                f.write(b"garbage " * 2048)
            ordeal.mend(self.site.restart)
            # Once nobody has the old one open any more, what is there now makes room.
            wait_until(lambda: "hit" in self.get("well", other).cache_status, "a store", ANEW_S)
            wait_until(lambda: "hit" in self.get("well").cache_status, "one store", ANEW_S)
            os.unlink(self.data + ".moved")
        self.assertEqual(self.deflate_status("page(well)", doryd=other), 200)
        self.assert_fetched(self.get("well"))


class Together(FaultCase):
    """Several processes on one store."""

    def test_eight_that_start_at_once_on_nothing_all_serve(self):
        for round_ in range(STARTS):
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


class Injected(ShimCase):
    """Writes and syncs that fail."""

    def setUp(self):
        super().setUp()
        self.site.restart(env=self.disk.env)
        self.store_page("kept")

    def assert_mended(self):
        self.assertEqual(self.deflate_status("page(kept)"), 200)
        self.assert_fetched(self.get("kept"))

    def assert_fills(self, word, detail, deflated):
        with self.ordeal() as ordeal:
            self.disk.break_with(word)
            for i in range(5):
                self.get(f"new{i}")
            self.assert_hit(self.get("kept"))
            self.wait_for_reason(detail)
            self.assertEqual(self.deflate_status("page(kept)"), deflated)
            self.get("kept")
            ordeal.mend(self.disk.mend)
        self.assert_mended()

    def test_no_space_left(self):
        self.assert_fills("enospc", "store-full", 200)  # It needs no room.

    def test_a_disk_that_becomes_full_within_a_write(self):
        self.assert_fills("short", "store-full", 200)

    # Nothing but who asks for blocks tells of it.
    def test_a_quota_that_is_used_up_is_a_full_store(self):
        for i in range(20):
            self.store_page(f"long{i}")
        with self.ordeal() as ordeal:
            self.disk.break_with("quota")
            for i in range(60):
                self.store_page(f"long{i}")
            self.assertGreater(self.site.metric("evicted"), 20)
            ordeal.mend(self.disk.mend)
        self.assertEqual(self.site.metric("store_errors"), 0)
        self.assert_mended()

    # Ten files have room. The first beyond is refused; those that follow go for older ones.
    def test_a_quota_that_body_files_have_used_up_is_a_full_store(self):
        with self.ordeal() as ordeal:
            self.disk.break_with("body-quota")
            for i in range(9):
                self.store_page(f"file{i}")
            for i in range(9, 40):
                self.assert_stored(f"file{i}")
            self.assertGreater(self.site.metric("evicted"), 20)
            ordeal.mend(self.disk.mend)
        self.assertLess(self.site.metric("store_errors"), 5)
        self.assert_mended()

    def test_a_body_file_is_tried_again_where_no_older_one_could_go(self):
        with self.ordeal() as ordeal:
            self.disk.break_with("bodies")
            for _ in range(3):
                self.get("file1")
            self.wait_for_reason("store-full", "passing")
            ordeal.mend(self.disk.mend)
            wait_until(lambda: "hit" in self.get("file1").cache_status, "a hit", WELL_S)

    def test_a_disk_that_became_read_only_in_use(self):
        self.assert_fills("erofs", "store-readonly", 503)

    def test_a_failed_sync_is_no_acknowledgement_and_the_next_deflate_is(self):
        with self.ordeal() as ordeal:
            self.disk.break_with("sync")
            self.assertEqual(self.deflate_status("page(kept)"), 503)
            self.wait_for_reason("store-failing", "passing")
            ordeal.mend(self.disk.mend)
        self.assert_mended()

    def test_three_failed_commits_set_the_store_aside(self):
        with self.ordeal(ANEW_S) as ordeal:
            self.disk.break_with("sync")
            for _ in range(3):
                self.assertEqual(self.deflate_status("page(kept)"), 503)
            ordeal.mend(self.disk.mend)
            wait_until(lambda: "set aside as" in self.site.doryd.output(), "it is set aside", 2)
            self.assert_fetched(self.get("kept"))
        self.assert_mended()

    def test_after_a_failed_meta_page_lmdb_is_opened_anew(self):
        with self.ordeal() as ordeal:
            self.disk.break_with("meta")
            self.assertEqual(self.deflate_status("page(kept)"), 503)
            self.get("kept")
            ordeal.mend(self.disk.mend)
        self.site.doryd.wait_for_output("LMDB gave up after a write that failed")
        self.assert_mended()

    def test_failed_data_writes(self):
        with self.ordeal() as ordeal:
            self.disk.break_with("eio")
            self.assertEqual(self.deflate_status("page(kept)"), 503)
            self.wait_for_reason("store-failing", "passing")
            self.get("kept")
            ordeal.mend(self.disk.mend)
        self.assert_mended()


class InUse(FaultCase):
    HELD = b"dory: warning: ending before all is stored: another process holds the store's lock\n"

    def test_a_file_cut_short_in_use_ends_doryd_with_70_and_the_next_serves(self):
        self.store_page("kept")
        with self.ordeal() as ordeal:
            os.truncate(self.data, 8192)
            try:
                self.site.doryd.ask("GET", "/page/kept")
            except OSError:
                pass  # Its connection ends with it.
            self.assertEqual(self.site.doryd.child.wait(5), 70)
            self.assertIn("cut short", self.site.doryd.output())
            ordeal.mend(self.site.restart)
            self.assert_fetched(self.get("kept"))

    def test_a_stopped_process_that_holds_the_write_lock_holds_up_no_page(self):
        self.store_page("kept")
        other = self.site.start_doryd(name="other")
        self.get("kept", other)
        holder = subprocess.Popen(
            ["/usr/bin/python3", "-c", HOLDER, self.store], stdout=subprocess.PIPE)

        def end():
            holder.kill()
            holder.wait()
            holder.stdout.close()
        self.addCleanup(end)
        with self.ordeal() as ordeal:
            self.assertEqual(holder.stdout.readline(), b"held\n")
            holder.send_signal(signal.SIGSTOP)
            late = self.site.later(self.deflate_status, "page(kept)")
            wait_until(lambda: "store-busy" in self.get("other").cache_status, "the reason", 5)
            self.assert_hit(self.get("kept"))
            # As CGI programs, which are to end as well.
            self.assert_hit(self.cgi("kept"))
            new = self.site.later(self.cgi, "new", self.HELD)
            self.get("newer", other)
            self.site.doryds.remove(other)
            other.send(signal.SIGTERM)
            self.assert_fetched(new.result(15))
            self.assertEqual(other.child.wait(15), 0)
            self.assertIn(self.HELD.decode(), other.output())
            self.assertEqual(late.result(15), 503)
            ordeal.mend(end)


# Takes LMDB's write lock, as a process that was stopped within a transaction has it.
HOLDER = """
import ctypes, sys, time
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn = ctypes.c_void_p(), ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_set_maxdbs(env, 16) == 0
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0x200000 | 0x40000 | 0x800000, 0o600) == 0
assert lmdb.mdb_txn_begin(env, None, 0, ctypes.byref(txn)) == 0
print("held", flush=True)
time.sleep(60)
"""


class Mounts(FaultCase):
    """What takes root, and the right to mount."""

    def mount(self, *args):
        done = subprocess.run(["mount", *args], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest("mount is not allowed here: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.store], capture_output=True,
                        check=False)

    def unmount(self):
        self.site.doryd.stop()
        subprocess.run(["umount", self.store], check=True)
        self.site.restart()

    def remount(self, options):
        subprocess.run(["mount", "-o", "remount," + options, self.store], check=True)

    def test_a_read_only_disk_at_start(self):
        self.store_page("kept")
        with self.ordeal() as ordeal:
            self.site.doryd.stop()
            self.mount("--bind", self.store, self.store)
            self.remount("bind,ro")
            self.site.restart()
            self.assert_passes("store-readonly")
            self.assertEqual(self.deflate_status("page(kept)"), 503)
            ordeal.mend(lambda: self.remount("bind,rw"))
            wait_until(lambda: "hit" in self.get("kept").cache_status, "a hit again", WELL_S)
        self.unmount()

    def begin_on_a_disk_of(self, kib):
        self.site.doryd.stop()
        shutil.rmtree(self.store)
        os.mkdir(self.store, 0o700)
        self.mount("-t", "tmpfs", "-o", f"size={kib}k,mode=0700", "none", self.store)
        self.site.restart()

    # What decides is how many blocks are left where the disk turns out to be full: any number.
    def test_a_disk_of_any_size_that_is_full_is_a_full_store(self):
        for kib in range(1500, 3500, 130):
            self.begin_on_a_disk_of(kib)
            try:
                self.check_a_full_disk()
            except AssertionError as e:
                raise AssertionError(f"on a disk of {kib} KiB: {e}") from e
            self.unmount()

    def check_a_full_disk(self):
        for i in range(100):
            self.assert_stored(f"long{i}")
        self.assertGreater(self.site.metric("evicted"), 10)
        self.assertEqual(self.site.metric("store_errors"), 0, "nothing failed")
        self.assertEqual(self.deflate_status("page(long99)"), 200)
        self.assert_fetched(self.get("long99"))
        self.assertNotIn("forgotten", self.site.doryd.output())
        # Who comes next finds what was taken ahead.
        self.site.doryd.stop()
        self.site.restart()
        for i in range(20):
            self.assert_stored(f"long-after{i}")
        self.assertEqual(self.site.metric("store_errors"), 0, "nothing failed after a restart")

    def test_a_disk_full_of_body_files_is_a_full_store(self):
        self.begin_on_a_disk_of(9000)
        for kind in ("file", "long", "file"):
            before = self.site.metric("evicted")
            for i in range(60):
                self.assert_stored(f"{kind}{i}")
            self.assertGreater(self.site.metric("evicted"), before + 20)
        self.assertEqual(self.site.metric("store_errors"), 0)
        self.unmount()

    def test_a_full_disk(self):
        self.begin_on_a_disk_of(3072)
        with self.ordeal() as ordeal:
            for i in range(200):
                self.get(f"long{i}")
            # What is there goes, and what is asked for is stored.
            wait_until(lambda: "hit" in self.get("long-more").cache_status, "a hit", ANSWER_S)
            self.assertGreater(self.site.metric("evicted"), 50)
            for i in range(50):
                self.assertEqual(self.deflate_status(f"page(long{i})"), 200)
                self.get(f"long{i}")
            ordeal.mend(lambda: self.remount("size=64M"))
        self.assertNotIn("set aside", self.site.doryd.output())
        self.unmount()
