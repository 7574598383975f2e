"""test_store_hostile.py -- A store among others: who takes its slots, its rights, its place."""
import json
import os
import signal
import subprocess

from ordeal import SANITIZED, WELL_S, FaultCase, ShimCase, children
from testsite import PAGES, TOKEN, wait_until

NOBODY = 65534
FILE_BODY = "x" * 70000  # Long enough to be a body file.


class SlotsTaken(FaultCase):
    """All reader slots are held by a process that lives, then by one that is dead."""

    def setUp(self):
        super().setUp()
        self.store_page("kept")
        self.holder = None
        self.addCleanup(self.release)

    def take(self):
        self.holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLDER, self.store],
                                       stdout=subprocess.PIPE, text=True)
        self.assertRegex(self.holder.stdout.readline(), r"^held \d+$")

    def release(self):
        if self.holder is not None:
            self.holder.kill()
            self.holder.wait()
            self.holder.stdout.close()

    def test_a_daemon_that_runs_serves_on_and_deflates(self):
        with self.ordeal() as ordeal:
            self.take()
            self.assert_hit(self.get("kept"))
            for i in range(5):
                self.get(f"new{i}")
            self.assertEqual(self.deflate_status("page(kept)"), 200)
            self.assert_fetched(self.get("kept"))
            ordeal.mend(self.release)

    def test_a_daemon_that_starts_passes_and_says_so(self):
        with self.ordeal() as ordeal:
            self.take()
            other = self.site.start_doryd(name="other")
            for i in range(5):
                self.assert_passes("store-readers-full", f"new{i}", other)
            self.assertEqual(self.deflate_status("page(kept)", doryd=other), 503)
            self.assert_hit(self.get("kept"))
            ordeal.mend(self.release)
            wait_until(lambda: "hit" in self.get("kept", other).cache_status, "a hit", WELL_S)
        self.assertEqual(self.deflate_status("page(kept)", doryd=other), 200)
        self.assert_fetched(self.get("kept"))

    def test_the_command_says_why_it_cannot_read(self):
        self.take()
        done = self.site.dory("ls", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "reader")
        self.release()
        self.assertEqual(self.site.dory("ls").returncode, 0)


# Takes every reader slot there is, or as many as it is told.
HOLDER = """
import ctypes, sys, time
lmdb = ctypes.CDLL("liblmdb.so.0")
env = ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_set_maxdbs(env, 16) == 0
assert lmdb.mdb_env_set_maxreaders(env, 1024) == 0
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0x200000 | 0x40000 | 0x800000, 0o600) == 0
rc, n, most = 0, 0, int(sys.argv[2]) if len(sys.argv) > 2 else 0
while rc == 0 and (n == 0 or n != most):
    txn = ctypes.c_void_p()
    rc = lmdb.mdb_txn_begin(env, None, 0x20000, ctypes.byref(txn))
    n += 1
assert rc == (0 if most else -30790), rc
print("held", n, flush=True)
time.sleep(60)
"""


class StoppedReader(FaultCase):
    """A process that was stopped in a look-up: nothing it may still read can be used again."""
    DORY = "workers = 2\nsize = 1M"
    DEFLATES = 200

    def padding(self, path):
        return "x" * 10000 if "long" in path else ""

    def hold(self):
        holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLDER, self.store, "1"],
                                  stdout=subprocess.PIPE, text=True)

        def release():
            holder.kill()
            holder.wait()
            holder.stdout.close()
        self.addCleanup(release)
        self.assertEqual(holder.stdout.readline(), "held 1\n")
        holder.send_signal(signal.SIGSTOP)
        return release

    def test_deflates_find_no_room_and_hold_all_the_same(self):
        for i in range(50):
            self.get(f"long{i}")
        self.store_page("kept")
        with self.ordeal() as ordeal:
            release = self.hold()
            for i in range(self.DEFLATES):
                self.assertEqual(self.deflate_status(f"page(other{i})"), 200)
                self.get("kept")
            self.assertEqual(self.deflate_status("page(kept)"), 200)
            self.get("kept")
            self.site.doryd.wait_for_output("no room to note what a deflate covers")
            self.site.doryd.kill()
            self.site.restart()
            self.get("kept")
            ordeal.mend(release)
        # It covers no more than it says from now on.
        self.store_page("kept")
        self.assertEqual(self.deflate_status("page(other)"), 200)
        self.assert_hit(self.get("kept"))


class Denied(FaultCase):
    """Without root's right to everything."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root may become somebody else")
        self.site.doryd.stop()
        for folder, _, names in os.walk(self.site.dir):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        self.restart_as_nobody()

    def restart_as_nobody(self):
        self.site.restart(under=("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                            "--clear-groups"))

    def assert_denied(self):
        self.assert_passes("store-denied")
        self.assertEqual(self.deflate_status("page(kept)"), 503)

    def allow(self):
        os.chmod(self.store, 0o700)

    def assert_kept(self):
        wait_until(lambda: "hit" in self.get("kept").cache_status, "a hit again", WELL_S)
        self.assertEqual(self.deflate_status("page(kept)"), 200)
        self.assert_fetched(self.get("kept"))

    def test_a_store_that_may_not_be_opened_at_start(self):
        self.store_page("kept")
        with self.ordeal() as ordeal:
            self.site.doryd.stop()
            os.chmod(self.store, 0)
            self.restart_as_nobody()
            self.assert_denied()
            self.site.doryd.wait_for_output(self.store, f"uid {NOBODY}")
            ordeal.mend(self.allow)
            self.assert_kept()

    def test_a_store_that_may_not_be_used_any_more(self):
        self.store_page("kept")
        with self.ordeal() as ordeal:
            os.chmod(self.store, 0)
            self.wait_for_reason("store-denied")
            self.assert_denied()
            ordeal.mend(self.allow)
            self.assert_kept()

    def test_a_store_of_another_owner(self):
        self.store_page("kept")
        with self.ordeal() as ordeal:
            self.site.doryd.stop()
            os.chown(self.store, 0, 0)
            self.restart_as_nobody()
            self.assert_denied()
            self.site.doryd.wait_for_output("belongs to uid 0")
            ordeal.mend(lambda: os.chown(self.store, NOBODY, NOBODY))
            self.assert_kept()


class Network(ShimCase):
    def test_a_disk_of_another_machine_is_refused(self):
        self.site.restart(env=self.disk.env)
        with self.ordeal() as ordeal:
            self.site.doryd.stop()
            self.disk.break_with("nfs")
            self.site.restart(env=self.disk.env)
            self.assert_passes("store-unavailable")
            self.site.doryd.wait_for_output("lies on NFS")
            self.assertEqual(self.deflate_status("page(kept)"), 503)
            ordeal.mend(self.disk.mend)

    def test_it_is_used_where_that_is_asked_for(self):
        self.disk.break_with("nfs")
        self.site.configure(dory=self.DORY + "\nstore_unsafe_fs = yes")
        self.site.restart(env=self.disk.env)
        self.store_page("kept")
        self.assertEqual(self.deflate_status("page(kept)"), 200)


class Bodies(ShimCase):
    """The disk fails for body files alone: what is small is stored on, and deflates hold."""

    def setUp(self):
        super().setUp()
        self.site.restart(env=self.disk.env)
        self.store_page("kept")

    def padding(self, path):
        return FILE_BODY if "big" in path else ""

    def files(self):
        return [name for _, _, names in os.walk(os.path.join(self.store, "bodies"))
                for name in names]

    def check(self, word, detail):
        self.store_page("big-kept")
        self.assertEqual(len(self.files()), 1)
        with self.ordeal() as ordeal:
            self.disk.break_with(word)
            for i in range(4):
                self.assert_fetched(self.get(f"big{i}"))
            self.assert_hit(self.get("big-kept"))
            self.wait_for_reason(detail, "big-other")
            # It is not the tables that fail.
            self.assertEqual(self.deflate_status("page(big-kept)"), 200)
            self.assert_fetched(self.get("big-kept"))
            self.wait_until_well("small")
            ordeal.mend(self.disk.mend)
            wait_until(lambda: "hit" in self.get("big-well").cache_status, "a file", WELL_S)
        self.assertEqual(self.deflate_status("page(big-well)"), 200)
        self.assert_fetched(self.get("big-well"))
        self.assertNotIn("set aside", self.site.doryd.output())

    def test_no_space_left(self):
        self.check("bodies", "store-full")

    def test_failed_writes(self):
        self.check("body-eio", "store-failing")

    def test_failed_syncs(self):
        self.check("body-sync", "store-failing")


class Configurations(FaultCase):
    """Two daemons with other configurations on one store."""
    SECOND = """
[bloat page]
key = {name}
timeout = 100s
[route page]
match = GET /page/{name}
bloat = page(name)
[bloat item]
prefix = item
key = {name} {kind}
timeout = 1h
[route item]
match = GET /item/{name}/{kind}
bloat = item(name, kind)
"""

    def setUp(self):
        super().setUp()
        first = self.site.ini
        self.site.ini = os.path.join(self.site.dir, "second.ini")
        with open(first) as f:
            text = f.read().replace(PAGES, self.SECOND).replace("256M", "128M")
        with open(os.open(self.site.ini, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(text)
        self.other = self.site.start_doryd(name="other", ini=self.site.ini)
        self.site.ini = first

    def item(self, doryd):
        return doryd.ask("GET", "/item/a/b")

    def test_they_serve_what_both_know_and_deflates_through_either_hold(self):
        for deflater in (self.site.doryd, self.other):
            wait_until(lambda: "hit" in self.get("a").cache_status, "it is stored")
            self.assert_hit(self.get("a", self.other))
            self.assertEqual(self.deflate_status("page(a)", doryd=deflater), 200)
            self.assert_fetched(self.get("a", self.other))
            wait_until(lambda: "hit" in self.get("a").cache_status, "a hit")
            self.assertEqual(self.deflate_status("*", doryd=deflater), 200)
            self.assert_fetched(self.get("a"))

    def test_what_one_does_not_know_it_passes_by(self):
        wait_until(lambda: "hit" in self.item(self.other).cache_status, "a hit")
        self.assertNotIn("hit", self.item(self.site.doryd).cache_status)
        self.assertEqual(self.deflate_status("item(a, b)"), 400)
        self.assert_hit(self.item(self.other))
        self.assertEqual(self.deflate_status("*"), 200)
        self.assert_fetched(self.item(self.other))

    def test_the_larger_size_holds_for_both(self):
        self.store_page("a")
        for doryd in (self.site.doryd, self.other):
            r = doryd.ask("GET", "/_dory/stat", host="localhost", headers=[("Dory-Token", TOKEN)])
            self.assertEqual(json.loads(r.body)["store"]["size_bytes"], 256 << 20, r.text)


class Containers(FaultCase):
    """The same process number twice, as in two containers that share a directory."""

    def start(self, name):
        doryd = self.site.start_doryd(name=name, under=("unshare", "-pf", "--kill-child"))
        self.addCleanup(self.end, doryd)
        return doryd

    def end(self, doryd):
        """Its own process is a child of the one that was started."""
        if doryd in self.site.doryds:
            os.kill(children(doryd.pid)[0], signal.SIGTERM)
            self.assertEqual(doryd.child.wait(10), 0)
            self.site.doryds.remove(doryd)

    def test_the_second_passes_until_the_first_has_gone(self):
        done = subprocess.run(["unshare", "-pf", "true"], capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("process numbers cannot be had twice here")
        self.site.doryd.stop()
        self.site.doryds.remove(self.site.doryd)
        first = self.site.doryd = self.start("first")
        self.store_page("kept")
        second = self.start("second")
        r = self.get("kept", second)
        self.assert_fetched(r)
        self.assertIn('detail="store-unavailable"', r.cache_status)
        second.wait_for_output("a process with our number uses it from elsewhere")
        self.assertEqual(self.deflate_status("page(kept)", doryd=second), 503)
        self.assert_hit(self.get("kept"))
        self.end(first)
        self.site.doryd = second
        wait_until(lambda: "hit" in self.get("kept").cache_status, "a hit", WELL_S + 0.5)
        self.assertEqual(self.deflate_status("page(kept)"), 200)
        self.assert_fetched(self.get("kept"))


class ForkStorm(FaultCase):
    """As a CGI program, a process for each request, many at once."""
    AT_ONCE = 32 if SANITIZED else 200
    KEYS = 8
    CGI_S = 60
    ANSWER_S = 20  # The processors are taken.

    def storm(self, n):
        running = [self.site.later(self.cgi, f"p{i % self.KEYS}") for i in range(n)]
        return [r.result(self.CGI_S) for r in running]

    def test_all_are_answered_and_nothing_is_left(self):
        with self.ordeal() as ordeal:
            self.storm(self.AT_ONCE)
            # They share what is fetched, among themselves too.
            for i in range(self.KEYS):
                self.assertLessEqual(self.backend.count(f"/page/p{i}"), 2)
            size = os.path.getsize(self.data)
            for r in self.storm(self.AT_ONCE // 4):
                self.assert_hit(r)
            self.assertEqual(os.path.getsize(self.data), size)
            ordeal.mend()
        self.assertEqual(self.deflate_status("page(p0)"), 200)
        self.assert_fetched(self.cgi("p0"))
