/* noop.c -- A FastCGI responder that does nothing: the limit against which Dory is measured. */
#include "base/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	RECORD_BEGIN = 1,
	RECORD_END = 3,
	RECORD_STDIN = 5,
	RECORD_STDOUT = 6,
	RECORD_HEAD = 8,
	RECORD_MAX = 65528,
	INPUT_MAX = 32 << 10,
	PIECES_MAX = 1024,
	EVENTS_MAX = 64,
};

/* The one answer, cut into records for request id 1, the only one that web servers use. */
static struct {
	struct iovec pieces[PIECES_MAX];
	int n;
	size_t bytes;
} answer;

struct peer {
	int fd;
	bool keep;
	size_t have;   /* Bytes in `input`. */
	size_t unsent; /* Of the answer; 0: none is under way. */
	unsigned char input[INPUT_MAX];
};

struct listener {
	int fd;
};

static void
noop_fail(const char *what)
{
	fprintf(stderr, "noop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
answer_add(void *at, size_t len)
{
	if (answer.n == PIECES_MAX) {
		errno = E2BIG;
		noop_fail("the answer");
	}
	answer.pieces[answer.n++] = (struct iovec){ at, len };
	answer.bytes += len;
}

static void
answer_record(unsigned type, void *content, size_t len)
{
	unsigned char *head = calloc(1, RECORD_HEAD);
	if (head == NULL)
		noop_fail("memory");
	head[0] = 1;
	head[1] = (unsigned char)type;
	head[3] = 1;
	head[4] = (unsigned char)(len >> 8);
	head[5] = (unsigned char)len;
	answer_add(head, RECORD_HEAD);
	if (len > 0)
		answer_add(content, len);
}

/* Header block as a cached page has it, then `size` bytes. */
static void
answer_make(size_t size)
{
	static char block[512];
	static unsigned char end[8];
	char *body = malloc(size + 1);
	if (body == NULL)
		noop_fail("memory");
	memset(body, 'x', size);
	int len = snprintf(block, sizeof(block),
	    "Status: 200\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\n"
	    "ETag: \"0123456789abcdef\"\r\nCache-Control: max-age=3600\r\nAge: 12\r\n"
	    "Cache-Status: dory; hit; ttl=3588; key=\"page(1)\"\r\n\r\n",
	    size);
	answer_record(RECORD_STDOUT, block, (size_t)len);
	for (size_t at = 0; at < size; at += RECORD_MAX)
		answer_record(
		    RECORD_STDOUT, body + at, size - at < RECORD_MAX ? size - at : RECORD_MAX);
	answer_record(RECORD_STDOUT, NULL, 0);
	answer_record(RECORD_END, end, sizeof(end));
}

static void
peer_close(struct peer *p)
{
	close(p->fd);
	free(p);
}

/* Send what the socket takes. False: all is sent and the peer wants no more, or it is gone. */
static bool
peer_send(struct peer *p)
{
	while (p->unsent > 0) {
		struct iovec rest[PIECES_MAX];
		size_t skip = answer.bytes - p->unsent;
		int n = 0;
		for (int i = 0; i < answer.n; i++) {
			size_t len = answer.pieces[i].iov_len;
			size_t cut = skip < len ? skip : len;
			skip -= cut;
			if (cut < len)
				rest[n++] = (struct iovec){ (char *)answer.pieces[i].iov_base + cut,
					len - cut };
		}
		struct msghdr m = { .msg_iov = rest, .msg_iovlen = (size_t)n };
		ssize_t sent = sendmsg(p->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0)
			return errno == EAGAIN;
		p->unsent -= (size_t)sent;
	}
	return p->keep;
}

/* Take whole records off the input. True: the request has ended. */
static bool
peer_parse(struct peer *p)
{
	size_t at = 0;
	bool ended = false;

	while (!ended && p->have - at >= RECORD_HEAD) {
		const unsigned char *r = p->input + at;
		size_t content = (size_t)r[4] << 8 | r[5];
		size_t whole = RECORD_HEAD + content + r[6];
		if (p->have - at < whole)
			break;
		if (r[1] == RECORD_BEGIN && content >= 3)
			p->keep = (r[RECORD_HEAD + 2] & 1) != 0;
		ended = r[1] == RECORD_STDIN && content == 0;
		at += whole;
	}
	memmove(p->input, p->input + at, p->have - at);
	p->have -= at;
	return ended;
}

/* Read and answer. False: the peer is to be closed. */
static bool
peer_step(struct peer *p)
{
	if (p->unsent > 0)
		return peer_send(p);
	while (p->have < INPUT_MAX) {
		ssize_t got = recv(p->fd, p->input + p->have, INPUT_MAX - p->have, MSG_DONTWAIT);
		if (got <= 0)
			return got < 0 && errno == EAGAIN;
		p->have += (size_t)got;
		if (!peer_parse(p))
			continue;
		p->unsent = answer.bytes;
		return peer_send(p);
	}
	return false;
}

static void
listener_accept(const struct listener *l, int epoll)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct peer *p = malloc(sizeof(*p));
	if (p == NULL)
		noop_fail("memory");
	p->fd = fd;
	p->keep = false;
	p->have = 0;
	p->unsent = 0;
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		noop_fail("epoll_ctl");
	if (!peer_step(p))
		peer_close(p);
}

static void *
noop_loop(void *context)
{
	struct listener *l = context;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = l };
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &e) != 0)
		noop_fail("epoll");
	for (;;) {
		struct epoll_event events[EVENTS_MAX];
		int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == l)
				listener_accept(l, epoll);
			else if (!peer_step(events[i].data.ptr))
				peer_close(events[i].data.ptr);
		}
	}
	return NULL;
}

static int
noop_listen_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		noop_fail(path);
	}
	strcpy(a.sun_path, path);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || chmod(path, 0660) != 0)
		noop_fail(path);
	return fd;
}

static int
noop_listen_tcp(const char *text)
{
	char host[256];
	const char *colon = strrchr(text, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *found;
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
		errno = EINVAL;
		noop_fail(text);
	}
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		errno = EINVAL;
		noop_fail(text);
	}
	int on = 1, fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, found->ai_addr, found->ai_addrlen) != 0)
		noop_fail(text);
	freeaddrinfo(found);
	return fd;
}

int
main(int argc, char **argv)
{
	const char *address = NULL;
	size_t size = 1024;
	long threads = 1;
	int option;

	while ((option = getopt(argc, argv, "l:s:t:")) != -1) {
		if (option == 'l')
			address = optarg;
		else if (option == 's')
			size = strtoul(optarg, NULL, 10);
		else if (option == 't')
			threads = strtol(optarg, NULL, 10);
		else
			address = NULL, optind = argc;
	}
	if (address == NULL || threads < 1) {
		fputs("usage: noop -l unix:PATH|HOST:PORT [-s BYTES] [-t THREADS]\n", stderr);
		return 64;
	}
	answer_make(size);
	struct listener l = { strncmp(address, "unix:", 5) == 0 ? noop_listen_unix(address + 5)
								: noop_listen_tcp(address) };
	if (listen(l.fd, 4096) != 0 || fcntl(l.fd, F_SETFL, O_NONBLOCK) != 0)
		noop_fail("listen");
	for (long i = 1; i < threads; i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, noop_loop, &l) != 0)
			noop_fail("threads");
	}
	noop_loop(&l);
	return 0;
}
