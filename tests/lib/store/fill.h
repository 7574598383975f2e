/* fill.h -- A small store, and entries by number to fill it with. */
#ifndef DORY_TESTS_FILL_H
#define DORY_TESTS_FILL_H

#include "shelf.h"

#include "base/clock.h"
#include "base/metrics.h"

enum { SMALL = 4 << 20, BODY = 20000 };

static inline struct shelf *
fill_shelf(uint64_t body_file_min)
{
	struct shelf *f = shelf_new_closed();

	f->size_bytes = SMALL;
	f->body_file_min = body_file_min;
	shelf_open(f);
	return f;
}

/* Fresh for a day from now on. */
static inline int
fill_put(struct shelf *f, int number, size_t bytes, int64_t age_s)
{
	char key[20];

	snprintf(key, sizeof(key), "p/%d", number);
	struct store_job job = shelf_insert_job(f, key, shelf_bytes(f, bytes, (unsigned)number));
	job.response_s = clock_wall_s() - age_s;
	job.aging = (struct storing){ .lifetime_s = 86400 };
	store_read_end(f->reader);
	int rc = store_do(f->store, &job);
	arena_reset(&f->arena);
	shelf_look(f);
	return rc;
}

/* Without being a hit. */
static inline bool
fill_has(struct shelf *f, int number)
{
	struct entry_name name;
	struct record record;
	char text[20];

	snprintf(text, sizeof(text), "p/%d", number);
	struct tuple key = shelf_key(f, text);
	entry_name(&key, (struct slice){ NULL, 0 }, &name);
	shelf_look(f);
	return entry_get(f->store, f->reader->txn, &name, &record) == 0;
}

static inline bool
fill_hit(struct shelf *f, int number)
{
	char text[20];

	snprintf(text, sizeof(text), "p/%d", number);
	return shelf_find(f, text) == 0;
}

/* What the cap is about: database and bodies, in blocks. */
static inline uint64_t
fill_disk_bytes(const struct shelf *f)
{
	char command[160], text[32] = "";

	snprintf(command, sizeof(command),
	    "find %s -type f ! -name '*lock*' -printf '%%b\\n' | awk '{n += $1} END {print n * "
	    "512}'",
	    f->path);
	FILE *find = popen(command, "r");
	ck_assert_ptr_nonnull(find);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), find));
	ck_assert_int_eq(pclose(find), 0);
	return strtoull(text, NULL, 10);
}

static inline int
fill_remove(struct shelf *f, int number)
{
	char key[20];

	snprintf(key, sizeof(key), "p/%d", number);
	struct store_job job = { .kind = STORE_JOB_REMOVE, .key = shelf_key(f, key) };
	store_read_end(f->reader);
	return store_do(f->store, &job);
}

/* The numbers of those that are there, of the first twenty. */
static inline const char *
who_is_there(struct shelf *f)
{
	static char text[80];
	size_t at = 0;

	text[0] = '\0';
	for (int i = 0; i < 20; i++) {
		if (fill_has(f, i))
			at += (size_t)snprintf(
			    text + at, sizeof(text) - at, at == 0 ? "%d" : " %d", i);
	}
	store_read_end(f->reader);
	return text;
}

/* Of these a batch takes four. */
static inline void
fill_large(struct shelf *f, int first, int last)
{
	for (int i = first; i <= last; i++)
		ck_assert_int_eq(fill_put(f, i, (size_t)100 * RECORD_PAGE, 0), 0);
}

#endif
