/* shelf.h -- A store in a directory of its own, and short ways to use it in tests. */
#ifndef DORY_TESTS_SHELF_H
#define DORY_TESTS_SHELF_H

#include "store/store_internal.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SHELF_SIZE = 64 << 20, SHELF_ROOM = 512 << 20, SHELF_PIECES = 4096 };

struct shelf {
	char path[32];
	char why[STORE_WHY_SIZE];
	uint64_t size_bytes;    /* Before shelf_open(); 0: SHELF_SIZE. */
	uint64_t body_file_min; /* Before shelf_open(). */
	bool share_bodies;
	struct store *store;
	struct store_reader *reader;
	struct arena arena;
	/* What shelf_find() found. */
	struct store_entry entry;
	struct iovec pieces[SHELF_PIECES];
	size_t n_pieces;
};

static inline void
shelf_open(struct shelf *f)
{
	struct store_options options = { .path = f->path,
		.size_bytes = f->size_bytes != 0 ? f->size_bytes : SHELF_SIZE,
		.body_file_min = f->body_file_min,
		.share_bodies = f->share_bodies };

	ck_assert_msg(store_open(&f->store, &options, f->why) == 0, "%s", f->why);
	ck_assert_int_eq(store_reader_new(f->store, &f->reader), 0);
	ck_assert_int_eq(store_read_begin(f->reader), 0);
}

/* In memory, where there is enough: nothing here is about what outlives the power, and a sync for
 * each of thousands of commits takes a busy disk a minute. */
static inline const char *
shelf_parent(void)
{
	struct statvfs disk;

	if (access("/dev/shm", W_OK) != 0 || statvfs("/dev/shm", &disk) != 0)
		return "/tmp";
	return (uint64_t)disk.f_bavail * disk.f_frsize >= SHELF_ROOM ? "/dev/shm" : "/tmp";
}

static inline struct shelf *
shelf_new_closed(void)
{
	struct shelf *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "%s/dory-store-XXXXXX", shelf_parent());
	ck_assert_ptr_nonnull(mkdtemp(f->path));
	return f;
}

static inline struct shelf *
shelf_new(void)
{
	struct shelf *f = shelf_new_closed();

	shelf_open(f);
	return f;
}

static inline void
shelf_close(struct shelf *f)
{
	store_reader_free(f->reader);
	store_close(f->store);
	f->reader = NULL;
	f->store = NULL;
}

static inline void
shelf_unlink(const struct shelf *f, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/%s", f->path, name);
	unlink(file);
}

/* As somebody else would, behind the store's back. */
static inline void
shelf_overwrite(const char *path, off_t at, struct slice bytes)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_eq(pwrite(fd, bytes.at, bytes.len, at), (ssize_t)bytes.len);
	close(fd);
}

static inline int
shelf_remove(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline void
shelf_free(struct shelf *f)
{
	shelf_close(f);
	nftw(f->path, shelf_remove, 8, FTW_DEPTH | FTW_PHYS);
	arena_fini(&f->arena);
	free(f);
}

/* Fields separated by "/": "product/42". */
static inline struct tuple
shelf_key(struct shelf *f, const char *text)
{
	struct slice fields[TUPLE_FIELDS_MAX], rest = slice_of(text);
	struct tuple key;
	unsigned n = 0;

	while (rest.at != NULL && n < TUPLE_FIELDS_MAX)
		fields[n++] = slice_cut(&rest, '/');
	ck_assert_int_eq(tuple_encode(&f->arena, fields, n, &key), 0);
	return key;
}

/* "*", "tag:NAME", or the start of a key. */
static inline struct scope
shelf_scope(struct shelf *f, const char *text)
{
	if (strcmp(text, "*") == 0)
		return (struct scope){ SCOPE_ALL, { NULL, 0 } };
	if (strncmp(text, "tag:", 4) == 0)
		return (struct scope){ SCOPE_TAG, slice_of(text + 4) };
	return (struct scope){ SCOPE_KEY, shelf_key(f, text).bytes };
}

/* Tags separated by blanks, tuple-encoded. */
static inline struct slice
shelf_tags(struct shelf *f, const char *text)
{
	struct slice fields[TUPLE_FIELDS_MAX], rest = slice_of(text);
	struct tuple tags;
	unsigned n = 0;

	while (rest.at != NULL && rest.len > 0 && n < TUPLE_FIELDS_MAX)
		fields[n++] = slice_cut(&rest, ' ');
	ck_assert_int_eq(tuple_encode(&f->arena, fields, n, &tags), 0);
	return tags.bytes;
}

static inline void
shelf_look(struct shelf *f)
{
	ck_assert_int_eq(store_read_begin(f->reader), 0);
}

static inline struct store_job
shelf_insert_job(struct shelf *f, const char *key, struct slice body)
{
	return (struct store_job){
		.kind = STORE_JOB_INSERT,
		.key = shelf_key(f, key),
		.status = 200,
		.sequence = store_sequence(f->reader),
		.response_s = 1700000000,
		.aging = { .lifetime_s = 60, .grace_s = 5 },
		.head = SLICE("Status: 200\r\nContent-Type: text/plain\r\nETag: \"e1\"\r\n"),
		.body = body,
	};
}

static inline int
shelf_insert(struct shelf *f, const char *key, const char *body)
{
	struct store_job job = shelf_insert_job(f, key, slice_of(body));

	return store_do(f->store, &job);
}

static inline struct store_job
shelf_deflate_job(const struct scope *scope, bool soft)
{
	return (struct store_job){ .kind = STORE_JOB_DEFLATE,
		.scopes = scope,
		.n_scopes = 1,
		.soft = soft,
		.by = "test" };
}

static inline uint64_t
shelf_deflate(struct shelf *f, const char *text, bool soft)
{
	struct scope scope = shelf_scope(f, text);
	struct store_job job = shelf_deflate_job(&scope, soft);

	ck_assert_int_eq(store_do(f->store, &job), 0);
	return job.deflated;
}

/* Takes a new snapshot. */
static inline int
shelf_find_variant(struct shelf *f, const char *text, const char *variant)
{
	struct tuple key = shelf_key(f, text);

	shelf_look(f);
	f->n_pieces = SHELF_PIECES;
	return store_find(f->reader, &key, slice_of(variant), &f->entry, f->pieces, &f->n_pieces);
}

static inline int
shelf_find(struct shelf *f, const char *text)
{
	return shelf_find_variant(f, text, "");
}

static inline struct store_judgement
shelf_judge(struct shelf *f, const char *text, uint64_t sequence, const char *tags)
{
	struct tuple key = shelf_key(f, text);

	shelf_look(f);
	return store_judge(f->reader, STORE_DOOR_HIT, sequence, &key, shelf_tags(f, tags));
}

static inline bool
shelf_body_is(const struct shelf *f, struct slice want)
{
	size_t at = 0;

	for (size_t i = 0; i < f->n_pieces; i++) {
		struct slice piece = { f->pieces[i].iov_base, f->pieces[i].iov_len };
		if (piece.len > want.len - at ||
		    !slice_equal(piece, (struct slice){ want.at + at, piece.len }))
			return false;
		at += piece.len;
	}
	return at == want.len && f->entry.body_bytes == want.len;
}

/* Bytes that differ from page to page. */
static inline struct slice
shelf_bytes(struct shelf *f, size_t len, unsigned seed)
{
	char *at = arena_alloc(&f->arena, len + 1);

	ck_assert_ptr_nonnull(at);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		at[i] = (char)(seed >> 24);
	}
	return (struct slice){ at, len };
}

static inline uint64_t
shelf_rows(struct shelf *f, enum store_table table)
{
	MDB_stat stat;

	shelf_look(f);
	ck_assert_int_eq(mdb_stat(f->reader->txn, f->store->tables[table], &stat), 0);
	return stat.ms_entries;
}

/* Change one byte of a value behind the store's back. */
static inline void
shelf_flip(struct shelf *f, enum store_table table, size_t at)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	store_read_end(f->reader);
	ck_assert_int_eq(mdb_txn_begin(f->store->env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_cursor_open(txn, f->store->tables[table], &cursor), 0);
	ck_assert_int_eq(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
	char *copy = malloc(value.mv_size);
	memcpy(copy, value.mv_data, value.mv_size);
	copy[at % value.mv_size] ^= 0x40;
	value.mv_data = copy;
	ck_assert_int_eq(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
	mdb_cursor_close(cursor);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	free(copy);
}

#endif
