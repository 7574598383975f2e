/* powerdisk_state.h -- The replayed disk inside: files, names, and what is not on it for sure. */
#ifndef DORY_TESTS_POWERDISK_STATE_H
#define DORY_TESTS_POWERDISK_STATE_H

#include "powerdisk.h"

#include <limits.h>

enum { DISK_BLOCK = 4096, DISK_SECTOR = 512, DISK_TORN_PERCENT = 10 };

/* A part of one write that lies in one block. */
struct disk_piece {
	size_t block;
	unsigned at, len;
	const unsigned char *data;
};

struct disk_file {
	struct disk_file *next;
	uint64_t number;
	unsigned char *synced; /* On disk for sure: synced_size bytes, room for more. */
	size_t synced_size, room, size;
	struct disk_piece *pieces; /* Written since, in order. */
	size_t n_pieces, pieces_room;
	unsigned id, changes;     /* Name it in the cache. */
	char directory[PATH_MAX]; /* Of a directory: its name. */
	bool is_directory;
};

/* file NULL: removed. */
struct disk_name {
	char name[NAME_MAX + 1];
	struct disk_file *file;
};

/* `to` is made to be `file`, and `from` removed; either may be empty. */
struct disk_move {
	char from[NAME_MAX + 1], to[NAME_MAX + 1];
	struct disk_file *file;
};

struct disk_sync {
	uint64_t number;
	struct disk_file *file;
	size_t n_pieces, size, n_moves;
};

enum { DISK_SYNCS = 64, DISK_NAMES = 8192 };

/* What became of a block's unsynced writes. */
struct disk_fate {
	size_t writes, kept, seen;
};

struct powerdisk {
	bool syncs;
	unsigned random;
	struct disk_file *files;
	unsigned n_files;
	struct disk_name names[DISK_NAMES]; /* On disk for sure. */
	size_t n_names;
	struct disk_name now[DISK_NAMES]; /* As the program sees them. */
	size_t n_now;
	struct disk_move moves[DISK_NAMES]; /* Not yet on disk for sure, in order. */
	size_t n_moves;
	struct disk_sync running[DISK_SYNCS];
	size_t n_running;
	/* For powerdisk_cut(). */
	struct disk_name cut[DISK_NAMES];
	unsigned char *cut_bytes;
	struct disk_fate *cut_fates; /* One a block. */
	size_t cut_blocks;
};

_Noreturn void disk_die(const char *what);

/* realloc() that does not fail. */
void *disk_grow(void *memory, size_t bytes);

void disk_apply_move(struct disk_name *names, size_t *n, const struct disk_move *move);

#endif
