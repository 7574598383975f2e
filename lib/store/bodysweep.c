/* bodysweep.c -- Body files that are to go: those whose entry went, and those nobody names. */
#include "store/bodysweep.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BODYSWEEP_STEP = 256, BODYSWEEP_BATCH = 64 };

/* ---- Orphans -------------------------------------------------------------------------------- */

/* Does the table have it? Where it cannot be asked, let the file be. */
static bool
bodysweep_is_known(struct store *s, uint64_t id)
{
	struct bodyfile_row row;
	struct slice name;
	MDB_txn *txn;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return true;
	int rc = bodyfile_get(s, txn, id, &row, &name);
	mdb_txn_abort(txn);
	return rc != -ENOENT;
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

	if (end == name || (*end != '\0' && !temporary) ||
	    (!temporary && bodysweep_is_known(s, id)))
		return;
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && (temporary || !bodysweep_is_known(s, id)))
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
bodysweep_is_due(int64_t when_s, int64_t now_s)
{
	return when_s > now_s || now_s - when_s >= BODYFILE_LINGER_S;
}

/* The oldest that are due. Returns how many. */
static size_t
bodysweep_find_due(struct store *s, int64_t now_s, struct bodysweep_row rows[BODYSWEEP_BATCH])
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
			if (!bodysweep_is_due(when[1], now_s))
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

	int rc = mdb_del(c->txn, c->store->tables[TABLE_DOOMED], &key, NULL);
	key = (MDB_val){ sizeof(id), &id };
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_del(c->txn, c->store->tables[TABLE_FILE], &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : store_error(rc);
}

/* Unlinked first: a row may outlive its file, but no file its row. */
int
bodysweep_doomed(struct store *s, int64_t now_s, bool *more)
{
	struct bodysweep_row rows[BODYSWEEP_BATCH];
	struct change c;
	size_t n = s->bodies_fd < 0 ? 0 : bodysweep_find_due(s, now_s, rows);

	*more = n == BODYSWEEP_BATCH;
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		char name[BODYFILE_NAME];
		bodyfile_name(rows[i].id, name);
		unlinkat(s->bodies_fd, name, 0);
	}
	int rc = change_begin(s, &c);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = bodysweep_forget(&c, &rows[i]);
	if (rc == 0)
		return change_commit(&c);
	change_abort(&c);
	return rc;
}
