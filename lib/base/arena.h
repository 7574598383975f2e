/* arena.h -- Memory that is freed all at once: everything one request needs. */
#ifndef DORY_BASE_ARENA_H
#define DORY_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

/* A zeroed struct is an empty arena. One thread at a time. */
struct arena {
	struct arena_block *blocks;
};

/* 16-byte aligned, not zeroed. NULL if memory is out. Freed by arena_fini() or arena_reset(). */
void *arena_alloc(struct arena *a, size_t size) NODISCARD;
void *arena_zalloc(struct arena *a, size_t size) NODISCARD;

/* A NUL-terminated copy of `s` (the NUL is not counted). NULL if memory is out. */
char *arena_copy(struct arena *a, struct slice s) NODISCARD;

/* Formatted, NUL-terminated. NULL if memory is out. */
char *arena_printf(struct arena *a, const char *format, ...) NODISCARD PRINTF_LIKE(2, 3);

/* Forget everything, keep one block for the next request. */
void arena_reset(struct arena *a);
void arena_fini(struct arena *a);

#endif
