#!/usr/bin/python3
"""
run.py -- The HTTP cache test suite through lighttpd and Apache, compared with what is expected.

  run.py [--suite FOLDER] [--id ID]... [--closed] [SERVER]...

SERVER: lighttpd, apache; both where none is named. Each required and optimal test either passes or
is listed, with its reason, in expected-SERVER.txt; a listed one that passes is a failure too. --suite: a
later edition, such as the newest, has expected-SERVER-later.txt in its place. --closed:
the required tests, each by itself, with settings as a site would have them instead of those that let
a test through; expected-closed.txt lists what these cost.
The last line is "N passed, N failed"; the exit status is 1 if any failed. DORY_BUILD: what to test.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "support")]
import testsite  # noqa: E402

RUN_LIMIT_S = 150
INSTALL_LIMIT_S = 240
AGAIN_AT_MOST = 12
INSTALLED = os.path.join(testsite.ROOT, "build-conformance")


class PatientApache(testsite.Apache):
    """The suite pauses for six seconds, and would lose connections that are closed meanwhile."""
    KEEP_ALIVE_S = 30


SERVERS = {"lighttpd": testsite.Lighttpd, "apache": PatientApache}
DORY = "workers = 2\nclient_cache_control = honour"
ROUTES = """
[bloat page]
key = {host} {path:path}
origin = obey
heuristic = yes
keep = 1h
stale_if_error = 1h
set_cookie = store
store_post = yes
[route all]
match = GET /{path:path}
bloat = page(host, path)
bypass = none
authorization = forward
"""

# As config/dory.ini has it for a product, for any path; without grace, which answers at once with
# what is stale, and so would hide all that is to be seen of freshness.
CLOSED_ROUTES = """
[bloat page]
key = {path:path}
timeout = 1h
timeout_404 = 30s
query = none
[route all]
match = GET /{path:path}
bloat = page(path)
"""


def install():
    """The suite as npm has it, in the version and with the checksums of package-lock.json."""
    suite = os.path.join(INSTALLED, "node_modules", "http-cache-tests")
    lock, copy = (os.path.join(d, "package-lock.json") for d in (HERE, INSTALLED))
    if os.path.exists(suite) and open(lock).read() == open(copy).read():
        return suite
    os.makedirs(INSTALLED, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, name), INSTALLED)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"],
                   cwd=INSTALLED, check=True, timeout=INSTALL_LIMIT_S, stdout=subprocess.DEVNULL)
    return suite


def run_client(suite, url, ids=(), alone=False):
    how = "alone" if ids or alone else "prerequisites"
    done = subprocess.run(["node", "--no-warnings", os.path.join(HERE, "client.mjs"), suite, url,
                           how, *ids], stdout=subprocess.PIPE, check=True, timeout=RUN_LIMIT_S)
    return json.loads(done.stdout.splitlines()[-1])


class SuiteBackend:
    """In the place of testsite's scripted backend."""

    def __init__(self, suite):
        self.dir = tempfile.mkdtemp(prefix="dory-suite-")
        self.port = testsite.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = testsite.Process(
            ["node", os.path.join(HERE, "backend.mjs"), suite, str(self.port),
             os.path.join(self.dir, "pid")], os.path.join(self.dir, "log"))
        self.process.wait_for_address(("127.0.0.1", self.port))

    def stop(self):
        self.process.end()
        shutil.rmtree(self.dir, ignore_errors=True)


def run_dory(suite, server, expected, ids=(), closed=False):
    """
    The suite through Dory behind that web server. What fails unexpectedly is run once more, alone:
    the suite measures ages in whole seconds, with many tests at once.
    """
    backend = SuiteBackend(suite)
    testsite.backend.Backend = lambda: backend
    site = testsite.Site(CLOSED_ROUTES if closed else ROUTES,
                         dory="workers = 2" if closed else DORY, server=server)
    url = f"http://127.0.0.1:{site.server.port}"
    try:
        results = run_client(suite, url, ids, alone=closed)
        again = [t for t, r in results.items()
                 if not r["passed"] and r["kind"] != "check" and t not in expected]
        if 0 < len(again) <= AGAIN_AT_MOST:
            results.update(run_client(suite, url, again))
        return results
    finally:
        site.close()


def read_expected(name, suite=""):
    """`id: reason` a line."""
    expected = {}
    if os.path.isdir(os.path.join(suite, "test-engine")):
        name += "-later"
    with open(os.path.join(HERE, f"expected-{name}.txt")) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                test, reason = line.strip().split(": ", 1)
                expected[test] = reason
    return expected


def compare(name, results, expected, kinds):
    """Print what is not as expected; how many tests are, and how many are not."""
    judged = {t: r for t, r in results.items() if r["kind"] in kinds}
    faults = [f"{t}: expected a failure ({expected[t]}), but it passes"
              for t, r in judged.items() if r["passed"] and t in expected]
    faults += [f"{t} ({r['kind']}): {r['detail']}"
               for t, r in judged.items() if not r["passed"] and t not in expected]
    faults += [f"{t}: expected, but there is no such test" for t in expected if t not in judged]
    for fault in faults:
        print(f"FAIL {name}: {fault}")
    return len(judged) - len(faults), len(faults)


def count(results, kind):
    of = [r["passed"] for r in results.values() if r["kind"] == kind]
    return sum(of), len(of)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", help="another edition of the suite, installed there")
    parser.add_argument("--id", action="append", default=[], help="only this test")
    parser.add_argument("--closed", action="store_true", help="as a site would be configured")
    parser.add_argument("server", nargs="*", help="lighttpd, apache")
    args = parser.parse_args()
    suite = args.suite or install()
    passed = failed = 0
    for name in args.server or SERVERS:
        expected = read_expected("closed" if args.closed else name, suite)
        results = run_dory(suite, SERVERS[name], expected, args.id, args.closed)
        print(f"{name}: required %d of %d, optimal %d of %d" %
              (*count(results, "required"), *count(results, "optimal")))
        if args.id:
            expected = {t: r for t, r in expected.items() if t in results}
        kinds = ("required",) if args.closed else ("required", "optimal")
        good, bad = compare(name, results, expected, kinds)
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
