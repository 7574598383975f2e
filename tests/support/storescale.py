"""storescale.py -- The store at scale, for scripts/bench: figures, and whether they are good enough."""
import os
import shutil
import signal
import string
import subprocess
import tempfile
import time

import backend
import fcgi
import testsite

STORESCALE = os.path.join(testsite.BUILD, "tests", "support", "storescale")
STARTS = 5  # How often doryd is started; the median counts.
ROUTES = """
[bloat first]
key = {name}
timeout = 1d
[route first]
match = GET /first/{name}
bloat = first(name)
"""
SMALL_ROOM = 2048  # As storescale.c gives a small entry.


def figures(*command):
    done = subprocess.run([STORESCALE, *map(str, command)], capture_output=True, text=True,
                          timeout=3600, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench: storescale {command[0]}: {done.stdout}{done.stderr}")
    return {name: float(value) for name, value in
            (line.split("=") for line in done.stdout.split())}


class Starts:
    """doryd on a store full of small entries: from exec() to the first hit answered."""

    def __init__(self, folder, entries):
        self.folder = folder
        self.socket = os.path.join(folder, "dory.sock")
        self.ini = os.path.join(folder, "dory.ini")
        self.backend = backend.Backend()
        self.backend.on("/first/hit", backend.page(b"first", cache_control="max-age=86400"))
        for name, text in (("token", testsite.TOKEN), ("dory.ini", string.Template(
                testsite.BASE + ROUTES).safe_substitute(
                    dir=folder, backend=self.backend.url, origin="",
                    size=f"size = {entries * SMALL_ROOM + (32 << 20)}",
                    dory="log_level = warn"))):
            with open(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600),
                      "w") as f:
                f.write(text)

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        return testsite.Process([testsite.DORYD, "-c", self.ini],
                                os.path.join(self.folder, "dory.log"))

    def ask(self, doryd):
        """The first page there is, asked for until somebody listens."""
        end = time.monotonic() + testsite.WAIT_S
        while time.monotonic() < end and doryd.is_alive():
            try:
                with fcgi.Connection(self.socket) as c:
                    return c.ask("GET", "/first/hit").cache_status
            except OSError:
                time.sleep(0.0005)
        raise SystemExit("bench: doryd does not answer: " + doryd.output()[-2000:])

    def first_hit_ms(self, which):
        """The median of some starts, each after an end by that signal."""
        took = []
        doryd = self.start()
        while "dory; hit" not in self.ask(doryd):
            time.sleep(0.05)
        for _ in range(STARTS):
            doryd.end(which)
            began = time.monotonic()
            doryd = self.start()
            status = self.ask(doryd)
            took.append((time.monotonic() - began) * 1000)
            if "dory; hit" not in status:
                raise SystemExit(f"bench: no hit after a start: {status}\n{doryd.output()}")
        doryd.end()
        return sorted(took)[STARTS // 2]

    def close(self):
        self.backend.stop()


def hold(folder, entries, starts):
    """Look-ups, memory and, where asked for, starts of a store that holds so many."""
    store = os.path.join(folder, "store")
    os.mkdir(store, 0o700)
    figures("fill", store, entries)
    found = figures("look", store, entries)
    if starts:
        daemon = Starts(folder, entries)
        try:
            found["clean_ms"] = daemon.first_hit_ms(signal.SIGTERM)
            found["killed_ms"] = daemon.first_hit_ms(signal.SIGKILL)
        finally:
            daemon.close()
    shutil.rmtree(store)
    return found


def turnover(folder, entries):
    store = os.path.join(folder, "store")
    os.mkdir(store, 0o700)
    found = figures("turnover", store, entries)
    shutil.rmtree(store)
    return found


def report_turnover(t):
    print(f"""\
Turnover: {t['requests']:.0f} requests, Zipf 0.9, keys of 1 to 100 KiB, {t['held_bytes'] / t['held'] / 1024:.1f} KiB in the mean,
through the writer into a store of {t['size_bytes'] / 2**20:.0f} MiB.
  inserts                      {t['inserts']:.0f}, {t['inserts_per_s']:.0f} a second, {t['refused']:.0f} refused
  held at the end              {t['held']:.0f} entries, {t['held_bytes'] / 2**20:.0f} MiB
  hit ratio                    {t['hit']:.3f}
    of an exact LRU            {t['lru']:.3f}  (same requests, same bytes, which it fills to the last)
    of the best possible       {t['belady']:.3f}  (Belady: what is next used last goes; by bytes, an estimate)
  insert, from queue to commit p99   {t['p99_first_us'] / 1000:.1f} ms in the first tenth, {t['p99_last_us'] / 1000:.1f} ms in the last
  disk                         {t['disk_bytes'] / t['held_bytes']:.3f} bytes a stored byte, {t['most_bytes'] / 2**20:.1f} MiB at most
""", flush=True)


def report_held(held):
    most = max(held)
    print("Small entries, all held:")
    for n, h in held.items():
        print(f"  look-up among {n:<14} median {h['find_median_ns'] / 1000:.2f} us, "
              f"p99 {h['find_p99_ns'] / 1000:.2f} us")
    h = held[most]
    print(f"""\
  memory an entry, of {most}:  {h['anon_bytes'] / most:.1f} bytes of its own, {h['file_bytes'] / most:.0f} of the file mapped
  disk an entry                {h['disk_bytes'] / most:.0f} bytes
  start to first hit, of {most}: {h['clean_ms']:.0f} ms after SIGTERM, {h['killed_ms']:.0f} ms after SIGKILL
""", flush=True)


def verdicts(t, held):
    few, many = held[min(held)], held[max(held)]
    return [
        ("hit ratio at least an LRU's", t["hit"] / t["lru"], ">=", 1),
        ("cap exceeded at most by 1 %", t["most_bytes"] / t["size_bytes"], "<=", 1.01),
        (f"look-up at {max(held)} against {min(held)}",
         many["find_median_ns"] / few["find_median_ns"], "<=", 2.5),
        ("first hit after SIGTERM, ms", many["clean_ms"], "<=", 100),
        ("first hit after SIGKILL, ms", many["killed_ms"], "<=", 100),
        ("p99 of inserts, end against start", t["p99_last_us"] / t["p99_first_us"], "<=", 3),
        ("disk bytes a stored byte", t["disk_bytes"] / t["held_bytes"], "<=", 1.25),
    ]


def run(entries, where):
    """Measure, report, and return whether all is as it must be."""
    print(f"The store at {entries} entries. At most {entries * 4096 * 3 // 2 / 2**30:.1f} GiB of disk "
          f"in {where}.\n", flush=True)
    folder = tempfile.mkdtemp(prefix="dory-bench-", dir=where)
    try:
        t = turnover(folder, entries)
        report_turnover(t)
        sizes = [entries // 100, entries // 10, entries]
        held = {n: hold(folder, n, n == entries) for n in sizes}
        report_held(held)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    good = True
    for what, value, how, limit in verdicts(t, held):
        passed = value >= limit if how == ">=" else value <= limit
        good = good and passed
        print(f"{'PASS' if passed else 'FAIL'}  {what:40} {value:8.3f} {how} {limit}")
    print()
    return good
