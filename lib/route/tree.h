/* tree.h -- Patterns as a tree over path segments: finding one does not depend on how many. */
#ifndef DORY_ROUTE_TREE_H
#define DORY_ROUTE_TREE_H

#include "route/pattern.h"

struct tree_edge;
struct tree_alternative;
struct tree_choice;

/* A pattern that ends at a node, once for each of its hosts. */
struct tree_entry {
	struct slice host; /* at == NULL: any. */
	const struct pattern *pattern;
};

struct tree_slot {
	uint32_t hash;
	struct tree_edge *edge; /* NULL: free. */
};

/*
 * What a match visits lies together: nodes are part of the edge or alternative that leads to them,
 * and these begin with a cache line, so that among ten thousand routes a step costs two lines.
 */
enum { TREE_LINE_BYTES = 64, TREE_NEAR_BYTES = 23 };

struct tree_node {
	const struct pattern *only; /* The entry, where there is one and it is for any host. */
	struct tree_alternative *alternatives; /* Sorted by rank. */
	struct tree_slot *slots;               /* mask + 1 of them, never all in use. */
	uint32_t mask, n_edges;
	struct tree_entry *entries; /* Sorted by host, those for any host last. */
	unsigned n_entries, n_hosted;
	struct tree_choice *choices; /* Every enumeration once: for building. */
};

/* One text that a segment may have: as a literal, and as a word of enumerations. */
struct tree_edge {
	struct slice text; /* In `near`, or behind the struct. */
	char near[TREE_NEAR_BYTES];
	bool is_literal;
	struct tree_node literal;
	struct tree_choice *choices;
};

/* An enumeration: its words lead to one child. */
struct tree_choice {
	const struct type *type;
	struct tree_node *child;
	struct tree_choice *next;
};

/* A segment with an argument that no table of texts can find. */
struct tree_alternative {
	struct tree_alternative *next;
	uint32_t rank;
	struct type type;
	struct slice prefix, suffix;
	struct tree_node child;
};

/* A zeroed struct is an empty tree. Its memory is in the arena given to tree_add(). */
struct tree {
	struct tree_node *root;
};

/*
 * Add a pattern for one host (at == NULL: any). Both must outlive the tree.
 *
 * clash:   set to a pattern that could match the same request with equal rank; then nothing is
 *          added. Else NULL.
 * Returns: 0; -ENOMEM.
 */
int tree_add(struct tree *t, const struct pattern *pattern, struct slice host, struct arena *arena,
    const struct pattern **clash) NODISCARD;

/* Zeroed memory that begins with a cache line. NULL if memory is out. */
void *tree_alloc(struct arena *arena, size_t size) NODISCARD;

/* What a segment of that text leads to, or NULL. Thread-safe: pure. */
struct tree_edge *tree_find_edge(const struct tree_node *node, struct slice text);

#endif
