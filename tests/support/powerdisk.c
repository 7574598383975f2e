/* powerdisk.c -- What a disk holds after a power cut: a replay of powerlog.c's record. */
#include "powerdisk_state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
disk_die(const char *what)
{
	fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	exit(2);
}

void *
disk_grow(void *memory, size_t bytes)
{
	memory = realloc(memory, bytes);
	if (memory == NULL)
		disk_die("out of memory");
	return memory;
}

unsigned
powerdisk_random(unsigned *seed, unsigned below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

struct powerdisk *
powerdisk_new(bool syncs, unsigned seed)
{
	struct powerdisk *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->syncs = syncs;
	d->random = seed;
	return d;
}

void
powerdisk_free(struct powerdisk *d)
{
	if (d == NULL)
		return;
	while (d->files != NULL) {
		struct disk_file *file = d->files;
		d->files = file->next;
		free(file->synced);
		free(file->pieces);
		free(file);
	}
	free(d->cut_bytes);
	free(d->cut_fates);
	free(d);
}

/* ---- Names ---------------------------------------------------------------------------------- */

static void
disk_set_name(struct disk_name *names, size_t *n, const char *name, struct disk_file *file)
{
	size_t i = 0;

	while (i < *n && strcmp(names[i].name, name) != 0)
		i++;
	if (file == NULL) {
		if (i < *n)
			names[i] = names[--*n];
		return;
	}
	if (i == DISK_NAMES)
		disk_die("too many names");
	if (i == *n)
		++*n;
	snprintf(names[i].name, sizeof(names[i].name), "%s", name);
	names[i].file = file;
}

void
disk_apply_move(struct disk_name *names, size_t *n, const struct disk_move *move)
{
	if (move->from[0] != '\0')
		disk_set_name(names, n, move->from, NULL);
	if (move->to[0] != '\0')
		disk_set_name(names, n, move->to, move->file);
}

static struct disk_file *
disk_find_name(const struct powerdisk *d, const char *name)
{
	for (size_t i = 0; i < d->n_now; i++) {
		if (strcmp(d->now[i].name, name) == 0)
			return d->now[i].file;
	}
	return NULL;
}

static void
disk_move(struct powerdisk *d, const char *from, const char *to, struct disk_file *file)
{
	if (d->n_moves == DISK_NAMES)
		disk_die("too many names that were never synced");
	struct disk_move *move = &d->moves[d->n_moves++];
	snprintf(move->from, sizeof(move->from), "%s", from);
	snprintf(move->to, sizeof(move->to), "%s", to);
	move->file = file;
	disk_apply_move(d->now, &d->n_now, move);
}

/* Is `name` a name of the directory itself, not of one below it? */
static bool
disk_is_in(const char *name, const char *directory)
{
	size_t len = strlen(directory);

	if (name[0] == '\0' || strncmp(name, directory, len) != 0)
		return false;
	if (len > 0 && name[len] != '/')
		return false;
	return strchr(name + len + (len > 0), '/') == NULL;
}

static void
disk_sync_directory(struct powerdisk *d, const char *directory, size_t n)
{
	size_t kept = 0, taken = 0;

	for (size_t i = 0; i < d->n_moves; i++) {
		struct disk_move *move = &d->moves[i];
		bool covered =
		    i < n && (disk_is_in(move->from, directory) || disk_is_in(move->to, directory));
		if (covered) {
			disk_apply_move(d->names, &d->n_names, move);
			taken++;
		} else {
			d->moves[kept++] = *move;
		}
	}
	d->n_moves = kept;
	for (size_t i = 0; i < d->n_running; i++)
		d->running[i].n_moves -=
		    d->running[i].n_moves < taken ? d->running[i].n_moves : taken;
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* Numbers are used again once a file is gone: the latest is meant. */
static struct disk_file *
disk_find(const struct powerdisk *d, uint64_t number)
{
	struct disk_file *file = d->files;

	while (file != NULL && file->number != number)
		file = file->next;
	return file;
}

static struct disk_file *
disk_make(struct powerdisk *d, uint64_t number)
{
	struct disk_file *file = disk_grow(NULL, sizeof(*file));

	memset(file, 0, sizeof(*file));
	file->number = number;
	file->id = d->n_files++;
	file->next = d->files;
	d->files = file;
	return file;
}

/* Make room for `size` bytes, all zero where nothing was written. */
static void
disk_reserve(unsigned char **bytes, size_t *room, size_t size)
{
	if (size <= *room)
		return;
	size_t more = (size + size / 2 + DISK_BLOCK) / DISK_BLOCK * DISK_BLOCK;
	*bytes = disk_grow(*bytes, more);
	memset(*bytes + *room, 0, more - *room);
	*room = more;
}

static void
disk_apply(struct disk_file *file, const struct disk_piece *piece)
{
	size_t at = piece->block * DISK_BLOCK + piece->at;

	disk_reserve(&file->synced, &file->room, at + piece->len);
	if (piece->len > 0)
		memcpy(file->synced + at, piece->data, piece->len);
}

static void
disk_sync_file(struct powerdisk *d, struct disk_file *file, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		disk_apply(file, &file->pieces[i]);
	if (n > 0)
		memmove(
		    file->pieces, file->pieces + n, (file->n_pieces - n) * sizeof(file->pieces[0]));
	file->n_pieces -= n;
	if (n > 0 || file->synced_size != size)
		file->changes++;
	disk_reserve(&file->synced, &file->room, size);
	file->synced_size = size;
	for (size_t i = 0; i < d->n_running; i++) {
		struct disk_sync *other = &d->running[i];
		if (other->file == file)
			other->n_pieces -= other->n_pieces < n ? other->n_pieces : n;
	}
}

static void
disk_write(struct disk_file *file, uint64_t at, const unsigned char *data, size_t len)
{
	if (at + len > file->size)
		file->size = at + len;
	while (len > 0) {
		size_t into = at % DISK_BLOCK;
		size_t now = len < DISK_BLOCK - into ? len : DISK_BLOCK - into;
		if (file->n_pieces == file->pieces_room) {
			file->pieces_room = file->pieces_room * 2 + 64;
			file->pieces =
			    disk_grow(file->pieces, file->pieces_room * sizeof(file->pieces[0]));
		}
		file->pieces[file->n_pieces++] =
		    (struct disk_piece){ at / DISK_BLOCK, (unsigned)into, (unsigned)now, data };
		at += now;
		data += now;
		len -= now;
	}
}

/* The blocks of such a write are on disk, with what was written to them before. */
static void
disk_write_synced(struct disk_file *file, uint64_t at, const unsigned char *data, size_t len)
{
	size_t first = at / DISK_BLOCK, last = (at + len - 1) / DISK_BLOCK;

	disk_write(file, at, data, len);
	for (size_t i = 0; i < file->n_pieces; i++) {
		struct disk_piece *piece = &file->pieces[i];
		if (piece->block < first || piece->block > last)
			continue;
		disk_apply(file, piece);
		piece->len = 0;
	}
	if (at + len > file->synced_size)
		file->synced_size = at + len;
	file->changes++;
}

/* ---- Replay --------------------------------------------------------------------------------- */

static void
disk_opened(struct powerdisk *d, const struct powerlog_record *record, const char *name)
{
	struct disk_file *file = disk_find(d, record->file);

	if ((record->at & POWERLOG_DIRECTORY) != 0) {
		if (file == NULL || !file->is_directory)
			file = disk_make(d, record->file);
		file->is_directory = true;
		snprintf(file->directory, sizeof(file->directory), "%s", name);
		return;
	}
	if (file == NULL || (record->at & POWERLOG_CREATED) != 0) {
		file = disk_make(d, record->file);
		disk_move(d, "", name, file);
	} else if ((record->at & POWERLOG_TRUNCATED) != 0) {
		file->size = 0;
	}
}

static void
disk_sync_began(struct powerdisk *d, const struct powerlog_record *record)
{
	struct disk_file *file = disk_find(d, record->file);

	if (d->n_running == DISK_SYNCS)
		d->n_running--;
	if (file != NULL)
		d->running[d->n_running++] =
		    (struct disk_sync){ record->at, file, file->n_pieces, file->size, d->n_moves };
}

static void
disk_sync_ended(struct powerdisk *d, const struct powerlog_record *record)
{
	size_t i = 0;

	while (i < d->n_running && d->running[i].number != record->at)
		i++;
	if (i == d->n_running)
		return;
	struct disk_sync sync = d->running[i];
	d->running[i] = d->running[--d->n_running];
	if (!d->syncs)
		return;
	if (sync.file->is_directory)
		disk_sync_directory(d, sync.file->directory, sync.n_moves);
	else
		disk_sync_file(d, sync.file, sync.n_pieces, sync.size);
}

static void
disk_renamed(struct powerdisk *d, const char *from)
{
	const char *to = from + strlen(from) + 1;
	struct disk_file *file = disk_find_name(d, from);

	if (file != NULL)
		disk_move(d, from, to, file);
}

void
powerdisk_replay(
    struct powerdisk *d, const struct powerlog_record *record, const unsigned char *data)
{
	char text[2 * PATH_MAX] = "";
	struct disk_file *file = disk_find(d, record->file);

	if (record->kind != POWERLOG_WRITE && record->kind != POWERLOG_DSYNC)
		memcpy(text, data, record->len < sizeof(text) ? record->len : sizeof(text) - 1);
	switch ((enum powerlog_kind)record->kind) {
	case POWERLOG_OPEN:
		disk_opened(d, record, text);
		break;
	case POWERLOG_WRITE:
		if (file != NULL)
			disk_write(file, record->at, data, record->len);
		break;
	case POWERLOG_DSYNC:
		if (file != NULL)
			disk_write_synced(file, record->at, data, record->len);
		break;
	case POWERLOG_SIZE:
		if (file != NULL)
			file->size = record->at;
		break;
	case POWERLOG_SYNCING:
		disk_sync_began(d, record);
		break;
	case POWERLOG_SYNCED:
		disk_sync_ended(d, record);
		break;
	case POWERLOG_RENAME:
		disk_renamed(d, text);
		break;
	case POWERLOG_UNLINK:
		disk_move(d, text, "", NULL);
		break;
	case POWERLOG_MKDIR:
		file = disk_make(d, 0);
		file->is_directory = true;
		disk_move(d, "", text, file);
		break;
	case POWERLOG_MARK:
	case POWERLOG_KINDS:
		break;
	}
}
