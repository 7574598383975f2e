/* httpload.c -- Load over HTTP by a client that costs next to nothing.
 *
 * Bodies are counted and dropped in the kernel (MSG_TRUNC, tcp(7)), so that on a small machine the
 * servers are measured and not the copying of whoever asks.
 */
#include "base/attributes.h"
#include "latencies.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD_MAX = 4096, /* And the bytes of a body that come with it. */
	CONNECTIONS_MAX = 1024,
	EVENTS_MAX = 64,
	DROP_MAX = 4 << 20,
};

/* One kept connection and the answer that it is reading. */
struct client {
	int fd;
	int64_t began_us;
	char head[HEAD_MAX + 1];
	size_t have;
	uint64_t body; /* Still to come. */
	bool in_body;
};

static struct {
	struct sockaddr_in address;
	char request[HEAD_MAX];
	size_t request_len;
	int epoll;
	uint64_t done, errors, body_bytes;
	struct latencies latencies;
} load;

static void
load_fail(const char *what)
{
	fprintf(stderr, "httpload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
client_connect(struct client *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&load.address, sizeof(load.address)) != 0 ||
	    epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		load_fail("connect");
}

static void
client_begin(struct client *c)
{
	c->have = 0;
	c->body = 0;
	c->in_body = false;
	c->began_us = latencies_clock_us(CLOCK_MONOTONIC);
	if (c->fd < 0)
		client_connect(c);
	if (send(c->fd, load.request, load.request_len, MSG_NOSIGNAL) != (ssize_t)load.request_len)
		load_fail("send");
}

static void
client_failed(struct client *c)
{
	load.errors++;
	close(c->fd);
	c->fd = -1;
	client_begin(c);
}

static void
client_over(struct client *c)
{
	latencies_add(&load.latencies, c->began_us);
	load.done++;
	client_begin(c);
}

/* Returns: the body's length once the header block is whole; 0: not yet; -1: not what we ask for.
 */
static int64_t
client_take_head(struct client *c)
{
	c->head[c->have] = '\0';
	const char *end = strstr(c->head, "\r\n\r\n");
	const char *length = strcasestr(c->head, "\r\nContent-Length:");

	if (end == NULL)
		return c->have < HEAD_MAX ? 0 : -1;
	if (strncmp(c->head, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end)
		return -1;
	uint64_t came = c->have - (size_t)(end + 4 - c->head);
	int64_t len = strtoll(length + strlen("\r\nContent-Length:"), NULL, 10);
	if (len <= 0 || (uint64_t)len < came)
		return -1;
	c->in_body = true;
	c->body = (uint64_t)len - came;
	load.body_bytes += (uint64_t)len;
	return len;
}

static void
client_read(struct client *c)
{
	size_t want = c->in_body ? (c->body < DROP_MAX ? c->body : DROP_MAX) : HEAD_MAX - c->have;
	ssize_t n = recv(c->fd, c->in_body ? NULL : c->head + c->have, want,
	    MSG_DONTWAIT | (c->in_body ? MSG_TRUNC : 0));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_failed(c);
		return;
	}
	if (c->in_body)
		c->body -= (uint64_t)n;
	else
		c->have += (size_t)n;
	if (!c->in_body && client_take_head(c) < 0)
		client_failed(c);
	else if (c->in_body && c->body == 0)
		client_over(c);
}

static void
load_run(struct client *clients, unsigned n_clients, int64_t end_us)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t left_us;

	for (unsigned i = 0; i < n_clients; i++) {
		clients[i].fd = -1;
		client_begin(&clients[i]);
	}
	while ((left_us = end_us - latencies_clock_us(CLOCK_MONOTONIC)) > 0) {
		int n = epoll_wait(load.epoll, events, EVENTS_MAX, (int)(left_us / 1000) + 1);
		for (int i = 0; i < n; i++)
			client_read(events[i].data.ptr);
	}
}

static int
load_usage(void)
{
	fputs("usage: httpload -p PORT [-u PATH] [-c CONNECTIONS] [-d SECONDS] [-P PID]\n", stderr);
	return 64;
}

int
main(int argc, char **argv)
{
	unsigned n_clients = 32;
	double seconds = 5;
	const char *path = "/";
	clockid_t cpu = CLOCK_MONOTONIC;
	int option;

	load.address.sin_family = AF_INET;
	load.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((option = getopt(argc, argv, "c:d:p:u:P:")) != -1) {
		if (option == 'c')
			n_clients = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'd')
			seconds = strtod(optarg, NULL);
		else if (option == 'p')
			load.address.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10));
		else if (option == 'u')
			path = optarg;
		else if (option != 'P' || clock_getcpuclockid((pid_t)atoi(optarg), &cpu) != 0)
			return load_usage();
	}
	if (load.address.sin_port == 0 || n_clients < 1 || n_clients > CONNECTIONS_MAX ||
	    seconds <= 0 || seconds > 3600 || optind < argc)
		return load_usage();
	load.request_len = (size_t)snprintf(load.request, sizeof(load.request),
	    "GET %.3000s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	struct client *clients = calloc(n_clients, sizeof(*clients));
	if (load.epoll < 0 || clients == NULL)
		load_fail("start");

	int64_t cpu_us = latencies_clock_us(cpu), began_us = latencies_clock_us(CLOCK_MONOTONIC);
	load_run(clients, n_clients, began_us + (int64_t)(seconds * 1e6));
	double took_us = (double)(latencies_clock_us(CLOCK_MONOTONIC) - began_us);
	printf(
	    "requests=%llu rate=%.0f p50_us=%u p99_us=%u errors=%llu body_bytes=%llu cpu_us=%.2f\n",
	    (unsigned long long)load.done, (double)load.done * 1e6 / took_us,
	    latencies_percentile(&load.latencies, 0.5), latencies_percentile(&load.latencies, 0.99),
	    (unsigned long long)load.errors, (unsigned long long)load.body_bytes,
	    (double)(latencies_clock_us(cpu) - cpu_us) / (double)(load.done > 0 ? load.done : 1));
	free(clients);
	return load.errors > 0;
}
