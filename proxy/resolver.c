/* resolver.c -- The addresses of backends that are named: looked up beside the workers, never by
 * one. */
#include "resolver.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { RESOLVER_NAME_MAX = 256, RESOLVER_PORT_MAX = 8 };

struct resolver_entry {
	struct resolver_entry *next;
	char name[RESOLVER_NAME_MAX + RESOLVER_PORT_MAX]; /* "host:port" */
	char *addresses;                                  /* "1.2.3.4,[::1]" */
};

struct resolver {
	pthread_mutex_t lock; /* Held for a copy, never across a look-up. */
	/* Guarded by lock. */
	struct resolver_entry *entries;
};

struct resolver_target {
	char host[RESOLVER_NAME_MAX];
	char port[RESOLVER_PORT_MAX];
	bool numeric;
};

int
resolver_new(struct resolver **out)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL || pthread_mutex_init(&r->lock, NULL) != 0) {
		free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
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
	snprintf(out->host, sizeof(out->host), "%.*s", SLICE_ARGS(host));
	if (authority.len > 0)
		snprintf(out->port, sizeof(out->port), "%.*s", SLICE_ARGS(authority));
	else
		snprintf(out->port, sizeof(out->port), "%s", https ? "443" : "80");
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

static struct resolver_entry *
resolver_entry_locked(struct resolver *r, const char *name)
{
	struct resolver_entry *entry = r->entries;

	while (entry != NULL && strcmp(entry->name, name) != 0)
		entry = entry->next;
	return entry;
}

/* `addresses` is taken. */
static void
resolver_set(struct resolver *r, const char *name, char *addresses)
{
	pthread_mutex_lock(&r->lock);
	struct resolver_entry *entry = resolver_entry_locked(r, name);
	if (entry == NULL && (entry = calloc(1, sizeof(*entry))) != NULL) {
		snprintf(entry->name, sizeof(entry->name), "%s", name);
		entry->next = r->entries;
		r->entries = entry;
	}
	char *old = addresses;
	if (entry != NULL) {
		old = entry->addresses;
		entry->addresses = addresses;
	}
	pthread_mutex_unlock(&r->lock);
	free(old);
}

static void
resolver_look_up(struct resolver *r, const char *url)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct resolver_target target = { 0 };
	struct addrinfo *found = NULL;
	char name[RESOLVER_NAME_MAX + RESOLVER_PORT_MAX];
	struct buf addresses = { 0 };

	resolver_split(url, &target);
	if (target.numeric)
		return;
	int rc = getaddrinfo(target.host, target.port, &hints, &found);
	if (rc != 0) {
		log_warn("backend %s: cannot find its address: %s", url, gai_strerror(rc));
		return;
	}
	resolver_put_addresses(found, &addresses);
	freeaddrinfo(found);
	snprintf(name, sizeof(name), "%s:%s", target.host, target.port);
	if (buf_error(&addresses) == 0 && addresses.len > 1)
		resolver_set(r, name, addresses.data);
	else
		buf_free(&addresses);
}

void
resolver_refresh(struct resolver *r, const struct config *config)
{
	for (size_t i = 0; i < config->n_backends; i++) {
		const struct config_backend *backend = &config->backends[i];
		for (size_t j = 0; j < backend->urls.n && backend->socket == NULL; j++)
			resolver_look_up(r, backend->urls.items[j].text);
	}
}

enum resolver_answer
resolver_find(struct resolver *r, const char *url, struct arena *arena, const char **out)
{
	struct resolver_target target = { 0 };
	char name[RESOLVER_NAME_MAX + RESOLVER_PORT_MAX];
	bool known;

	resolver_split(url, &target);
	if (target.numeric)
		return RESOLVER_NUMERIC;
	snprintf(name, sizeof(name), "%s:%s", target.host, target.port);
	pthread_mutex_lock(&r->lock);
	const struct resolver_entry *entry = resolver_entry_locked(r, name);
	known = entry != NULL;
	*out = known ? arena_printf(arena, "%s:%s", name, entry->addresses) : NULL;
	pthread_mutex_unlock(&r->lock);
	return known ? RESOLVER_KNOWN : RESOLVER_UNKNOWN;
}
