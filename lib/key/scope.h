/* scope.h -- What one deflate covers: everything, a key or the start of one, or a tag. */
#ifndef DORY_KEY_SCOPE_H
#define DORY_KEY_SCOPE_H

#include "key/tuple.h"

enum scope_kind {
	SCOPE_ALL, /* `*` */
	SCOPE_KEY, /* `product(42)`, `list(books, *)`, `product(*)`: bytes is an encoded tuple */
	SCOPE_TAG, /* `tag:sale`: bytes is the tag */
};

struct scope {
	enum scope_kind kind;
	struct slice bytes;
};

/* The longest key LMDB takes is 511 bytes; longer names are cut and a hash takes the rest's place.
 */
enum { SCOPE_NAME_MAX = 500, SCOPE_TAG_MAX = 128, SCOPE_TAGS_MAX = 64 };

/*
 * The name under which a deflate of `scope` is recorded; the name of each scope that covers an
 * entry is looked up to judge it. Different scopes have different names (but for a collision of 128
 * bits, which would cost a miss, never a stale answer).
 *
 * name:    SCOPE_NAME_MAX bytes, caller keeps.
 * Returns: its length.  Thread-safe: pure.
 */
size_t scope_name(struct scope scope, char *name);

/* Does a scope of kind SCOPE_KEY or SCOPE_ALL cover the tuple? Thread-safe: pure. */
bool scope_covers(struct scope scope, const struct tuple *key);

#endif
