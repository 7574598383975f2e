/* report.h -- What Dory knows, told to people and machines: explain, entries, stat. */
#ifndef DORY_REPORT_REPORT_H
#define DORY_REPORT_REPORT_H

#include "route/plan.h"
#include "store/store.h"

#include <jansson.h>

/*
 * The answers of `dory explain`, `ls`, `show`, `stat` and of the admin path, as JSON. The `dory`
 * command prints them for people from the same tree. Each returns a new reference, caller frees
 * with json_decref(); NULL if memory is out or the store cannot be read. Readers must have a
 * snapshot open.
 */

/*
 * {"method","url","route":{"name","file","line"}|null,"path_known","action":"cache"|"pass",
 *  "reason":null|"no-route"|...,"bypass":null|"cookie:session*","bloat":null|"product",
 *  "key":null|"product(42)","variant":[["scheme","http"],...,["accept-language",null]],
 *  "scopes":["product(42)"],"deflate_mode":"hard"|"soft","backend":{"name","url"}|null,
 *  "request":{"method","target","fields":[["host","..."],...]}|null,
 *  "stored":{"status","age","ttl","state":"fresh"|"grace"|"stale"|"deflated","sequence",
 *            "deflated_by":null|7,"bytes","tags":[...]}|null}
 * path_known: some route has that path, for whatever method. request: null without a backend.
 * `reader` may be NULL: nothing is said about what is stored, nor of bloats switched off there.
 */
json_t *report_explain(const struct routes *routes, const struct http_request *request,
    struct store_reader *reader, int64_t now_s);

/* A question as a person writes it. */
struct report_question {
	struct slice method;
	struct slice url;            /* "/p?q" or "http://host/p?q". */
	const struct slice *headers; /* Each "Name: value". */
	size_t n_headers;
};

/*
 * The request that a question is about, made as a web server would hand it over. It comes from
 * 127.0.0.1.
 *
 * question: borrowed by `out`, with `arena`.
 * why:      on error, what is wrong and what to write (static or made in `arena`); repeats nothing
 *           that was given.
 * Returns:  0; -EINVAL; -ENOMEM (`*why` set too).
 */
int report_request(const struct report_question *question, struct arena *arena,
    struct http_request *out, const char **why) NODISCARD;

/*
 * {"entries":[{"name","key","path" and all of "stored" above}...],"next":NAME|null}
 *
 * after: `next` of the page before, empty for the first one. What is no name ends the list at once.
 */
json_t *report_entries(const struct routes *routes, struct store_reader *reader, struct scope scope,
    struct slice after, size_t limit, int64_t now_s);

/*
 * All variants stored under one key: {"key","variants":[{all that an entry above has, "fetched_at",
 * "lifetime","grace","stale_if_error","keep","no_cache","variant":[["scheme","http"],...],
 * "fields":[["Content-Type","text/html"],...]}...]}
 */
json_t *report_variants(const struct routes *routes, struct store_reader *reader,
    const struct tuple *key, int64_t now_s);

/*
 * {"store":{"path","entries","used_bytes","size_bytes","sequence","floor","deflated","intents",
 *  "readers","readers_max"},"bloats":[{"name","enabled"}]} and "counters":{...} where the process
 * has any.
 */
json_t *report_stat(const struct routes *routes, struct store_reader *reader);

/* {"sequence":7,"scopes":["product(42)"]} */
json_t *report_deflated(
    const struct routes *routes, const struct scope *scopes, size_t n, uint64_t sequence);

#endif
