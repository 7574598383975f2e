"""test_powercut.py -- The power fails at random moments: what is on disk then is right, or gone."""
import collections
import os
import random
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import time

from backend import page
from testsite import BUILD, TOKEN, WAIT_S, SiteCase, preloaded, wait_until

POWERCUT = os.path.join(BUILD, "tests", "support", "powercut")
SANITIZED = bool(os.environ.get("DORY_SANITIZED"))
CUTS = int(os.environ.get("DORY_POWERCUTS", "200" if SANITIZED else "2000"))
SECONDS = float(os.environ.get("DORY_POWERCUT_S", "4"))  # How long the load is recorded.
SEED = int(os.environ.get("DORY_SEED", "1"))
KEYS = range(150)
READERS = 4
PROCESSES = 2  # That cut and check.
ROUND = 100
CUTTING_S = 60  # After that no further round: a busy machine makes fewer cuts.
EVICTED = 20  # At least, while it is recorded.
OPEN, WRITE, DSYNC, _, SYNCING, SYNCED, _, UNLINK, _, MARK = range(10)  # enum powerlog_kind.
META_BYTES = 8192  # What LMDB writes there makes a commit count.

ROUTES = """
[bloat item]
key = {id:uint}
timeout = 1h
tags = shelf-{id}
[route item]
match = GET /item/{id:uint}
bloat = item(id)
[route write]
match = POST /write/{id:uint}
deflate = item(id)
"""
BYTES = bytes(range(256)) * 500


def length(key):
    """100 bytes to 100 KiB, each order of size as often as the others."""
    return int(100 * 1024 ** (key / len(KEYS)))


def body(key, version):
    """What powercut.c knows to be right."""
    head = b"%d %d %d\n" % (key, version, length(key))
    start = (key * 31 + version * 7 + len(head)) % 256
    return head + BYTES[start:start + length(key) - len(head)]


def recorded_env(log, store):
    """Of a daemon whose store is recorded."""
    return preloaded("powerlog", DORY_POWERLOG=log, DORY_POWERLOG_DIR=store)


def records(log):
    """(kind, file, at, data) of each record."""
    with open(log, "rb") as f:
        while len(head := f.read(24)) == 24:
            kind, length, file, at = struct.unpack("=IIQQ", head)
            yield kind, file, at, f.read(length)


class Order(SiteCase):
    """What comes before what on the disk, as one daemon without much room does it."""
    ROUTES = ROUTES
    LIGHTTPD = False
    DORY = "workers = 1\nbody_file_min = 40K\nsize = 3M"
    PAGES = 40
    BODY = b"x" * 200000

    def setUp(self):
        super().setUp()
        self.log = os.path.join(self.site.dir, "record")
        self.store = os.path.join(self.site.dir, "store")
        self.backend.default = page(self.BODY)
        self.site.doryd.stop()
        shutil.rmtree(self.store)
        self.site.restart(env=recorded_env(self.log, self.store))

    def files(self):
        return {name for _, _, names in os.walk(os.path.join(self.store, "bodies"))
                for name in names if not name.endswith(".tmp")}

    def store_pages(self):
        """Returns the files of those that were hits: an entry named each of them."""
        named = set()
        for number in range(self.PAGES):
            wait_until(lambda n=number: "dory; hit" in self.site.doryd.ask(
                "GET", f"/item/{n}").cache_status, "it is stored")
            named |= self.files()
        return named

    def test_a_body_is_unlinked_after_what_took_its_entry_away_was_synced(self):
        named = self.store_pages()
        self.site.doryd.stop()
        data, running, covered, checked = None, {}, True, 0
        for kind, file, at, more in records(self.log):
            if kind == OPEN and more == b"data.mdb":
                data = file
            elif kind in (WRITE, DSYNC) and file == data and at < META_BYTES:
                covered = kind == DSYNC
                running.clear()
            elif kind == SYNCING and file == data:
                running[at] = True
            elif kind == SYNCED and running.pop(at, False):
                covered = True
            elif kind == UNLINK and more.decode().rpartition("/")[2] in named:
                self.assertTrue(covered, "unlinked before the commit was synced")
                checked += 1
        self.assertGreater(checked, self.PAGES // 2)


class PowerCut(SiteCase):
    """
    doryd runs with powerlog.so, which records its writes and syncs in one log. When a client has
    been told that a deflate is done, the test appends a mark: from there on, whatever the disk
    kept of the rest, nothing older than the mark's version may live.
    """
    ROUTES = ROUTES
    LIGHTTPD = False
    # Too small for all that is asked for: entries and files go under the load.
    DORY = "workers = 2\nbody_file_min = 40K\nsize = 3M"

    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(
            prefix="dory-power-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.addCleanup(shutil.rmtree, self.folder)
        self.log = os.path.join(self.folder, "log")
        self.marks = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.addCleanup(os.close, self.marks)
        self.versions = {key: 1 for key in KEYS}
        self.quiet = threading.Event()  # Nothing is deflated, and so nothing synced, any more.
        self.stop = threading.Event()
        self.faults = []
        self.evicted = 0
        for key in KEYS:
            self.backend.on(f"/item/{key}", lambda request, key=key:
                            page(body(key, self.versions[key])))
            self.backend.on(f"/write/{key}", lambda request, key=key: self.written(key))

    # ---- the load

    def record(self):
        """A daemon on a store that is recorded from its first byte on, and all that is done."""
        self.site.doryd.stop()
        self.site.doryds.remove(self.site.doryd)
        shutil.rmtree(os.path.join(self.site.dir, "store"))
        self.site.doryd = self.site.start_doryd(
            env=recorded_env(self.log, os.path.join(self.site.dir, "store")))
        # Each key has one writer, so that its versions come in order.
        calls = [(self.deflate, 0, self.quiet), (self.deflate, 1, self.quiet),
                 (self.write, 2, self.quiet)]
        calls += [(self.read, seed, self.stop) for seed in range(READERS)]
        threads = [threading.Thread(target=self.guarded, args=call) for call in calls]
        for thread in threads:
            thread.start()
        self.stop.wait(SECONDS * 2 / 3)
        # A slow machine or build takes longer until enough entries went. What the record shows
        # is looked at in any case, and whether enough went after it.
        end = time.monotonic() + 3 * SECONDS
        while (self.site.metric("evicted") <= EVICTED and time.monotonic() < end
               and not self.stop.wait(0.05)):
            pass
        self.quiet.set()
        self.stop.wait(SECONDS / 3)
        self.stop.set()
        for thread in threads:
            thread.join(WAIT_S)
        self.assertEqual(self.faults, [])
        # Files whose entries went stay for a while: there was no room for all, and no other trouble.
        troubles = re.findall(r"(?:could not be stored|error: store .*): (.*)",
                              self.site.doryd.output())
        self.assertEqual(set(troubles) - {"No space left on device"}, set())
        self.evicted = self.site.metric("evicted")
        self.site.doryd.stop()

    def guarded(self, run, number, end):
        try:
            chance = random.Random(SEED * 100 + number)
            with self.site.doryd.connect() as connection:
                while not end.is_set():
                    run(connection, chance, number)
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(repr(fault))
            self.quiet.set()
            self.stop.set()

    def read(self, connection, chance, _):
        key = chance.choice(KEYS)
        got = connection.ask("GET", f"/item/{key}", keep=True)
        self.assertEqual((got.status, len(got.body)), (200, length(key)))

    def deflate(self, connection, chance, writer):
        """Make a new version, deflate, and note for each key covered what was there before."""
        key = chance.choice(KEYS[writer::3])
        self.versions[key] += 1
        scope = chance.choice([f"item({key})"] * 12 + [f"tag:shelf-{key}"] * 6 + ["item(*)", "*"])
        before = {key: self.versions[key]} if str(key) in scope else dict(self.versions)
        hard = chance.random() < 0.8
        got = connection.ask("POST", "/_dory/deflate" + "?soft=1" * (not hard), scope.encode(),
                             host="localhost", headers=[("Dory-Token", TOKEN)], keep=True)
        self.assertEqual(got.status, 200, got.text)
        sequence = int(got.text.partition('"sequence":')[2].partition(",")[0].strip(" }\n"))
        for covered, version in before.items():
            self.mark(covered, version, sequence, hard)
        time.sleep(chance.random() * 0.01)  # Something must be stored in between.

    def write(self, connection, chance, writer):
        key = chance.choice(KEYS[writer::3])
        got = connection.ask("POST", f"/write/{key}", b"x", keep=True)
        self.assertEqual(got.status, 200, got.text)
        time.sleep(chance.random() * 0.01)

    def written(self, key):
        """The backend did it: that is never forgotten, though nobody was told yet."""
        self.versions[key] += 1
        self.mark(key, self.versions[key], 0, True)
        return page("done")

    def mark(self, key, version, sequence, hard):
        mark = struct.pack("=IIQII", key, version, sequence, hard, 0)
        os.write(self.marks, struct.pack("=IIQQ", MARK, len(mark), 0, 0) + mark)

    # ---- the cuts

    def cut(self, cuts, *more):
        """Rounds of cuts, each over the whole record, as many as there is time for."""
        harm, counts, end = [], collections.Counter(), time.monotonic() + CUTTING_S
        while counts["cuts"] < cuts and (counts["cuts"] == 0 or time.monotonic() < end):
            self.cut_round(min(ROUND, cuts), counts["cuts"], harm, counts, *more)
        print(" ".join(f"{name}={count}" for name, count in counts.items()), *more)
        return counts, "\n".join(harm)

    def cut_round(self, cuts, seed, harm, counts, *more):
        running = []
        for number in range(PROCESSES):
            folder = tempfile.mkdtemp(dir=self.folder)
            running.append(subprocess.Popen(
                [POWERCUT, self.log, str(cuts // PROCESSES), str(SEED * 10000 + seed + number),
                 folder, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        for child in running:
            out = child.communicate(timeout=200)[0]
            self.assertIn(child.returncode, (0, 1), out)
            for line in out.splitlines():
                if line.startswith("harm "):
                    harm.append(line)
                else:
                    counts[line.split()[0]] += int(line.split()[1])

    def test_what_was_acknowledged_outlives_power_cuts(self):
        self.record()
        counts, harm = self.cut(CUTS)
        self.assertEqual(counts["harmed"], 0, harm)
        self.assertEqual(counts["lost"], 0, "a store was lost")
        # It looked at enough: at entries that live, that were deflated, that went, and at files.
        self.assertGreater(self.evicted, EVICTED)
        self.assertGreaterEqual(counts["cuts"], ROUND)
        self.assertGreater(counts["alive"], 10 * counts["cuts"])
        self.assertGreater(counts["older"], counts["cuts"])
        self.assertGreater(counts["files"], counts["cuts"])
        # A disk that only says that it synced breaks it, and the checks above see that.
        counts, harm = self.cut(ROUND, "lying-disk")
        self.assertGreater(counts["harmed"] + counts["lost"], ROUND // 4, harm)
