/* fcgiload.c -- Load straight over a FastCGI socket: rates, latencies, and what the answer cost. */
#include "base/attributes.h"
#include "fcgirequest.h"
#include "latencies.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	RECORD_END = 3,
	RECORD_STDOUT = 6,
	RECORD_HEAD = 8,
	NUMBERS_MAX = 4,
	PATHS_MAX = 64,
	INPUT_MAX = 256 << 10,
	BLOCK_MAX = 16 << 10, /* Of an answer's header block. */
	EVENTS_MAX = 64,
	CONNECTIONS_MAX = 4096,
	NUMBER_LEN = 8, /* Digits, where each request has a path of its own. */
};

struct request {
	struct fcgirequest sent;
	size_t numbers[NUMBERS_MAX];
	unsigned n_numbers;
};

/* One connection and the answer that it is reading. */
struct client {
	int fd;
	bool busy;
	int64_t began_us;
	unsigned char head[RECORD_HEAD]; /* Of the current record. */
	size_t head_have;
	size_t content, padding; /* Of it, still to come. */
	char block[BLOCK_MAX];
	size_t block_have;
	bool block_ended;
	uint64_t body, body_want;
};

static struct {
	struct sockaddr_storage address;
	socklen_t address_len;
	struct request requests[PATHS_MAX];
	unsigned n_paths, next_path;
	bool keep, numbered;
	int epoll;
	uint64_t limit, begun, done, errors, body_bytes;
	struct latencies latencies;
} load;

static void
load_fail(const char *what)
{
	fprintf(stderr, "fcgiload: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Put it in place of what stands where the path had its zeros, or the number before. */
static void
request_number(struct request *r, uint64_t number)
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%08llu", (unsigned long long)number);

	for (unsigned i = 0; i < r->n_numbers && n == NUMBER_LEN; i++)
		memcpy(r->sent.bytes + r->numbers[i], digits, NUMBER_LEN);
}

static void
request_find_numbers(struct request *r)
{
	for (size_t at = 0; at + NUMBER_LEN <= r->sent.len && r->n_numbers < NUMBERS_MAX; at++) {
		if (memcmp(r->sent.bytes + at, "00000000", NUMBER_LEN) == 0)
			r->numbers[r->n_numbers++] = at;
	}
}

static void
client_drop(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->busy = false;
}

static bool
client_connect(struct client *c)
{
	struct timeval limit = { .tv_sec = 2 };
	c->fd = socket(load.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	if (c->fd < 0)
		return false;
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return connect(c->fd, (struct sockaddr *)&load.address, load.address_len) == 0 &&
	       epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

/* Send the next request, on a new connection where there is none. False: nothing was begun. */
static bool
client_begin(struct client *c)
{
	if (load.begun == load.limit)
		return false;
	struct request *r = &load.requests[load.next_path++ % load.n_paths];
	load.begun++;
	if (load.numbered)
		request_number(r, load.begun);
	c->began_us = latencies_clock_us(CLOCK_MONOTONIC);
	c->head_have = c->content = c->padding = c->block_have = 0;
	c->block_ended = false;
	c->body = 0;
	c->busy = true;
	if ((c->fd < 0 && !client_connect(c)) ||
	    send(c->fd, r->sent.bytes, r->sent.len, MSG_NOSIGNAL) != (ssize_t)r->sent.len) {
		load.errors++;
		load.done++;
		client_drop(c);
		return false;
	}
	return true;
}

static void
client_block_end(struct client *c)
{
	c->block[c->block_have] = '\0';
	const char *length = strcasestr(c->block, "content-length:");
	c->body_want = length != NULL ? strtoull(length + 15, NULL, 10) : 0;
	if (strncasecmp(c->block, "status: 200", 11) != 0 || length == NULL)
		c->body_want = UINT64_MAX; /* Never met: counted as an error. */
	c->block_ended = true;
}

/* Output of the responder: the header block up to its blank line, then the body. */
static void
client_output(struct client *c, const unsigned char *bytes, size_t len)
{
	size_t i = 0;
	for (; i < len && !c->block_ended && c->block_have < BLOCK_MAX - 1; i++) {
		c->block[c->block_have++] = (char)bytes[i];
		if (c->block_have >= 4 && memcmp(c->block + c->block_have - 4, "\r\n\r\n", 4) == 0)
			client_block_end(c);
	}
	c->body += len - i;
}

static void
client_end(struct client *c)
{
	bool right = c->block_ended && c->body == c->body_want;

	latencies_add(&load.latencies, c->began_us);
	load.done++;
	load.errors += !right;
	load.body_bytes += c->body;
	c->busy = false;
	if (!load.keep || !right)
		client_drop(c);
}

/* Go through what was read. True: the answer has ended. */
static bool
client_parse(struct client *c, const unsigned char *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		if (c->head_have < RECORD_HEAD) {
			c->head[c->head_have++] = bytes[at++];
			if (c->head_have < RECORD_HEAD)
				continue;
			c->content = (size_t)c->head[4] << 8 | c->head[5];
			c->padding = c->head[6];
		}
		size_t n = len - at < c->content ? len - at : c->content;
		if (c->head[1] == RECORD_STDOUT)
			client_output(c, bytes + at, n);
		c->content -= n;
		at += n;
		n = len - at < c->padding ? len - at : c->padding;
		c->padding -= n;
		at += n;
		if (c->content > 0 || c->padding > 0)
			break;
		c->head_have = 0;
		if (c->head[1] == RECORD_END)
			return true;
	}
	return false;
}

/* Read what has come. True: the client is free for the next request. */
static bool
client_step(struct client *c)
{
	static unsigned char input[INPUT_MAX];
	ssize_t got = recv(c->fd, input, sizeof(input), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		load.errors += c->busy;
		load.done += c->busy;
		client_drop(c);
		return true;
	}
	if (!c->busy || !client_parse(c, input, (size_t)got))
		return false;
	client_end(c);
	return true;
}

static void
load_address(const char *text)
{
	struct sockaddr_un *a = (struct sockaddr_un *)&load.address;
	if (strncmp(text, "unix:", 5) == 0 && strlen(text + 5) < sizeof(a->sun_path)) {
		a->sun_family = AF_UNIX;
		strcpy(a->sun_path, text + 5);
		load.address_len = sizeof(*a);
		return;
	}
	char host[256];
	const char *colon = strrchr(text, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found = NULL;
	snprintf(host, sizeof(host), "%.*s", colon != NULL ? (int)(colon - text) : 0, text);
	if (colon == NULL || getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		errno = EINVAL;
		load_fail(text);
	}
	memcpy(&load.address, found->ai_addr, found->ai_addrlen);
	load.address_len = found->ai_addrlen;
	freeaddrinfo(found);
}

/* Until the time is over or all is done; what is then under way is left. */
static void
load_run(struct client *clients, unsigned n_clients, int64_t end_us)
{
	for (unsigned i = 0; i < n_clients; i++) {
		clients[i].fd = -1;
		client_begin(&clients[i]);
	}
	while (load.done < load.limit) {
		struct epoll_event events[EVENTS_MAX];
		int64_t left_us = end_us - latencies_clock_us(CLOCK_MONOTONIC);
		if (left_us <= 0)
			break;
		int n = epoll_wait(load.epoll, events, EVENTS_MAX, (int)(left_us / 1000) + 1);
		for (int i = 0; i < n; i++)
			if (client_step(events[i].data.ptr))
				client_begin(events[i].data.ptr);
	}
}

static void
load_report(int64_t took_us, int64_t cpu_us, bool with_cpu)
{
	double done = load.done > 0 ? (double)load.done : 1;
	printf("requests=%llu rate=%.0f p50_us=%u p99_us=%u max_us=%u errors=%llu unfinished=%llu "
	       "body_bytes=%llu",
	    (unsigned long long)load.done, (double)load.done * 1e6 / (double)took_us,
	    latencies_percentile(&load.latencies, 0.5), latencies_percentile(&load.latencies, 0.99),
	    latencies_percentile(&load.latencies, 0.999999), (unsigned long long)load.errors,
	    (unsigned long long)(load.begun > load.done ? load.begun - load.done : 0),
	    (unsigned long long)load.body_bytes);
	if (with_cpu)
		printf(" cpu_us=%.2f", (double)cpu_us / done);
	printf("\n");
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "pid", required_argument, NULL, 'P' }, { 0 } };
	unsigned n_clients = 32;
	double seconds = 5;
	const char *address = NULL, *paths[PATHS_MAX] = { "/" };
	clockid_t cpu = CLOCK_MONOTONIC;
	bool with_cpu = false, wrong = false;
	int option;

	load.limit = UINT64_MAX;
	while ((option = getopt_long(argc, argv, "a:c:d:kn:p:u", longs, NULL)) != -1) {
		if (option == 'a')
			address = optarg;
		else if (option == 'c')
			n_clients = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'd')
			seconds = strtod(optarg, NULL);
		else if (option == 'k')
			load.keep = true;
		else if (option == 'u')
			load.numbered = true;
		else if (option == 'n')
			load.limit = strtoull(optarg, NULL, 10);
		else if (option == 'p' && load.n_paths < PATHS_MAX)
			paths[load.n_paths++] = optarg;
		else if (option == 'P')
			with_cpu = clock_getcpuclockid((pid_t)atoi(optarg), &cpu) == 0;
		else
			wrong = true;
	}
	if (wrong || address == NULL || n_clients < 1 || n_clients > CONNECTIONS_MAX ||
	    seconds <= 0 || seconds > 3600 || optind < argc) {
		fputs("usage: fcgiload -a unix:PATH|HOST:PORT [-c CONNECTIONS] [-d SECONDS] [-k] "
		      "[-n REQUESTS] [-p PATH]... [-u] [--pid PID]\n"
		      "-u: eight zeros in the path become the number of the request\n",
		    stderr);
		return 64;
	}
	load.n_paths += load.n_paths == 0;
	for (unsigned i = 0; i < load.n_paths; i++) {
		if (fcgirequest_make(&load.requests[i].sent, paths[i], load.keep) != 0) {
			errno = E2BIG;
			load_fail("path");
		}
		request_find_numbers(&load.requests[i]);
	}
	load_address(address);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	struct client *clients = calloc(n_clients, sizeof(*clients));
	if (load.epoll < 0 || clients == NULL)
		load_fail("start");

	int64_t cpu_us = latencies_clock_us(cpu), began_us = latencies_clock_us(CLOCK_MONOTONIC);
	load_run(clients, n_clients, began_us + (int64_t)(seconds * 1e6));
	load_report(latencies_clock_us(CLOCK_MONOTONIC) - began_us,
	    latencies_clock_us(cpu) - cpu_us, with_cpu);
	free(clients);
	return load.errors > 0;
}
