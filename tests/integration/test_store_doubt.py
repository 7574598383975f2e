"""test_store_doubt.py -- A store that cannot be looked at in time is used, and looked at meanwhile."""
import os
import signal
import struct
import time
import unittest

from ordeal import ANEW_S, ShimCase, children
from testsite import wait_until

PAGE = 4096
OVERFLOW = 4  # LMDB's flag of a page that holds a value too long for a leaf.
TRUST_VERDICT_AT = 64  # See lib/store/trust.h.


def stays_stopped(pid):
    """Not so where it had said all it had to say: its parent ends it then."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rpartition(")")[2].split()[0] == "Z":
                    return False
        except OSError:
            return False
        time.sleep(0.01)
    return True


class Doubt(ShimCase):
    """Each daemon finds a store as after a power cut: it may be anything."""

    def setUp(self):
        super().setUp()
        self.disk.break_with("boot")
        self.site.restart(env=self.disk.env)
        for name in ("kept", *map(str, range(30))):  # Something to look at.
            self.store_page(name)

    def padding(self, path):
        return "x" * 20000

    @staticmethod
    def hold_first_look(start):
        """Stop doryd's child that looks at the store: doryd will wait for it no longer than it must."""
        while not start.done():
            for doryd in children(os.getpid()):
                for child in children(doryd):
                    os.kill(child, signal.SIGSTOP)
                    return stays_stopped(child)
        return False

    def restart_in_doubt(self, damage):
        for _ in range(40):
            self.site.doryd.kill()
            start = self.site.later(self.site.restart, env=self.disk.env)
            held = self.hold_first_look(start)
            if held:
                damage()
            start.result(20)
            if held:
                return
        self.skipTest("the look was always over before it could be held")

    def spoil_headers(self):
        """What a reader does not look at, and the one who frees the page believes."""
        with open(self.data, "r+b") as f:
            for at in range(2 * PAGE, os.path.getsize(self.data), PAGE):
                f.seek(at)
                number, _, flags = struct.unpack("<QHH", f.read(12))
                if flags == OVERFLOW and number == at // PAGE:
                    f.seek(at)
                    f.write(b"\xff" * 16)

    def verdict(self):
        with open(os.path.join(self.site.dir, "store", "trust"), "rb") as f:
            return struct.unpack_from("<Q", f.read(), TRUST_VERDICT_AT)[0]

    def test_what_is_found_good_while_it_is_used_is_trusted(self):
        with self.ordeal() as ordeal:
            ordeal.mend(lambda: self.restart_in_doubt(lambda: None))
            self.assert_hit(self.get("kept"))

            def is_trusted():
                self.site.deflate("page(other)")
                return self.verdict() == 1
            wait_until(is_trusted, "it is trusted", 5)
            self.assert_hit(self.get("kept"))

    def test_what_is_found_bad_while_it_is_used_is_set_aside(self):
        with self.ordeal(ANEW_S) as ordeal:
            ordeal.mend(lambda: self.restart_in_doubt(self.spoil_headers))
            wait_until(lambda: "set aside as" in self.site.doryd.output(), "it is set aside", 5)
            wait_until(lambda: "store-" not in self.get("new").cache_status, "a new one", 5)
            self.assert_fetched(self.get("kept"))
        self.assertEqual(self.deflate_status("page(kept)"), 200)
        self.assert_fetched(self.get("kept"))


if __name__ == "__main__":
    unittest.main()
