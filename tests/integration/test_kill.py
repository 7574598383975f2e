"""test_kill.py -- kill -9 at random moments under load: nothing wrong is served, nothing is left."""
import json
import os
import random
import threading
import time

import lmdbread
from backend import page
from testsite import TOKEN, WAIT_S, SiteCase, wait_until

SANITIZED = bool(os.environ.get("DORY_SANITIZED"))
ROUNDS = int(os.environ.get("DORY_KILLS", "20" if SANITIZED else "60"))
SEED = int(os.environ.get("DORY_SEED", "1"))
KEYS = range(40)
READERS = 4
WORKERS = 2
DAEMONS = ("dory", "two")  # On one store; one of them is killed in each round.
LONGEST_S = 0.08  # How long a round's load runs before the kill, at most.

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


def body(key, version):
    """The version, and bytes that follow from it: 100 bytes to 100 KiB by key."""
    head = b"%d %d\n" % (key, version)
    length = int(100 * 1024 ** (key / len(KEYS)))
    start = (key * 31 + version * 7) % 256
    return head + BYTES[start:start + length]


class Kill(SiteCase):
    """
    Readers note what was acknowledged, then ask: a whole answer must be right, and not older. What
    a killed daemon did not answer is as the promise has it: a deflate may have happened or not; a
    write whose backend did it has happened once the daemon is back.
    """
    ROUTES = ROUTES
    LIGHTTPD = False
    DORY = f"workers = {WORKERS}\nbody_file_min = 16K"

    def setUp(self):
        super().setUp()
        self.daemons = {"dory": self.site.doryd, "two": self.site.start_doryd(name="two")}
        self.versions = {key: 1 for key in KEYS}
        self.written = dict(self.versions)  # By a write that the backend did.
        self.acknowledged = dict(self.versions)
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.faults = []
        self.answers = self.deflates = 0
        for key in KEYS:
            self.backend.on(f"/item/{key}", lambda request, key=key:
                            page(body(key, self.versions[key])))
            self.backend.on(f"/write/{key}", lambda request, key=key: self.write(key))

    @property
    def store(self):
        return os.path.join(self.site.dir, "store")

    # ---- the load

    def write(self, key):
        with self.lock:
            self.versions[key] += 1
            self.written[key] = self.versions[key]
        return page("done")

    def run_load(self, run, number):
        chance = random.Random(SEED * 100 + number)
        try:
            while not self.stop.is_set():
                try:
                    with self.daemons[chance.choice(DAEMONS)].connect() as connection:
                        for _ in range(chance.randrange(1, 20)):
                            run(connection, chance, number)
                except OSError:
                    time.sleep(0.002)  # It was killed, and is not back yet.
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(repr(fault))

    def ask(self, connection, *args, **more):
        """OSError where the daemon is killed before it has answered."""
        got = connection.ask(*args, keep=True, **more)
        if got is None or not got.complete:
            raise ConnectionError
        return got

    def read(self, connection, chance, _):
        key = chance.choice(KEYS)
        at_least = self.acknowledged[key]
        got = self.ask(connection, "GET", f"/item/{key}")
        version = int(got.body.partition(b"\n")[0].split()[1])
        if got.status != 200 or got.body != body(key, version):
            raise AssertionError(f"{key}: {got.status}, not what the backend sent")
        if version < at_least:
            raise AssertionError(f"{key}: version {version}, {at_least} was acknowledged")
        self.answers += 1

    def deflate(self, connection, chance, writer):
        key = chance.choice(KEYS[writer::2])  # Each key has one writer.
        if chance.random() < 0.3:
            got = self.ask(connection, "POST", f"/write/{key}", b"x")
            with self.lock:
                version = self.written[key]
        else:
            with self.lock:
                self.versions[key] += 1
                version = self.versions[key]
            scope = chance.choice([f"item({key})"] * 8 + [f"tag:shelf-{key}"] * 4 + ["*"])
            got = self.ask(connection, "POST", "/_dory/deflate", scope.encode(),
                           host="localhost", headers=[("Dory-Token", TOKEN)])
        if got.status != 200:
            raise AssertionError(f"deflate of {key}: {got.status} {got.text}")
        self.acknowledge({key: version})
        self.deflates += 1

    def acknowledge(self, versions):
        with self.lock:
            for key, version in versions.items():
                self.acknowledged[key] = max(self.acknowledged[key], version)

    # ---- the kills

    def kill(self, name):
        self.daemons[name].kill()
        with self.lock:
            written = dict(self.written)
        self.site.doryds.remove(self.daemons[name])
        self.daemons[name] = self.site.start_doryd(name=name)
        # Writes through the other one may be under way: theirs are not over yet.
        return written

    def test_nothing_wrong_is_served_and_nothing_is_left(self):
        chance = random.Random(SEED)
        descriptors = max(daemon.descriptors() for daemon in self.daemons.values())
        calls = [(self.deflate, 0), (self.deflate, 1)]
        calls += [(self.read, 10 + number) for number in range(READERS)]
        threads = [threading.Thread(target=self.run_load, args=call) for call in calls]
        for thread in threads:
            thread.start()
        for _ in range(ROUNDS):
            self.stop.wait(chance.random() * LONGEST_S)  # The random moment.
            self.kill(chance.choice(DAEMONS))
        self.stop.set()
        for thread in threads:
            thread.join(WAIT_S)
        self.assertEqual(self.faults, [])
        self.assertGreater(self.answers, ROUNDS)
        self.assertGreater(self.deflates, ROUNDS)
        self.look_at_what_is_left(descriptors)
        print(f"kills={ROUNDS} answers={self.answers} deflates={self.deflates}")

    def look_at_what_is_left(self, descriptors):
        # Both once more, with nobody asking: the writes that were cut off count as done.
        for name in DAEMONS:
            self.acknowledge(self.kill(name))
        for daemon in self.daemons.values():
            for key in KEYS:
                with daemon.connect() as connection:
                    self.read(connection, random.Random(key), 0)
                    self.assertEqual(self.site.metric("bad_records", daemon), 0)
        self.site.doryd = self.daemons["dory"]
        for daemon in self.daemons.values():
            # Each worker may keep a connection to the backend.
            wait_until(lambda d=daemon: d.descriptors() <= descriptors + WORKERS,
                       "descriptors are as at first")
        stat = json.loads(self.site.dory("stat", "--json").stdout)["store"]
        self.assertEqual(stat["intents"], 0, stat)
        self.check_slots()
        self.check_files()
        self.site.doryd.ask("GET", "/item/1")
        wait_until(lambda: "hit" in self.site.doryd.ask("GET", "/item/1").cache_status,
                   "what was stored is a hit")

    def check_slots(self):
        """Each slot is one of a process that runs."""
        running = {daemon.pid for daemon in self.daemons.values()}
        self.assertLessEqual(set(lmdbread.reader_pids(self.store)), running)

    def check_files(self):
        """Body files are those that the tables know: none without a row, no row without its file."""
        def known():
            return {f"{number:016x}" for number in lmdbread.numbers(self.store, "file")}

        def there():
            return {name for _, _, names in os.walk(os.path.join(self.store, "bodies"))
                    for name in names}
        wait_until(lambda: there() == known(), "files and rows are the same")
        self.assertGreater(len(there()), 0)
        self.assertEqual([n for n in os.listdir(self.store) if ".bad-" in n], [])
