/* inspect.c -- A look at a whole store by a child that may die of it. */
#include "store/inspect.h"

#include "store/store_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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
inspect_become_child(int64_t budget_ms)
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
}

static _Noreturn void
inspect_in_child(const char *path, int64_t budget_ms, int out)
{
	inspect_become_child(budget_ms);
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

/* ---- Beside others -------------------------------------------------------------------------- */

enum { INSPECT_SLICE = 512, INSPECT_KEY_MAX = 511, INSPECT_NICE = 19 };

/* linux/ioprio.h has these: the idle class, of this process. */
enum { INSPECT_IOPRIO_PROCESS = 1, INSPECT_IOPRIO_IDLE = 3 << 13 };

/* How it ends, where it does not die. */
enum { INSPECT_EXIT_GOOD, INSPECT_EXIT_BAD, INSPECT_EXIT_GAVE_UP };

/* Where it is in a table between two snapshots. */
struct inspect_place {
	MDB_dbi table;
	bool begun, over;
	size_t len;
	_Alignas(uint64_t) char key[INSPECT_KEY_MAX];
};

/* Rows from the place on, as many as one snapshot may take. Returns false where one is bad. */
static bool
inspect_rows(struct inspector *i, struct inspect_place *p, MDB_cursor *cursor)
{
	MDB_val before = { p->len, p->key }, key = before, value;
	int rc = mdb_cursor_get(cursor, &key, &value, p->begun ? MDB_SET_RANGE : MDB_FIRST);

	if (rc == 0 && p->begun && mdb_cmp(i->txn, p->table, &before, &key) == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	for (int n = 0; rc == 0 && n < INSPECT_SLICE; n++) {
		if (key.mv_size > sizeof(p->key) || !inspect_row(i, p->table, key, value) ||
		    (p->begun && mdb_cmp(i->txn, p->table, &before, &key) >= 0))
			return false;
		p->begun = true;
		p->len = key.mv_size;
		memcpy(p->key, key.mv_data, key.mv_size);
		before = (MDB_val){ p->len, p->key };
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	p->over = rc == MDB_NOTFOUND;
	return rc == 0 || rc == MDB_NOTFOUND;
}

/* In one snapshot. */
static void
inspect_slice(MDB_env *env, struct inspector *i, struct inspect_place *p)
{
	MDB_cursor *cursor;
	MDB_envinfo info;

	if (mdb_txn_renew(i->txn) != 0 || mdb_env_info(env, &info) != 0 ||
	    mdb_cursor_open(i->txn, p->table, &cursor) != 0)
		_exit(INSPECT_EXIT_GAVE_UP);
	i->last_page = info.me_last_pgno;
	if (!inspect_rows(i, p, cursor))
		_exit(INSPECT_EXIT_BAD);
	mdb_cursor_close(cursor);
	mdb_txn_reset(i->txn);
}

/* The handles of all tables, in `out`. Returns how many; 0 where they cannot be opened. */
static unsigned
inspect_open_tables(MDB_txn *txn, MDB_dbi *out)
{
	char name[INSPECT_TABLES_MAX];
	MDB_cursor *cursor;
	MDB_val key, value;
	unsigned n = 0;

	out[n++] = INSPECT_FREE_TABLE;
	if (mdb_dbi_open(txn, NULL, 0, &out[n++]) != 0 ||
	    mdb_cursor_open(txn, INSPECT_MAIN_TABLE, &cursor) != 0)
		return 0;
	while (n < INSPECT_TABLES_MAX && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		if (key.mv_size >= sizeof(name))
			return 0;
		memcpy(name, key.mv_data, key.mv_size);
		name[key.mv_size] = '\0';
		if (mdb_dbi_open(txn, name, 0, &out[n++]) != 0)
			return 0;
	}
	mdb_cursor_close(cursor);
	return n;
}

static _Noreturn void
inspect_slowly(const char *path, uint64_t map_bytes)
{
	struct inspector i = { 0 };
	MDB_dbi tables[INSPECT_TABLES_MAX];
	MDB_env *env;
	MDB_stat stat;

	if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, INSPECT_TABLES_MAX) != 0 ||
	    mdb_env_set_mapsize(env, map_bytes) != 0 ||
	    mdb_env_open(env, path, MDB_RDONLY | MDB_NOTLS, 0600) != 0 ||
	    mdb_env_stat(env, &stat) != 0 || mdb_txn_begin(env, NULL, MDB_RDONLY, &i.txn) != 0)
		_exit(INSPECT_EXIT_GAVE_UP);
	i.page_bytes = stat.ms_psize;
	unsigned n = inspect_open_tables(i.txn, tables);
	if (n == 0)
		_exit(INSPECT_EXIT_BAD);
	/* Handles last where the transaction that opened them is committed. */
	if (mdb_txn_commit(i.txn) != 0 || mdb_txn_begin(env, NULL, MDB_RDONLY, &i.txn) != 0)
		_exit(INSPECT_EXIT_GAVE_UP);
	mdb_txn_reset(i.txn);
	for (unsigned k = 0; k < n; k++) {
		struct inspect_place place = { .table = tables[k] };
		while (!place.over)
			inspect_slice(env, &i, &place);
	}
	mdb_txn_abort(i.txn);
	_exit(INSPECT_EXIT_GOOD);
}

void
inspect_begin(struct inspection_walk *w, const char *path, uint64_t map_bytes, int64_t budget_ms)
{
	w->tried = true;
	w->child = fork();
	if (w->child != 0) {
		w->child = w->child < 0 ? 0 : w->child;
		return;
	}
	inspect_become_child(budget_ms);
	/* A connection ends when the last who has it closes it. */
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	setpriority(PRIO_PROCESS, 0, INSPECT_NICE);
	syscall(SYS_ioprio_set, INSPECT_IOPRIO_PROCESS, 0, INSPECT_IOPRIO_IDLE);
	inspect_slowly(path, map_bytes);
}

/* Killed, or ended by its alarm, it has found nothing. */
static enum inspection
inspect_verdict(int status)
{
	if (WIFSIGNALED(status)) {
		int by = WTERMSIG(status);
		return by == SIGSEGV || by == SIGBUS || by == SIGABRT ? INSPECTION_BAD
								      : INSPECTION_LATE;
	}
	switch (WEXITSTATUS(status)) {
	case INSPECT_EXIT_GOOD:
		return INSPECTION_GOOD;
	case INSPECT_EXIT_BAD:
		return INSPECTION_BAD;
	default:
		return INSPECTION_LATE;
	}
}

enum inspection
inspect_ask(struct inspection_walk *w)
{
	int status;

	if (w->child == 0 || waitpid(w->child, &status, WNOHANG) <= 0)
		return INSPECTION_LATE;
	w->child = 0;
	return inspect_verdict(status);
}

void
inspect_end(struct inspection_walk *w)
{
	if (w->child == 0)
		return;
	kill(w->child, SIGKILL);
	while (waitpid(w->child, NULL, 0) < 0 && errno == EINTR)
		;
	w->child = 0;
}
