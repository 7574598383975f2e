/* apart.h -- Keys whose responses were not for others: nobody waits for one of these, for a while.
 */
#ifndef DORY_PROXY_APART_H
#define DORY_PROXY_APART_H

#include <stdbool.h>
#include <stdint.h>

/* How long a mark holds. After it one request tries again, and others wait to see. */
enum { APART_MS = 2000, APART_MARKS = 1024 };

/*
 * A table of fixed size: a newer mark may push out an older one, which costs one wait. Zeroed it is
 * empty. Owning worker only. A deflate changes nothing here: a mark only says that a fetch is not
 * shared, never what is served.
 */
struct apart {
	struct {
		uint64_t hash; /* Of key and variant, as flight_hash() makes it. */
		int64_t until_ms;
	} marks[APART_MARKS];
};

void apart_mark(struct apart *a, uint64_t hash, int64_t now_ms);
void apart_clear(struct apart *a, uint64_t hash);
bool apart_is_marked(const struct apart *a, uint64_t hash, int64_t now_ms);

#endif
