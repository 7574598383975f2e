/* bodysweep.c -- Body files that are to go: those whose entry went, and those nobody names. */
#include "store/bodysweep.h"

#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BODYSWEEP_STEP = 256, BODYSWEEP_BATCH = 64 };

/* ---- Orphans -------------------------------------------------------------------------------- */

enum bodysweep_tie {
	BODYSWEEP_KEPT,
	BODYSWEEP_UNKNOWN, /* The table does not have it. */
	BODYSWEEP_LOST,    /* It has, and the entry that it was for is another now, or gone. */
};

/* Where it cannot be told, the file is to be kept. */
static enum bodysweep_tie
bodysweep_look(const struct store *s, MDB_txn *txn, uint64_t id)
{
	struct entry_name entry;
	struct bodyfile_row row;
	struct record record;
	struct slice name;
	int rc = bodyfile_get(s, txn, id, &row, &name);

	if (rc == -ENOENT)
		return BODYSWEEP_UNKNOWN;
	if (rc != 0 || row.doomed != 0 || name.len > sizeof(entry.bytes))
		return BODYSWEEP_KEPT;
	memcpy(entry.bytes, name.at, name.len);
	entry.len = name.len;
	rc = entry_get(s, txn, &entry, &record);
	return rc == -ENOENT || (rc == 0 && record.entry.body_file != id) ? BODYSWEEP_LOST
									  : BODYSWEEP_KEPT;
}

static enum bodysweep_tie
bodysweep_tie(const struct store *s, uint64_t id)
{
	MDB_txn *txn;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return BODYSWEEP_KEPT;
	enum bodysweep_tie tie = bodysweep_look(s, txn, id);
	mdb_txn_abort(txn);
	return tie;
}

/* What a record that failed its check said of its file was not believed, so the file was left. */
static void
bodysweep_doom_lost(struct store *s, uint64_t id)
{
	struct record lost = { .entry.body_file = id };
	struct change c;
	int rc = change_begin(s, &c);

	if (rc == 0 && bodysweep_look(s, c.txn, id) == BODYSWEEP_LOST)
		rc = bodyfile_doom(&c, &lost);
	if (rc == 0)
		rc = change_commit(&c);
	if (rc != 0) {
		log_warn("store %s: dropping a body file: %s", s->path, strerror(-rc));
		change_abort(&c);
	}
}

/*
 * Whoever writes a file has it locked until the transaction that names it is over. So what is not
 * locked, and not in the table as it is after that, nobody will ever name.
 */
static void
bodysweep_judge(struct store *s, int directory, const char *name)
{
	char *end = NULL;
	uint64_t id = strtoull(name, &end, 16);
	bool temporary = strcmp(end, ".tmp") == 0;

	if (end == name || (*end != '\0' && !temporary))
		return;
	enum bodysweep_tie tie = temporary ? BODYSWEEP_UNKNOWN : bodysweep_tie(s, id);
	if (tie == BODYSWEEP_LOST)
		bodysweep_doom_lost(s, id);
	if (tie != BODYSWEEP_UNKNOWN)
		return;
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	    (temporary || bodysweep_tie(s, id) == BODYSWEEP_UNKNOWN))
		unlinkat(directory, name, 0);
	close(fd);
}

static DIR *
bodysweep_open(const struct store *s, unsigned number)
{
	char name[BODYFILE_DIRECTORY];

	bodyfile_directory((uint64_t)number << 56, name);
	int fd = openat(s->bodies_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (directory == NULL && fd >= 0)
		close(fd);
	return directory;
}

bool
bodysweep_step(struct bodysweep *w, struct store *s)
{
	const struct dirent *found;

	if (s->bodies_fd < 0)
		return false;
	while (w->directory == NULL && w->next < BODYFILE_DIRECTORIES)
		w->directory = bodysweep_open(s, w->next++);
	if (w->directory == NULL)
		return false;
	for (int i = 0; i < BODYSWEEP_STEP; i++) {
		found = readdir(w->directory);
		if (found == NULL) {
			closedir(w->directory);
			w->directory = NULL;
			return true;
		}
		bodysweep_judge(s, dirfd(w->directory), found->d_name);
	}
	return true;
}

void
bodysweep_end(struct bodysweep *w)
{
	if (w->directory != NULL)
		closedir(w->directory);
	*w = (struct bodysweep){ 0 };
}

/* ---- Doomed --------------------------------------------------------------------------------- */

struct bodysweep_row {
	uint64_t number;
	uint64_t id;
};

/* A clock that was set back must not keep files for ever: what went in the future is due too. */
static bool
bodysweep_is_due(int64_t when_s, int64_t now_s, int64_t linger_s)
{
	return when_s > now_s || now_s - when_s >= linger_s;
}

/* The oldest that are due. Returns how many. */
static size_t
bodysweep_find_due(
    struct store *s, int64_t now_s, int64_t linger_s, struct bodysweep_row rows[BODYSWEEP_BATCH])
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	MDB_val key, value;
	int64_t when[2];
	size_t n = 0;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	int rc = mdb_cursor_open(txn, s->tables[TABLE_DOOMED], &cursor);
	if (rc == 0) {
		while (n < BODYSWEEP_BATCH && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0 &&
		       key.mv_size == sizeof(rows[n].number) && value.mv_size == sizeof(when)) {
			memcpy(when, value.mv_data, sizeof(when));
			if (!bodysweep_is_due(when[1], now_s, linger_s))
				break;
			memcpy(&rows[n].number, key.mv_data, sizeof(rows[n].number));
			rows[n++].id = (uint64_t)when[0];
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return n;
}

static int
bodysweep_forget(struct change *c, const struct bodysweep_row *row)
{
	uint64_t number = row->number, id = row->id;
	MDB_val key = { sizeof(number), &number };
	struct bodyfile_row file;
	struct slice name;

	if (bodyfile_get(c->store, c->txn, id, &file, &name) == 0)
		c->state.doomed_bytes -=
		    file.bytes < c->state.doomed_bytes ? file.bytes : c->state.doomed_bytes;
	int rc = mdb_del(c->txn, c->store->tables[TABLE_DOOMED], &key, NULL);
	key = (MDB_val){ sizeof(id), &id };
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_del(c->txn, c->store->tables[TABLE_FILE], &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : store_error(rc);
}

/*
 * Unlinked first: a row may outlive its file, but no file its row. Before that it is made sure that
 * their entries went: the commit that says so was not waited for, and without it a power cut would
 * bring back an entry whose file is gone.
 */
int
bodysweep_doomed(struct store *s, int64_t now_s, int64_t linger_s, bool *more)
{
	struct bodysweep_row rows[BODYSWEEP_BATCH];
	struct change c;
	size_t n = s->bodies_fd < 0 ? 0 : bodysweep_find_due(s, now_s, linger_s, rows);

	*more = n == BODYSWEEP_BATCH;
	if (n == 0)
		return 0;
	int rc = fault_is("unlink-early") ? 0 : store_error(mdb_env_sync(s->env, 1));
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		char name[BODYFILE_NAME];
		bodyfile_name(rows[i].id, name);
		unlinkat(s->bodies_fd, name, 0);
	}
	rc = change_begin(s, &c);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = bodysweep_forget(&c, &rows[i]);
	if (rc == 0)
		return change_commit(&c);
	change_abort(&c);
	return rc;
}
