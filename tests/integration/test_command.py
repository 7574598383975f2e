"""test_command.py -- The dory command, with and without a daemon."""
import json

from test_admin import ROUTES
from testsite import SiteCase


class CommandCase(SiteCase):
    ROUTES = ROUTES

    def setUp(self):
        super().setUp()
        for path in ("/product/1", "/product/2"):
            self.site.get(path)
        self.site.wait_for_metric("stored", 2)

    def json(self, command, *args):
        return json.loads(self.site.dory(command, "--json", *args).stdout)

    def text(self, *args):
        return self.site.dory(*args).stdout


class BesideADaemon(CommandCase):
    def test_deflate_is_seen_by_the_next_request(self):
        self.assertIn("product(1)", self.text("deflate", "product(1)"))
        self.assert_fetched(self.site.get("/product/1"))
        self.assert_hit(self.site.get("/product/2"))
        self.assertEqual(self.json("deflate", "product(2)", "tag:catalog"),
                         {"sequence": 2, "scopes": ["product(2)", "tag:catalog"]})
        self.assert_fetched(self.site.get("/product/2"))

    def test_disable_and_enable_are_seen_by_the_next_request(self):
        self.text("disable", "product")
        self.assert_fetched(self.site.get("/product/1"))
        self.text("enable", "product")
        self.assert_hit(self.site.get("/product/1"))


class Alone(CommandCase):
    """Everything again with no daemon there."""

    def setUp(self):
        super().setUp()
        self.site.doryd.stop()

    def test_check_says_yes_or_every_reason_why_not(self):
        self.site.dory("check")
        self.site.configure(routes=ROUTES + "[bloat x]\ntimeuot = 1h\ngrace = soon\n")
        done = self.site.dory("check", check=False)
        self.assertNotEqual(done.returncode, 0)
        for word in ("timeuot", "timeout", "soon", "dory.ini:"):
            self.assertIn(word, done.stdout + done.stderr)

    def test_explain_tells_route_key_scopes_and_what_is_sent(self):
        out = self.text("explain", "GET", "http://shop.test/product/1", "-H", "X-A: b")
        for word in ("product(1)", "dory.ini:", "x-a"):
            self.assertIn(word, out.lower())
        told = self.json("explain", "GET", "http://shop.test/product/1")
        self.assertEqual((told["key"], told["stored"]["state"]), ("product(1)", "fresh"))
        told = self.json("explain", "POST", "http://shop.test/product/1")
        self.assertEqual(told["scopes"], ["product(1)", "list(*)"])
        told = self.json("explain", "GET", "http://shop.test/elsewhere")
        self.assertEqual((told["action"], told["route"]), ("pass", None))

    def test_explain_tells_whether_a_range_is_sent_on(self):
        out = self.text("explain", "GET", "http://shop.test/product/9", "-H", "Range: bytes=0-4")
        self.assertRegex(out, r"\n +range: bytes=0-4\n +ranges +sent on\n")
        # What is stored whole answers it.
        out = self.text("explain", "GET", "http://shop.test/product/1", "-H", "Range: bytes=0-4")
        self.assertNotIn("range: ", out)
        self.assertIn("answered from the whole",
                      self.text("explain", "HEAD", "http://shop.test/product/1"))

    def test_ls_and_show_tell_what_is_stored(self):
        self.assertIn("product(1)", self.text("ls"))
        self.assertNotIn("product(1)", self.text("ls", "product(2)"))
        keys = [e["key"] for e in self.json("ls", "product(*)")["entries"]]
        self.assertEqual(sorted(keys), ["product(1)", "product(2)"])
        self.assertIn("200", self.text("show", "product(1)"))
        self.assertIn("product(1)", json.dumps(self.json("show", "product(1)")))
        self.assertNotEqual(self.site.dory("show", "product(9)", check=False).returncode, 0)

    def test_stat_counts(self):
        self.assertIn("2", self.text("stat"))
        self.assertEqual(self.json("stat")["store"]["entries"], 2)

    def test_a_deflate_holds_when_the_daemon_is_back(self):
        self.assertEqual(self.json("deflate", "product(1)")["sequence"], 1)
        self.site.restart()
        self.assert_fetched(self.site.get("/product/1"))
        self.assert_hit(self.site.get("/product/2"))

    def test_a_dry_deflate_changes_nothing(self):
        self.text("deflate", "--dry-run", "*")
        self.site.restart()
        self.assert_hit(self.site.get("/product/1"))

    def test_a_soft_deflate_makes_stale(self):
        self.text("deflate", "--soft", "product(1)")
        told = self.json("explain", "GET", "http://shop.test/product/1")
        self.assertNotEqual(told["stored"]["state"], "fresh")

    def test_a_disabled_bloat_stays_so_when_the_daemon_is_back(self):
        self.text("disable", "product")
        self.site.restart()
        self.assert_fetched(self.site.get("/product/1"))

    def test_wrong_use_is_an_error_and_changes_nothing(self):
        for args in (["deflate"], ["deflate", "nothing(1)"], ["deflate", "product(1)", "product("],
                     ["explain", "GET"], ["enable", "nothing"], ["frobnicate"], []):
            done = self.site.dory(*args, check=False)
            self.assertNotEqual(done.returncode, 0, args)
            self.assertTrue(done.stderr, args)
        self.assertEqual(self.json("stat")["store"]["sequence"], 0)
