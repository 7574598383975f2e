/* scope.c -- What one deflate covers: everything, a key or the start of one, or a tag. */
#include "key/scope.h"

#include <xxhash.h>

enum { SCOPE_HEAD = 400 };

static const char scope_marks[] = { [SCOPE_ALL] = '*', [SCOPE_KEY] = 'k', [SCOPE_TAG] = 't' };

size_t
scope_name(struct scope scope, char *name)
{
	name[0] = scope_marks[scope.kind];
	if (scope.bytes.len <= SCOPE_HEAD) {
		if (scope.bytes.len > 0)
			memcpy(name + 1, scope.bytes.at, scope.bytes.len);
		return 1 + scope.bytes.len;
	}
	XXH128_canonical_t hash;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(scope.bytes.at, scope.bytes.len));
	memcpy(name + 1, scope.bytes.at, SCOPE_HEAD);
	memcpy(name + 1 + SCOPE_HEAD, hash.digest, sizeof(hash.digest));
	return 1 + SCOPE_HEAD + sizeof(hash.digest);
}

bool
scope_covers(struct scope scope, const struct tuple *key)
{
	return scope.kind == SCOPE_ALL ||
	       (scope.kind == SCOPE_KEY && slice_starts_with(key->bytes, scope.bytes));
}
