/* test_deflate.c -- A deflate kills exactly what it covers, and what it killed stays dead. */
#include "shelf.h"

static const struct {
	const char *scope, *key, *tags;
	bool covers;
} cover_cases[] = {
	{ "*", "product/1", "", true },
	{ "product", "product/1", "", true },
	{ "product", "products/1", "", false },
	{ "product/1", "product/1", "", true },
	{ "product/1", "product/10", "", false },
	{ "product/1", "product/2", "", false },
	{ "list/books", "list/books/2", "", true },
	{ "list/books", "list/toys/2", "", false },
	{ "list/books/2", "list/books", "", false },
	{ "tag:sale", "product/1", "sale", true },
	{ "tag:sale", "product/1", "new sale", true },
	{ "tag:sale", "product/1", "sales sal", false },
	{ "tag:product", "product/1", "", false },
	{ "sale", "product/1", "sale", false },
};

START_TEST(a_scope_kills_exactly_what_it_covers)
{
	struct shelf *f = shelf_new();
	const char *key = cover_cases[_i].key, *tags = cover_cases[_i].tags;
	uint64_t before = store_sequence(f->reader);
	uint64_t sequence = shelf_deflate(f, cover_cases[_i].scope, false);
	struct store_judgement got = shelf_judge(f, key, before, tags);
	ck_assert_int_eq(got.life, cover_cases[_i].covers ? STORE_DEAD : STORE_ALIVE);
	ck_assert_uint_eq(got.by, cover_cases[_i].covers ? sequence : 0);
	ck_assert_int_eq(shelf_judge(f, key, sequence, tags).life, STORE_ALIVE);
	uint64_t soft = shelf_deflate(f, cover_cases[_i].scope, true);
	got = shelf_judge(f, key, sequence, tags);
	ck_assert_int_eq(got.life, cover_cases[_i].covers ? STORE_SOFT : STORE_ALIVE);
	ck_assert_uint_eq(got.by, cover_cases[_i].covers ? soft : 0);
	/* A soft deflate does not take a hard one back. */
	got = shelf_judge(f, key, before, tags);
	ck_assert_int_eq(got.life, cover_cases[_i].covers ? STORE_DEAD : STORE_ALIVE);
	shelf_free(f);
}
END_TEST

START_TEST(scopes_of_one_deflate_share_a_number)
{
	struct shelf *f = shelf_new();
	struct scope scopes[] = { shelf_scope(f, "a/1"), shelf_scope(f, "b"),
		shelf_scope(f, "tag:t") };
	struct store_job job = shelf_deflate_job(scopes, false);
	struct deflated row;
	job.n_scopes = COUNT(scopes);
	job.by = "a name that is longer than thirty-one bytes";
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert_uint_eq(job.deflated, 1);
	shelf_look(f);
	ck_assert_uint_eq(store_sequence(f->reader), 1);
	for (size_t i = 0; i < COUNT(scopes); i++) {
		ck_assert_int_eq(deflated_get(f->store, f->reader->txn, scopes[i], &row), 0);
		ck_assert_uint_eq(row.hard, 1);
		ck_assert_uint_eq(row.soft, 0);
		ck_assert_str_eq(row.by, "a name that is longer than thir");
	}
	ck_assert_int_eq(
	    deflated_get(f->store, f->reader->txn, shelf_scope(f, "a"), &row), -ENOENT);
	shelf_free(f);
}
END_TEST

START_TEST(a_shared_snapshot_begins_with_its_first_use_and_ends_with_its_turn)
{
	struct shelf *f = shelf_new();
	store_read_end(f->reader);
	for (uint64_t n = 1; n < 4; n += 2) {
		store_read_share(f->reader);
		shelf_deflate(f, "a/1", false);
		ck_assert_int_eq(shelf_judge(f, "a/1", n - 1, "").life, STORE_DEAD);
		shelf_deflate(f, "a/1", false);
		ck_assert_int_eq(shelf_judge(f, "a/1", n, "").life, STORE_ALIVE);
		store_read_end(f->reader);
		ck_assert_int_eq(shelf_judge(f, "a/1", n, "").life, STORE_ALIVE);
		store_read_unshare(f->reader);
		ck_assert_int_eq(shelf_judge(f, "a/1", n, "").life, STORE_DEAD);
		ck_assert_uint_eq(store_sequence(f->reader), n + 1);
	}
	shelf_free(f);
}
END_TEST

START_TEST(the_start_of_every_key_is_everything)
{
	struct shelf *f = shelf_new();
	struct scope scope = { SCOPE_KEY, { NULL, 0 } };
	struct store_job job = shelf_deflate_job(&scope, false);
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert_int_eq(shelf_judge(f, "a/1", 0, "").life, STORE_DEAD);
	shelf_free(f);
}
END_TEST

START_TEST(bytes_that_are_no_key_are_refused)
{
	struct shelf *f = shelf_new();
	struct scope scopes[] = { { SCOPE_ALL, { NULL, 0 } }, { SCOPE_KEY, SLICE("\7prod") } };
	struct store_job job = shelf_deflate_job(scopes, false);
	job.n_scopes = 2;
	ck_assert_int_eq(store_do(f->store, &job), -EINVAL);
	job.kind = STORE_JOB_INTEND;
	ck_assert_int_eq(store_do(f->store, &job), -EINVAL);
	shelf_look(f);
	ck_assert_uint_eq(store_sequence(f->reader), 0);
	shelf_free(f);
}
END_TEST

static const struct {
	const char *before; /* A deflate between the fetch and the one that is asked. */
	bool soft;
	bool lives;
} write_cases[] = {
	{ "q", false, true },
	{ "p/2", false, true },
	{ "tag:u", false, true },
	{ "p/1", false, false },
	{ "p", false, false },
	{ "*", false, false },
	{ "tag:t", false, false },
	{ "p/1", true, false },
};

START_TEST(a_deflate_tells_whether_another_came_before_it)
{
	struct shelf *f = shelf_new();
	struct scope scope = shelf_scope(f, "p/1");
	struct store_job job = shelf_deflate_job(&scope, false);
	uint64_t sequence = store_sequence(f->reader);
	shelf_deflate(f, write_cases[_i].before, write_cases[_i].soft);
	job.key = shelf_key(f, "p/1");
	job.tags = shelf_tags(f, "t");
	job.sequence = sequence;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert(job.lives == write_cases[_i].lives);
	/* As of the next number nothing has come before. */
	job.sequence = job.deflated;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert(job.lives);
	job.store_id = store_id(f->reader) + 1;
	job.sequence = job.deflated;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert(!job.lives);
	shelf_free(f);
}
END_TEST

START_TEST(what_was_fetched_before_a_deflate_is_not_stored)
{
	struct shelf *f = shelf_new();
	static const char *const scopes[] = { "*", "p", "p/1", "tag:t" };
	for (size_t i = 0; i < COUNT(scopes); i++) {
		shelf_look(f);
		struct store_job job = shelf_insert_job(f, "p/1", SLICE("old"));
		job.tags = shelf_tags(f, "t");
		shelf_deflate(f, scopes[i], false);
		ck_assert_int_eq(store_do(f->store, &job), -ESTALE);
		ck_assert_int_eq(shelf_find(f, "p/1"), -ENOENT);
		shelf_deflate(f, "q", false);
		ck_assert_int_eq(store_do(f->store, &job), -ESTALE);
	}
	shelf_look(f);
	struct store_job job = shelf_insert_job(f, "p/1", SLICE("new"));
	shelf_deflate(f, "p/1", true);
	ck_assert_int_eq(store_do(f->store, &job), 0);
	shelf_free(f);
}
END_TEST

START_TEST(an_older_fetch_does_not_replace_a_newer_one)
{
	struct shelf *f = shelf_new();
	struct store_job old = shelf_insert_job(f, "p/1", SLICE("old"));
	shelf_deflate(f, "q", false);
	shelf_look(f);
	ck_assert_int_eq(shelf_insert(f, "p/1", "new"), 0);
	ck_assert_int_eq(store_do(f->store, &old), -ESTALE);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert(shelf_body_is(f, SLICE("new")));
	shelf_free(f);
}
END_TEST

START_TEST(a_deflated_entry_is_not_freshened)
{
	struct shelf *f = shelf_new();
	struct store_job job = shelf_insert_job(f, "p/1", SLICE("old"));
	job.tags = shelf_tags(f, "t");
	ck_assert_int_eq(store_do(f->store, &job), 0);
	job.kind = STORE_JOB_FRESHEN;
	job.freshen_sequence = job.sequence;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	/* Its tags are those that are stored, whatever the 304 says. */
	job.tags = (struct slice){ NULL, 0 };
	shelf_deflate(f, "tag:t", false);
	ck_assert_int_eq(store_do(f->store, &job), -ESTALE);
	/* Nor by a 304 that came after: what was validated was dead. */
	shelf_look(f);
	job.sequence = store_sequence(f->reader);
	ck_assert_int_eq(store_do(f->store, &job), -ESTALE);
	shelf_free(f);
}
END_TEST

START_TEST(the_floor_kills_what_pruning_forgot)
{
	struct shelf *f = shelf_new();
	char key[32];
	f->store->deflated_max = 20;
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "p/%d", i);
		uint64_t before = store_sequence(f->reader), floor = f->reader->state.floor;
		uint64_t sequence = shelf_deflate(f, key, i % 3 == 0);
		shelf_look(f);
		ck_assert_uint_eq(store_sequence(f->reader), sequence);
		ck_assert_uint_ge(f->reader->state.floor, floor);
		ck_assert_uint_le(f->reader->state.floor, sequence);
		ck_assert_uint_le(shelf_rows(f, TABLE_DEFLATED), 21);
		ck_assert_int_ne(shelf_judge(f, key, before, "").life, STORE_ALIVE);
	}
	ck_assert_uint_gt(f->reader->state.floor, 400);
	for (uint64_t i = 0; i < f->reader->state.floor; i++) {
		struct store_judgement got = shelf_judge(f, "never/named", i, "");
		ck_assert_int_eq(got.life, STORE_DEAD);
		ck_assert_uint_eq(got.by, f->reader->state.floor);
	}
	ck_assert_int_eq(
	    shelf_judge(f, "never/named", f->reader->state.floor, "").life, STORE_ALIVE);
	shelf_free(f);
}
END_TEST

START_TEST(many_rows_are_pruned_in_batches)
{
	struct shelf *f = shelf_new();
	enum { MANY = 9000 };
	struct scope *scopes = calloc(MANY, sizeof(*scopes));
	char key[32];
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "p/%d", i);
		scopes[i] = shelf_scope(f, key);
	}
	f->store->deflated_max = MANY;
	struct store_job job = shelf_deflate_job(scopes, false);
	job.n_scopes = MANY;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_DEFLATED), MANY);
	shelf_deflate(f, "q", false);
	ck_assert_uint_eq(shelf_rows(f, TABLE_DEFLATED), 1);
	ck_assert_uint_eq(f->reader->state.floor, 1);
	ck_assert_int_eq(shelf_judge(f, "p/77", 0, "").life, STORE_DEAD);
	ck_assert_int_eq(shelf_judge(f, "p/77", 1, "").life, STORE_ALIVE);
	free(scopes);
	shelf_free(f);
}
END_TEST

START_TEST(a_damaged_row_makes_what_it_covers_dead)
{
	struct shelf *f = shelf_new();
	struct change c;
	shelf_deflate(f, "p/1", false);
	shelf_deflate(f, "q", false);
	ck_assert_int_eq(change_begin(f->store, &c), 0);
	char name[SCOPE_NAME_MAX], bad[64] = { 0 };
	MDB_val key = { scope_name(shelf_scope(f, "p/1"), name), name }, value = { 64, bad };
	ck_assert_int_eq(mdb_put(c.txn, f->store->tables[TABLE_DEFLATED], &key, &value, 0), 0);
	ck_assert_int_eq(change_commit(&c), 0);
	ck_assert_int_eq(shelf_judge(f, "p/1", 1, "").life, STORE_DEAD);
	ck_assert_int_eq(shelf_judge(f, "p/2", 1, "").life, STORE_ALIVE);
	uint64_t sequence = shelf_deflate(f, "p/1", true);
	ck_assert_int_eq(shelf_judge(f, "p/1", sequence - 1, "").life, STORE_DEAD);
	ck_assert_int_eq(shelf_judge(f, "p/1", sequence, "").life, STORE_ALIVE);
	shelf_free(f);
}
END_TEST

/* ---- Against a model that remembers every deflate and tries each. ---- */

enum { MODEL_OPS = 6000, MODEL_KEYS = 14, MODEL_SCOPES = 16, MODEL_FLIGHTS = 6 };

static const char *const model_keys[MODEL_KEYS] = { "a", "b", "a/1", "a/2", "a/10", "b/1", "b/2",
	"a/1/1", "a/1/2", "a/2/1", "b/1/1", "b/1/10", "a/", "a//1" };
static const char *const model_scopes[MODEL_SCOPES] = { "*", "a", "b", "a/1", "a/2", "a/10", "b/1",
	"a/1/1", "a/1/2", "b/1/1", "a/", "c", "tag:x", "tag:y", "tag:z", "tag:a" };
static const char *const model_tags[] = { "", "x", "y", "x y", "z x", "xy" };

struct model_deflate {
	const char *scope;
	uint64_t sequence;
	bool soft;
};

struct model_entry {
	bool there;
	int key;
	const char *tags;
	uint64_t sequence;
	unsigned content;
};

struct model {
	struct shelf *f;
	unsigned state;
	size_t n_deflates;
	struct model_deflate deflates[3 * MODEL_OPS];
	struct model_entry entries[MODEL_KEYS][2];
	struct model_entry flights[MODEL_FLIGHTS]; /* there: under way */
	unsigned dead, soft, alive, refused, by_floor;
};

static unsigned
model_random(struct model *m, unsigned below)
{
	m->state = m->state * 1664525u + 1013904223u;
	return (m->state >> 8) % below;
}

/* By the words of the design, not by its code. */
static bool
model_covers(const char *scope, const char *key, const char *tags)
{
	size_t len = strlen(scope);
	if (strcmp(scope, "*") == 0)
		return true;
	if (strncmp(scope, "tag:", 4) != 0)
		return strncmp(key, scope, len) == 0 && (key[len] == '\0' || key[len] == '/');
	for (const char *at = strstr(tags, scope + 4); at != NULL; at = strstr(at + 1, scope + 4)) {
		char end = at[len - 4];
		if ((at == tags || at[-1] == ' ') && (end == '\0' || end == ' '))
			return true;
	}
	return false;
}

static enum store_life
model_life(const struct model *m, const struct model_entry *e)
{
	enum store_life life = STORE_ALIVE;
	for (size_t i = 0; i < m->n_deflates; i++) {
		const struct model_deflate *d = &m->deflates[i];
		if (d->sequence <= e->sequence ||
		    !model_covers(d->scope, model_keys[e->key], e->tags))
			continue;
		if (!d->soft)
			return STORE_DEAD;
		life = STORE_SOFT;
	}
	return life;
}

static void
model_check(struct model *m, const struct model_entry *e)
{
	enum store_life want = model_life(m, e);
	struct store_judgement got = shelf_judge(m->f, model_keys[e->key], e->sequence, e->tags);
	if (e->sequence < m->f->reader->state.floor) {
		ck_assert_int_eq(got.life, STORE_DEAD);
		m->by_floor++;
		return;
	}
	ck_assert_int_eq(got.life, want);
	m->dead += want == STORE_DEAD;
	m->soft += want == STORE_SOFT;
	m->alive += want == STORE_ALIVE;
}

static void
model_deflate(struct model *m)
{
	struct scope scopes[3];
	struct store_job job = shelf_deflate_job(scopes, model_random(m, 3) == 0);
	size_t first = m->n_deflates;
	job.n_scopes = 1 + model_random(m, 3);
	for (size_t i = 0; i < job.n_scopes; i++) {
		const char *scope = model_scopes[model_random(m, MODEL_SCOPES)];
		scopes[i] = shelf_scope(m->f, scope);
		m->deflates[m->n_deflates++] = (struct model_deflate){ scope, 0, job.soft };
	}
	ck_assert_int_eq(store_do(m->f->store, &job), 0);
	for (size_t i = first; i < m->n_deflates; i++)
		m->deflates[i].sequence = job.deflated;
}

static void
model_take_off(struct model *m)
{
	shelf_look(m->f);
	m->flights[model_random(m, MODEL_FLIGHTS)] = (struct model_entry){
		.there = true,
		.key = (int)model_random(m, MODEL_KEYS),
		.tags = model_tags[model_random(m, COUNT(model_tags))],
		.sequence = store_sequence(m->f->reader),
		.content = m->state,
	};
}

static struct slice
model_content(struct model *m, const struct model_entry *e)
{
	return shelf_bytes(m->f, e->content % 7 == 0 ? 9000 : e->content % 50, e->content);
}

static void
model_land(struct model *m)
{
	struct model_entry *e = &m->flights[model_random(m, MODEL_FLIGHTS)];
	int variant = (int)model_random(m, 2);
	if (!e->there)
		return;
	struct model_entry *stored = &m->entries[e->key][variant];
	struct store_job job = shelf_insert_job(m->f, model_keys[e->key], model_content(m, e));
	job.variant = slice_of(variant ? "v" : "");
	job.tags = shelf_tags(m->f, e->tags);
	job.sequence = e->sequence;
	bool stale = model_life(m, e) == STORE_DEAD || e->sequence < m->f->reader->state.floor ||
		     (stored->there && stored->sequence > e->sequence);
	ck_assert_int_eq(store_do(m->f->store, &job), stale ? -ESTALE : 0);
	m->refused += stale;
	if (!stale)
		*stored = *e;
	e->there = false;
}

static void
model_find(struct model *m)
{
	int key = (int)model_random(m, MODEL_KEYS), variant = (int)model_random(m, 2);
	struct model_entry *e = &m->entries[key][variant];
	int rc = shelf_find_variant(m->f, model_keys[key], variant ? "v" : "");
	ck_assert_int_eq(rc, e->there ? 0 : -ENOENT);
	if (rc != 0)
		return;
	ck_assert_uint_eq(m->f->entry.sequence, e->sequence);
	ck_assert(shelf_body_is(m->f, model_content(m, e)));
	model_check(m, e);
}

START_TEST(the_store_agrees_with_a_model_that_tries_every_deflate)
{
	struct model *m = calloc(1, sizeof(*m));
	m->f = shelf_new();
	m->state = (unsigned)_i + 1;
	if (_i % 2 == 1)
		m->f->store->deflated_max = 8;
	for (int i = 0; i < MODEL_OPS; i++) {
		unsigned op = model_random(m, 20);
		if (op < 1)
			model_deflate(m);
		else if (op < 6)
			model_take_off(m);
		else if (op < 10)
			model_land(m);
		else
			model_find(m);
		arena_reset(&m->f->arena);
	}
	/* The model was put to the test. */
	ck_assert(m->dead + m->by_floor > 20 && m->alive > 20 && m->refused > 20);
	ck_assert(_i % 2 == 1 ? m->by_floor > 0 : m->soft > 20);
	shelf_free(m->f);
	free(m);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("deflate");
	tcase_set_timeout(tests, 100);
	tcase_add_loop_test(tests, a_scope_kills_exactly_what_it_covers, 0, COUNT(cover_cases));
	tcase_add_test(tests, scopes_of_one_deflate_share_a_number);
	tcase_add_test(tests, a_shared_snapshot_begins_with_its_first_use_and_ends_with_its_turn);
	tcase_add_test(tests, the_start_of_every_key_is_everything);
	tcase_add_test(tests, bytes_that_are_no_key_are_refused);
	tcase_add_loop_test(
	    tests, a_deflate_tells_whether_another_came_before_it, 0, COUNT(write_cases));
	tcase_add_test(tests, what_was_fetched_before_a_deflate_is_not_stored);
	tcase_add_test(tests, an_older_fetch_does_not_replace_a_newer_one);
	tcase_add_test(tests, a_deflated_entry_is_not_freshened);
	tcase_add_test(tests, the_floor_kills_what_pruning_forgot);
	tcase_add_test(tests, many_rows_are_pruned_in_batches);
	tcase_add_test(tests, a_damaged_row_makes_what_it_covers_dead);
	tcase_add_loop_test(tests, the_store_agrees_with_a_model_that_tries_every_deflate, 0, 6);
	return suite_run("lib/store/deflate", tests);
}
