"""test_race.py -- After a deflate is acknowledged, nobody is given what was fetched before it."""
import json
import threading

from backend import page, raw
from testsite import SiteCase, wait_until

ROUTES = """
[bloat product]
key = {id:uint}
timeout = 1h
tags = catalog product-{id}
[bloat list]
key = {category:slug} {page:uint}
query = page:uint=1
timeout = 1h
tags = catalog
[bloat spare]
key = {id:uint}
timeout = 1h
stale_if_error = 1h
[route product]
match = GET /product/{id:uint}
bloat = product(id)
[route spare]
match = GET /spare/{id:uint}
bloat = spare(id)
[route list]
match = GET /list/{category:slug}
bloat = list(category, page=query.page)
[bloat posted]
key = {id:uint}
tags = posted
store_post = yes
[route posted]
match = GET /posted/{id:uint}
bloat = posted(id)
[route write-key]
match = POST /write/key/{id:uint}
deflate = product(id)
[route write-bloat]
match = POST /write/bloat
deflate = product(*)
[route write-partial]
match = POST /write/partial/{category:slug}
deflate = list(category, *)
[route write-tag]
match = POST /write/tag/{id:uint}
deflate = tag:product-{id}
[route write-told]
match = POST /write/told
deflate = tag:sale
[route write-all]
match = POST /write/all
deflate = *
"""

# What a deflate covers: the page that shows it, its scope, the write route that deflates it.
SCOPES = {
    "key": ("/product/1", "product(1)", "/write/key/1"),
    "bloat": ("/product/1", "product(*)", "/write/bloat"),
    "partial_key": ("/list/books?page=2", "list(books, *)", "/write/partial/books"),
    "tag_of_bloat": ("/product/1", "tag:product-1", "/write/tag/1"),
    "tag_of_response": ("/product/1", "tag:sale", "/write/told"),
    "all": ("/product/1", "*", "/write/all"),
}
WAYS = ("admin", "command", "write")


def each_scope_and_way(make):
    """Make a class's tests: one for each scope and each way to deflate it."""
    def decorate(cls):
        for check in make:
            for scope in SCOPES:
                for way in WAYS:
                    def test(self, check=check, scope=scope, way=way):
                        getattr(self, check)(scope, way)
                    setattr(cls, f"test_{check}__{scope}__by_{way}", test)
        return cls
    return decorate


class RaceCase(SiteCase):
    ROUTES = ROUTES

    def setUp(self):
        super().setUp()
        self.version = "old"
        for path in {path for path, _, _ in SCOPES.values()}:
            self.backend.on(path, lambda request: page(self.version, cache_tag="sale"))

    def deflate(self, scope, way):
        """The application's data changes, and Dory is told."""
        _, text, write = SCOPES[scope]
        self.version = "new"
        if way == "admin":
            self.site.deflate(text)
        elif way == "command":
            self.site.dory("deflate", text)
        else:
            self.assertEqual(self.site.http("POST", write, b"x=1").status, 200)

    def wait_for_store(self, n):
        """Wait until `n` fetched responses were stored or refused."""
        self.site.wait_for_metric("stored+store_refused", n)

    def wait_for_fetches(self, path, n):
        """Wait until `n` requests have come, each of which fetches for itself."""
        self.site.wait_for_metric("misses+collapsed", n)
        self.assertEqual(self.site.metric("collapsed"), 0, "it joined a fetch")
        self.backend.wait_for(path, n)


@each_scope_and_way([
    "a_stored_page_is_not_served_again",
    "a_fetch_that_ends_later_is_given_to_its_client_only",
    "a_request_that_comes_later_does_not_share_an_older_fetch",
])
class Deflated(RaceCase):
    def a_stored_page_is_not_served_again(self, scope, way):
        path = SCOPES[scope][0]
        self.assert_text(self.site.get(path), "old")
        self.wait_for_store(1)
        self.assert_hit(self.site.get(path))
        self.deflate(scope, way)
        after = self.site.get(path)
        self.assert_text(after, "new")
        self.assertIn("deflated", after.cache_status)

    def a_fetch_that_ends_later_is_given_to_its_client_only(self, scope, way):
        path = SCOPES[scope][0]
        self.backend.hold(path)
        own = self.site.later(self.site.get, path)
        self.backend.wait_for(path)
        self.deflate(scope, way)
        self.backend.release(path)
        self.assert_text(own.result(20), "old")
        self.wait_for_store(1)
        self.assertEqual(self.site.entries(), [], "something old was stored")
        self.assert_text(self.site.get(path), "new")
        self.wait_for_store(2)
        after = self.site.get(path)
        self.assert_text(after, "new")
        self.assert_hit(after)

    def a_request_that_comes_later_does_not_share_an_older_fetch(self, scope, way):
        path = SCOPES[scope][0]
        self.backend.hold(path)
        own = self.site.later(self.site.get, path)
        self.backend.wait_for(path)
        self.deflate(scope, way)
        later = self.site.later(self.site.get, path)
        if scope == "tag_of_response":  # Not known before the answer comes: then it fetches again.
            self.site.wait_for_metric("misses+collapsed", 2)
        else:
            self.wait_for_fetches(path, 2)
        self.backend.release(path)
        self.assert_text(own.result(20), "old")
        self.assert_text(later.result(20), "new")
        self.assertEqual(self.backend.count(path), 2)


class Order(RaceCase):
    def test_an_older_fetch_that_ends_last_replaces_nothing(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        old = (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nCache-Control: max-age=60\r\n\r\n", b"old")
        answers = [raw(lambda: gate.wait(20), *old, end="keep"), page("new")]
        self.backend.on("/product/1", lambda request: answers.pop(0))
        own = self.site.later(self.site.get, "/product/1")
        self.backend.wait_for("/product/1")
        self.deflate("key", "admin")
        self.assert_text(self.site.get("/product/1"), "new")
        self.wait_for_store(1)
        gate.set()
        self.assert_text(own.result(20), "old")
        self.wait_for_store(2)
        after = self.site.get("/product/1")
        self.assert_text(after, "new")
        self.assert_hit(after)

    def test_those_who_waited_before_a_deflate_share_the_old_page(self):
        self.backend.hold("/product/1")
        before = [self.site.later(self.site.get, "/product/1") for _ in range(8)]
        self.backend.wait_for("/product/1")
        self.site.wait_for_metric("misses+collapsed", 8)
        self.deflate("key", "admin")
        after = [self.site.later(self.site.get, "/product/1") for _ in range(8)]
        self.backend.wait_for("/product/1", 2)
        self.site.wait_for_metric("misses+collapsed", 16)
        self.backend.release("/product/1")
        self.assertEqual({r.result(20).text for r in before}, {"old"})
        self.assertEqual({r.result(20).text for r in after}, {"new"})
        self.assertEqual(self.backend.count("/product/1"), 2)

    def test_a_deflate_leaves_other_keys_alone(self):
        for path in ("/product/1", "/product/10", "/product/2", "/list/books?page=2",
                     "/list/films?page=2"):
            self.backend.on(path, lambda request: page(self.version))
            self.site.get(path)
        self.wait_for_store(5)
        self.deflate("key", "admin")
        self.deflate("partial_key", "admin")
        self.assert_text(self.site.get("/product/1"), "new")
        self.assert_text(self.site.get("/list/books?page=2"), "new")
        for path in ("/product/10", "/product/2", "/list/films?page=2"):
            self.assert_text(self.site.get(path), "old")

    def test_several_scopes_are_one_deflate(self):
        for path in ("/product/1", "/list/books?page=2"):
            self.site.get(path)
        self.wait_for_store(2)
        self.version = "new"
        first = self.site.deflate("product(1)", "list(books, *)")
        for path in ("/product/1", "/list/books?page=2"):
            self.assert_text(self.site.get(path), "new")
        self.assertEqual(self.site.deflate("product(1)"), first + 1)

    def test_a_write_is_answered_after_its_deflate(self):
        # Straight over FastCGI, each read sent the moment the write's answer is there.
        self.backend.on("/product/1", lambda request: page(self.version))

        def write(request):
            self.version = str(int(self.version) + 1)
            return "saved"
        self.version = "0"
        self.backend.on("/write/key/1", write)
        with self.site.doryd.connect() as write_on, self.site.doryd.connect() as read_on:
            for i in range(1, 51):
                self.assert_text(read_on.ask("GET", "/product/1", keep=True), str(i - 1))
                write_on.ask("POST", "/write/key/1", b"x", keep=True)
                self.assert_text(read_on.ask("GET", "/product/1", keep=True), str(i))

    def test_a_write_that_fails_deflates_nothing(self):
        self.site.get("/product/1")
        self.wait_for_store(1)
        self.backend.on("/write/key/1", page("no", status=500))
        self.assertEqual(self.site.http("POST", "/write/key/1", b"x").status, 500)
        self.assert_hit(self.site.get("/product/1"))


class Posted(RaceCase):
    """A POST's answer is stored as of its own deflate: then no other may have come before that."""

    def post_over_a_deflate(self, *scopes):
        self.backend.on("/posted/1", lambda request: page(
            self.version, cache_control="max-age=60", content_location="/posted/1",
            cache_tag="sale"))
        before = self.backend.count("/posted/1")
        self.backend.hold("/posted/1")
        posted = self.site.later(self.site.http, "POST", "/posted/1", b"x=1")
        self.backend.wait_for("/posted/1", before + 1)
        self.version = "new"
        if scopes:
            self.site.deflate(*scopes)
        self.backend.release("/posted/1")
        self.assert_text(posted.result(20), "old")
        return posted.result()

    def assert_not_stored_over(self, scope):
        before = self.site.metric("stored")
        self.version = "old"
        if "stored" in self.post_over_a_deflate(scope).cache_status:
            self.site.wait_for_metric("stored", before + 1)  # Wrong, and to be seen as that.
        self.assert_text(self.site.get("/posted/1"), "new")
        self.site.wait_for_metric("stored", before + 1)

    def test_an_answer_to_a_post_that_a_deflate_overtook_is_not_stored(self):
        self.assert_not_stored_over("posted(1)")

    def test_nor_one_that_a_deflate_of_more_overtook(self):
        for scope in ("posted(*)", "tag:posted", "tag:sale", "*"):
            with self.subTest(scope):
                self.assert_not_stored_over(scope)

    def test_one_that_none_did_is_stored_until_the_next(self):
        self.assertIn("stored", self.post_over_a_deflate("product(1)").cache_status)
        self.wait_for_store(1)
        after = self.site.get("/posted/1")
        self.assert_text(after, "old")
        self.assert_hit(after)
        self.site.deflate("tag:sale")
        self.assert_text(self.site.get("/posted/1"), "new")


class Stale(RaceCase):
    def test_a_deflated_page_does_not_stand_in_for_a_failed_fetch(self):
        self.backend.on("/spare/1", "old")
        self.site.get("/spare/1")
        self.wait_for_store(1)
        self.site.admin("POST", "deflate?soft=1", b"spare(1)")
        self.backend.stop()
        self.assert_text(self.site.get("/spare/1"), "old")
        self.site.deflate("spare(1)")
        self.assertEqual(self.site.get("/spare/1").status, 502)


class Floor(RaceCase):
    # More than are kept on record; a request takes 1024 of them.
    DEFLATES, AT_ONCE = 70000, 1000

    def test_a_deflate_no_longer_on_record_still_holds(self):
        self.assert_text(self.site.get("/product/1"), "old")
        self.wait_for_store(1)
        self.deflate("key", "admin")
        for first in range(2, self.DEFLATES, self.AT_ONCE):
            self.site.deflate(*(f"product({first + i})" for i in range(self.AT_ONCE)))
        wait_until(self.is_forgotten, "the oldest deflates are forgotten")
        self.assert_text(self.site.get("/product/1"), "new")

    def is_forgotten(self):
        store = json.loads(self.site.admin("GET", "stat").body)["store"]
        return store["floor"] > 1 and store["deflated"] < self.DEFLATES * 2 // 3


class Crash(RaceCase):
    def crash(self):
        self.site.doryd.kill()
        self.site.restart()

    def after_crash(self, way):
        self.assert_text(self.site.get("/product/1"), "old")
        self.wait_for_store(1)
        self.deflate("key", way)
        self.crash()
        self.assert_text(self.site.get("/product/1"), "new")

    def test_a_deflate_by_admin_outlives_kill_9(self):
        self.after_crash("admin")

    def test_a_deflate_by_command_outlives_kill_9(self):
        self.after_crash("command")

    def test_a_deflate_by_write_outlives_kill_9(self):
        self.after_crash("write")

    def test_deflates_outlive_kill_9_at_once_ten_times(self):
        # Straight over FastCGI: nothing comes between the acknowledgement and the kill.
        for i in range(10):
            self.version = str(i)
            self.assert_text(self.site.doryd.ask("GET", "/product/1"), str(i))
            self.wait_for_store(1)
            self.site.deflate("product(1)", doryd=self.site.doryd)
            self.crash()
            self.version = str(i + 1)

    def test_a_page_outlives_kill_9(self):
        self.site.get("/product/1")
        self.wait_for_store(1)
        self.site.deflate("product(2)")  # Synced, and what was written before it too.
        self.crash()
        self.assert_hit(self.site.get("/product/1"))

    def test_a_write_cut_off_by_kill_9_counts_as_done(self):
        # The backend may have done it: what it would have deflated is deflated at the next start.
        self.site.get("/product/1")
        self.wait_for_store(1)
        self.backend.hold("/write/key/1")
        write = self.site.later(self.site.http, "POST", "/write/key/1", b"x")
        self.backend.wait_for("/write/key/1")
        self.version = "new"
        self.crash()
        write.exception(20)
        self.assert_text(self.site.get("/product/1"), "new")


class TwoDaemons(RaceCase):
    def setUp(self):
        super().setUp()
        self.one = self.site.doryd
        self.two = self.site.start_doryd(name="two")

    def test_a_deflate_through_one_is_seen_by_the_next_request_to_the_other(self):
        self.version = "0"
        self.assert_text(self.one.ask("GET", "/product/1"), "0")
        self.site.wait_for_metric("stored", 1, self.one)
        for i in range(20):
            teller, asked = (self.two, self.one) if i % 2 else (self.one, self.two)
            with asked.connect() as c:  # One connection: one worker, whose last look was a hit.
                self.assert_hit(c.ask("GET", "/product/1", keep=True))
                self.version = str(i + 1)
                self.site.deflate("product(1)", doryd=teller)
                self.assert_text(c.ask("GET", "/product/1"), str(i + 1))
            stored = i // 2 + (1 if asked is self.two else 2)
            self.site.wait_for_metric("stored", stored, asked)

    def test_one_serves_what_the_other_stored(self):
        self.assert_text(self.one.ask("GET", "/product/1"), "old")
        self.site.wait_for_metric("stored", 1, self.one)
        self.assert_hit(self.two.ask("GET", "/product/1"))

    def test_a_fetch_of_one_is_not_kept_after_a_deflate_through_the_other(self):
        self.backend.hold("/product/1")
        own = self.site.later(self.one.ask, "GET", "/product/1")
        self.backend.wait_for("/product/1")
        self.version = "new"
        self.site.deflate("product(1)", doryd=self.two)
        self.backend.release("/product/1")
        self.assert_text(own.result(20), "old")
        self.site.wait_for_metric("stored+store_refused", 1, self.one)
        self.assertEqual(self.site.entries(), [], "something old was stored")
        for doryd in (self.two, self.one):
            self.assert_text(doryd.ask("GET", "/product/1"), "new")

    def test_a_fetch_of_one_is_not_joined_after_a_deflate_through_the_other(self):
        self.backend.hold("/product/1")
        own = self.site.later(self.one.ask, "GET", "/product/1")
        self.backend.wait_for("/product/1")
        self.version = "new"
        self.site.deflate("product(1)", doryd=self.two)
        later = self.site.later(self.one.ask, "GET", "/product/1")
        self.wait_for_fetches("/product/1", 2)
        self.backend.release("/product/1")
        self.assert_text(own.result(20), "old")
        self.assert_text(later.result(20), "new")

    def test_kill_9_of_one_leaves_the_other_working(self):
        self.assert_text(self.one.ask("GET", "/product/1"), "old")
        self.two.kill()
        self.version = "new"
        self.site.deflate("product(1)", doryd=self.one)
        self.assert_text(self.one.ask("GET", "/product/1"), "new")
