/* walk.c -- The way through the tree of patterns that finds the most special one. */
#include "route/walk.h"

#include "http/target.h"
#include "route/order.h"

#include <errno.h>

/* One search. Segments are split and decoded once each, when first asked for. */
struct walk {
	struct slice host, path;
	struct pattern_request method;
	struct arena *arena;
	bool encoded; /* There is a "%" in the path. */
	int error;
	unsigned n_split;
	unsigned n_values;
	size_t starts[PATTERN_SEGMENTS_MAX + 1]; /* Past the path's length: no such segment. */
	struct slice segments[PATTERN_SEGMENTS_MAX];
	struct slice values[TUPLE_FIELDS_MAX];
	const struct pattern *best;
	bool best_has_host;
	struct walk_hit *hit;
};

static struct slice
walk_decode(struct walk *w, struct slice text)
{
	struct slice decoded = text;

	if (w->encoded && text.len > 0 && memchr(text.at, '%', text.len) != NULL &&
	    http_percent_decode(text, w->arena, &decoded) == -ENOMEM)
		w->error = -ENOMEM;
	return decoded;
}

/* Segment `i`, or false where the path has fewer. */
static bool
walk_segment(struct walk *w, unsigned i, struct slice *out)
{
	if (w->starts[i] > w->path.len)
		return false;
	if (i == w->n_split) {
		struct slice rest = { w->path.at + w->starts[i], w->path.len - w->starts[i] };
		struct slice text = slice_cut(&rest, '/');
		w->starts[i + 1] = w->starts[i] + text.len + 1;
		w->segments[i] = walk_decode(w, text);
		w->n_split++;
	}
	*out = w->segments[i];
	return true;
}

/* Does `p` come before the best so far? Never equal: tree_add() refuses that. */
static bool
walk_is_before(const struct walk *w, const struct pattern *p, bool has_host)
{
	const struct pattern *q = w->best;

	for (unsigned i = 0; i < p->n_segments && i < q->n_segments; i++) {
		if (p->segments[i].rank != q->segments[i].rank)
			return p->segments[i].rank < q->segments[i].rank;
	}
	if (has_host != w->best_has_host)
		return has_host;
	return pattern_method(p, &w->method) < pattern_method(q, &w->method);
}

/* The pattern that names the method best, of those from `from` to `to`. */
static const struct pattern *
walk_best_method(const struct walk *w, const struct tree_entry *from, const struct tree_entry *to)
{
	enum pattern_method rank = PATTERN_NOT;
	const struct pattern *best = NULL;

	for (const struct tree_entry *e = from; e < to && rank != PATTERN_NAMED; e++) {
		enum pattern_method method = pattern_method(e->pattern, &w->method);
		if (method < rank) {
			best = e->pattern;
			rank = method;
		}
	}
	return best;
}

/* Hosts are sorted, so many sites that share a pattern cost a binary search. */
static const struct pattern *
walk_best_of_host(const struct walk *w, const struct tree_node *node)
{
	unsigned low = 0, high = node->n_hosted, end;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (order_slices(node->entries[middle].host, w->host) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < node->n_hosted && slice_equal(node->entries[end].host, w->host);)
		end++;
	return walk_best_method(w, node->entries + low, node->entries + end);
}

/* What ends at a node and fits best, or NULL. */
static const struct pattern *
walk_choose(const struct walk *w, const struct tree_node *node, bool *has_host)
{
	const struct pattern *found = NULL;

	*has_host = false;
	if (node->only != NULL)
		return pattern_method(node->only, &w->method) == PATTERN_NOT ? NULL : node->only;
	if (node->n_entries == 0)
		return NULL;
	if (node->n_hosted > 0)
		found = walk_best_of_host(w, node);
	*has_host = found != NULL;
	return found != NULL ? found
			     : walk_best_method(w, node->entries + node->n_hosted,
				   node->entries + node->n_entries);
}

/* Offer what ends at `node`. Returns whether anything fits. */
static bool
walk_offer(struct walk *w, const struct tree_node *node)
{
	bool has_host;
	const struct pattern *pattern = walk_choose(w, node, &has_host);

	if (pattern == NULL)
		return false;
	if (w->best == NULL || walk_is_before(w, pattern, has_host)) {
		w->best = pattern;
		w->best_has_host = has_host;
		w->hit->pattern = pattern;
		memcpy(w->hit->values, w->values, pattern->n_arguments * sizeof(w->values[0]));
	}
	return true;
}

static bool walk_visit(struct walk *w, const struct tree_node *node, unsigned depth);

/* Go on behind an argument with that value. */
static bool
walk_visit_value(struct walk *w, const struct tree_node *child, unsigned depth, struct slice value)
{
	w->values[w->n_values++] = value;
	bool found = walk_visit(w, child, depth);
	w->n_values--;
	return found;
}

static bool
walk_visit_alternative(
    struct walk *w, const struct tree_alternative *a, unsigned depth, struct slice segment)
{
	if (a->type.kind == TYPE_PATH) {
		struct slice rest = { w->path.at + w->starts[depth],
			w->path.len - w->starts[depth] };
		w->values[w->n_values] = walk_decode(w, rest);
		return walk_offer(w, &a->child);
	}
	size_t around = a->prefix.len + a->suffix.len;
	if (around > 0) {
		if (segment.len < around || !slice_starts_with(segment, a->prefix) ||
		    memcmp(segment.at + segment.len - a->suffix.len,
			a->suffix.len == 0 ? "" : a->suffix.at, a->suffix.len) != 0)
			return false;
		segment = (struct slice){ segment.at + a->prefix.len, segment.len - around };
	}
	if (!type_fits(&a->type, segment))
		return false;
	if (type_canonical(&a->type, w->arena, &segment) != 0)
		w->error = -ENOMEM;
	return walk_visit_value(w, &a->child, depth + 1, segment);
}

/*
 * Where something is found, what is less special is not looked at; what is equally special is,
 * since the segments behind it decide. The depth is bounded by PATTERN_SEGMENTS_MAX, the nodes seen
 * by those of the tree.
 */
static bool
walk_visit(struct walk *w, const struct tree_node *node, unsigned depth)
{
	struct slice segment;
	bool found = false;

	if (w->starts[depth] > w->path.len)
		return walk_offer(w, node);
	if ((node->n_edges == 0 && node->alternatives == NULL) || !walk_segment(w, depth, &segment))
		return false;
	const struct tree_edge *edge = tree_find_edge(node, segment);
	if (edge != NULL && edge->is_literal && walk_visit(w, &edge->literal, depth + 1))
		return true;
	const struct tree_choice *c = edge == NULL ? NULL : edge->choices;
	for (; c != NULL; c = c->next)
		found = walk_visit_value(w, c->child, depth + 1, segment) || found;
	uint32_t rank = 0;
	for (const struct tree_alternative *a = node->alternatives; a != NULL; a = a->next) {
		if (found && a->rank != rank)
			break;
		rank = a->rank;
		found = walk_visit_alternative(w, a, depth, segment) || found;
	}
	return found;
}

int
walk_match(const struct tree *t, struct slice host, struct slice method, struct slice path,
    struct arena *arena, struct walk_hit *out)
{
	struct walk w;

	out->pattern = NULL;
	if (t->root == NULL || path.len == 0)
		return 0;
	w.host = host;
	w.method = pattern_request(method);
	w.path = path;
	w.arena = arena;
	w.encoded = memchr(path.at, '%', path.len) != NULL;
	w.error = 0;
	w.n_split = 0;
	w.n_values = 0;
	w.starts[0] = 1;
	w.best = NULL;
	w.hit = out;
	walk_visit(&w, t->root, 0);
	return w.error;
}
