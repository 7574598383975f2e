/* select.h -- The stored response that a request selects (RFC 9111 section 4.1). */
#ifndef DORY_STORE_SELECT_H
#define DORY_STORE_SELECT_H

#include "http/message.h"
#include "store/store.h"

/* A look-up within a read: in, and what came of it. */
struct selection {
	struct store_reader *reader;
	const struct tuple *key;
	struct slice variant; /* Without what Vary adds. */
	const struct http_request *request;
	struct arena *arena;
	struct iovec *pieces; /* Where the body's go. */
	size_t room;          /* So many fit. */

	struct store_entry entry;
	size_t n_pieces;
	bool by_language;    /* They vary by a language that the request prefers: another variant
				may be as good. */
	struct slice varied; /* The variant with the values of the fields that Vary names, from
				`arena`; at == NULL where nothing varies. */
};

/*
 * Find the entry for the request: the one under its variant or, where a record says that responses
 * vary, the one under the values that the request has for these fields. Where they vary by
 * Accept-Language alone and none has its value, one is found that is in the language that the
 * request prefers to all others (RFC 9110 section 12.5.4).
 *
 * Returns: as store_find(); -ENOMEM.
 */
int select_find(struct selection *s) NODISCARD;

/*
 * The variant of the response for these values of the fields that Vary names: what select_find()
 * looks for where a record says that responses vary.
 *
 * values:  as vary_values() gives them.
 * Returns: 0; -ENOMEM.
 */
int select_varied(
    struct slice variant, struct slice values, struct arena *arena, struct slice *out) NODISCARD;

/*
 * The same under what a response of another query has said of queries (No-Vary-Search), where
 * select_find() found nothing: -ENOENT where nothing was said.
 *
 * signpost: where the rule is kept, as plan_search() gives it; at == NULL: nowhere.
 * query:    as sent; at == NULL: none.
 */
int select_find_search(struct selection *s, struct slice signpost, struct slice query) NODISCARD;

/*
 * The variant of all queries that are one under that rule: on none of the plan's variants, and
 * another for each rule, so that no response is ever found by a rule that is not its own.
 *
 * Returns: 0; -EINVAL for a query that cannot be compared; -ENOMEM.
 */
int select_search_variant(struct slice signpost, struct slice rule, struct slice query,
    struct arena *arena, struct slice *out) NODISCARD;

#endif
