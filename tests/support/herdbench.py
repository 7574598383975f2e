"""herdbench.py -- A cold herd over eight processes, for scripts/bench: what waiting adds, and owners that end."""
import os
import re
import signal
import statistics
import struct
import subprocess
import time

import backend
import testsite
from missbench import verdict

HERDLOAD = os.path.join(testsite.BUILD, "tests", "support", "herdload")
DORYDS, PROGRAMS, CLIENTS = 4, 4, 500
MOST_WAIT_MS = 20
MOST_REFETCH_MS = 50
STOPPED_S = 5
ROUTES = """
[backend herd]
url = http://127.0.0.1:$port
[bloat page]
key = {name:slug}
timeout = 1d
[route herd]
match = GET /herd/{name:slug}
bloat = page(name)
backend = herd
[route page]
match = GET /page/{name:slug}
bloat = page(name)
backend = app
"""


class Herd:
    """Four daemons and, in each round, four CGI programs on one store."""

    def __init__(self):
        self.port = testsite.free_port()
        self.site = testsite.Site(ROUTES.replace("$port", str(self.port)), lighttpd=False,
                                  dory="workers = 1\nlog_level = warn")
        self.doryds = [self.site.doryd] + [self.site.start_doryd(name=f"more{i}")
                                           for i in range(1, DORYDS)]
        self.rounds = 0

    def asked(self, doryd):
        return sum(self.site.metric(n, doryd) for n in ("misses", "collapsed", "leases_awaited"))

    def waiting(self):
        """How many flights wait for another process: the second word of the leases' file."""
        with open(os.path.join(self.site.dir, "store", "leases"), "rb") as f:
            return struct.unpack("=4xI", f.read(8))[0]

    def gather(self, doryds, first=None):
        """Have them all ask, and wait until each waits for the one fetch, which is held."""
        self.rounds += 1
        path = f"/herd/{self.rounds}"
        before = sum(self.asked(d) for d in doryds)
        command = [HERDLOAD, "-b", str(self.port), "-p", path, "-n", str(CLIENTS),
                   "-g", str(PROGRAMS)]
        for doryd in doryds:
            command += ["-a", "unix:" + doryd.address]
        if first is not None:
            command += ["-f", "unix:" + first.address]
        load = subprocess.Popen(
            [*command, "--", testsite.DORYD, "-c", self.site.ini], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1, env={
                **os.environ, "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET",
                "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "",
                "HTTP_HOST": "localhost", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1"})
        testsite.wait_until(
            lambda: sum(self.asked(d) for d in doryds) - before >= CLIENTS - PROGRAMS and
            self.waiting() == DORYDS + PROGRAMS - 1, "all wait for one fetch")
        return load

    @staticmethod
    def finish(load):
        out, _ = load.communicate("release\n", timeout=testsite.WAIT_S)
        found = {k: float(v) for k, v in re.findall(r"(\w+)=([\d.-]+)", out)}
        if "fetches" not in found:
            raise SystemExit(f"bench: herdload ended with {load.returncode}: {out}")
        return found

    def run(self):
        return self.finish(self.gather(self.doryds))

    def run_killed(self):
        """Kill the owner, which has one client of its own, while its fetch is held."""
        owner, *others = self.doryds
        load = self.gather(others, owner)
        load.stdin.write(f"kill {owner.pid}\n")
        while "fetch 2" not in load.stdout.readline():
            pass
        time.sleep(0.2)  # For those that should not come.
        result = self.finish(load)
        owner.end()
        self.site.restart()
        self.doryds[0] = self.site.doryd
        return result

    def run_stopped(self):
        """Stop the owner, deflate, let it go on: what the others then get, and how often asked."""
        self.rounds += 1
        path, held = f"/page/{self.rounds}", self.site.backend
        text = ["old"]
        held.on(path, lambda _: backend.page(text[0]))
        held.hold(path)
        owner, other = self.doryds[:2]
        with owner.connect() as c:
            c.begin("GET", path)
            held.wait_for(path, 1)
            owner.send(signal.SIGSTOP)
            try:
                text[0] = "new"
                self.site.deflate(f"page({self.rounds})", doryd=other)
                held.release(path)
                other.ask("GET", path)
                time.sleep(STOPPED_S)
            finally:
                owner.send(signal.SIGCONT)
            c.read()
        time.sleep(0.2)  # It would have stored it by then.
        return {d.ask("GET", path).text for d in self.doryds}

    def close(self):
        self.site.close()


def median(results, name):
    return statistics.median(r[name] for r in results) / 1000


def run(rounds):
    """Print what a herd waits for; whether that is little enough."""
    rounds *= 3
    print(f"Herd: {CLIENTS} requests for one cold page over {DORYDS} doryd and {PROGRAMS} CGI "
          f"programs on one store; from before the backend writes its answer until each has all of "
          f"its own, the client's own work included; medians of {rounds} rounds.\n")
    herd = Herd()
    try:
        results = [herd.run() for _ in range(rounds)]
        print(f"p50 {median(results, 'p50_us'):.2f} ms, p99 {median(results, 'p99_us'):.2f} ms, "
              f"most {median(results, 'max_us'):.2f} ms, slowest CGI program "
              f"{median(results, 'program_us'):.2f} ms, processor time of the clients "
              f"{median(results, 'own_us'):.2f} ms")
        good = verdict("fetches for a herd, most",
                       max(r["fetches"] for r in results), 1, "fetches")
        good = verdict("clients without their page", sum(r["errors"] for r in results), 0,
                       "clients") and good
        good = verdict("wait added to the fetch, p99", median(results, "p99_us"), MOST_WAIT_MS,
                       "ms") and good
        return run_ended_owners(herd, rounds) and good
    finally:
        herd.close()


def run_ended_owners(herd, rounds):
    results = [herd.run_killed() for _ in range(rounds)]
    good = verdict("owner killed: fetches, most", max(r["fetches"] for r in results), 2, "fetches")
    good = verdict("owner killed: clients of the others without their page", sum(r["errors"] for r in results),
                   0, "clients") and good
    good = verdict("owner killed: until the next fetch, most of all rounds",
                   max(r["refetch_us"] for r in results) / 1000, MOST_REFETCH_MS, "ms") and good
    texts = herd.run_stopped()
    stale = texts != {"new"}
    return verdict(f"owner stopped for {STOPPED_S} s, deflated, let go: old pages kept", stale, 0,
                   "pages") and good
