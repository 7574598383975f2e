/* origin_state.h -- What a fetch and its driver are made of: for origin.c, handle.c and fetch.c. */
#ifndef DORY_PROXY_ORIGIN_STATE_H
#define DORY_PROXY_ORIGIN_STATE_H

#include "origin.h"

#include <curl/curl.h>

enum { ORIGIN_SPARE_HANDLES = 64 };

struct origin {
	struct worker *worker;
	CURLM *multi;
	struct timer timer;
	struct origin_socket **sockets; /* By descriptor: those that are watched, or rest. */
	size_t n_sockets;
	struct origin_socket *dead; /* Freed when the events at hand are done. */
	CURL *spare[ORIGIN_SPARE_HANDLES];
	unsigned n_spare;
	struct origin_url *urls;
	size_t n_urls;
};

/* One of a backend's urls, taken apart once: libcurl would do so for each fetch. */
struct origin_url {
	char *text;
	CURLU *parsed;
};

struct origin_socket {
	struct watch watch;
	struct origin *origin;
	struct origin_socket *next_dead;
	curl_socket_t fd; /* CURL_SOCKET_BAD: closed. */
	uint32_t events;  /* Watched for; 0: not watched. */
	bool resting;     /* Kept for the next fetch: no transfer has it. */
};

struct fetch {
	struct origin *origin;
	struct fetch_order order;
	CURL *easy;
	char *target;
	struct curl_slist *fields;
	struct curl_slist *address; /* Of a named backend. */
	struct timer deadline;      /* First byte, then between bytes; or the end. */
	struct timer resume;
	struct timer ask_name; /* While `naming`. */
	size_t url;            /* Which of the backend's is being tried. */
	int64_t end_ms;        /* It is over then, whatever comes. */
	int64_t limit_ms;      /* Without a sign of life. */
	bool naming;           /* The address at hand is being looked up. */
	bool connected;        /* The request is on its way, or may be. */
	bool announced;        /* `head` was called. */
	bool cancelled;
	bool late;
	bool body_paused;
	bool upload_paused;
	bool clean;           /* It ended as it should: its handle may be used again. */
	struct answer answer; /* Last: see fetch_start(). */
};

#define ORIGIN_OF(type, pointer, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* ---- fetch.c: what libcurl calls, and how a fetch ends ------------------------------------------
 */

int fetch_on_connected(void *context, char *peer, char *own, int peer_port, int own_port);
size_t fetch_on_header(char *bytes, size_t size, size_t n, void *context);
size_t fetch_on_body(char *bytes, size_t size, size_t n, void *context);
size_t fetch_on_upload(char *out, size_t size, size_t n, void *context);

/* libcurl is done with it, one way or another. `f` is gone, or tries another address. */
void fetch_finish(struct fetch *f, CURLcode code);

/* ---- handle.c: what libcurl is told -----------------------------------------------------------
 */

/* A handle for a fetch, used before or new; NULL if memory is out. */
CURL *handle_take(struct origin *o);
void handle_give(struct origin *o, CURL *easy, bool clean); /* NULL is fine. */
void handle_drop_all(struct origin *o);

/*
 * A line for libcurl, which reads such a list and leaves it alone: it goes with the arena, where
 * curl_slist_append() would allocate twice a line. `line` lives as long; NULL: out of memory.
 */
struct curl_slist *handle_line(struct arena *arena, const char *line);

/* The list of what the order's head has. Returns: 0; -EINVAL; -ENOMEM. */
int handle_make_fields(struct fetch *f) NODISCARD;

/* All of a fetch, at the url and address at hand. Returns: 0; -ENOMEM. */
int handle_tell(struct fetch *f) NODISCARD;

/* ---- origin.c: sockets, timers --------------------------------------------------------------- */

int origin_on_close(void *context, curl_socket_t fd);

/* Let libcurl act on a descriptor, or on time (CURL_SOCKET_TIMEOUT), and end what is done. */
void origin_act(struct origin *o, curl_socket_t fd, int what);

#endif
