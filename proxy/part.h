/* part.h -- Parts of responses: served, asked for, put together (RFC 9111 sections 3.3 and 3.4). */
#ifndef DORY_PROXY_PART_H
#define DORY_PROXY_PART_H

#include "exchange.h"
#include "http/range.h"

/*
 * A part is stored as a 206 whose Content-Range says which, under the name that the whole would
 * have; so all that covers the one covers the other. At most so many bytes: it is held in memory
 * while another is joined to it.
 */
enum { PART_STATUS = 206, PART_MAX = 512 * 1024 };

/* Where does a stored part belong? Returns: 0; -EINVAL (it is none). */
int part_content(const struct store_entry *entry, struct range_content *out) NODISCARD;

/* Is all that x asks for within the stored part, which is fresh? */
bool part_holds(const struct exchange *x, const struct store_entry *entry);

/*
 * x asks for more than the fresh part of the open snapshot has: keep a copy, to be joined with what
 * is fetched. Body pieces and file are where serve.c has them. Out of memory: it is not kept.
 */
void part_note(struct exchange *x, const struct store_entry *entry, size_t n_body);

/* Nothing whole is stored: is x's Range to be asked for as it is, and not the whole? */
void part_wish(struct exchange *x);

#endif
