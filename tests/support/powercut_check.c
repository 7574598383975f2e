/* powercut_check.c -- What is left of a store after a power cut: opened and checked with libdory.
 */
#include "powercut_check.h"

#include "store/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Bodies are as test_powercut.py makes them: "KEY VERSION LENGTH\n", then bytes that follow from
 * these. The store is as large as there, so that it is as full.
 */
enum { CUT_PIECES = 4096, CUT_CHILD_S = 20, CUT_SIZE = 3 << 20, CUT_BODY_FILE_MIN = 40 << 10 };

struct cut_shared {
	struct cut_marks marks;
	struct cut_found found;
};

struct cut_checker {
	struct cut_shared *shared;
	const char *image;
	pid_t child; /* 0: none runs. */
	int line;    /* To it: a byte asks, a byte answers. */
};

/* In the child. */
struct cut {
	const char *image;
	const struct cut_marks *marks;
	struct cut_found *found;
	struct store_reader *reader;
	char *body;
	size_t room;
};

/* ---- In the child --------------------------------------------------------------------------- */

static bool
cut_fault(struct cut *c, const char *why)
{
	if (c->found->why[0] == '\0')
		snprintf(c->found->why, sizeof(c->found->why), "%s", why);
	return false;
}

/* All of the body in one piece of memory, good until the next. NULL where it fails its check. */
static const char *
cut_read_body(struct cut *c, const struct store_entry *entry, const struct iovec *pieces, size_t n)
{
	size_t at = 0;

	if (entry->body_bytes >= c->room) {
		c->room = entry->body_bytes + 1;
		c->body = realloc(c->body, c->room);
	}
	if (c->body == NULL)
		return NULL;
	for (size_t i = 0; i < n; at += pieces[i++].iov_len)
		memcpy(c->body + at, pieces[i].iov_base, pieces[i].iov_len);
	if (entry->body_file != 0) {
		int fd = store_open_body(c->reader, entry);
		ssize_t got = fd < 0 ? -1 : pread(fd, c->body, entry->body_bytes, 0);
		at = got < 0 ? 0 : (size_t)got;
		c->found->files++;
		if (fd >= 0)
			close(fd);
	}
	c->body[entry->body_bytes] = '\0';
	return at == entry->body_bytes ? c->body : NULL;
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
	const char *body = cut_read_body(c, &entry, pieces, n);
	if (body == NULL)
		return cut_fault(c, "a body is missing or failed its check");
	if (!cut_is_right(body, entry.body_bytes, &number, &version))
		return cut_fault(c, "a body is not what the backend sent");
	return cut_check_life(c, &entry, number, version);
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

static bool
cut_is_set_aside(const char *image)
{
	const struct dirent *found;
	DIR *directory = opendir(image);
	bool aside = false;

	while (directory != NULL && !aside && (found = readdir(directory)) != NULL)
		aside = strstr(found->d_name, ".bad-") != NULL;
	if (directory != NULL)
		closedir(directory);
	return aside;
}

/* The image is made of new files: a disk's keep their numbers. And the kernel is another. */
static void
cut_reboot(const char *image)
{
	char path[PATH_MAX];
	struct trust_mark mark;
	struct stat st;

	snprintf(path, sizeof(path), "%s/data.mdb", image);
	if (stat(path, &st) != 0)
		return;
	snprintf(path, sizeof(path), "%s/trust", image);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && pread(fd, &mark, sizeof(mark), 0) == (ssize_t)sizeof(mark) &&
	    mark.checksum == trust_checksum(&mark)) {
		mark.boot++;
		mark.device = st.st_dev;
		mark.inode = st.st_ino;
		mark.checksum = trust_checksum(&mark);
		(void)!pwrite(fd, &mark, sizeof(mark), 0);
	}
	if (fd >= 0)
		close(fd);
}

static void
cut_check(struct cut *c)
{
	struct store_options options = {
		.path = c->image, .size_bytes = CUT_SIZE, .body_file_min = CUT_BODY_FILE_MIN
	};
	char why[STORE_WHY_SIZE];
	struct store *s = NULL;
	cut_reboot(c->image);
	int rc = store_open(&s, &options, why);

	if (rc != 0 && rc != -EINVAL)
		cut_fault(c, why);
	if (rc != 0)
		return;
	c->found->opened = true;
	c->found->set_aside = cut_is_set_aside(c->image);
	if (store_reader_new(s, &c->reader) != 0) {
		cut_fault(c, "it cannot be read");
	} else {
		cut_check_all(c);
		cut_check_use(c, s);
		store_reader_free(c->reader);
	}
	store_close(s);
}

/* The lowest number that is free. */
static int
cut_next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

_Noreturn static void
cut_serve(struct cut_checker *checker, int line)
{
	struct cut c = { .image = checker->image,
		.marks = &checker->shared->marks,
		.found = &checker->shared->found };
	/* What the store says of each image would be thousands of lines. */
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int free_fd = dup2(null, STDERR_FILENO) < 0 ? -1 : cut_next_descriptor();
	char byte;

	/* LMDB asks for megabytes of zeroes that it never touches: fresh from the kernel they cost
	 * nothing. */
	mallopt(M_MMAP_THRESHOLD, 1 << 17);
	while (read(line, &byte, 1) == 1) {
		alarm(CUT_CHILD_S);
		cut_check(&c);
		if (cut_next_descriptor() != free_fd)
			cut_fault(&c, "a descriptor was left open");
		alarm(0);
		if (write(line, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* ---- Beside it ------------------------------------------------------------------------------ */

_Noreturn static void
cut_die(const char *what)
{
	fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void
cut_start_child(struct cut_checker *c)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		cut_die("socketpair");
	c->child = fork();
	if (c->child < 0)
		cut_die("fork");
	if (c->child == 0) {
		close(ends[0]);
		cut_serve(c, ends[1]);
	}
	close(ends[1]);
	c->line = ends[0];
}

/* Returns how it ended. */
static int
cut_end_child(struct cut_checker *c)
{
	int status;

	close(c->line);
	if (waitpid(c->child, &status, 0) != c->child)
		cut_die("waitpid");
	c->child = 0;
	return status;
}

struct cut_checker *
powercut_checker_new(const char *image)
{
	struct cut_checker *c = calloc(1, sizeof(*c));

	if (c == NULL)
		cut_die("out of memory");
	c->shared = mmap(
	    NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->shared == MAP_FAILED)
		cut_die("mmap");
	c->image = image;
	cut_start_child(c);
	return c;
}

void
powercut_checker_free(struct cut_checker *c)
{
	if (c->child != 0)
		cut_end_child(c);
	munmap(c->shared, sizeof(*c->shared));
	free(c);
}

struct cut_marks *
powercut_marks(struct cut_checker *c)
{
	return &c->shared->marks;
}

const struct cut_found *
powercut_check(struct cut_checker *c)
{
	struct cut_found *found = &c->shared->found;
	char byte = 0;

	memset(found, 0, sizeof(*found));
	if (c->child == 0)
		cut_start_child(c);
	if (send(c->line, &byte, 1, MSG_NOSIGNAL) == 1 && read(c->line, &byte, 1) == 1)
		return found;
	int status = cut_end_child(c);
	if (WIFSIGNALED(status))
		snprintf(found->why, sizeof(found->why), "it died of signal %d", WTERMSIG(status));
	else
		snprintf(found->why, sizeof(found->why), "it ended by itself");
	return found;
}
