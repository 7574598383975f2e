"""test_parts.py -- Stored parts of responses, served and put together (RFC 9111 3.3 and 3.4)."""
import re
import threading

from backend import page, raw
from testsite import PAGES, SiteCase, wait_until

ROUTES = PAGES + """
[bloat own]
key = {name}
timeout = 1h
origin = ignore
[route own]
match = GET /own/{name}
bloat = own(name)
"""
BODY = b"abcdefghijklmnopqrst"
ETAG = '"v1"'
OLD_DATE = "Thu, 01 Jan 2015 00:00:00 GMT"


def part(body, first, last, *, etag=ETAG, of=None, status=206, **fields):
    """A 206 with these bytes of the body, whatever was asked for."""
    return page(body[first:last + 1], status=status, etag=etag or (),
                content_range=f"bytes {first}-{last}/{of or len(body)}", **fields)


def ranged(body=BODY, *, etag=ETAG, heeds_if_range=True, **fields):
    """What a backend does that has ranges: one of `bytes`, and If-Range with an entity-tag."""
    def answer(request):
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.header("Range") or "")
        condition = request.header("If-Range")
        if not asked or (heeds_if_range and condition not in (None, etag)):
            return page(body, etag=etag or (), **fields)
        first, last = asked.groups()
        if first == "":
            first, last = len(body) - int(last), len(body) - 1
        last = min(int(last or len(body) - 1), len(body) - 1)
        return part(body, int(first), last, etag=etag, **fields)
    return answer


class PartsCase(SiteCase):
    ROUTES = ROUTES

    def get(self, name="a", **fields):
        return self.site.get("/page/" + name, **fields)

    def store(self, n, **fields):
        """A response that is in the store when this returns, the n-th thing that is."""
        return self.get_stored("/page/a", n, **fields)

    def asked(self, name="a"):
        """What the backend was asked for: each request's Range and If-Range."""
        return [(r.header("Range"), r.header("If-Range"))
                for r in self.backend.requests("/page/" + name)]

    def assert_part(self, r, first, last, body=BODY):
        self.assertEqual((r.status, r.header("Content-Range"), r.body),
                         (206, f"bytes {first}-{last}/{len(body)}", body[first:last + 1]))
        self.assertEqual(r.header("Content-Length"), str(last - first + 1))

    def assert_whole(self, r, body=BODY):
        self.assertEqual((r.status, r.header("Content-Range"), r.body), (200, None, body))


class Parts(PartsCase):
    """Through lighttpd, which passes a 206 on as it is."""

    # ---- One part

    def test_a_range_is_asked_for_and_what_lies_in_it_is_a_hit(self):
        self.backend.on("/page/a", ranged(x_mark="kept"))
        self.assert_part(self.store(1, range="bytes=5-14"), 5, 14)
        for value, first, last in (("bytes=5-14", 5, 14), ("bytes=6-8", 6, 8),
                                   ("bytes=14-14", 14, 14)):
            r = self.get(range=value)
            self.assert_hit(r)
            self.assert_part(r, first, last)
            self.assertEqual((r.header("X-Mark"), r.header("ETag")), ("kept", ETAG))
        self.assertEqual(self.asked(), [("bytes=5-14", None)])

    def test_a_suffix_and_an_open_range_lie_in_the_last_part(self):
        self.backend.on("/page/a", ranged())
        self.assert_part(self.store(1, range="bytes=-5"), 15, 19)
        for value, first in (("bytes=-5", 15), ("bytes=-1", 19), ("bytes=17-", 17),
                             ("bytes=16-999", 16)):
            r = self.get(range=value)
            self.assert_hit(r)
            self.assert_part(r, first, 19)
        self.assertEqual(self.asked(), [("bytes=-5", None)])

    def test_a_range_that_reaches_out_of_the_part_is_fetched(self):
        self.backend.on("/page/a", ranged(etag=None))
        self.store(1, range="bytes=5-9")
        for n, (value, first, last) in enumerate((("bytes=4-9", 4, 9), ("bytes=9-10", 9, 10)), 2):
            r = self.store(n, range=value)
            self.assertIn("fwd=partial", r.cache_status)
            self.assert_part(r, first, last)

    def test_conditions_are_not_answered_from_a_part(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=5-9")
        r = self.get(range="bytes=5-9", if_none_match=ETAG)
        self.assertEqual((r.status, r.body), (304, b""))
        self.assertEqual(self.asked()[1], (None, None))

    def test_a_head_request_has_no_range(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        r = self.site.doryd.ask("HEAD", "/page/a", host="shop.test",
                                headers=[("Range", "bytes=0-4")])
        self.assertEqual((r.status, r.header("Content-Length"), r.header("Content-Range")),
                         (200, str(len(BODY)), None))

    def test_if_range_that_does_not_fit_gets_the_whole(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=5-9")
        self.assert_part(self.get(range="bytes=5-9", if_range=ETAG), 5, 9)
        self.assertEqual(len(self.asked()), 1)
        self.assert_whole(self.get(range="bytes=5-9", if_range='"v0"'))
        self.assertEqual(self.asked()[1:], [(None, None)])

    def test_what_is_not_one_range_is_fetched_whole(self):
        self.backend.on("/page/a", ranged())
        for n, value in enumerate(("bytes=0-", "bytes=1-2,4-5", "bytes=2-1", "lines=1-2", "x"), 1):
            self.store(n, range=value)
            self.assertEqual(self.asked()[-1], (None, None), value)
            self.site.deflate("page(a)")

    def test_without_the_leave_of_the_origin_the_whole_is_fetched(self):
        self.backend.on("/own/a", ranged())
        self.site.get("/own/a", range="bytes=5-9")
        self.site.wait_for_metric("stored", 1)
        self.assertIsNone(self.backend.requests("/own/a")[0].header("Range"))

    def test_a_backend_that_knows_no_ranges_is_stored_whole(self):
        self.backend.on("/page/a", page(BODY))
        self.store(1, range="bytes=5-9")
        r = self.get()
        self.assert_hit(r)
        self.assert_whole(r)

    def test_a_part_that_is_all_is_the_whole(self):
        self.backend.on("/page/a", ranged())
        self.assert_part(self.store(1, range="bytes=0-99"), 0, 19)
        r = self.get()
        self.assert_hit(r)
        self.assert_whole(r)

    def test_a_part_that_contradicts_itself_is_passed_on_and_not_kept(self):
        for n, answer in enumerate((
                part(BODY, 4, 8, status=206, of=10),
                page(b"012345", status=206, content_range="bytes 4-8/10"),
                page(b"01234", status=206, etag=ETAG, content_range="bytes 4-9/10"),
                page(b"01234", status=206, last_modified=OLD_DATE, content_range="bytes 4-9/10"),
                page(b"", status=206, content_range="bytes 4-9/10"),
                page(b"01234", status=206, content_range="bytes 4-8/*"),
                page(b"01234", status=206, content_range="bytes 8-4/10"),
                page(b"01234", status=206, content_range="bytes 6-10/10"),
                page(b"01234", status=206, content_range="lines 4-8/10"),
                page(b"01234", status=206))):
            name = f"odd{n}"
            self.backend.on("/page/" + name, answer)
            for _ in range(2):
                r = self.get(name, range="bytes=-5")
                self.assertEqual((r.status, r.body), (206, answer.body))
                self.assertEqual(r.header("Content-Range"),
                                 dict(answer.headers).get("Content-Range"))
            if n > 0:
                self.assertEqual(self.backend.count("/page/" + name), 2, name)
        wait_until(lambda: len(self.site.entries()) == 1, "the one that is as it says is stored")

    def test_fewer_bytes_than_announced_are_where_they_are_said_to_begin(self):
        odd = page(b"01234", status=206, content_range="bytes 4-9/10")
        self.backend.on("/page/a", odd)
        r = self.store(1, range="bytes=-5")
        self.assertEqual((r.body, r.header("Content-Range")), (b"01234", "bytes 4-9/10"))
        for value, first, body in (("bytes=6-8", 6, b"234"), ("bytes=4-4", 4, b"0")):
            r = self.get(range=value)
            self.assert_hit(r)
            self.assertEqual((r.status, r.body), (206, body))
            self.assertEqual(r.header("Content-Range"), f"bytes {first}-{first + len(body) - 1}/10")
        # What is not there is not in the part, however it was announced.
        for value in ("bytes=-1", "bytes=6-", "bytes=-5", "bytes=9-9"):
            self.assert_fetched(self.get(range=value))

    def test_a_chunked_part_counts_only_as_long_as_it_says(self):
        head = (b"HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n"
                b"Content-Range: bytes 0-4/20\r\n\r\n")
        for name, chunks in (("short", b"4\r\n0123\r\n0\r\n\r\n"),
                             ("long", b"6\r\n012345\r\n0\r\n\r\n")):
            self.backend.on("/page/" + name, raw(head + chunks))
            self.assertEqual(self.get(name, range="bytes=0-4").status, 206)
        self.backend.on("/page/exact", raw(head + b"5\r\n01234\r\n0\r\n\r\n"))
        self.get("exact", range="bytes=0-4")
        self.site.wait_for_metric("stored", 1)
        self.assertEqual([e["key"] for e in self.site.entries()], ["page(exact)"])

    def test_errors_that_answer_a_range_are_not_kept(self):
        for status in (404, 416, 301):
            self.backend.on("/page/a", page(b"no", status=status, cache_control="max-age=60"))
            self.assertEqual(self.get(range="bytes=5-9").status, status)
        self.backend.on("/page/a", ranged())
        self.assert_whole(self.get())

    def test_a_long_part_is_passed_on_and_not_kept(self):
        body = bytes(i * 7 % 251 for i in range(700000))
        self.backend.on("/page/a", ranged(body))
        for _ in range(2):
            self.assert_part(self.get(range="bytes=1-600000"), 1, 600000, body)
        self.assertEqual(self.backend.count("/page/a"), 2)

    def test_a_part_in_a_file_is_served_and_completed(self):
        body = bytes(i * 7 % 251 for i in range(300000))
        self.backend.on("/page/a", ranged(body))
        self.assert_part(self.store(1, range="bytes=0-199999"), 0, 199999, body)
        r = self.get(range="bytes=100-199999")
        self.assert_hit(r)
        self.assert_part(r, 100, 199999, body)
        self.assert_whole(self.store(2), body)
        self.assertEqual(self.asked(), [("bytes=0-199999", None), ("bytes=200000-", ETAG)])
        r = self.get(range="bytes=199990-200009")
        self.assert_hit(r)
        self.assert_part(r, 199990, 200009, body)

    def test_what_is_whole_and_stale_is_fetched_whole(self):
        for n, etag in enumerate((None, ETAG), 1):
            name = f"stale{n}"
            self.backend.on("/page/" + name, ranged(
                etag=etag, cache_control="max-age=60, stale-if-error=600", age="100"))
            self.get(name)
            self.site.wait_for_metric("stored", 2 * n - 1)
            self.get(name, range="bytes=5-9")
            self.assertEqual(self.asked(name), [(None, None)] * 2)
            self.site.wait_for_metric("stored", 2 * n)

    def test_a_stale_part_that_is_just_being_stored_is_not_asked_about(self):
        old = ranged(cache_control="max-age=60, stale-if-error=600", age="100")
        for n in range(30):  # At once: the part is here, and not yet in the store.
            name = f"old{n}"
            self.backend.on("/page/" + name, old)
            self.get(name, range="bytes=5-9")
            self.assert_whole(self.get(name))
            # It is good for nothing that the whole is asked for with.
            self.assertEqual([r.header("If-None-Match")
                              for r in self.backend.requests("/page/" + name)], [None, None])

    # ---- Put together

    def test_a_first_part_is_completed(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        completed = self.store(2)
        self.assert_whole(completed)
        # RFC 9211 section 2.3: it is not the status that the client gets.
        self.assertIn("fwd=partial; fwd-status=206; stored", completed.cache_status)
        self.assertEqual(self.asked(), [("bytes=0-4", None), ("bytes=5-", ETAG)])
        r = self.get()
        self.assert_hit(r)
        self.assert_whole(r)
        self.assertEqual(r.header("Content-Length"), str(len(BODY)))

    def test_a_last_part_is_completed(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=-5")
        self.assert_whole(self.store(2))
        self.assertEqual(self.asked(), [("bytes=-5", None), ("bytes=0-14", ETAG)])
        self.assert_whole(self.get())
        self.assertEqual(len(self.asked()), 2)

    def test_a_strong_date_is_a_validator(self):
        self.backend.on("/page/a", ranged(etag=None, last_modified=OLD_DATE,
                                          heeds_if_range=False))
        self.store(1, range="bytes=0-4")
        self.assert_whole(self.get())
        self.assertEqual(self.asked()[1], ("bytes=5-", OLD_DATE))

    def test_without_a_strong_validator_nothing_is_put_together(self):
        for name, fields in (("none", {"etag": None}), ("weak", {"etag": 'W/"v1"'}),
                             ("weak-and-date", {"etag": 'W/"v1"', "last_modified": OLD_DATE})):
            self.backend.on("/page/" + name, ranged(**fields))
            self.get(name, range="bytes=0-4")
        self.site.wait_for_metric("stored", 3)
        for name in ("none", "weak", "weak-and-date"):
            self.assert_whole(self.get(name))
            self.assertEqual(self.asked(name)[1], (None, None))

    def test_a_middle_part_is_not_completed(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=5-9")
        self.assert_whole(self.get())
        self.assertEqual(self.asked()[1], (None, None))

    def test_adjoining_and_overlapping_parts_become_one(self):
        self.backend.on("/page/a", ranged())
        for n, (value, first, last) in enumerate((("bytes=4-7", 4, 7), ("bytes=8-11", 8, 11),
                                                  ("bytes=2-5", 2, 5)), 1):
            self.assert_part(self.store(n, range=value), first, last)
        r = self.get(range="bytes=2-11")
        self.assert_hit(r)
        self.assert_part(r, 2, 11)
        self.store(4, range="bytes=0-9")
        self.assert_part(self.store(5, range="bytes=10-"), 10, 19)
        r = self.get()
        self.assert_hit(r)
        self.assert_whole(r)
        self.assertEqual(len(self.asked()), 5)

    def test_parts_with_a_gap_between_are_not_joined(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        self.store(2, range="bytes=6-9")
        self.assert_hit(self.get(range="bytes=6-9"))
        self.assert_fetched(self.get(range="bytes=0-4"))

    def test_parts_of_two_versions_are_not_joined(self):
        new = BODY.upper()[::-1]
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        self.backend.on("/page/a", ranged(new, etag='"v2"'))
        self.assert_part(self.store(2, range="bytes=5-9"), 5, 9, new)
        self.assert_part(self.store(3, range="bytes=0-4"), 0, 4, new)
        self.assert_part(self.get(range="bytes=0-9"), 0, 9, new)

    def test_parts_with_other_tags_are_not_joined(self):
        self.backend.on("/page/a", ranged(cache_tag="one"))
        self.store(1, range="bytes=0-4")
        self.backend.on("/page/a", ranged(cache_tag="two"))
        self.store(2, range="bytes=5-9")
        self.assert_fetched(self.get(range="bytes=0-4"))

    def test_a_new_version_is_taken_whole(self):
        new = BODY.upper()[::-1]
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=0-4")
        self.backend.on("/page/a", ranged(new, etag='"v2"'))
        taken = self.store(2)
        self.assert_whole(taken, new)
        self.assertNotIn("fwd-status", taken.cache_status)  # It was 200.
        self.assertEqual(len(self.asked()), 2)
        self.assert_hit(self.get())

    def test_what_does_not_complete_the_part_is_fetched_anew(self):
        new = BODY.upper()[::-1]
        odd = {"another version": ranged(new, etag='"v2"', heeds_if_range=False),
               "without its version": ranged(new, etag=None, heeds_if_range=False),
               "another range": lambda r: part(new, 6, 19) if r.header("Range") else page(new),
               "another length": lambda r: (part(new, 5, 18, of=19) if r.header("Range")
                                            else page(new)),
               "no range": lambda r: (page(new[5:], status=206, etag=ETAG)
                                      if r.header("Range") else page(new)),
               "other tags": ranged(new, heeds_if_range=False, cache_tag="one"),
               "416": lambda r: page(b"", status=416) if r.header("Range") else page(new)}
        for n, (name, answer) in enumerate(odd.items()):
            with self.subTest(name):
                path = f"p{n}"
                self.backend.on("/page/" + path, ranged())
                self.get(path, range="bytes=0-4")
                self.site.wait_for_metric("stored", 2 * n + 1)
                self.backend.on("/page/" + path, answer)
                self.assert_whole(self.get(path), new)
                self.assertEqual([r for r, _ in self.asked(path)],
                                 ["bytes=0-4", "bytes=5-", None])
                self.site.wait_for_metric("stored", 2 * n + 2)

    def test_a_rest_of_another_length_is_cut_off(self):
        head = (b"HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n"
                b"Content-Range: bytes 5-19/20\r\n\r\n")
        gate = threading.Event()
        self.addCleanup(gate.set)
        for n, chunks in enumerate(((b"5\r\nfghij\r\n0\r\n\r\n",),
                                    # Too long already, and nobody waits for its end.
                                    (b"10\r\nfghijklmnopqrstu\r\n", lambda: gate.wait(30)))):
            name = f"p{n}"
            self.backend.on("/page/" + name, ranged())
            self.get(name, range="bytes=0-4")
            self.site.wait_for_metric("stored", n + 1)
            self.backend.on("/page/" + name, raw(head, *chunks))
            r = self.site.later(self.get, name).result(10)
            self.assertTrue(r.status == 502 or not r.complete, (r.status, r.body))
        self.assertEqual({e["status"] for e in self.site.entries()}, {206})

    def test_an_error_of_the_backend_is_no_reason_to_serve_a_part(self):
        self.backend.on("/page/a", ranged(cache_control="max-age=60, stale-if-error=600"))
        self.store(1, range="bytes=0-4")
        self.backend.on("/page/a", page(b"broken", status=500))
        for fields in ({}, {"range": "bytes=2-9"}):
            self.assertEqual((self.get(**fields).status), 500)
        self.site.dory("deflate", "--soft", "page(a)")
        self.assertEqual(self.get(range="bytes=1-2").status, 500)

    # ---- Together

    def test_the_same_range_is_fetched_once(self):
        self.backend.on("/page/a", ranged())
        self.backend.hold("/page/a")
        answers = [self.site.later(self.get, range="bytes=5-9") for _ in range(5)]
        self.site.wait_for_metric("collapsed", 4)
        other = self.site.later(self.get, range="bytes=5-8")
        self.backend.wait_for("/page/a", 2)
        whole = self.site.later(self.get)
        self.backend.wait_for("/page/a", 3)
        self.backend.release("/page/a")
        for answer in answers:
            self.assert_part(answer.result(10), 5, 9)
        self.assert_part(other.result(10), 5, 8)
        self.assert_whole(whole.result(10))
        self.assertEqual(self.backend.count("/page/a"), 3)

    def test_what_lies_in_a_part_that_is_just_being_stored_is_not_fetched(self):
        for n in range(30):  # At once: the part is here, and not yet in the store.
            name = f"new{n}"
            self.backend.on("/page/" + name, ranged())
            self.get(name, range="bytes=5-14")
            for value, first, last in (("bytes=6-8", 6, 8), ("bytes=5-14", 5, 14)):
                self.assert_part(self.get(name, range=value), first, last)
            self.assertEqual(self.backend.count("/page/" + name), 1)

    def test_who_asks_while_a_part_is_completed_gets_the_whole(self):
        self.backend.on("/page/a", ranged())
        self.store(1, range="bytes=-5")
        self.backend.hold("/page/a")
        answers = [self.site.later(self.get) for _ in range(3)]
        self.site.wait_for_metric("collapsed", 2)
        self.backend.release("/page/a")
        for answer in answers:
            self.assert_whole(answer.result(10))
        self.assertEqual(len(self.asked()), 2)

    def test_another_process_does_not_wait_for_a_part(self):
        other = self.site.start_doryd(name="other")
        self.backend.on("/page/a", ranged())
        self.backend.hold("/page/a")
        answer = self.site.later(self.get, range="bytes=5-9")
        self.backend.wait_for("/page/a", 1)
        whole = self.site.later(other.ask, "GET", "/page/a", host="shop.test")
        self.backend.wait_for("/page/a", 2)
        self.backend.release("/page/a")
        self.assert_part(answer.result(10), 5, 9)
        self.assert_whole(whole.result(10))

    def test_a_whole_is_not_replaced_by_a_part(self):
        self.backend.on("/page/a", ranged())
        self.backend.hold("/page/a")
        answer = self.site.later(self.get, range="bytes=5-9")
        self.backend.wait_for("/page/a", 1)
        whole = self.site.later(self.get)
        self.backend.wait_for("/page/a", 2)
        self.backend.release("/page/a")
        self.assert_part(answer.result(10), 5, 9)
        self.assert_whole(whole.result(10))
        self.site.wait_for_metric("stored+store_refused", 2)
        self.assert_hit(self.get())
