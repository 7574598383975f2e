/* powercut.c -- Cut a recorded store's power at random, and check with libdory what is left. */
#include "powerdisk.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * powercut LOG CUTS SEED FOLDER [lying-disk]
 *
 * Prints "NAME NUMBER" lines; exits 1 where a cut did harm. Bodies are as test_powercut.py makes
 * them: "KEY VERSION LENGTH\n", then bytes that follow from these.
 */
enum { CUT_KEYS = 4096, CUT_PIECES = 4096, CUT_CHILD_S = 20, CUT_FAULTS_SAID = 5, CUT_PATH = 2048 };
enum { CUT_SIZE = 256 << 20, CUT_BODY_FILE_MIN = 40 << 10, CUT_WHY = STORE_WHY_SIZE };

/* What the child found; shared with it. */
struct cut_found {
	uint64_t entries, alive, files, older;
	bool opened, set_aside, empty;
	char why[CUT_WHY]; /* Empty: all is well. */
};

/* What was acknowledged before the cut. */
struct cut_marks {
	uint32_t hard[CUT_KEYS], any[CUT_KEYS]; /* Oldest version that may live. */
	uint64_t sequence, n;
};

struct cut {
	char image[CUT_PATH], cache[CUT_PATH];
	const struct cut_marks *marks;
	struct cut_found *found;
	struct store_reader *reader;
};

static void
cut_die(const char *what)
{
	fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- What is left, in the child ------------------------------------------------------------- */

static bool
cut_fault(struct cut *c, const char *why)
{
	if (c->found->why[0] == '\0')
		snprintf(c->found->why, sizeof(c->found->why), "%s", why);
	return false;
}

/* All of the body in one piece of memory. Caller frees. NULL where it fails its check. */
static char *
cut_read_body(struct cut *c, const struct store_entry *entry, const struct iovec *pieces, size_t n)
{
	char *body = malloc(entry->body_bytes + 1);
	size_t at = 0;

	for (size_t i = 0; body != NULL && i < n; at += pieces[i++].iov_len)
		memcpy(body + at, pieces[i].iov_base, pieces[i].iov_len);
	if (body != NULL && entry->body_file != 0) {
		int fd = store_open_body(c->reader, entry);
		ssize_t got = fd < 0 ? -1 : pread(fd, body, entry->body_bytes, 0);
		at = got < 0 ? 0 : (size_t)got;
		c->found->files++;
		if (fd >= 0)
			close(fd);
	}
	if (body != NULL && at == entry->body_bytes) {
		body[at] = '\0';
		return body;
	}
	free(body);
	return NULL;
}

static bool
cut_is_right(const char *body, size_t bytes, unsigned *key, unsigned *version)
{
	int start = 0;
	size_t len;

	if (sscanf(body, "%u %u %zu\n%n", key, version, &len, &start) != 3 || start == 0 ||
	    len != bytes || *key >= CUT_KEYS)
		return false;
	for (size_t i = (size_t)start; i < bytes; i++) {
		if ((unsigned char)body[i] != (unsigned char)(*key * 31 + *version * 7 + i))
			return false;
	}
	return true;
}

static bool
cut_check_life(struct cut *c, const struct store_entry *entry, unsigned key, unsigned version)
{
	struct tuple tuple;

	if (tuple_decode(entry->key, &tuple) != 0)
		return cut_fault(c, "a record's key is no tuple");
	enum store_life life =
	    store_judge(c->reader, STORE_DOOR_HIT, entry->sequence, &tuple, entry->tags).life;
	c->found->alive += life == STORE_ALIVE;
	bool old = version < c->marks->any[key];
	c->found->older += old;
	if ((old && life == STORE_ALIVE) || (version < c->marks->hard[key] && life != STORE_DEAD)) {
		char why[CUT_WHY];
		snprintf(why, sizeof(why), "key %u lives at version %u, but %u was acknowledged",
		    key, version, c->marks->any[key]);
		return cut_fault(c, why);
	}
	return true;
}

static bool
cut_check_entry(void *context, struct slice name, const struct store_entry *walked)
{
	struct iovec pieces[CUT_PIECES];
	struct cut *c = context;
	struct store_entry entry;
	struct tuple key;
	size_t n = CUT_PIECES;
	unsigned number, version;

	(void)name;
	c->found->entries++;
	if (tuple_decode(walked->key, &key) != 0)
		return cut_fault(c, "a record's key is no tuple");
	if (store_find(c->reader, &key, walked->variant, &entry, pieces, &n) != 0)
		return cut_fault(c, "a record failed its check");
	char *body = cut_read_body(c, &entry, pieces, n);
	if (body == NULL)
		return cut_fault(c, "a body is missing or failed its check");
	bool right = cut_is_right(body, entry.body_bytes, &number, &version);
	free(body);
	return right ? cut_check_life(c, &entry, number, version)
		     : cut_fault(c, "a body is not what the backend sent");
}

static void
cut_check_all(struct cut *c)
{
	const struct scope all = { SCOPE_ALL, { NULL, 0 } };
	const struct slice start = { NULL, 0 };
	struct store_stat stat;

	if (store_read_begin(c->reader) != 0 || store_stat(c->reader, &stat) != 0)
		cut_fault(c, "a store that opened cannot be read");
	else if (store_walk(c->reader, all, start, cut_check_entry, c) != 0)
		cut_fault(c, "its entries cannot be walked");
	else if (c->found->why[0] == '\0' && c->found->entries != stat.entries)
		cut_fault(c, "a record failed its check");
	c->found->empty = stat.sequence == 0;
	if (stat.sequence < c->marks->sequence && !c->found->set_aside)
		cut_fault(c, "a deflate that was acknowledged is not on record");
	store_read_end(c->reader);
}

/* It must also go on: what is wrong with free pages shows when they are used. */
static void
cut_check_use(struct cut *c, struct store *s)
{
	const struct scope all = { SCOPE_ALL, { NULL, 0 } };
	struct store_job job = {
		.kind = STORE_JOB_DEFLATE, .scopes = &all, .n_scopes = 1, .by = "powercut"
	};

	if (store_do(s, &job) != 0)
		cut_fault(c, "it cannot be deflated any more");
}

static int
cut_find_aside(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	return strstr(path + where->base, ".bad-") != NULL;
}

static void
cut_check(struct cut *c)
{
	struct store_options options = {
		.path = c->image, .size_bytes = CUT_SIZE, .body_file_min = CUT_BODY_FILE_MIN
	};
	char why[STORE_WHY_SIZE];
	struct store *s = NULL;
	int rc = store_open(&s, &options, why);

	if (rc != 0 && rc != -EINVAL)
		cut_fault(c, why);
	if (rc != 0)
		return;
	c->found->opened = true;
	c->found->set_aside = nftw(c->image, cut_find_aside, 8, FTW_PHYS) == 1;
	if (store_reader_new(s, &c->reader) != 0) {
		cut_fault(c, "it cannot be read");
	} else {
		cut_check_all(c);
		cut_check_use(c, s);
		store_reader_free(c->reader);
	}
	store_close(s);
}

/* ---- One cut -------------------------------------------------------------------------------- */

static int
cut_remove(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	return where->level > 0 ? remove(path) : 0;
}

static void
cut_clear(const char *directory)
{
	if (nftw(directory, cut_remove, 8, FTW_DEPTH | FTW_PHYS) != 0)
		cut_die(directory);
}

static void
cut_run_child(struct cut *c)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		cut_die("fork");
	if (child == 0) {
		/* What the store says of each image would be thousands of lines. */
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDERR_FILENO);
		mallopt(M_MMAP_THRESHOLD, 1 << 17);
		alarm(CUT_CHILD_S);
		cut_check(c);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child)
		cut_die("waitpid");
	if (WIFSIGNALED(status))
		snprintf(
		    c->found->why, sizeof(c->found->why), "it died of signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		cut_fault(c, "it ended by itself");
}

static void
cut_add_mark(struct cut_marks *marks, const unsigned char *data)
{
	struct powerlog_mark mark;

	memcpy(&mark, data, sizeof(mark));
	if (mark.key >= CUT_KEYS)
		cut_die("a mark of no key");
	if (mark.version > marks->any[mark.key])
		marks->any[mark.key] = mark.version;
	if (mark.hard != 0 && mark.version > marks->hard[mark.key])
		marks->hard[mark.key] = mark.version;
	if (mark.sequence > marks->sequence)
		marks->sequence = mark.sequence;
	marks->n++;
}

/* ---- All cuts ------------------------------------------------------------------------------- */

struct cut_log {
	const unsigned char *bytes;
	size_t len;
	size_t records;
};

/* Returns where the next one is; 0 at the end, or where the last is not whole. */
static size_t
cut_next(const struct cut_log *log, size_t at, struct powerlog_record *out)
{
	if (log->len - at < sizeof(*out))
		return 0;
	memcpy(out, log->bytes + at, sizeof(*out));
	if (out->kind >= POWERLOG_KINDS || log->len - at - sizeof(*out) < out->len)
		return 0;
	return at + sizeof(*out) + out->len;
}

static struct cut_log
cut_load(const char *path)
{
	struct cut_log log = { NULL, 0, 0 };
	struct powerlog_record record;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		cut_die(path);
	log.len = (size_t)st.st_size;
	log.bytes = mmap(NULL, log.len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (log.bytes == MAP_FAILED)
		cut_die(path);
	for (size_t at = cut_next(&log, 0, &record); at != 0; at = cut_next(&log, at, &record))
		log.records++;
	close(fd);
	return log;
}

struct cut_totals {
	unsigned cuts, whole, refused, set_aside, empty, harmed, lost;
	uint64_t entries, alive, files, older;
};

static void
cut_count(struct cut_totals *t, const struct cut *c, size_t record)
{
	const struct cut_found *f = c->found;

	t->cuts++;
	t->whole += f->opened && !f->set_aside;
	t->refused += !f->opened;
	t->set_aside += f->set_aside;
	t->empty += f->opened && f->empty;
	/* Before the first acknowledgement a store may not be there yet. */
	t->lost += c->marks->n > 0 && (!f->opened || f->set_aside);
	t->entries += f->entries;
	t->alive += f->alive;
	t->files += f->files;
	t->older += f->older;
	if (f->why[0] != '\0' && t->harmed++ < CUT_FAULTS_SAID)
		printf("harm at record %zu: %s\n", record, f->why);
}

static void
cut_print(const struct cut_totals *t, const struct cut_log *log, const struct cut_marks *marks)
{
	printf("records %zu\nmarks %llu\ncuts %u\nwhole %u\nrefused %u\nset_aside %u\nempty %u\n"
	       "lost %u\nharmed %u\nentries %llu\nalive %llu\nfiles %llu\nolder %llu\n",
	    log->records, (unsigned long long)marks->n, t->cuts, t->whole, t->refused, t->set_aside,
	    t->empty, t->lost, t->harmed, (unsigned long long)t->entries,
	    (unsigned long long)t->alive, (unsigned long long)t->files,
	    (unsigned long long)t->older);
}

static int
cut_compare(const void *a, const void *b)
{
	size_t left = *(const size_t *)a, right = *(const size_t *)b;

	return (left > right) - (left < right);
}

/* After how many records each cut comes, in order. Caller frees. */
static size_t *
cut_choose(const struct cut_log *log, size_t n, unsigned *random)
{
	size_t *points = calloc(n, sizeof(*points));

	if (points == NULL)
		cut_die("out of memory");
	for (size_t i = 0; i < n; i++)
		points[i] = powerdisk_random(random, (unsigned)log->records + 1);
	qsort(points, n, sizeof(points[0]), cut_compare);
	return points;
}

static void
cut_once(struct cut *c, struct powerdisk *disk, unsigned *random)
{
	static const enum powerdisk_fate fates[] = { POWERDISK_NONE, POWERDISK_ALL, POWERDISK_SOME,
		POWERDISK_SOME };

	memset(c->found, 0, sizeof(*c->found));
	cut_clear(c->image);
	powerdisk_cut(disk, fates[powerdisk_random(random, COUNT(fates))], c->image, c->cache);
	cut_run_child(c);
}

int
main(int argc, char **argv)
{
	if (argc < 5)
		cut_die("usage: powercut LOG CUTS SEED FOLDER [lying-disk]");
	struct cut_log log = cut_load(argv[1]);
	unsigned random = (unsigned)strtoul(argv[3], NULL, 10) * 2654435761u + 1;
	struct powerdisk *disk = powerdisk_new(argc == 5, random);
	size_t cuts = strtoul(argv[2], NULL, 10), done = 0, at = 0, next;
	struct cut_marks marks = { 0 };
	struct cut_totals totals = { 0 };
	struct cut c = { .marks = &marks };
	struct powerlog_record record;

	snprintf(c.image, sizeof(c.image), "%s/image", argv[4]);
	snprintf(c.cache, sizeof(c.cache), "%s/cache", argv[4]);
	c.found =
	    mmap(NULL, sizeof(*c.found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c.found == MAP_FAILED || disk == NULL || mkdir(c.image, 0700) != 0 ||
	    mkdir(c.cache, 0700) != 0)
		cut_die(argv[4]);
	size_t *points = cut_choose(&log, cuts, &random);
	for (size_t i = 0; i <= log.records; i++, at = next) {
		for (; done < cuts && points[done] == i; done++) {
			cut_once(&c, disk, &random);
			cut_count(&totals, &c, i);
		}
		next = cut_next(&log, at, &record);
		if (next == 0)
			break;
		powerdisk_replay(disk, &record, log.bytes + at + sizeof(record));
		if (record.kind == POWERLOG_MARK)
			cut_add_mark(&marks, log.bytes + at + sizeof(record));
	}
	cut_clear(c.image);
	cut_clear(c.cache);
	cut_print(&totals, &log, &marks);
	free(points);
	powerdisk_free(disk);
	return totals.harmed > 0;
}
