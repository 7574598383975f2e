"""test_bench.py -- scripts/bench store measures all it should. What it measures is not for here."""
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
                timeout=300, check=False)
            self.assertEqual(os.listdir(folder), [])
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertEqual(done.stderr, "")
        for line in MEASURED:
            self.assertRegex(done.stdout, line)
        verdicts = re.findall(r"^(?:PASS|FAIL)  (.*)", done.stdout, re.M)
        self.assertEqual(len(verdicts), len(JUDGED), done.stdout)
        for verdict, what in zip(verdicts, JUDGED):
            self.assertTrue(verdict.startswith(what), verdict)


if __name__ == "__main__":
    unittest.main()
