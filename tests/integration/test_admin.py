"""test_admin.py -- The admin path: each of its answers."""
import json

from testsite import TOKEN, SiteCase, quote

ROUTES = """
[bloat product]
key = {id:uint}
timeout = 1h
tags = catalog
[bloat list]
key = {category:slug} {page:uint}
timeout = 1h
query = page:uint=1
[route product]
match = GET /product/{id:uint}
bloat = product(id)
[route list]
match = GET /list/{category:slug}
bloat = list(category, page=query.page)
[route save]
match = POST /product/{id:uint}
deflate = product(id) list(*)
"""


class Admin(SiteCase):
    ROUTES = ROUTES

    def setUp(self):
        super().setUp()
        for path in ("/product/1", "/product/2", "/list/books?page=2"):
            self.site.get(path)
        self.site.wait_for_metric("stored", 3)

    def json(self, method, name, body=None, headers=None):
        r = self.site.admin(method, name, body, headers)
        self.assertEqual(r.status, 200, r.text)
        self.assertRegex(r.header("Content-Type"), "^application/json")
        self.assertIn("no-store", r.header("Cache-Control"))
        return json.loads(r.body)

    def hits(self):
        return [p for p in ("/product/1", "/product/2", "/list/books?page=2")
                if self.site.get(p).cache_status.startswith("dory; hit")]

    def test_deflate_takes_scopes_one_a_line(self):
        told = self.json("POST", "deflate", b"product(1)\nlist(books, *)\n")
        self.assertEqual(told, {"sequence": 1, "scopes": ["product(1)", "list(books, *)"]})
        self.assertEqual(self.hits(), ["/product/2"])

    def test_deflate_takes_scopes_in_the_query(self):
        told = self.json("POST", "deflate?scope=product(1)&scope=" + quote("list(books, *)"))
        self.assertEqual(told["scopes"], ["product(1)", "list(books, *)"])
        self.assertEqual(self.hits(), ["/product/2"])

    def test_deflate_takes_json(self):
        headers = [("Dory-Token", TOKEN), ("Content-Type", "application/json")]
        told = self.json("POST", "deflate", b'{"scopes": ["product(1)"]}', headers)
        self.assertEqual(told["scopes"], ["product(1)"])
        self.assertEqual(self.hits(), ["/product/2", "/list/books?page=2"])

    def test_deflate_takes_a_bearer_token(self):
        headers = [("Authorization", "Bearer " + TOKEN)]
        self.json("POST", "deflate", b"*", headers)
        self.assertEqual(self.hits(), [])

    def test_deflate_takes_a_url(self):
        self.json("POST", "deflate", b"url:/product/1")
        self.assertEqual(self.hits(), ["/product/2", "/list/books?page=2"])

    def test_deflate_takes_a_tag(self):
        self.json("POST", "deflate", b"tag:catalog")
        self.assertEqual(self.hits(), ["/list/books?page=2"])

    def test_sequences_grow_by_one(self):
        self.assertEqual([self.json("POST", "deflate", b"product(1)")["sequence"]
                          for _ in range(3)], [1, 2, 3])

    def test_a_dry_deflate_changes_nothing(self):
        self.json("POST", "deflate?dry=1", b"*")
        self.assertEqual(len(self.hits()), 3)
        self.assertEqual(self.json("POST", "deflate", b"product(9)")["sequence"], 1)

    def test_a_deflate_of_nothing_is_refused(self):
        for body in (b"", b"\n\n"):
            self.assertEqual(self.site.admin("POST", "deflate", body).status, 400)

    def test_purge_deflates_the_key_of_its_url(self):
        # lighttpd answers PURGE with 501 itself.
        ask = lambda headers: self.site.doryd.ask("PURGE", "/product/1", headers=headers,
                                                  host="shop.test")
        ask([])
        self.assertEqual(len(self.hits()), 3)
        self.assertEqual(ask([("Dory-Token", TOKEN)]).status, 200)
        self.assertEqual(self.hits(), ["/product/2", "/list/books?page=2"])

    def test_stat(self):
        stat = self.json("GET", "stat")
        self.assertEqual(stat["store"]["entries"], 3)
        self.assertEqual(stat["store"]["sequence"], 0)
        self.assertIn({"name": "product", "enabled": True}, stat["bloats"])
        self.assertGreaterEqual(stat["counters"]["stored"], 3)

    def test_metrics(self):
        r = self.site.admin("GET", "metrics")
        self.assertEqual(r.status, 200)
        self.assertRegex(r.header("Content-Type"), "^application/openmetrics-text")
        self.assertRegex(r.text, r"(?m)^dory_stored_total 3$")
        self.assertTrue(r.text.endswith("# EOF\n"))

    def test_explain(self):
        told = self.json("GET", "explain?method=GET&url=" + quote("http://shop.test/product/1"))
        self.assertEqual((told["route"]["name"], told["action"], told["bloat"], told["key"]),
                         ("product", "cache", "product", "product(1)"))
        self.assertEqual(told["stored"]["state"], "fresh")
        told = self.json("GET", "explain?method=POST&url=" + quote("http://shop.test/product/1"))
        self.assertEqual((told["action"], told["scopes"]), ("pass", ["product(1)", "list(*)"]))

    def test_entries_come_by_scope_and_in_pages(self):
        keys = lambda query: [e["key"] for e in self.json("GET", "entries?" + query)["entries"]]
        self.assertEqual(sorted(keys("")), ["list(books, 2)", "product(1)", "product(2)"])
        self.assertEqual(sorted(keys("scope=product(*)")), ["product(1)", "product(2)"])
        self.assertEqual(keys("scope=product(1)"), ["product(1)"])
        self.assertEqual(sorted(keys("scope=tag:catalog")), ["product(1)", "product(2)"])
        seen, after = [], ""
        for _ in range(4):
            page = self.json("GET", "entries?limit=1" + after)
            seen += [e["key"] for e in page["entries"]]
            if page["next"] is None:
                break
            after = "&after=" + quote(page["next"])
        self.assertEqual(sorted(seen), ["list(books, 2)", "product(1)", "product(2)"])

    def test_a_bloat_is_switched_off_and_on(self):
        self.json("POST", "bloats/product/disable")
        self.assertEqual(self.hits(), ["/list/books?page=2"])
        self.assertIn({"name": "product", "enabled": False}, self.json("GET", "stat")["bloats"])
        self.json("POST", "bloats/product/enable")
        self.assertEqual(len(self.hits()), 3)
        self.assertEqual(self.site.admin("POST", "bloats/nothing/disable").status, 404)

    def test_health_needs_no_token(self):
        self.assertEqual(self.site.admin("GET", "healthz", headers=[]).status, 200)

    def test_the_token_is_in_no_log(self):
        self.json("POST", "deflate", b"*")
        self.assertNotIn(TOKEN, self.site.doryd.output())
