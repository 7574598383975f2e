/* inspect.c -- A look at a whole store by a child that may die of it, before LMDB is let near it.
 */
#include "store/inspect.h"

#include "store/store_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* LMDB 0.9's page header: number u64, pad u16, flags u16, then two u16 or a count of pages u32. */
enum { INSPECT_FLAGS_AT = 10, INSPECT_PAGES_AT = 12, INSPECT_HEADER = 16 };
enum { INSPECT_LEAF = 0x02, INSPECT_OVERFLOW = 0x04 };
enum { INSPECT_FREE_TABLE = 0, INSPECT_MAIN_TABLE = 1, INSPECT_TABLES_MAX = 64 };

/* Where the child is. */
struct inspector {
	MDB_txn *txn;
	uintptr_t page_bytes;
	uint64_t last_page;
	uintptr_t map; /* Where page 0 lies, as the first page that was met told; 0: not known. */
};

/* Does the page of that number lie where it should? */
static bool
inspect_page(struct inspector *i, uintptr_t page, unsigned flag)
{
	uint64_t number;
	uint16_t flags;

	memcpy(&number, (const void *)page, sizeof(number));
	memcpy(&flags, (const char *)page + INSPECT_FLAGS_AT, sizeof(flags));
	if ((flags & flag) == 0 || number > i->last_page)
		return false;
	if (i->map == 0)
		i->map = page - number * i->page_bytes;
	return page - i->map == number * i->page_bytes;
}

/* What is deleted later goes by the count in its header. */
static bool
inspect_value(struct inspector *i, MDB_val value)
{
	uintptr_t at = (uintptr_t)value.mv_data, page = at - at % i->page_bytes;
	uint32_t pages;

	/* In a leaf a key stands before each value. */
	if (at % i->page_bytes != INSPECT_HEADER)
		return inspect_page(i, page, INSPECT_LEAF);
	memcpy(&pages, (const char *)page + INSPECT_PAGES_AT, sizeof(pages));
	return inspect_page(i, page, INSPECT_OVERFLOW) &&
	       pages == (INSPECT_HEADER - 1 + value.mv_size) / i->page_bytes + 1;
}

/* One list of free pages: its length, then their numbers, falling. */
static bool
inspect_free_list(const struct inspector *i, MDB_val value)
{
	uint64_t n, page, before = i->last_page + 1;

	if (value.mv_size < sizeof(n))
		return false;
	memcpy(&n, value.mv_data, sizeof(n));
	if (n >= value.mv_size / sizeof(n))
		return false;
	for (uint64_t k = 1; k <= n; k++) {
		memcpy(&page, (const char *)value.mv_data + k * sizeof(page), sizeof(page));
		if (page >= before || page <= INSPECT_MAIN_TABLE)
			return false;
		before = page;
	}
	return true;
}

static bool
inspect_row(struct inspector *i, MDB_dbi table, MDB_val key, MDB_val value)
{
	uintptr_t at = (uintptr_t)key.mv_data;

	return inspect_page(i, at - at % i->page_bytes, INSPECT_LEAF) && inspect_value(i, value) &&
	       (table != INSPECT_FREE_TABLE || inspect_free_list(i, value));
}

/* All rows, in order, as many as the table says it has. */
static bool
inspect_table(struct inspector *i, MDB_dbi table)
{
	MDB_cursor *cursor;
	MDB_stat stat;
	MDB_val key, value, before = { 0, NULL };
	size_t n = 0;

	if (mdb_stat(i->txn, table, &stat) != 0 || mdb_cursor_open(i->txn, table, &cursor) != 0)
		return false;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	for (; rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		if (!inspect_row(i, table, key, value) ||
		    (n > 0 && table != INSPECT_FREE_TABLE &&
			mdb_cmp(i->txn, table, &before, &key) >= 0))
			return false;
		before = key;
		n++;
	}
	return rc == MDB_NOTFOUND && n == stat.ms_entries;
}

static bool
inspect_named(struct inspector *i)
{
	char name[INSPECT_TABLES_MAX];
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_dbi table;

	if (mdb_cursor_open(i->txn, INSPECT_MAIN_TABLE, &cursor) != 0)
		return false;
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		if (key.mv_size >= sizeof(name))
			return false;
		memcpy(name, key.mv_data, key.mv_size);
		name[key.mv_size] = '\0';
		if (mdb_dbi_open(i->txn, name, 0, &table) != 0 || !inspect_table(i, table))
			return false;
	}
	return true;
}

static bool
inspect_all(const char *path)
{
	struct inspector i = { 0 };
	MDB_env *env;
	MDB_envinfo info;
	MDB_stat stat;
	MDB_dbi table;

	if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, INSPECT_TABLES_MAX) != 0 ||
	    mdb_env_open(env, path, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600) != 0 ||
	    mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0 ||
	    mdb_txn_begin(env, NULL, MDB_RDONLY, &i.txn) != 0)
		return false;
	i.page_bytes = stat.ms_psize;
	i.last_page = info.me_last_pgno;
	/* The main table has no order before it is opened. */
	return mdb_dbi_open(i.txn, NULL, 0, &table) == 0 && inspect_table(&i, INSPECT_FREE_TABLE) &&
	       inspect_table(&i, INSPECT_MAIN_TABLE) && inspect_named(&i);
}

/* Whatever it dies of, it dies silently, and soon. */
static void
inspect_in_child(const char *path, int64_t budget_ms, int out)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM };
	const struct rlimit none = { 0, 0 };
	int null = open("/dev/null", O_WRONLY);

	for (size_t i = 0; i < COUNT(deadly); i++)
		signal(deadly[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm((unsigned)(budget_ms / 1000) + 1);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	_exit(inspect_all(path) && write(out, "g", 1) == 1 ? 0 : 1);
}

/* A byte, or the end without one. Returns INSPECTION_LATE where neither came. */
static enum inspection
inspect_hear(int from, int64_t budget_ms)
{
	struct pollfd wait = { .fd = from, .events = POLLIN };
	int64_t end_ms = clock_mono_ms() + budget_ms;
	char said;
	int n;

	do {
		int64_t left_ms = end_ms - clock_mono_ms();
		n = poll(&wait, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return INSPECTION_LATE;
	return read(from, &said, 1) == 1 ? INSPECTION_GOOD : INSPECTION_BAD;
}

enum inspection
inspect_store(const char *path, int64_t budget_ms)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return INSPECTION_LATE;
	pid_t child = fork();
	if (child == 0)
		inspect_in_child(path, budget_ms, ends[1]);
	close(ends[1]);
	enum inspection verdict = child < 0 ? INSPECTION_LATE : inspect_hear(ends[0], budget_ms);
	close(ends[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return verdict;
}
