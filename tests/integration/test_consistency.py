"""test_consistency.py -- Readers and writers at random: no answer is older than the last deflate."""
import os
import random
import threading
import time

from backend import page, raw
from testsite import TOKEN, WAIT_S, SiteCase

SECONDS = float(os.environ.get("DORY_CONSISTENCY_S", "8"))
KEYS = range(4)  # One writer each, so that versions of a key come in order.
READERS = 8
SLOW_S = 0.02  # How long an answer is on its way: what races with it is judged.

ROUTES = """
[bloat plain]
key = {id:uint}
timeout = 1h
tags = shelf-{id}
[bloat graced]
key = {id:uint}
timeout = 1s
grace = 1h
stale_if_error = 1h
tags = shelf-{id}
[bloat bare]
key = {id:uint}
timeout = 1h
[route plain]
match = GET /plain/{id:uint}
bloat = plain(id)
[route graced]
match = GET /graced/{id:uint}
bloat = graced(id)
[route bare]
match = GET /bare/{id:uint}
bloat = bare(id)
[route write-bare]
match = POST /write/bare/{id:uint}
deflate = bare(id)
[route write-key]
match = POST /write/key/{id:uint}
deflate = plain(id) graced(id)
[route write-tag]
match = POST /write/tag/{id:uint}
deflate = tag:said-{id}
[route write-soft]
match = POST /write/soft/{id:uint}
deflate = plain(id)
deflate_mode = soft
[route write-soft-tag]
match = POST /write/soft-tag/{id:uint}
deflate = tag:said-{id}
deflate_mode = soft
"""

# How a writer tells Dory: scopes for the admin path, or the path of a write route.
HARD = ("plain({0})\ngraced({0})", "plain(*)\ngraced(*)", "*", "tag:shelf-{0}", "tag:said-{0}",
        "url:/plain/{0}\nurl:/graced/{0}", "/write/key/{0}", "/write/tag/{0}")
SOFT = ("plain({0})", "plain(*)", "*", "tag:shelf-{0}", "tag:said-{0}", "/write/soft/{0}",
        "/write/soft-tag/{0}")
BARE = ("bare({0})", "bare(*)", "*", "url:/bare/{0}", "/write/bare/{0}")


class Consistency(SiteCase):
    """
    The backend has a version of each key. A writer makes a new one, deflates, and notes that the
    deflate is acknowledged. A reader looks which version was acknowledged, then asks: what it gets
    must not be older.
    """
    ROUTES = ROUTES
    LIGHTTPD = False

    def setUp(self):
        super().setUp()
        self.versions = {key: 0 for key in KEYS}
        self.acknowledged = dict(self.versions)
        self.stop = threading.Event()
        self.faults = []
        self.reads = self.hits = 0
        self.unreliable = False
        for key in KEYS:
            for kind in ("plain", "graced", "bare"):
                self.backend.on(f"/{kind}/{key}", lambda request, key=key, kind=kind:
                                self.answer(key, f"Cache-Tag: said-{key}\r\n" * (kind != "bare")))

    def answer(self, key, tag):
        """The version at the moment the request arrives; sent later."""
        version = self.versions[key]
        if self.unreliable and random.random() < 0.1:
            return page("broken", status=503)
        body = f"{version}"
        head = (f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nETag: \"{version}\"\r\n"
                f"Vary: Accept-Language\r\n{tag}\r\n")
        pauses = [random.random() * SLOW_S for _ in range(2)]
        return raw(lambda: time.sleep(pauses[0]), head.encode(), lambda: time.sleep(pauses[1]),
                   body.encode(), end="keep")

    # ---- threads

    def run_all(self, ways, kinds, soft):
        daemons = self.site.doryds
        calls = [(self.write, daemons, key, ways, soft) for key in KEYS]
        calls += [(self.read, daemons, kinds)] * READERS
        threads = [threading.Thread(target=self.guarded, args=call) for call in calls]
        for thread in threads:
            thread.start()
        # A slow machine takes longer to see enough.
        end = time.monotonic() + 3 * SECONDS
        self.stop.wait(SECONDS)
        while not self.has_seen_enough() and time.monotonic() < end and not self.stop.wait(0.1):
            pass
        self.stop.set()
        for thread in threads:
            thread.join(WAIT_S)
        self.assertEqual(self.faults, [])
        self.assertTrue(self.has_seen_enough(), (self.hits, self.acknowledged))

    def has_seen_enough(self):
        return self.hits > 100 and min(self.acknowledged.values()) > 10

    def guarded(self, run, *args):
        try:
            run(*args)
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(repr(fault))
            self.stop.set()

    def write(self, daemons, key, ways, soft):
        while not self.stop.is_set():
            self.versions[key] += 1
            version = self.versions[key]
            self.deflate(random.choice(daemons), random.choice(ways).format(key), soft)
            self.acknowledged[key] = version
            time.sleep(random.random() * 3 * SLOW_S)

    @staticmethod
    def deflate(daemon, way, soft):
        if way[0] == "/":
            r = daemon.ask("POST", way)
        else:
            r = daemon.ask("POST", "/_dory/deflate?soft=1" if soft else "/_dory/deflate",
                           way.encode(), host="localhost", headers=[("Dory-Token", TOKEN)])
        if r is None or r.status != 200:
            raise AssertionError(f"{way}: {r}")

    def read(self, daemons, kinds):
        connections = [daemon.connect() for daemon in daemons]
        known = '"0"'
        while not self.stop.is_set():
            connection, key = random.choice(connections), random.choice(KEYS)
            target = f"/{random.choice(kinds)}/{key}"
            headers = [("Accept-Language", random.choice(("en", "de")))]
            if random.random() < 0.2:
                headers.append(("If-None-Match", known))
            least = self.acknowledged[key]
            r = connection.ask(random.choice(("GET", "GET", "HEAD")), target, headers=headers,
                               keep=True)
            self.check(target, least, r)
            known = (r.header("ETag") or known)
        for connection in connections:
            connection.close()

    def check(self, target, least, r):
        if r is None or r.status == 503:
            if r is None or not self.unreliable:
                raise AssertionError(f"{target}: {r}")
            return
        version = int(r.header("ETag").strip('"'))
        self.reads += 1
        self.hits += "; hit" in r.cache_status
        if version < least or (r.body and int(r.body) != version):
            raise AssertionError(
                f"{target} has version {version}, {least} was acknowledged: {r}")

    # ---- what is tested

    def test_hard_deflates_one_process(self):
        self.unreliable = True
        self.run_all(HARD, ("plain", "graced"), False)

    def test_hard_deflates_two_processes(self):
        self.unreliable = True
        self.site.start_doryd(name="other")
        self.run_all(HARD, ("plain", "graced"), False)

    def test_deflates_of_what_has_no_tags(self):
        self.run_all(BARE, ("bare",), False)

    def test_soft_deflates_without_grace_one_process(self):
        self.run_all(SOFT, ("plain",), True)

    def test_soft_deflates_without_grace_two_processes(self):
        self.site.start_doryd(name="other")
        self.run_all(SOFT, ("plain",), True)
