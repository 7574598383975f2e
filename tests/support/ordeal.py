"""ordeal.py -- What a fault of the store must leave as it was: answers, time, holdings, health."""
import collections
import json
import os
import re
import subprocess
import threading
import time

import fcgi
import lmdbread
from backend import page
from testsite import DORYD, PAGES, TOKEN, FaultyDisk, SiteCase, wait_until

SANITIZED = bool(os.environ.get("DORY_SANITIZED"))
ANSWER_S = 2.0  # Whatever the disk does, an answer takes no longer;
DEFLATE_S = 12.0  # what became of a deflate is told after ten seconds at the latest.
# ASan's allocator may be locked for good in the child of a fork(): the one that looks at what is
# on disk (inspect.c) then says nothing in the two seconds that it has.
LOOK_S = 2.0 if SANITIZED else 0.0
WELL_S = 1.0 + LOOK_S  # A second after its fault ended a store is well;
ANEW_S = 2.0 + LOOK_S  # two where others had to leave it first, or it had to be looked at.
GONE_S = 5.0  # How long a daemon may take to let go of what it needs no more.
PAUSE_S = 0.005
STORE_FILES = {"bodies", "clean", "data.mdb", "floor", "leases", "lock.mdb", "open.lock", "spilled",
               "trust", "visited"}


class Witness(threading.Thread):
    """
    Asks every daemon, all the while, for a page that is stored and for one that never is. Where
    a daemon ends meanwhile, its answer may be missing.
    """
    NAMES = ("witness", "passing")

    def __init__(self, case):
        super().__init__(daemon=True)
        self.case = case
        self.over = threading.Event()
        self.faults = []
        self.answers = 0
        self.has_asked = threading.Event()

    def run(self):
        while not self.over.wait(2 * PAUSE_S):
            for doryd in list(self.case.site.doryds):
                for name in self.NAMES:
                    self.look(doryd, name)
            self.has_asked.set()

    def look(self, doryd, name):
        try:
            self.case.get(name, doryd)
            self.answers += 1
        except Exception as fault:  # pylint: disable=broad-except
            end = time.monotonic() + 1
            while doryd.is_alive() and time.monotonic() < end:
                time.sleep(PAUSE_S)
            # It was told to end while it was being asked, and takes nothing more: its socket
            # refuses, or is gone already.
            refused = isinstance(fault, (ConnectionRefusedError, FileNotFoundError))
            told = refused and doryd not in self.case.site.doryds
            if doryd.is_alive() and not told:
                self.faults.append(f"{name}: {fault!r}")

    def end(self):
        self.over.set()
        self.join()


def descriptors(pid, store):
    """What a process has open, and how often. Body files are all the same, and so are logs."""
    found = collections.Counter()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            where = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:  # Closed meanwhile.
            continue
        where = re.sub(r":\[\d+\]", "", where)
        if where.startswith(store + "/bodies/"):
            where = "a body file"
        elif where.endswith(".log"):
            where = "its log"
        found[where] += 1
    return found


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += [int(child) for child in f.read().split()]
    except OSError:
        pass
    return found


class Ordeal:
    """
        with self.ordeal() as ordeal:
            break something, and look
            ordeal.mend(how)

    From its begin to its end pages are right, and there in time. Within `well_s` after it was
    mended each daemon stores a page and finds it again; then a deflate is acknowledged, and holds.
    And nothing is left over: no descriptor, no reader slot, no child, and in the store's directory
    no file but its own, no body but those of entries.
    """

    def __init__(self, case, well_s):
        self.case = case
        self.well_s = well_s
        self.mended = None
        self.witness = Witness(case)
        self.held, self.slots = None, 0

    def __enter__(self):
        case = self.case
        case.store_page("witness")
        case.get("passing")
        self.held = self.holdings(case.site.doryd)
        self.slots = self.slots_of(case.site.doryd)
        self.witness.start()
        self.witness.has_asked.wait(ANSWER_S)
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.check_health()
        finally:
            self.witness.end()
        if kind is None:
            self.case.assertEqual(self.witness.faults, [])
            self.case.assertGreater(self.witness.answers, 0)
            self.check_holdings()
            self.check_files()

    def mend(self, how=None):
        """The fault ends with this call."""
        if how is not None:
            how()
        self.mended = time.monotonic()

    # ---- well again

    def check_health(self):
        self.case.assertIsNotNone(self.mended, "it was not mended")
        for doryd in self.living():
            self.wait_until_well(doryd, f"fresh-{doryd.pid}")
        for doryd in self.living():
            name = f"fresh-{doryd.pid}"
            self.case.assertEqual(self.case.deflate_status(f"page({name})", doryd=doryd), 200)
            for each in self.living():
                self.case.get(name, each)

    def wait_until_well(self, doryd, name):
        """A machine that is busy with others may take the time that it does not let us have."""
        case, late_s = self.case, 0
        r = case.get(name, doryd)
        case.assert_fetched(r)
        while "dory; hit" not in r.cache_status:
            took_s = time.monotonic() - self.mended
            case.assertLess(took_s, self.well_s + late_s, f"not well again: {r.cache_status}")
            began = time.monotonic()
            time.sleep(PAUSE_S)
            late_s += time.monotonic() - began - PAUSE_S
            r = case.get(name, doryd)
        print(f"# well after {time.monotonic() - self.mended:.2f} s")

    # ---- nothing left over

    def living(self):
        return [doryd for doryd in self.case.site.doryds if doryd.is_alive()]

    def holdings(self, doryd):
        return descriptors(doryd.pid, self.case.store)

    def slots_of(self, doryd):
        return lmdbread.reader_pids(self.case.store).count(doryd.pid)

    def too_many(self, doryd):
        """What it holds that it did not hold before. Each worker may keep a connection or two."""
        more = self.holdings(doryd) - self.held
        if more["socket"] <= 2 * self.case.WORKERS:
            del more["socket"]
        return dict(more)

    def check_holdings(self):
        for doryd in self.living():
            for what in (self.too_many, lambda d: children(d.pid)):
                try:
                    wait_until(lambda d=doryd, w=what: not w(d), "it lets go", GONE_S)
                except AssertionError:
                    raise AssertionError(f"it holds on to {what(doryd)}") from None
            # Each worker keeps a slot, and so may whoever else has read meanwhile, each once.
            self.case.assertLessEqual(self.slots_of(doryd), self.slots + self.case.WORKERS)
        pids = {doryd.pid for doryd in self.living()}
        self.case.assertLessEqual(set(lmdbread.reader_pids(self.case.store)), pids)

    def check_files(self):
        store = self.case.store
        left = {name for name in os.listdir(store)} - STORE_FILES
        aside = {name for name in left if name.startswith("store.bad-")}
        self.case.assertEqual(left - aside, set())
        self.case.assertLessEqual(len(aside), 1)

        def known():
            return {f"{number:016x}" for number in lmdbread.numbers(store, "file")}

        def there():
            return {name for _, _, names in os.walk(os.path.join(store, "bodies"))
                    for name in names}
        # A row may outlive its file for a while.
        wait_until(lambda: there() <= known(), "body files are those of entries", GONE_S)


class FaultCase(SiteCase):
    """
    Each page has a version: the backend's latest. After a deflate was acknowledged nothing older
    is right for what it covered, whatever happens to the store.
    """
    ROUTES = PAGES
    LIGHTTPD = False
    WORKERS = 2
    ANSWER_S = ANSWER_S
    CGI_S = 20

    def setUp(self):
        super().setUp()
        self.version = 0
        self.least = collections.Counter()  # By name; "*" of all pages.
        self.backend.default = lambda request: page(self.body(request.path, self.version))
        self.backend.on("/page/passing", lambda request: page(
            self.body(request.path, self.version), cache_control="no-store"))

    @property
    def store(self):
        return os.path.join(self.site.dir, "store")

    @property
    def data(self):
        return os.path.join(self.store, "data.mdb")

    def ordeal(self, well_s=WELL_S):
        return Ordeal(self, well_s)

    def padding(self, path):
        """Makes pages longer: as long as their names say."""
        return "x" * (30000 if "long" in path else 400000 if "file" in path else 0)

    def body(self, path, version):
        return f"this is {path}, version {version}{self.padding(path)}"

    def get(self, name, doryd=None):
        """A page, in time, with the bytes that the backend has or had, if that still counts."""
        least, began = max(self.least[name], self.least["*"]), time.monotonic()
        r = (doryd or self.site.doryd).ask("GET", "/page/" + name)
        self.assertLess(time.monotonic() - began, self.ANSWER_S)
        self.check_page(name, r, least)
        return r

    def check_page(self, name, r, least):
        self.assertIsNotNone(r, "no answer")
        self.assertEqual(r.status, 200, r.text)
        version = int(re.search(r"version (\d+)", r.text).group(1))
        # Two that are long make a message that is longer.
        self.assertTrue(r.text == self.body("/page/" + name, version), r.text[:100])
        self.assertGreaterEqual(version, least, "it was deflated: " + r.cache_status)

    def cgi(self, name, said=b""):
        """The same page from a process that lives for it alone, and what that says beside it."""
        least = max(self.least[name], self.least["*"])
        env = {**os.environ, **dict(fcgi.params("GET", "/page/" + name))}
        done = subprocess.run([DORYD, "-c", self.site.ini], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=self.CGI_S, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, said), done.stderr)
        r = fcgi.parse_response(done.stdout, True)
        self.check_page(name, r, least)
        return r

    def store_page(self, name):
        """A page that is a hit from now on."""
        wait_until(lambda: "dory; hit" in self.get(name).cache_status, f"{name} is stored")

    def assert_stored(self, path):
        """It is asked for once, and is soon a hit."""
        self.get(path)
        wait_until(lambda: "hit" in self.get(path).cache_status, f"a hit on {path}", ANSWER_S)

    def deflate_status(self, *scopes, doryd=None):
        """The backend has something new, then this is deflated: 200, or what else came of it."""
        self.version += 1
        version, began = self.version, time.monotonic()
        r = (doryd or self.site.doryd).ask(
            "POST", "/_dory/deflate", "\n".join(scopes).encode(), host="localhost",
            headers=[("Dory-Token", TOKEN)])
        self.assertLess(time.monotonic() - began, DEFLATE_S)
        if r.status == 200:
            for scope in scopes:
                name = re.fullmatch(r"page\(([^()]+)\)|\*", scope).group(1) or "*"
                self.least[name] = version
        return r.status

    def wait_until_well(self, name="well", timeout=WELL_S + 0.5):
        """Pages are stored and found again. Half a second more: the machine is busy with tests."""
        wait_until(lambda: "dory; hit" in self.get(name).cache_status,
                   "pages are stored and found", timeout)

    def assert_passes(self, detail, name="other", doryd=None):
        r = self.get(name, doryd)
        self.assert_fetched(r)
        self.assertIn(f'detail="{detail}"', r.cache_status)

    def wait_for_reason(self, detail, name="other", doryd=None):
        """It passes, and says why, from soon after the fault began."""
        wait_until(lambda: detail in self.get(name, doryd).cache_status, "the reason", ANSWER_S)

    def stat(self):
        return json.loads(self.site.dory("stat", "--json").stdout)["store"]


class ShimCase(FaultCase):
    """With faultfs.so between doryd and the disk: writes and syncs fail on demand."""

    def setUp(self):
        super().setUp()
        self.disk = FaultyDisk(self.site.dir)
        self.site.doryd.stop()
