/* powerdisk_cut.c -- What is on the replayed disk after a cut, by chance, as files. */
#include "powerdisk_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The part of a block's last write that reached the disk: sectors, from its front or its end. */
static void
disk_tear(struct disk_piece *piece, unsigned *random)
{
	unsigned sectors = (piece->len + DISK_SECTOR - 1) / DISK_SECTOR;
	unsigned cut = DISK_SECTOR * powerdisk_random(random, sectors + 1);

	cut = cut < piece->len ? cut : piece->len;
	if (powerdisk_random(random, 2) == 0) {
		piece->len = cut;
	} else {
		piece->at += cut;
		piece->data += cut;
		piece->len -= cut;
	}
}

/* How many of its `n` writes a block has. */
static size_t
disk_kept(enum powerdisk_fate fate, unsigned *random, size_t n)
{
	if (fate == POWERDISK_NONE)
		return 0;
	if (fate == POWERDISK_ALL || powerdisk_random(random, 2) == 0)
		return n;
	return powerdisk_random(random, (unsigned)n);
}

static size_t
disk_cut_size(const struct disk_file *file, enum powerdisk_fate fate, unsigned *random)
{
	unsigned chance = powerdisk_random(random, 3);

	if (fate == POWERDISK_NONE || (fate == POWERDISK_SOME && chance == 0))
		return file->synced_size;
	if (fate == POWERDISK_ALL || chance == 1 || file->n_pieces == 0)
		return file->size;
	/* The size is written after the data: up to one of the writes. */
	const struct disk_piece *last =
	    &file->pieces[powerdisk_random(random, (unsigned)file->n_pieces)];
	size_t end = last->block * DISK_BLOCK + last->at + last->len;
	return end > file->synced_size ? end : file->synced_size;
}

/* Room for the file's blocks, filled with what is on disk for sure. */
static void
disk_prepare_cut(struct powerdisk *d, const struct disk_file *file)
{
	size_t blocks = (file->size > file->room ? file->size : file->room) / DISK_BLOCK + 1;

	/* It may have been cut short since they were written. */
	for (size_t i = 0; i < file->n_pieces; i++) {
		if (file->pieces[i].block >= blocks)
			blocks = file->pieces[i].block + 1;
	}
	if (blocks > d->cut_blocks) {
		d->cut_blocks = blocks;
		d->cut_bytes = disk_grow(d->cut_bytes, blocks * DISK_BLOCK);
		d->cut_fates = disk_grow(d->cut_fates, blocks * sizeof(d->cut_fates[0]));
	}
	if (file->synced_size > 0)
		memcpy(d->cut_bytes, file->synced, file->synced_size);
	memset(d->cut_bytes + file->synced_size, 0, blocks * DISK_BLOCK - file->synced_size);
	memset(d->cut_fates, 0, blocks * sizeof(d->cut_fates[0]));
}

/* What is in the file after the cut: d->cut_bytes. Returns its size. */
static size_t
disk_cut_file(
    struct powerdisk *d, const struct disk_file *file, enum powerdisk_fate fate, unsigned *random)
{
	disk_prepare_cut(d, file);
	for (size_t i = 0; i < file->n_pieces; i++)
		d->cut_fates[file->pieces[i].block].writes++;
	for (size_t i = 0; i < file->n_pieces; i++) {
		struct disk_piece piece = file->pieces[i];
		struct disk_fate *of = &d->cut_fates[piece.block];
		if (of->seen++ == 0)
			of->kept = disk_kept(fate, random, of->writes);
		if (of->seen > of->kept)
			continue;
		if (of->seen == of->kept && fate == POWERDISK_SOME &&
		    powerdisk_random(random, 100) < DISK_TORN_PERCENT)
			disk_tear(&piece, random);
		memcpy(d->cut_bytes + piece.block * DISK_BLOCK + piece.at, piece.data, piece.len);
	}
	return disk_cut_size(file, fate, random);
}

static void
disk_save(const char *path, const unsigned char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t done = 0;

	while (fd >= 0 && done < size) {
		ssize_t n = write(fd, bytes + done, size - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (fd < 0 || done < size || close(fd) != 0)
		disk_die(path);
}

static void
disk_save_cut(struct powerdisk *d, const struct disk_file *file, enum powerdisk_fate fate,
    const char *path, const char *cache)
{
	char kept[2 * PATH_MAX];
	size_t name = strlen(path);

	/* LMDB writes to its own. */
	bool whole = file->n_pieces == 0 && file->size == file->synced_size &&
		     (name < 4 || strcmp(path + name - 4, ".mdb") != 0);
	snprintf(kept, sizeof(kept), "%s/%u.%u", cache, file->id, file->changes);
	if (whole && link(kept, path) == 0)
		return;
	size_t size = disk_cut_file(d, file, fate, &d->random);
	disk_save(whole ? kept : path, d->cut_bytes, size);
	if (whole && link(kept, path) != 0)
		disk_die(path);
}

static size_t
disk_cut_names(struct powerdisk *d, enum powerdisk_fate fate, unsigned *random)
{
	size_t n = d->n_names;
	/* A journal keeps them in order; a file system without one does not. */
	bool in_order = powerdisk_random(random, 2) == 0;
	size_t until = powerdisk_random(random, (unsigned)d->n_moves + 1);

	memcpy(d->cut, d->names, n * sizeof(d->names[0]));
	for (size_t i = 0; i < d->n_moves && fate != POWERDISK_NONE; i++) {
		bool kept = in_order ? i < until : powerdisk_random(random, 2) == 0;
		if (fate == POWERDISK_ALL || kept)
			disk_apply_move(d->cut, &n, &d->moves[i]);
	}
	return n;
}

/* With those above it. */
static void
disk_make_directories(const char *image, const char *name)
{
	char path[2 * PATH_MAX];
	int base = snprintf(path, sizeof(path), "%s/", image);

	snprintf(path + base, sizeof(path) - (size_t)base, "%s", name);
	for (char *at = path + base; at != NULL; at = strchr(at + 1, '/')) {
		char *end = strchr(at + 1, '/');
		if (end != NULL)
			*end = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			disk_die(path);
		if (end != NULL)
			*end = '/';
	}
}

/* Are all directories on the way to it there? */
static bool
disk_is_reached(const struct powerdisk *d, size_t n, const char *name)
{
	char directory[NAME_MAX + 1];

	snprintf(directory, sizeof(directory), "%s", name);
	char *end = strrchr(directory, '/');
	if (end == NULL)
		return true;
	*end = '\0';
	for (size_t i = 0; i < n; i++) {
		if (strcmp(d->cut[i].name, directory) == 0)
			return disk_is_reached(d, n, directory);
	}
	return false;
}

void
powerdisk_cut(struct powerdisk *d, enum powerdisk_fate fate, const char *image, const char *cache)
{
	char path[2 * PATH_MAX];
	bool names = fate == POWERDISK_NAMES;
	size_t n = disk_cut_names(d, names ? POWERDISK_ALL : fate, &d->random);

	fate = names ? POWERDISK_NONE : fate;
	/* A directory was made before what is in it, but names may have changed places. */
	for (int files = 0; files < 2; files++) {
		for (size_t i = 0; i < n; i++) {
			const struct disk_name *name = &d->cut[i];
			if (name->file->is_directory == (files == 1) ||
			    !disk_is_reached(d, n, name->name))
				continue;
			snprintf(path, sizeof(path), "%s/%s", image, name->name);
			if (files == 1)
				disk_save_cut(d, name->file, fate, path, cache);
			else
				disk_make_directories(image, name->name);
		}
	}
}
