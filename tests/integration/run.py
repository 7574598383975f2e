#!/usr/bin/python3
"""
run.py -- Run the integration tests: all, or those named (test_race, test_race.Race.test_x).

DORY_BUILD: the build to test. DORY_FAULTS_BUILD: one made with -Dfaults=true, for test_guards.
The last line is "N passed, N failed"; the exit status is 1 if any failed.
"""
import faulthandler
import os
import sys
import textwrap
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]
TEST_LIMIT_S = 240  # A test that takes longer hangs: its stacks are printed, the run ends.


class Result(unittest.TestResult):
    """One line a test, and why at once where it fails."""

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        self.bad = False
        faulthandler.dump_traceback_later(TEST_LIMIT_S, exit=True)

    def stopTest(self, test):
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()

    def tell(self, verdict, test, why=""):
        took = time.monotonic() - getattr(self, "began", time.monotonic())
        print(f"{verdict:5} {test.id()} ({took:.2f} s){why}", flush=True)

    def addSuccess(self, test):
        if not self.bad:
            self.passed = getattr(self, "passed", 0) + 1
            self.tell("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.tell("skip", test, ": " + reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad("FAIL", test, self.failures)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad("ERROR", test, self.errors)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            which = self.failures if issubclass(err[0], test.failureException) else self.errors
            self._bad("FAIL" if which is self.failures else "ERROR", subtest, which)

    def _bad(self, verdict, test, where):
        self.bad = True
        self.tell(verdict, test, "\n" + textwrap.indent(where[-1][1], "    "))


def main():
    loader = unittest.TestLoader()
    names = sys.argv[1:] or sorted(
        f[:-3] for f in os.listdir(HERE) if f.startswith("test_") and f.endswith(".py"))
    result = Result()
    loader.loadTestsFromNames(names).run(result)
    failed = len(result.failures) + len(result.errors)
    skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
    print(f"{getattr(result, 'passed', 0)} passed, {failed} failed{skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
