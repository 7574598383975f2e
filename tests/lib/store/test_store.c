/* test_store.c -- What goes into the store comes out of it, unchanged, or not at all. */
#include "shelf.h"

static const size_t body_sizes[] = { 0, 1, 2000, 3800, 3850, 3900, 4079, 4080, 4081, 8159, 8160,
	8161, 65535, 65536, 262144, 5 << 20 };

START_TEST(bodies_of_every_size_come_back)
{
	struct shelf *f = shelf_new();
	struct slice body = shelf_bytes(f, body_sizes[_i], 1);
	struct store_job job = shelf_insert_job(f, "product/42", body);
	job.variant = SLICE("page=2");
	job.tags = shelf_tags(f, "sale new");
	job.vary = SLICE("accept");
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert_int_eq(shelf_find(f, "product/42"), -ENOENT);
	ck_assert_int_eq(shelf_find(f, "product/4"), -ENOENT);
	ck_assert_int_eq(shelf_find_variant(f, "product/42", "page=2"), 0);
	ck_assert(shelf_body_is(f, body));
	ck_assert(slice_equal(f->entry.head, job.head));
	ck_assert(slice_equal(f->entry.etag, SLICE("\"e1\"")));
	ck_assert(slice_equal(f->entry.tags, job.tags));
	ck_assert(slice_equal(f->entry.vary, job.vary));
	ck_assert_int_eq(f->entry.aging.grace_s, 5);
	shelf_free(f);
}
END_TEST

START_TEST(every_inline_limit_is_exact)
{
	struct shelf *f = shelf_new();
	for (size_t len = 3700; len < 4090; len++) {
		struct slice body = shelf_bytes(f, len, (unsigned)len);
		struct store_job job = shelf_insert_job(f, "a/b", body);
		ck_assert_int_eq(store_do(f->store, &job), 0);
		ck_assert_int_eq(shelf_find(f, "a/b"), 0);
		ck_assert(shelf_body_is(f, body));
		ck_assert_uint_eq(shelf_rows(f, TABLE_CHUNK),
		    len <= f->entry.body.len ? 0 : (len + RECORD_PAGE - 1) / RECORD_PAGE);
	}
	shelf_free(f);
}
END_TEST

static const size_t head_sizes[] = { 0, 1, 3900, 4079, 4080, 4081, 4095, 4096, 4097, 8160, 8161,
	65535, 65536, 65537, RECORD_HEAD_MAX, RECORD_HEAD_MAX + 1 };

START_TEST(heads_of_every_size_come_back_as_one_slice)
{
	struct shelf *f = shelf_new();
	static const size_t bodies[] = { 0, 10, 10000 };
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct slice head = shelf_bytes(f, head_sizes[_i], 3),
			     body = shelf_bytes(f, bodies[i], 4);
		struct store_job job = shelf_insert_job(f, "a/b", body);
		job.head = head;
		int rc = store_do(f->store, &job);
		ck_assert_int_eq(rc, head.len > RECORD_HEAD_MAX ? -E2BIG : 0);
		if (rc != 0)
			continue;
		ck_assert_int_eq(shelf_find(f, "a/b"), 0);
		ck_assert(slice_equal(f->entry.head, head));
		ck_assert(shelf_body_is(f, body));
	}
	shelf_free(f);
}
END_TEST

START_TEST(long_keys_are_told_apart)
{
	struct shelf *f = shelf_new();
	char key[1000];
	for (size_t len = 380; len < 440; len++) {
		memset(key, 'k', len);
		key[len] = '\0';
		ck_assert_int_eq(shelf_insert(f, key, key), 0);
		key[len - 1] = 'x';
		ck_assert_int_eq(shelf_find(f, key), -ENOENT);
		ck_assert_int_eq(shelf_insert(f, key, "other"), 0);
	}
	for (size_t len = 380; len < 440; len++) {
		memset(key, 'k', len);
		key[len] = '\0';
		ck_assert_int_eq(shelf_find(f, key), 0);
		ck_assert(shelf_body_is(f, slice_of(key)));
	}
	shelf_free(f);
}
END_TEST

START_TEST(variants_are_apart_and_replaced_alone)
{
	struct shelf *f = shelf_new();
	static const char *const variants[] = { "", "a", "b", "aa" };
	for (size_t i = 0; i < 2 * COUNT(variants); i++) {
		const char *v = variants[i % COUNT(variants)];
		struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, 100 + i, 5));
		job.variant = slice_of(v);
		ck_assert_int_eq(store_do(f->store, &job), 0);
		ck_assert_int_eq(shelf_find_variant(f, "p/1", v), 0);
		ck_assert(shelf_body_is(f, job.body));
	}
	/* A replaced entry keeps its place in the queue. */
	ck_assert_uint_eq(shelf_rows(f, TABLE_ENTRY), COUNT(variants));
	ck_assert_uint_eq(shelf_rows(f, TABLE_QUEUE), COUNT(variants));
	shelf_free(f);
}
END_TEST

START_TEST(a_part_does_not_replace_a_whole_that_lives)
{
	struct shelf *f = shelf_new();
	struct store_job part = shelf_insert_job(f, "p/1", SLICE("part"));

	part.status = 206;
	ck_assert_int_eq(store_do(f->store, &part), 0);
	ck_assert_int_eq(store_do(f->store, &part), 0);
	ck_assert_int_eq(shelf_insert(f, "p/1", "the whole"), 0);
	ck_assert_int_eq(store_do(f->store, &part), -ESTALE);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert_uint_eq(f->entry.status, 200);
	part.sequence = shelf_deflate(f, "p/1", false);
	ck_assert_int_eq(store_do(f->store, &part), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert_uint_eq(f->entry.status, 206);
	shelf_free(f);
}
END_TEST

START_TEST(replaced_and_removed_bodies_leave_nothing_behind)
{
	struct shelf *f = shelf_new();
	static const size_t sizes[] = { 100, 64 * RECORD_PAGE, 65 * RECORD_PAGE,
		2000 * RECORD_PAGE };
	struct store_job remove = { .kind = STORE_JOB_REMOVE, .key = shelf_key(f, "p/1") };
	bool more = true;
	for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
		struct slice body = shelf_bytes(f, sizes[i % COUNT(sizes)], 6);
		struct store_job job = shelf_insert_job(f, "p/1", body);
		ck_assert_int_eq(store_do(f->store, &job), 0);
	}
	ck_assert_uint_gt(shelf_rows(f, TABLE_TRASH), 0);
	ck_assert_int_eq(store_do(f->store, &remove), 0);
	ck_assert_int_eq(store_do(f->store, &remove), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), -ENOENT);
	for (int i = 0; more && i < 100; i++)
		ck_assert_int_eq(trash_sweep(f->store, &more), 0);
	ck_assert(!more);
	ck_assert_uint_eq(shelf_rows(f, TABLE_CHUNK), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_QUEUE), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_TRASH), 0);
	shelf_free(f);
}
END_TEST

START_TEST(too_little_room_for_pieces_is_said)
{
	struct shelf *f = shelf_new();
	struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, 3 * RECORD_PAGE, 7));
	ck_assert_int_eq(store_do(f->store, &job), 0);
	shelf_look(f);
	size_t n = 2;
	ck_assert_int_eq(
	    store_find(f->reader, &job.key, job.variant, &f->entry, f->pieces, &n), -E2BIG);
	n = 3;
	ck_assert_int_eq(store_find(f->reader, &job.key, job.variant, &f->entry, f->pieces, &n), 0);
	ck_assert_uint_eq(n, 3);
	shelf_free(f);
}
END_TEST

static const struct {
	const char *name;
	size_t old_head, new_head, body;
} freshen_cases[] = {
	{ "inline stays inline", 50, 60, 100 },
	{ "inline body moves to chunks", 50, 4000, 1000 },
	{ "head moves to chunks", 50, 9000, 1000 },
	{ "head moves back", 9000, 50, 1000 },
	{ "body in chunks stays where it is", 50, 100, 300000 },
	{ "both in chunks", 9000, 12000, 300000 },
	{ "no body", 50, 9000, 0 },
};

START_TEST(freshening_changes_the_head_and_keeps_the_body)
{
	struct shelf *f = shelf_new();
	struct slice body = shelf_bytes(f, freshen_cases[_i].body, 8);
	struct store_job job = shelf_insert_job(f, "p/1", body);
	job.head = shelf_bytes(f, freshen_cases[_i].old_head, 9);
	job.tags = shelf_tags(f, "sale");
	ck_assert_int_eq(store_do(f->store, &job), 0);
	uint64_t old = job.sequence;
	shelf_deflate(f, "other", false);
	shelf_look(f);
	struct store_job fresh = shelf_insert_job(f, "p/1", (struct slice){ NULL, 0 });
	fresh.kind = STORE_JOB_FRESHEN;
	fresh.freshen_sequence = old + 1;
	fresh.head = shelf_bytes(f, freshen_cases[_i].new_head, 10);
	fresh.aging.lifetime_s = 99;
	ck_assert_int_eq(store_do(f->store, &fresh), -ENOENT);
	fresh.freshen_sequence = old;
	ck_assert_int_eq(store_do(f->store, &fresh), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert_msg(shelf_body_is(f, body), "%s", freshen_cases[_i].name);
	ck_assert(slice_equal(f->entry.head, fresh.head));
	ck_assert(slice_equal(f->entry.tags, job.tags));
	ck_assert_int_eq(f->entry.aging.lifetime_s, 99);
	ck_assert_uint_eq(f->entry.sequence, fresh.sequence);
	shelf_free(f);
}
END_TEST

START_TEST(a_flipped_byte_is_never_served)
{
	struct shelf *f = shelf_new();
	struct slice body = shelf_bytes(f, _i == 0 ? 300 : 9000, 11);
	struct store_job job = shelf_insert_job(f, "p/1", body);
	struct store_job remove = { .kind = STORE_JOB_REMOVE, .key = job.key };
	enum store_table table = _i == 2 ? TABLE_CHUNK : TABLE_ENTRY;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	for (size_t at = 0; at < 400; at++) {
		shelf_flip(f, table, at);
		ck_assert_int_eq(shelf_find(f, "p/1"), -EBADMSG);
		shelf_flip(f, table, at);
		ck_assert_int_eq(shelf_find(f, "p/1"), 0);
		ck_assert(shelf_body_is(f, body));
	}
	shelf_flip(f, table, 20);
	ck_assert_int_eq(store_do(f->store, &remove), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), -ENOENT);
	/* And a new one takes its place. */
	shelf_flip(f, TABLE_META, 0);
	ck_assert_int_eq(store_read_begin(f->reader), -EIO);
	shelf_flip(f, TABLE_META, 0);
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	shelf_free(f);
}
END_TEST

START_TEST(a_missing_chunk_is_never_passed_over)
{
	struct shelf *f = shelf_new();
	for (uint64_t missing = 0; missing < 4; missing++) {
		struct store_job job =
		    shelf_insert_job(f, "p/1", shelf_bytes(f, 3 * RECORD_PAGE, 12));
		struct change c;
		ck_assert_int_eq(store_do(f->store, &job), 0);
		ck_assert_int_eq(shelf_find(f, "p/1"), 0);
		ck_assert_int_eq(change_begin(f->store, &c), 0);
		ck_assert_int_eq(chunk_delete(&c, f->entry.body_id, missing, missing + 1), 0);
		ck_assert_int_eq(change_commit(&c), 0);
		ck_assert_int_eq(shelf_find(f, "p/1"), missing < 3 ? -EBADMSG : 0);
	}
	shelf_free(f);
}
END_TEST

START_TEST(bloats_are_switched_off_and_on)
{
	struct shelf *f = shelf_new();
	struct store_job job = { .kind = STORE_JOB_SWITCH, .bloat = "product", .enable = false };
	uint64_t before = store_switches(f->reader);
	ck_assert(!store_bloat_disabled(f->reader, "product"));
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(store_do(f->store, &job), 0);
	shelf_look(f);
	ck_assert(store_bloat_disabled(f->reader, "product"));
	ck_assert(!store_bloat_disabled(f->reader, "produc"));
	ck_assert_uint_eq(store_switches(f->reader), before + 1);
	job.enable = true;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(store_do(f->store, &job), 0);
	shelf_look(f);
	ck_assert(!store_bloat_disabled(f->reader, "product"));
	ck_assert_uint_eq(store_switches(f->reader), before + 2);
	shelf_free(f);
}
END_TEST

struct walk_seen {
	unsigned n, max;
	char last[ENTRY_NAME_MAX];
	size_t last_len;
};

static bool
walk_see(void *context, struct slice name, const struct store_entry *entry)
{
	struct walk_seen *seen = context;
	ck_assert_uint_gt(entry->key.len, 0);
	ck_assert(entry->head.at != NULL);
	memcpy(seen->last, name.at, name.len);
	seen->last_len = name.len;
	return ++seen->n < seen->max;
}

static unsigned
walk_count(struct shelf *f, const char *scope, unsigned page)
{
	struct walk_seen seen = { 0 };
	unsigned total = 0;
	shelf_look(f);
	do {
		total += seen.n;
		seen.n = 0;
		seen.max = page;
		ck_assert_int_eq(store_walk(f->reader, shelf_scope(f, scope),
				     (struct slice){ seen.last, seen.last_len }, walk_see, &seen),
		    0);
	} while (seen.n > 0);
	return total;
}

START_TEST(walking_sees_what_a_scope_covers_in_pages)
{
	struct shelf *f = shelf_new();
	char key[600], deep[500];
	memset(deep, 'd', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	for (int i = 0; i < 30; i++) {
		snprintf(key, sizeof(key), "%s/%d", i % 3 == 0 ? "list" : "product", i);
		struct store_job job = shelf_insert_job(f, key, slice_of(key));
		job.tags = shelf_tags(f, i % 5 == 0 ? "sale" : "sal");
		job.head = shelf_bytes(f, i == 7 ? 9000 : 20, 1);
		ck_assert_int_eq(store_do(f->store, &job), 0);
		snprintf(key, sizeof(key), "%s/%d", deep, i);
		ck_assert_int_eq(shelf_insert(f, key, key), 0);
	}
	for (unsigned page = 1; page < 70; page += 17) {
		ck_assert_uint_eq(walk_count(f, "*", page), 60);
		ck_assert_uint_eq(walk_count(f, "list", page), 10);
		ck_assert_uint_eq(walk_count(f, "product", page), 20);
		ck_assert_uint_eq(walk_count(f, "product/1", page), 1);
		ck_assert_uint_eq(walk_count(f, "product/2/3", page), 0);
		ck_assert_uint_eq(walk_count(f, "tag:sale", page), 6);
		ck_assert_uint_eq(walk_count(f, "tag:s", page), 0);
		ck_assert_uint_eq(walk_count(f, deep, page), 30);
		ck_assert_uint_eq(walk_count(f, key, page), 1);
	}
	shelf_free(f);
}
END_TEST

START_TEST(totals_are_right)
{
	struct shelf *f = shelf_new();
	struct store_stat stat;
	for (int i = 0; i < 10; i++) {
		char key[20];
		snprintf(key, sizeof(key), "p/%d", i);
		ck_assert_int_eq(shelf_insert(f, key, "x"), 0);
	}
	shelf_deflate(f, "p/1", false);
	shelf_look(f);
	ck_assert_int_eq(store_stat(f->reader, &stat), 0);
	ck_assert_uint_eq(stat.entries, 10);
	ck_assert_uint_eq(stat.deflated, 1);
	ck_assert_uint_eq(stat.sequence, 1);
	ck_assert_uint_eq(stat.size_bytes, SHELF_SIZE);
	ck_assert_uint_eq(stat.readers, 1);
	ck_assert_uint_eq(stat.readers_max, 1024);
	ck_assert(stat.used_bytes > 0 && stat.used_bytes < 1 << 20);
	shelf_free(f);
}
END_TEST

START_TEST(a_job_is_seen_from_its_snapshot_on)
{
	struct shelf *f = shelf_new();
	ck_assert_int_eq(store_read_begin(f->reader), 0);
	uint64_t before = store_snapshot(f->reader);
	struct store_job job = shelf_insert_job(f, "p/1", SLICE("one"));
	store_read_end(f->reader);
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert_uint_lt(before, job.snapshot);
	ck_assert_int_eq(store_read_begin(f->reader), 0);
	ck_assert_uint_ge(store_snapshot(f->reader), job.snapshot);
	store_read_end(f->reader);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("store");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, bodies_of_every_size_come_back, 0, COUNT(body_sizes));
	tcase_add_test(tests, a_job_is_seen_from_its_snapshot_on);
	tcase_add_test(tests, every_inline_limit_is_exact);
	tcase_add_loop_test(
	    tests, heads_of_every_size_come_back_as_one_slice, 0, COUNT(head_sizes));
	tcase_add_test(tests, long_keys_are_told_apart);
	tcase_add_test(tests, variants_are_apart_and_replaced_alone);
	tcase_add_test(tests, a_part_does_not_replace_a_whole_that_lives);
	tcase_add_test(tests, replaced_and_removed_bodies_leave_nothing_behind);
	tcase_add_test(tests, too_little_room_for_pieces_is_said);
	tcase_add_loop_test(
	    tests, freshening_changes_the_head_and_keeps_the_body, 0, COUNT(freshen_cases));
	tcase_add_loop_test(tests, a_flipped_byte_is_never_served, 0, 3);
	tcase_add_test(tests, a_missing_chunk_is_never_passed_over);
	tcase_add_test(tests, bloats_are_switched_off_and_on);
	tcase_add_test(tests, walking_sees_what_a_scope_covers_in_pages);
	tcase_add_test(tests, totals_are_right);
	return suite_run("lib/store/store", tests);
}
