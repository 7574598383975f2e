/* powercut.c -- Cut a recorded store's power at random, and check with libdory what is left. */
#include "powercut_check.h"
#include "powerdisk.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * powercut LOG CUTS SEED FOLDER [lying-disk]
 *
 * Prints "NAME NUMBER" lines; exits 1 where a cut did harm.
 */
enum { CUT_FAULTS_SAID = 5, CUT_PATH = 2048, CUT_UNLINKS_EACH = 5 };

struct cut {
	char image[CUT_PATH], cache[CUT_PATH];
	struct cut_checker *checker;
	struct cut_marks *marks;
};

_Noreturn static void
cut_die(const char *what)
{
	fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	exit(2);
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
cut_count(
    struct cut_totals *t, const struct cut_marks *marks, const struct cut_found *f, size_t record)
{
	t->cuts++;
	t->whole += f->opened && !f->set_aside;
	t->refused += !f->opened;
	t->set_aside += f->set_aside;
	t->empty += f->opened && f->empty;
	/* Before the first acknowledgement a store may not be there yet. */
	t->lost += marks->n > 0 && (!f->opened || f->set_aside);
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

/* After how many records an unlink is done, for each of them. Caller frees. */
static size_t *
cut_find_unlinks(const struct cut_log *log, size_t *n)
{
	size_t *points = calloc(log->records + 1, sizeof(*points)), done = 0;
	struct powerlog_record record;

	if (points == NULL)
		cut_die("out of memory");
	*n = 0;
	for (size_t at = cut_next(log, 0, &record); at != 0; at = cut_next(log, at, &record)) {
		done++;
		if (record.kind == POWERLOG_UNLINK)
			points[(*n)++] = done;
	}
	return points;
}

/*
 * After how many records each cut comes, in order. Caller frees. A part of them just after an
 * unlink: what made a file useless must be on disk before it goes, and few records are between.
 */
static size_t *
cut_choose(const struct cut_log *log, size_t n, unsigned *random)
{
	size_t *points = calloc(n, sizeof(*points)), n_unlinks;
	size_t *unlinks = cut_find_unlinks(log, &n_unlinks);

	if (points == NULL)
		cut_die("out of memory");
	for (size_t i = 0; i < n; i++) {
		if (n_unlinks > 0 && i % CUT_UNLINKS_EACH == 0)
			points[i] = unlinks[powerdisk_random(random, (unsigned)n_unlinks)];
		else
			points[i] = powerdisk_random(random, (unsigned)log->records + 1);
	}
	free(unlinks);
	qsort(points, n, sizeof(points[0]), cut_compare);
	return points;
}

static const struct cut_found *
cut_once(struct cut *c, struct powerdisk *disk, unsigned *random)
{
	static const enum powerdisk_fate fates[] = { POWERDISK_NONE, POWERDISK_ALL, POWERDISK_SOME,
		POWERDISK_SOME, POWERDISK_NAMES };

	cut_clear(c->image);
	powerdisk_cut(disk, fates[powerdisk_random(random, COUNT(fates))], c->image, c->cache);
	return powercut_check(c->checker);
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
	struct cut_totals totals = { 0 };
	struct cut c;
	struct powerlog_record record;

	snprintf(c.image, sizeof(c.image), "%s/image", argv[4]);
	snprintf(c.cache, sizeof(c.cache), "%s/cache", argv[4]);
	if (disk == NULL || mkdir(c.image, 0700) != 0 || mkdir(c.cache, 0700) != 0)
		cut_die(argv[4]);
	/* As early as can be: a child is a copy of us. */
	c.checker = powercut_checker_new(c.image);
	c.marks = powercut_marks(c.checker);
	size_t *points = cut_choose(&log, cuts, &random);
	for (size_t i = 0; i <= log.records; i++, at = next) {
		for (; done < cuts && points[done] == i; done++) {
			cut_count(&totals, c.marks, cut_once(&c, disk, &random), i);
		}
		next = cut_next(&log, at, &record);
		if (next == 0)
			break;
		powerdisk_replay(disk, &record, log.bytes + at + sizeof(record));
		if (record.kind == POWERLOG_MARK)
			cut_add_mark(c.marks, log.bytes + at + sizeof(record));
	}
	cut_clear(c.image);
	cut_clear(c.cache);
	cut_print(&totals, &log, c.marks);
	powercut_checker_free(c.checker);
	free(points);
	powerdisk_free(disk);
	return totals.harmed > 0;
}
