/* tree.c -- Patterns as a tree over path segments: finding one does not depend on how many. */
#include "route/tree.h"

#include "route/order.h"

#include <errno.h>
#include <xxhash.h>

/* Room for one more of `n` items whose array has grown in powers of two. */
static void *
tree_grow(struct arena *arena, void *items, size_t n, size_t size)
{
	if (n > 0 && (n & (n - 1)) != 0)
		return items;
	void *more = arena_alloc(arena, (n == 0 ? 1 : 2 * n) * size);
	if (more != NULL && n > 0)
		memcpy(more, items, n * size);
	return more;
}

void *
tree_alloc(struct arena *arena, size_t size)
{
	char *at = arena_zalloc(arena, size + TREE_LINE_BYTES);

	if (at == NULL)
		return NULL;
	size_t past = (uintptr_t)at % TREE_LINE_BYTES;
	return at + (past == 0 ? 0 : TREE_LINE_BYTES - past);
}

static uint32_t
tree_hash(struct slice text)
{
	return (uint32_t)XXH3_64bits(text.at, text.len);
}

static void
tree_fill_slot(struct tree_node *node, uint32_t hash, struct tree_edge *edge)
{
	uint32_t i = hash & node->mask;

	while (node->slots[i].edge != NULL)
		i = (i + 1) & node->mask;
	node->slots[i] = (struct tree_slot){ hash, edge };
}

struct tree_edge *
tree_find_edge(const struct tree_node *node, struct slice text)
{
	if (node->n_edges == 0)
		return NULL;
	uint32_t hash = tree_hash(text);
	for (uint32_t i = hash & node->mask;; i = (i + 1) & node->mask) {
		const struct tree_slot *slot = &node->slots[i];
		if (slot->edge == NULL)
			return NULL;
		if (slot->hash == hash && slice_equal(slot->edge->text, text))
			return slot->edge;
	}
}

/* Room for one more edge: twice as many slots where three quarters are in use. */
static int
tree_grow_slots(struct tree_node *node, struct arena *arena)
{
	uint32_t size = node->slots == NULL ? 0 : node->mask + 1;
	struct tree_slot *old = node->slots;

	if (4 * (node->n_edges + 1) <= 3 * size)
		return 0;
	node->mask = size == 0 ? 3 : 2 * size - 1;
	node->slots = tree_alloc(arena, (node->mask + 1) * sizeof(*node->slots));
	if (node->slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		if (old[i].edge != NULL)
			tree_fill_slot(node, old[i].hash, old[i].edge);
	}
	return 0;
}

static struct tree_edge *
tree_add_edge(struct tree_node *node, struct slice text, struct arena *arena)
{
	struct tree_edge *edge = tree_find_edge(node, text);

	if (edge != NULL)
		return edge;
	bool is_near = text.len <= TREE_NEAR_BYTES;
	edge = tree_alloc(arena, sizeof(*edge) + (is_near ? 0 : text.len));
	if (edge == NULL || tree_grow_slots(node, arena) != 0)
		return NULL;
	char *bytes = is_near ? edge->near : (char *)(edge + 1);
	if (text.len > 0)
		memcpy(bytes, text.at, text.len);
	edge->text = (struct slice){ bytes, text.len };
	tree_fill_slot(node, tree_hash(text), edge);
	node->n_edges++;
	return edge;
}

static struct tree_node *
tree_add_literal(struct tree_node *node, struct slice text, struct arena *arena)
{
	struct tree_edge *edge = tree_add_edge(node, text, arena);

	if (edge == NULL)
		return NULL;
	edge->is_literal = true;
	return &edge->literal;
}

static struct tree_node *
tree_add_choice(struct tree_node *node, const struct type *type, struct arena *arena)
{
	for (struct tree_choice *c = node->choices; c != NULL; c = c->next) {
		if (type_equal(c->type, type))
			return c->child;
	}
	struct tree_choice *all = arena_alloc(arena, (type->n_words + 1) * sizeof(*all));
	struct tree_node *child = arena_zalloc(arena, sizeof(*child));
	if (all == NULL || child == NULL)
		return NULL;
	all[0] = (struct tree_choice){ type, child, node->choices };
	node->choices = &all[0];
	for (unsigned i = 0; i < type->n_words; i++) {
		struct tree_edge *edge = tree_add_edge(node, type->words[i], arena);
		if (edge == NULL)
			return NULL;
		all[i + 1] = (struct tree_choice){ type, child, edge->choices };
		edge->choices = &all[i + 1];
	}
	return child;
}

static struct tree_node *
tree_add_alternative(
    struct tree_node *node, const struct pattern_segment *segment, struct arena *arena)
{
	struct tree_alternative **at = &node->alternatives;

	for (; *at != NULL && (*at)->rank <= segment->rank; at = &(*at)->next) {
		struct tree_alternative *a = *at;
		if (a->rank == segment->rank && slice_equal(a->prefix, segment->text) &&
		    slice_equal(a->suffix, segment->suffix) &&
		    type_equal(&a->type, &segment->argument.type))
			return &a->child;
	}
	struct tree_alternative *a = tree_alloc(arena, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->next = *at;
	a->rank = segment->rank;
	a->type = segment->argument.type;
	a->prefix = segment->text;
	a->suffix = segment->suffix;
	*at = a;
	return &a->child;
}

/* An enumeration without text around it: found in the table, one entry a word. */
static bool
tree_is_choice(const struct pattern_segment *s)
{
	return s->argument.type.kind == TYPE_ENUM && s->text.len + s->suffix.len == 0;
}

static int
tree_add_entry(
    struct tree_node *node, const struct pattern *pattern, struct slice host, struct arena *arena)
{
	struct tree_entry *all = tree_grow(arena, node->entries, node->n_entries, sizeof(*all));
	unsigned at = 0;

	if (all == NULL)
		return -ENOMEM;
	node->entries = all;
	if (host.at == NULL)
		at = node->n_entries;
	while (at < node->n_hosted && order_slices(all[at].host, host) <= 0)
		at++;
	memmove(&all[at + 1], &all[at], (node->n_entries - at) * sizeof(*all));
	all[at] = (struct tree_entry){ host, pattern };
	node->n_entries++;
	node->n_hosted += host.at != NULL;
	node->only = node->n_entries == 1 && host.at == NULL ? pattern : NULL;
	return 0;
}

/* Can one segment have both texts around its argument? */
static bool
tree_texts_meet(const struct tree_alternative *a, const struct pattern_segment *s)
{
	struct slice tail = a->suffix, other = s->suffix;

	if (tail.len > other.len) {
		tail = s->suffix;
		other = a->suffix;
	}
	return (slice_starts_with(a->prefix, s->text) || slice_starts_with(s->text, a->prefix)) &&
	       (tail.len == 0 || memcmp(tail.at, other.at + other.len - tail.len, tail.len) == 0);
}

static const struct pattern *
tree_clash_here(const struct tree_node *node, const struct pattern *pattern, struct slice host)
{
	for (unsigned i = 0; i < node->n_entries; i++) {
		const struct tree_entry *e = &node->entries[i];
		if ((e->host.at == NULL) == (host.at == NULL) && slice_equal(e->host, host) &&
		    pattern_methods_clash(e->pattern, pattern))
			return e->pattern;
	}
	return NULL;
}

static const struct pattern *
tree_clash(
    const struct tree_node *node, const struct pattern *pattern, struct slice host, unsigned depth)
{
	const struct pattern_segment *s = &pattern->segments[depth];
	const struct pattern *clash = NULL;

	if (depth == pattern->n_segments)
		return tree_clash_here(node, pattern, host);
	if (!s->is_argument) {
		const struct tree_edge *edge = tree_find_edge(node, s->text);
		return edge == NULL ? NULL : tree_clash(&edge->literal, pattern, host, depth + 1);
	}
	if (tree_is_choice(s)) {
		for (const struct tree_choice *c = node->choices; c != NULL && !clash; c = c->next)
			clash = type_overlaps(c->type, &s->argument.type)
				    ? tree_clash(c->child, pattern, host, depth + 1)
				    : NULL;
		return clash;
	}
	for (const struct tree_alternative *a = node->alternatives; a != NULL; a = a->next) {
		if (clash == NULL && a->rank == s->rank &&
		    type_overlaps(&a->type, &s->argument.type) && tree_texts_meet(a, s))
			clash = tree_clash(&a->child, pattern, host, depth + 1);
	}
	return clash;
}

int
tree_add(struct tree *t, const struct pattern *pattern, struct slice host, struct arena *arena,
    const struct pattern **clash)
{
	*clash = NULL;
	if (t->root == NULL)
		t->root = arena_zalloc(arena, sizeof(*t->root));
	if (t->root == NULL)
		return -ENOMEM;
	*clash = tree_clash(t->root, pattern, host, 0);
	if (*clash != NULL)
		return 0;
	struct tree_node *node = t->root;
	for (unsigned i = 0; node != NULL && i < pattern->n_segments; i++) {
		const struct pattern_segment *s = &pattern->segments[i];
		if (!s->is_argument)
			node = tree_add_literal(node, s->text, arena);
		else if (tree_is_choice(s))
			node = tree_add_choice(node, &s->argument.type, arena);
		else
			node = tree_add_alternative(node, s, arena);
	}
	return node == NULL ? -ENOMEM : tree_add_entry(node, pattern, host, arena);
}
