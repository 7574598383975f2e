/* dory_print.h -- What the dory command says to people, from the trees of lib/report. */
#ifndef DORY_PROXY_DORY_PRINT_H
#define DORY_PROXY_DORY_PRINT_H

#include "base/buf.h"

#include <jansson.h>

/* Each appends lines for a terminal: whatever stands in the tree, no control byte gets there. */
void dory_print_fine(const json_t *tree, struct buf *out);
void dory_print_explain(const json_t *tree, struct buf *out);
/* The same where the store could not be asked. */
void dory_print_explain_unstored(const json_t *tree, struct buf *out);
void dory_print_deflated(const json_t *tree, struct buf *out);
void dory_print_entries(const json_t *page, bool first, struct buf *out);
void dory_print_variants(const json_t *tree, struct buf *out);
void dory_print_stat(const json_t *tree, struct buf *out);
void dory_print_switched(const json_t *tree, struct buf *out);

#endif
