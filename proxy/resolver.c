/* resolver.c -- The addresses of backends that are named: looked up beside the workers, never by
 * one. */
#include "resolver.h"

#include "base/fault.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

enum { RESOLVER_NAME_MAX = 256, RESOLVER_PORT_MAX = 8, RESOLVER_STACK = 512 << 10 };

struct resolver_target {
	char host[RESOLVER_NAME_MAX];
	char port[RESOLVER_PORT_MAX];
	bool numeric;
};

struct resolver_entry {
	struct resolver_entry *next;
	struct resolver_target target; /* Set once. */
	/* Guarded by lock. */
	char *addresses; /* "1.2.3.4,[::1]"; NULL: none was found yet. */
	bool wanted;     /* To be looked up, once a thread is free. */
	bool busy;       /* It is being looked up. */
	bool asked;      /* Once at least, whatever came of it. */
};

struct resolver {
	pthread_mutex_t lock; /* Held for a copy, never across a look-up. */
	/* Guarded by lock. */
	struct resolver_entry *entries; /* They go with the last user. */
	unsigned users;                 /* The owner, and each thread. */
	unsigned threads;
	bool ended;
};

int
resolver_new(struct resolver **out)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL || pthread_mutex_init(&r->lock, NULL) != 0) {
		free(r);
		return -ENOMEM;
	}
	r->users = 1;
	*out = r;
	return 0;
}

static void
resolver_unref(struct resolver *r)
{
	pthread_mutex_lock(&r->lock);
	bool last = --r->users == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	while (r->entries != NULL) {
		struct resolver_entry *entry = r->entries;
		r->entries = entry->next;
		free(entry->addresses);
		free(entry);
	}
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	while (r->threads > 0 && fault_is("name-end")) {
		pthread_mutex_unlock(&r->lock);
		sched_yield();
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	resolver_unref(r);
}

/* What does not fit is cut off: no such name can be looked up. */
static void
resolver_copy(char *out, size_t size, struct slice text)
{
	size_t len = text.len < size ? text.len : size - 1;

	memcpy(out, text.at, len);
	out[len] = '\0';
}

/* Host and port of "http://host:port/"; the configuration has checked its form. */
static void
resolver_split(const char *url, struct resolver_target *out)
{
	struct slice rest = slice_of(url);
	bool https = slice_starts_with(rest, SLICE("https://"));
	size_t scheme = https ? strlen("https://") : strlen("http://");
	unsigned char address[sizeof(struct in6_addr)];

	rest = (struct slice){ rest.at + scheme, rest.len - scheme };
	struct slice authority = slice_cut(&rest, '/'), host = authority;
	out->numeric = authority.len > 0 && authority.at[0] == '[';
	if (out->numeric)
		return;
	host = slice_cut(&authority, ':');
	if (authority.len == 0)
		authority = https ? SLICE("443") : SLICE("80");
	resolver_copy(out->host, sizeof(out->host), host);
	resolver_copy(out->port, sizeof(out->port), authority);
	out->numeric = slice_equal_nocase(host, SLICE("localhost")) ||
		       inet_pton(AF_INET, out->host, address) == 1;
}

static void
resolver_put_addresses(const struct addrinfo *info, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	for (; info != NULL; info = info->ai_next) {
		bool v6 = info->ai_family == AF_INET6;
		const void *address =
		    v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)info->ai_addr)
			     ->sin6_addr
		       : (const void *)&((const struct sockaddr_in *)(const void *)info->ai_addr)
			     ->sin_addr;
		if (inet_ntop(info->ai_family, address, text, sizeof(text)) == NULL)
			continue;
		buf_printf(out, v6 ? "%s[%s]" : "%s%s", out->len > 0 ? "," : "", text);
	}
	buf_char(out, '\0');
}

/* Blocks on DNS. Returns NULL where there is none; caller frees. */
static char *
resolver_look_up(const struct resolver_target *target)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found = NULL;
	struct buf addresses = { 0 };

	int rc = getaddrinfo(target->host, target->port, &hints, &found);
	if (rc != 0) {
		log_warn("backend %s:%s: cannot find its address: %s", target->host, target->port,
		    gai_strerror(rc));
		return NULL;
	}
	resolver_put_addresses(found, &addresses);
	freeaddrinfo(found);
	if (buf_error(&addresses) == 0 && addresses.len > 1)
		return addresses.data;
	buf_free(&addresses);
	return NULL;
}

/* ---- Threads, while there is something to look up ------------------------------------------- */

static struct resolver_entry *
resolver_wanted_locked(struct resolver *r)
{
	struct resolver_entry *entry = r->entries;

	while (entry != NULL && !entry->wanted)
		entry = entry->next;
	return r->ended ? NULL : entry;
}

static void *
resolver_run(void *context)
{
	struct resolver *r = context;
	struct resolver_entry *entry;

	pthread_mutex_lock(&r->lock);
	while ((entry = resolver_wanted_locked(r)) != NULL) {
		entry->wanted = false;
		entry->busy = true;
		pthread_mutex_unlock(&r->lock);
		char *addresses = resolver_look_up(&entry->target), *old = NULL;
		pthread_mutex_lock(&r->lock);
		entry->busy = false;
		entry->asked = true;
		if (addresses != NULL) {
			old = entry->addresses;
			entry->addresses = addresses;
		}
		free(old);
	}
	r->threads--;
	pthread_mutex_unlock(&r->lock);
	resolver_unref(r);
	return NULL;
}

/* Nobody waits for these threads, not even at the end: one may hang in DNS for minutes. */
static int
resolver_start_thread_locked(struct resolver *r)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (pthread_attr_init(&attributes) != 0)
		return -ENOMEM;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, RESOLVER_STACK);
	int rc = -pthread_create(&thread, &attributes, resolver_run, r);
	pthread_attr_destroy(&attributes);
	r->threads += rc == 0;
	r->users += rc == 0;
	return rc;
}

static void
resolver_start_threads_locked(struct resolver *r)
{
	unsigned wanted = 0;
	int rc = 0;

	for (struct resolver_entry *entry = r->entries; entry != NULL; entry = entry->next)
		wanted += entry->wanted || entry->busy;
	while (rc == 0 && r->threads < wanted &&
	       (r->threads < RESOLVER_THREADS || fault_is("name-threads")))
		rc = resolver_start_thread_locked(r);
	if (rc != 0)
		log_warn("cannot look up backends beside the workers: %s", strerror(-rc));
}

static struct resolver_entry *
resolver_entry_locked(struct resolver *r, const struct resolver_target *target)
{
	struct resolver_entry *entry = r->entries;

	while (entry != NULL && (strcmp(entry->target.host, target->host) != 0 ||
				    strcmp(entry->target.port, target->port) != 0))
		entry = entry->next;
	return entry;
}

static void
resolver_want(struct resolver *r, const char *url)
{
	struct resolver_target target = { 0 };

	resolver_split(url, &target);
	if (target.numeric)
		return;
	pthread_mutex_lock(&r->lock);
	struct resolver_entry *entry = resolver_entry_locked(r, &target);
	if (entry == NULL && (entry = calloc(1, sizeof(*entry))) != NULL) {
		entry->target = target;
		entry->next = r->entries;
		r->entries = entry;
	}
	if (entry != NULL)
		entry->wanted = !entry->busy;
	pthread_mutex_unlock(&r->lock);
}

void
resolver_refresh(struct resolver *r, const struct config *config)
{
	for (size_t i = 0; i < config->n_backends; i++) {
		const struct config_backend *backend = &config->backends[i];
		for (size_t j = 0; j < backend->urls.n && backend->socket == NULL; j++)
			resolver_want(r, backend->urls.items[j].text);
	}
	pthread_mutex_lock(&r->lock);
	resolver_start_threads_locked(r);
	pthread_mutex_unlock(&r->lock);
}

enum resolver_answer
resolver_find(struct resolver *r, const char *url, struct arena *arena, const char **out)
{
	struct resolver_target target = { 0 };
	enum resolver_answer answer = RESOLVER_UNKNOWN;

	resolver_split(url, &target);
	if (target.numeric)
		return RESOLVER_NUMERIC;
	pthread_mutex_lock(&r->lock);
	const struct resolver_entry *entry = resolver_entry_locked(r, &target);
	if (entry != NULL && entry->addresses != NULL && !(entry->busy && fault_is("name-kept"))) {
		answer = RESOLVER_KNOWN;
		*out = arena_printf(arena, "%s:%s:%s", target.host, target.port, entry->addresses);
	} else if (entry != NULL && !entry->asked && r->threads > 0) {
		answer = RESOLVER_PENDING;
	}
	pthread_mutex_unlock(&r->lock);
	if (answer == RESOLVER_PENDING && fault_is("name-beside"))
		free(resolver_look_up(&target));
	return answer;
}
