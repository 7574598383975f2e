/* conn_pool.c -- The memory of connections: freed after each round of events, some kept for the
 * next. */
#include "conn_state.h"

#include <stdlib.h>

enum { CONN_SPARE = 64 };

void
conn_link(struct conn *c, struct conn **list)
{
	c->next = *list;
	c->link = list;
	if (c->next != NULL)
		c->next->link = &c->next;
	*list = c;
}

void
conn_unlink(struct conn *c)
{
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
}

struct conn *
conn_new(struct worker *worker)
{
	struct conn *c = worker->conns_spare;

	if (c == NULL)
		return calloc(1, sizeof(*c));
	worker->conns_spare = c->next;
	worker->n_spare--;
	*c = (struct conn){ .x.arena = c->x.arena };
	return c;
}

static void
conn_free(struct conn *c)
{
	arena_fini(&c->x.arena);
	free(c);
}

/* Web servers that open a connection for each request need the next one at once. */
void
conn_reap(struct worker *worker)
{
	while (worker->conns_dead != NULL) {
		struct conn *c = worker->conns_dead;
		conn_unlink(c);
		if (worker->n_spare == CONN_SPARE) {
			conn_free(c);
			continue;
		}
		c->next = worker->conns_spare;
		worker->conns_spare = c;
		worker->n_spare++;
	}
}

void
conn_forget_all(struct worker *worker)
{
	conn_reap(worker);
	while (worker->conns_spare != NULL) {
		struct conn *c = worker->conns_spare;
		worker->conns_spare = c->next;
		worker->n_spare--;
		conn_free(c);
	}
}
