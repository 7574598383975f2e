/* conn_state.h -- What a connection is made of: for conn.c and conn_pool.c only. */
#ifndef DORY_PROXY_CONN_STATE_H
#define DORY_PROXY_CONN_STATE_H

#include "conn.h"
#include "inflow.h"
#include "outbox.h"
#include "stdin.h"

enum conn_state {
	CONN_PARKED, /* Between requests, or a head is arriving. */
	CONN_BUSY,   /* A request is being served. */
	CONN_FLUSH,  /* Answered; the rest of it waits for the socket. */
	CONN_UNREAD, /* Answered before its body was read: the rest is thrown away. */
	CONN_CUT,    /* Its answer broke off; closed in a moment. */
	CONN_DEAD,   /* Closed; freed after this round of events. */
};

struct conn {
	struct watch watch;
	struct exchange x;
	struct timer timer; /* For a head that does not get whole, or a body nobody wants. */
	struct conn *next;
	struct conn **link;
	int fd;
	enum conn_state state;
	uint32_t events;  /* What epoll watches it for; 0: it does not. */
	bool look_again;  /* There may be something on the socket that no event will tell. */
	bool next_here;   /* What came of the next request is to be looked at by the timer. */
	bool half_closed; /* The peer sends no more. */
	bool keep;
	bool gone; /* The peer hung up or a write failed. */
	bool wide; /* Its socket has room for large bodies. */
	struct outbox outbox;
	struct inflow inflow;
	struct stdin_stream body;
	void (*moved)(struct exchange *x);
};

#define CONN_OF(pointer, member) ((struct conn *)((char *)(pointer)-offsetof(struct conn, member)))

/* ---- conn_pool.c: their memory
 * ------------------------------------------------------------------- */

/* NULL if memory is out. */
struct conn *conn_new(struct worker *worker);
void conn_link(struct conn *c, struct conn **list);
void conn_unlink(struct conn *c);

/* Free those that are dead, and those kept for later. The end of a worker. */
void conn_forget_all(struct worker *worker);

#endif
