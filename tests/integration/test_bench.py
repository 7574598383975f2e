"""test_bench.py -- Benches measure all they should. How long things take there is not for here."""
import os
import re
import subprocess
import tempfile
import unittest

from testsite import BUILD, ROOT

ENTRIES = "5000"
MEASURED = (
    r"inserts +\d+, \d+ a second",
    r"hit ratio +0\.\d+",
    r"of an exact LRU +0\.\d+",
    r"of the best possible +0\.\d+",
    r"commit p99 +[\d.]+ ms in the first tenth, [\d.]+ ms in the last",
    rf"look-up among {ENTRIES} +median [\d.]+ us, p99 [\d.]+ us",
    rf"memory an entry, of {ENTRIES}: +[\d.]+ bytes of its own, \d+ of the file mapped",
    rf"start to first hit, of {ENTRIES}: +\d+ ms after SIGTERM, \d+ ms after SIGKILL",
)
JUDGED = ("hit ratio", "cap exceeded", "look-up at", "first hit after SIGTERM",
          "first hit after SIGKILL", "p99 of inserts", "disk bytes")


class Scale(unittest.TestCase):
    def test_the_store_bench_reports_all_it_should(self):
        with tempfile.TemporaryDirectory(prefix="dory-test-") as folder:
            done = subprocess.run(
                [os.path.join(ROOT, "scripts", "bench"), "store", "--no-build",
                 "--entries", ENTRIES, "--dir", folder],
                env={**os.environ, "DORY_BUILD": BUILD}, capture_output=True, text=True,
                timeout=200, check=False)
            self.assertEqual(os.listdir(folder), [])
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertEqual(done.stderr, "")
        for line in MEASURED:
            self.assertRegex(done.stdout, line)
        verdicts = re.findall(r"^(?:PASS|FAIL)  (.*)", done.stdout, re.M)
        self.assertEqual(len(verdicts), len(JUDGED), done.stdout)
        for verdict, what in zip(verdicts, JUDGED):
            self.assertTrue(verdict.startswith(what), verdict)


class Herd(unittest.TestCase):
    def test_a_herd_is_one_fetch_however_its_owner_ends(self):
        done = subprocess.run(
            [os.path.join(ROOT, "scripts", "bench"), "herd", "--no-build", "--rounds", "1"],
            env={**os.environ, "DORY_BUILD": BUILD}, capture_output=True, text=True, timeout=200,
            check=False)
        self.assertEqual(done.stderr, "")
        for what in ("fetches for a herd, most: 1", "clients without their page: 0",
                     "owner killed: fetches, most: 2",
                     "owner killed: clients of the others without their page: 0",
                     "owner stopped for 5 s, deflated, let go: old pages kept: 0"):
            self.assertIn(f"PASS {what}", done.stdout)
        self.assertRegex(done.stdout, "(PASS|FAIL) wait added to the fetch, p99: ")
        self.assertRegex(done.stdout, "(PASS|FAIL) owner killed: until the next fetch, ")


if __name__ == "__main__":
    unittest.main()
