/* storebench.c -- What the store costs: deflates, look-ups, inserts. Prints one line a figure. */
#include "benchkey.h"

#include "base/clock.h"
#include "store/store.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BENCH_FEW = 10,
	BENCH_MANY = 200000,
	BENCH_DEFLATES = 200,
	BENCH_FINDS = 1000000,
	BENCH_SIZE_GB = 4,
	BENCH_BODY = 1024,
	BENCH_WINDOW = 1000,
};

struct bench {
	char path[4096];
	struct store *store;
	struct store_reader *reader;
	sem_t room;
	_Atomic unsigned failed;
};

static void
bench_die(const char *what)
{
	fprintf(stderr, "storebench: %s\n", what);
	exit(1);
}

struct bench_insert {
	struct store_job job;
	struct bench_key key;
	struct bench *bench;
};

static void
bench_inserted(struct store_job *job)
{
	struct bench_insert *insert = job->owner;

	insert->bench->failed += job->rc != 0;
	sem_post(&insert->bench->room);
	free(insert);
}

static struct store_job
bench_job(const struct bench_key *key, size_t len)
{
	static char body[1 << 20];

	return (struct store_job){
		.kind = STORE_JOB_INSERT,
		.key = key->tuple,
		.head = SLICE("Status: 200\r\nContent-Type: text/html\r\nETag: \"abc\"\r\n"
			      "Content-Length: 1024\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
		.status = 200,
		.body = { body, len },
		.aging = { .lifetime_s = 3600 },
		.sequence = 1000000,
	};
}

/* Through the writer, as doryd does. */
static void
bench_fill(struct bench *b, const char *bloat, unsigned n, size_t len)
{
	int64_t start = clock_mono_us();

	for (unsigned i = 0; i < n; i++) {
		struct bench_insert *insert = calloc(1, sizeof(*insert));
		if (insert == NULL)
			bench_die("out of memory");
		sem_wait(&b->room);
		bench_key(&insert->key, bloat, i);
		insert->bench = b;
		insert->job = bench_job(&insert->key, len);
		insert->job.owner = insert;
		insert->job.done = bench_inserted;
		if (store_submit(b->store, &insert->job) != 0)
			bench_die("queue full");
	}
	for (int i = 0; i < BENCH_WINDOW; i++)
		sem_wait(&b->room);
	for (int i = 0; i < BENCH_WINDOW; i++)
		sem_post(&b->room);
	double s = (double)(clock_mono_us() - start) / 1e6;
	if (b->failed != 0)
		bench_die("an insert failed");
	if (n >= 1000)
		printf("insert %zu B, %u entries: %.0f a second\n", len, n, n / s);
}

static int
bench_compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static double
bench_deflate(struct bench *b, const char *bloat, unsigned entries)
{
	int64_t took_us[BENCH_DEFLATES];
	struct bench_key key;
	bench_key(&key, bloat, 0);
	struct scope scope = { SCOPE_KEY, { key.tuple.bytes.at, key.tuple.ends[0] } };

	for (int i = 0; i < BENCH_DEFLATES; i++) {
		struct store_job job = {
			.kind = STORE_JOB_DEFLATE, .scopes = &scope, .n_scopes = 1, .by = "bench"
		};
		int64_t start = clock_mono_us();
		if (store_do(b->store, &job) != 0)
			bench_die("a deflate failed");
		took_us[i] = clock_mono_us() - start;
	}
	qsort(took_us, BENCH_DEFLATES, sizeof(took_us[0]), bench_compare);
	printf("deflate a bloat of %u entries: median %lld us, p90 %lld us\n", entries,
	    (long long)took_us[BENCH_DEFLATES / 2], (long long)took_us[BENCH_DEFLATES * 9 / 10]);
	return (double)took_us[BENCH_DEFLATES / 2];
}

/* Snapshot, find, judge: what a hit asks of the store. */
static void
bench_find(struct bench *b, const char *bloat, unsigned n, size_t len, bool judge)
{
	struct store_entry entry;
	struct iovec body[64];
	unsigned random = 1;
	size_t sum = 0;
	int64_t start = clock_mono_us();

	for (int i = 0; i < BENCH_FINDS; i++) {
		struct bench_key key;
		size_t pieces = COUNT(body);
		random = random * 1664525u + 1013904223u;
		bench_key(&key, bloat, (random >> 8) % n);
		struct slice no_variant = { NULL, 0 };
		if (store_read_begin(b->reader) != 0 ||
		    store_find(b->reader, &key.tuple, no_variant, &entry, body, &pieces) != 0)
			bench_die("an entry is missing");
		/* Below the store's sequence, so that every scope is looked up. */
		if (judge &&
		    store_judge(b->reader, STORE_DOOR_HIT, 0, &key.tuple, entry.tags).by == 0)
			bench_die("not judged");
		sum += entry.body_bytes;
		store_read_end(b->reader);
	}
	double us = (double)(clock_mono_us() - start);
	printf("find %zu B among %u%s: %.0f ns\n", len, n, judge ? ", judge" : "",
	    us * 1000 / BENCH_FINDS);
	if (sum != len * BENCH_FINDS)
		bench_die("a body has another length");
}

int
main(int argc, char **argv)
{
	struct bench b = { 0 };
	char why[STORE_WHY_SIZE], file[5000];

	snprintf(b.path, sizeof(b.path), "%s/storebench-XXXXXX", argc > 1 ? argv[1] : "/tmp");
	if (mkdtemp(b.path) == NULL)
		bench_die("cannot make a directory");
	struct store_options options = { .path = b.path,
		.size_bytes = (uint64_t)BENCH_SIZE_GB << 30 };
	sem_init(&b.room, 0, BENCH_WINDOW);
	if (store_open(&b.store, &options, why) != 0)
		bench_die(why);
	if (store_writer_start(b.store) != 0 || store_reader_new(b.store, &b.reader) != 0)
		bench_die("cannot start");
	bench_fill(&b, "few", BENCH_FEW, BENCH_BODY);
	double few = bench_deflate(&b, "few", BENCH_FEW);
	bench_fill(&b, "many", BENCH_MANY, BENCH_BODY);
	double many = bench_deflate(&b, "many", BENCH_MANY);
	printf("ratio: %.2f\n", many / few);
	bench_fill(&b, "large", 10000, 16384);
	bench_find(&b, "few", BENCH_FEW, BENCH_BODY, false);
	bench_find(&b, "many", BENCH_MANY, BENCH_BODY, false);
	bench_find(&b, "many", BENCH_MANY, BENCH_BODY, true);
	bench_find(&b, "large", 10000, 16384, false);
	store_reader_free(b.reader);
	store_close(b.store);
	static const char *const files[] = { "data.mdb", "lock.mdb", "open.lock", "visited",
		"clean", "floor", "spilled", "trust" };
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(file, sizeof(file), "%s/%s", b.path, files[i]);
		unlink(file);
	}
	rmdir(b.path);
	return 0;
}
