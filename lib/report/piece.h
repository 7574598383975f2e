/* piece.h -- The pieces that the JSON of this folder is put together from. */
#ifndef DORY_REPORT_PIECE_H
#define DORY_REPORT_PIECE_H

#include "report/report.h"

/*
 * Each returns a new reference, or NULL if memory is out. What json_pack() is given with "o" it
 * takes, and it gives NULL where one of them is: so a tree is checked once, when it is whole.
 */

/* JSON knows only UTF-8: bytes that are none are written as \xNN. null where at == NULL. */
json_t *piece_text(struct slice text);
json_t *piece_number(uint64_t number);

/* What was printed into `text`, which is freed. */
json_t *piece_printed(struct buf *text);
json_t *piece_key(const struct routes *routes, const struct tuple *key);
json_t *piece_scopes(const struct routes *routes, const struct scope *scopes, size_t n);

/* The item is taken. Where memory is out the array is freed and NULL. */
void piece_append(json_t **array, json_t *item);

/* Append the pair [name, value] as piece_append() does. */
void piece_append_pair(json_t **array, struct slice name, struct slice value);

/*
 * [["scheme","http"],...]: what a variant was selected by; null for a value the request lacked.
 *
 * bloat:   names the later parts; may be NULL.
 * vary:    the names of an entry's Vary; empty where it has none.
 */
json_t *piece_variant(const struct bloat *bloat, struct slice variant, struct slice vary);

/* How an entry stands at `now_s`: "stored" of report_explain(), without what names it. */
json_t *piece_standing(struct store_reader *reader, const struct tuple *key,
    const struct store_entry *entry, int64_t now_s);

/* All that report_entries() says of one entry. `*key` is decoded from it; NULL also if it can't. */
json_t *piece_entry(const struct routes *routes, struct store_reader *reader, struct slice name,
    const struct store_entry *entry, int64_t now_s);

#endif
