/* arena.c -- Memory that is freed all at once: everything one request needs. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The first is a page with its heads, this one's and malloc's: most requests need no more, and who
 * does has a block of two kept for the next. */
enum { ARENA_FIRST = 4056, ARENA_BLOCK = 8152, ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	_Alignas(ARENA_ALIGN) char bytes[];
};

static struct arena_block *
arena_grow(struct arena *a, size_t size)
{
	size_t least = a->blocks == NULL ? ARENA_FIRST : ARENA_BLOCK;
	size_t room = size > least ? size : least;
	struct arena_block *block = malloc(sizeof(*block) + room);

	if (block == NULL)
		return NULL;
	*block = (struct arena_block){ .next = a->blocks, .size = room };
	a->blocks = block;
	return block;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *block = a->blocks;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (block == NULL || block->size - block->used < size)
		block = arena_grow(a, size);
	if (block == NULL)
		return NULL;
	void *at = block->bytes + block->used;
	block->used += size;
	return at;
}

void *
arena_zalloc(struct arena *a, size_t size)
{
	void *at = arena_alloc(a, size);

	if (at != NULL)
		memset(at, 0, size);
	return at;
}

char *
arena_copy(struct arena *a, struct slice s)
{
	char *at = arena_alloc(a, s.len + 1);

	if (at == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	at[s.len] = '\0';
	return at;
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	char *at = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
	if (at != NULL)
		vsnprintf(at, (size_t)len + 1, format, again);
	va_end(again);
	va_end(args);
	return at;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *keep = a->blocks;

	if (keep == NULL)
		return;
	while (keep->next != NULL) {
		struct arena_block *next = keep->next;
		free(keep);
		keep = next;
	}
	keep->used = 0;
	a->blocks = keep;
}

void
arena_fini(struct arena *a)
{
	while (a->blocks != NULL) {
		struct arena_block *next = a->blocks->next;
		free(a->blocks);
		a->blocks = next;
	}
}
