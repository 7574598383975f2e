/* storescale.c -- A store at scale, for scripts/bench: turned over, or full of small entries. */
#include "benchkey.h"
#include "cachetrace.h"

#include "base/clock.h"
#include "store/store.h"

#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * storescale turnover DIR KEYS: requests; what is missed is stored, through the writer, until there
 * were as many inserts as there are keys.
 *
 * storescale fill DIR N: N small entries, into a store that holds them all.
 *
 * storescale look DIR N: look them up.
 *
 * Prints lines of name=value. The directory is the store's, and stays.
 */
enum {
	SCALE_KEYS_MIN = 5000,
	SCALE_KEYS_MAX = 1 << 27,
	SCALE_REQUESTS = 3,           /* For each key, at most. */
	SCALE_HELD = 10,              /* The part of all bytes that the store has room for. */
	SCALE_MEAN = 20 << 10,        /* Bytes of an entry of the trace. */
	SCALE_FILE_MIN = 64 << 10,    /* As body_file_min is where nothing is set. */
	SCALE_BODY_MAX = 100 << 10,   /* Of the trace. */
	SCALE_SMALL = 256,            /* Bytes of a small entry's body, */
	SCALE_SMALL_ROOM = 2048,      /* and the room it is given, */
	SCALE_SMALL_LEAST = 16 << 20, /* beside what a store needs anyway. */
	SCALE_WINDOW = 64,            /* Inserts that wait for the writer at a time. */
	SCALE_SAMPLES = 200,          /* How often the disk that is used is looked at. */
	SCALE_LOOKS = 400000,
	SCALE_PIECES = 32,
};

struct scale {
	struct store *store;
	struct store_reader *reader;
	const char *path;
	sem_t room; /* How many more inserts may wait. */
	_Atomic unsigned failed;
};

struct scale_insert {
	struct store_job job;
	struct bench_key key;
	struct scale *scale;
	int64_t began_us;
	int64_t *took_us;      /* Set once it is stored; may be NULL. */
	_Atomic bool *pending; /* Cleared then; may be NULL. */
};

static _Noreturn void
scale_die(const char *what)
{
	fprintf(stderr, "storescale: %s\n", what);
	exit(1);
}

static void *
scale_calloc(size_t n, size_t size)
{
	void *at = calloc(n, size);

	if (at == NULL)
		scale_die("out of memory");
	return at;
}

static void
scale_open(struct scale *s, uint64_t size_bytes)
{
	char why[STORE_WHY_SIZE];
	struct store_options options = {
		.path = s->path, .size_bytes = size_bytes, .body_file_min = SCALE_FILE_MIN
	};

	sem_init(&s->room, 0, SCALE_WINDOW);
	if (store_open(&s->store, &options, why) != 0)
		scale_die(why);
	if (store_writer_start(s->store) != 0 || store_reader_new(s->store, &s->reader) != 0)
		scale_die("cannot start");
}

static void
scale_close(struct scale *s)
{
	store_reader_free(s->reader);
	store_close(s->store);
	sem_destroy(&s->room);
}

/* ---- Inserts -------------------------------------------------------------------------------- */

static void
scale_inserted(struct store_job *job)
{
	struct scale_insert *insert = job->owner;

	insert->scale->failed += job->rc != 0;
	if (insert->took_us != NULL)
		*insert->took_us = clock_mono_us() - insert->began_us;
	if (insert->pending != NULL)
		atomic_store(insert->pending, false);
	sem_post(&insert->scale->room);
	free(insert);
}

static const char scale_head[] =
    "Status: 200\r\nContent-Type: text/html\r\nETag: \"abc\"\r\nCache-Control: max-age=86400\r\n"
    "Content-Length: 65536\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/* Hand it to the writer, as a flight does. Waits while the window is full. */
static void
scale_submit(struct scale *s, struct scale_insert insert, const char *bloat, uint32_t number)
{
	static const char body[SCALE_BODY_MAX];
	struct scale_insert *own = scale_calloc(1, sizeof(*own));

	*own = insert;
	bench_key(&own->key, bloat, number);
	own->scale = s;
	own->job.kind = STORE_JOB_INSERT;
	own->job.key = own->key.tuple;
	own->job.head = slice_of(scale_head);
	own->job.status = 200;
	own->job.body.at = body;
	own->job.response_s = clock_wall_s();
	own->job.aging = (struct storing){ .lifetime_s = 86400 };
	own->job.owner = own;
	own->job.done = scale_inserted;
	while (sem_wait(&s->room) != 0)
		;
	own->began_us = clock_mono_us();
	if (store_submit(s->store, &own->job) != 0)
		scale_die("the writer's queue is full");
}

static void
scale_settle(struct scale *s)
{
	for (int i = 0; i < SCALE_WINDOW; i++)
		sem_wait(&s->room);
	for (int i = 0; i < SCALE_WINDOW; i++)
		sem_post(&s->room);
}

/* ---- What it takes -------------------------------------------------------------------------- */

static int
scale_compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* Sorts them. */
static int64_t
scale_percentile(int64_t *took, size_t n, unsigned percent)
{
	qsort(took, n, sizeof(*took), scale_compare);
	return took[(n - 1) * percent / 100];
}

/* nftw() hands on nothing of its caller's. */
static uint64_t scale_disk_bytes;

static int
scale_add_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)path;
	(void)where;
	if (kind == FTW_F)
		scale_disk_bytes += (uint64_t)st->st_blocks * 512;
	return 0;
}

/* All that is in the store's directory, as du(1) counts it. */
static uint64_t
scale_disk(const char *path)
{
	scale_disk_bytes = 0;
	nftw(path, scale_add_file, 8, FTW_PHYS);
	return scale_disk_bytes;
}

static uint64_t
scale_resident(const char *name)
{
	char line[256];
	unsigned long long kib = 0;
	FILE *status = fopen("/proc/self/status", "r");

	while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), "%llu", &kib);
	}
	if (status != NULL)
		fclose(status);
	return kib * 1024;
}

/* ---- Turnover ------------------------------------------------------------------------------- */

struct scale_turnover {
	struct scale scale;
	struct cachetrace trace;
	_Atomic bool *pending; /* Of each key: it is on its way into the store. */
	int64_t *took_us;      /* Of each insert. */
	size_t inserts, hits;
	uint64_t size_bytes, most_bytes;
};

static bool
scale_is_hit(struct scale *s, const char *bloat, uint32_t number)
{
	struct store_entry entry;
	struct iovec body[SCALE_PIECES];
	size_t pieces = COUNT(body);
	struct bench_key key;

	bench_key(&key, bloat, number);
	if (store_read_begin(s->reader) != 0)
		scale_die("cannot be read");
	int rc =
	    store_find(s->reader, &key.tuple, (struct slice){ NULL, 0 }, &entry, body, &pieces);
	store_read_end(s->reader);
	if (rc != 0 && rc != -ENOENT)
		scale_die("a record cannot be read");
	return rc == 0;
}

static void
scale_request(struct scale_turnover *t, uint32_t key)
{
	const struct timespec moment = { .tv_nsec = 20000 };

	/* Its fetch would be joined. */
	while (atomic_load(&t->pending[key]))
		nanosleep(&moment, NULL);
	if (scale_is_hit(&t->scale, "scale", key)) {
		t->hits++;
		return;
	}
	struct scale_insert insert = { .took_us = &t->took_us[t->inserts++],
		.pending = &t->pending[key] };
	insert.job.body.len = t->trace.bytes[key];
	atomic_store(insert.pending, true);
	scale_submit(&t->scale, insert, "scale", key);
}

static void
scale_sample(struct scale_turnover *t)
{
	uint64_t now_bytes = scale_disk(t->scale.path);

	t->most_bytes = now_bytes > t->most_bytes ? now_bytes : t->most_bytes;
}

struct scale_held {
	uint64_t entries, bytes;
};

static bool
scale_add_entry(void *context, struct slice name, const struct store_entry *entry)
{
	struct scale_held *held = context;

	(void)name;
	held->entries++;
	held->bytes += entry->head.len + entry->body_bytes;
	return true;
}

static void
scale_report_held(struct scale_turnover *t)
{
	struct scale_held held = { 0, 0 };
	struct scope all = { SCOPE_ALL, { NULL, 0 } };

	if (store_read_begin(t->scale.reader) != 0 ||
	    store_walk(t->scale.reader, all, (struct slice){ NULL, 0 }, scale_add_entry, &held) !=
		0)
		scale_die("cannot be walked");
	store_read_end(t->scale.reader);
	printf("held=%llu\nheld_bytes=%llu\n", (unsigned long long)held.entries,
	    (unsigned long long)held.bytes);
	printf("disk_bytes=%llu\nmost_bytes=%llu\nsize_bytes=%llu\n",
	    (unsigned long long)scale_disk(t->scale.path), (unsigned long long)t->most_bytes,
	    (unsigned long long)t->size_bytes);
}

static void
scale_report_turnover(struct scale_turnover *t, double s)
{
	size_t tenth = t->inserts / 10;
	double n = (double)t->trace.n;

	printf("requests=%zu\ninserts=%zu\ninserts_per_s=%.0f\n", t->trace.n, t->inserts,
	    (double)t->inserts / s);
	/* For want of room: a small store may have too little for a whole batch. */
	printf("refused=%u\n", t->scale.failed);
	printf("hit=%.4f\n", (double)t->hits / n);
	printf("lru=%.4f\n", (double)cachetrace_lru(&t->trace, t->size_bytes) / n);
	printf("belady=%.4f\n", (double)cachetrace_belady(&t->trace, t->size_bytes) / n);
	int64_t *last_us = t->took_us + t->inserts - tenth;
	printf("p99_first_us=%lld\n", (long long)scale_percentile(t->took_us, tenth, 99));
	printf("p99_last_us=%lld\n", (long long)scale_percentile(last_us, tenth, 99));
}

static void
scale_turnover(const char *path, uint32_t n_keys)
{
	size_t n = (size_t)n_keys * SCALE_REQUESTS;
	struct scale_turnover t = { .scale.path = path };

	if (cachetrace_init(&t.trace, n_keys, n) != 0)
		scale_die("out of memory");
	t.pending = scale_calloc(n_keys, sizeof(*t.pending));
	t.took_us = scale_calloc(n, sizeof(*t.took_us));
	t.size_bytes = (uint64_t)n_keys * SCALE_MEAN / SCALE_HELD;
	scale_open(&t.scale, t.size_bytes);
	int64_t sampling_us = 0, start_us = clock_mono_us();
	for (t.trace.n = 0; t.trace.n < n && t.inserts < n_keys; t.trace.n++) {
		scale_request(&t, t.trace.key[t.trace.n]);
		if (t.trace.n % (n / SCALE_SAMPLES) == 0) {
			int64_t began_us = clock_mono_us();
			scale_sample(&t);
			sampling_us += clock_mono_us() - began_us;
		}
	}
	scale_settle(&t.scale);
	scale_sample(&t);
	scale_report_turnover(&t, (double)(clock_mono_us() - start_us - sampling_us) / 1e6);
	scale_report_held(&t);
	scale_close(&t.scale);
	cachetrace_fini(&t.trace);
	free((void *)(uintptr_t)t.pending);
	free(t.took_us);
}

/* ---- Small entries -------------------------------------------------------------------------- */

static uint64_t
scale_small_size(uint32_t n)
{
	return SCALE_SMALL_LEAST + (uint64_t)n * SCALE_SMALL_ROOM;
}

static void
scale_fill(const char *path, uint32_t n)
{
	struct scale s = { .path = path };
	struct scale_insert insert = { .job.body.len = SCALE_SMALL };

	scale_open(&s, scale_small_size(n));
	for (uint32_t i = 0; i < n; i++)
		scale_submit(&s, insert, "small", i);
	scale_settle(&s);
	if (s.failed != 0)
		scale_die("an insert failed");
	scale_close(&s);
}

static int64_t
scale_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
scale_look(const char *path, uint32_t n)
{
	struct scale s = { .path = path };
	int64_t *took_ns = scale_calloc(SCALE_LOOKS, sizeof(*took_ns));
	uint64_t random = 1;

	/* Touched before memory is measured. */
	memset(took_ns, 1, SCALE_LOOKS * sizeof(*took_ns));
	uint64_t anon = scale_resident("RssAnon:"), file = scale_resident("RssFile:");
	scale_open(&s, scale_small_size(n));
	for (uint32_t i = 0; i < n; i++) {
		if (!scale_is_hit(&s, "small", i))
			scale_die("an entry is missing");
	}
	printf("anon_bytes=%llu\n", (unsigned long long)(scale_resident("RssAnon:") - anon));
	printf("file_bytes=%llu\n", (unsigned long long)(scale_resident("RssFile:") - file));
	for (int i = 0; i < SCALE_LOOKS; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		int64_t began_ns = scale_now_ns();
		if (!scale_is_hit(&s, "small", (uint32_t)((random >> 33) % n)))
			scale_die("an entry is missing");
		took_ns[i] = scale_now_ns() - began_ns;
	}
	printf("find_p99_ns=%lld\n", (long long)scale_percentile(took_ns, SCALE_LOOKS, 99));
	printf("find_median_ns=%lld\n", (long long)scale_percentile(took_ns, SCALE_LOOKS, 50));
	printf("disk_bytes=%llu\n", (unsigned long long)scale_disk(path));
	scale_close(&s);
	free(took_ns);
}

int
main(int argc, char **argv)
{
	unsigned long n = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

	if (n == 0 || n > SCALE_KEYS_MAX)
		scale_die("usage: storescale turnover|fill|look DIR N");
	if (strcmp(argv[1], "turnover") == 0)
		scale_turnover(argv[2], n < SCALE_KEYS_MIN ? SCALE_KEYS_MIN : (uint32_t)n);
	else if (strcmp(argv[1], "fill") == 0)
		scale_fill(argv[2], (uint32_t)n);
	else
		scale_look(argv[2], (uint32_t)n);
	return 0;
}
