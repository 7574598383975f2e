/* judge.c -- Does something fetched at a sequence live? The one test behind every door. */
#include "store/store_internal.h"

#include "base/fault.h"

#include <errno.h>

/* The highest deflates found so far. */
struct judge_marks {
	uint64_t hard, soft;
	bool unreadable;
};

static const char *
judge_door_name(enum store_door door)
{
	switch (door) {
	case STORE_DOOR_HIT:
		return "hit";
	case STORE_DOOR_JOIN:
		return "join";
	case STORE_DOOR_LEASE:
		return "lease";
	case STORE_DOOR_TAGS:
		return "tags";
	case STORE_DOOR_STORE:
		return "store";
	case STORE_DOOR_FRESHEN:
		return "freshen";
	case STORE_DOOR_STALE:
		return "stale";
	case STORE_DOOR_WRITE:
		return "write";
	}
	return "";
}

static void
judge_look(const struct judge_view *view, struct scope scope, struct judge_marks *marks)
{
	struct deflated found;
	int rc = deflated_get(view->store, view->txn, scope, &found);

	if (rc == 0 && found.hard > marks->hard)
		marks->hard = found.hard;
	if (rc == 0 && found.soft > marks->soft)
		marks->soft = found.soft;
	if (rc != 0 && rc != -ENOENT)
		marks->unreadable = true;
}

static struct judge_marks
judge_gather(const struct judge_view *view, const struct tuple *key, struct slice tags)
{
	struct judge_marks marks = { 0 };
	struct slice tag;

	judge_look(view, (struct scope){ SCOPE_ALL, { NULL, 0 } }, &marks);
	for (unsigned i = 0; i < key->n; i++)
		judge_look(
		    view, (struct scope){ SCOPE_KEY, { key->bytes.at, key->ends[i] } }, &marks);
	while (tags.len > 0 && !marks.unreadable) {
		if (tuple_next(&tags, &tag) != 0)
			marks.unreadable = true;
		else
			judge_look(view, (struct scope){ SCOPE_TAG, tag }, &marks);
	}
	return marks;
}

struct store_judgement
judge_in(const struct judge_view *view, enum store_door door, uint64_t sequence,
    const struct tuple *key, struct slice tags)
{
	const struct store_judgement alive = { STORE_ALIVE, 0 };

	if (fault_is(judge_door_name(door)))
		return alive;
	/* These two stand one behind the other. */
	if ((door == STORE_DOOR_HIT || door == STORE_DOOR_STALE) && fault_is("hit-and-stale"))
		return alive;
	/* Who joins wrongly would be sent away at this door, and join again, for ever. */
	if (door == STORE_DOOR_TAGS && fault_is("join"))
		return alive;
	if (sequence < view->state->floor && !fault_is("floor"))
		return (struct store_judgement){ STORE_DEAD, view->state->floor };
	if (sequence >= view->state->sequence)
		return alive;
	struct judge_marks marks = judge_gather(view, key, tags);
	if (marks.unreadable)
		return (struct store_judgement){ STORE_DEAD, view->state->sequence };
	if (marks.hard > sequence)
		return (struct store_judgement){ STORE_DEAD, marks.hard };
	if (marks.soft > sequence)
		return (struct store_judgement){ STORE_SOFT, marks.soft };
	return alive;
}
