/* quickback.c -- An HTTP backend that costs next to nothing, so that the proxy before it shows. */
#include "base/attributes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * quickback PORT SIZE HOLD_MS: every GET is answered with SIZE bytes that may be stored, on
 * connections that are kept. What begins with /held is answered after HOLD_MS with the time at
 * which its first byte was written, in nanoseconds of CLOCK_MONOTONIC.
 */

enum { HEAD_MAX = 8 << 10, ANSWER_MAX = 1 << 20, EVENTS_MAX = 64, HELD_MAX = 256, STAMP_LEN = 20 };

struct peer {
	int fd;
	size_t have;
	char head[HEAD_MAX];
};

static struct {
	char *answer;
	size_t answer_len;
	int64_t hold_ns;
	int held[HELD_MAX]; /* Descriptors, in the order of their requests. */
	int64_t due_ns[HELD_MAX];
	size_t n_held;
	int epoll;
} back;

static void
back_die(const char *what)
{
	fprintf(stderr, "quickback: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
back_now_ns(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
back_send_stamp(int fd)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
	    "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: %d\r\n\r\n%0*lld",
	    STAMP_LEN, STAMP_LEN, (long long)back_now_ns());

	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		back_die("send");
}

static void
peer_close(struct peer *p)
{
	close(p->fd);
	free(p);
}

static void
peer_answer(struct peer *p)
{
	p->have = 0;
	if (memcmp(p->head, "GET /held", 9) == 0 && back.n_held < HELD_MAX) {
		back.held[back.n_held] = p->fd;
		back.due_ns[back.n_held++] = back_now_ns() + back.hold_ns;
		return;
	}
	ssize_t n = send(p->fd, back.answer, back.answer_len, MSG_NOSIGNAL);
	if (n != (ssize_t)back.answer_len && n >= 0)
		back_die("answers of that size need a reader");
}

static void
peer_ready(struct peer *p)
{
	ssize_t n = recv(p->fd, p->head + p->have, HEAD_MAX - p->have, 0);

	if (n <= 0) {
		peer_close(p);
		return;
	}
	p->have += (size_t)n;
	if (p->have >= 9 && memcmp(p->head + p->have - 4, "\r\n\r\n", 4) == 0)
		peer_answer(p);
}

static void
back_accept(int listener)
{
	struct peer *p = calloc(1, sizeof(*p));
	int on = 1;

	if (p == NULL)
		back_die("accept");
	p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };
	if (p->fd < 0 || epoll_ctl(back.epoll, EPOLL_CTL_ADD, p->fd, &e) != 0)
		back_die("accept");
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
back_release_held(void)
{
	while (back.n_held > 0 && back.due_ns[0] <= back_now_ns()) {
		back_send_stamp(back.held[0]);
		back.n_held--;
		memmove(back.held, back.held + 1, back.n_held * sizeof(*back.held));
		memmove(back.due_ns, back.due_ns + 1, back.n_held * sizeof(*back.due_ns));
	}
}

static int
back_listen(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct epoll_event e = { .events = EPOLLIN };

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1024) != 0 ||
	    epoll_ctl(back.epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		back_die("listen");
	return fd;
}

static void
back_make_answer(size_t size)
{
	back.answer = malloc(ANSWER_MAX);
	if (back.answer == NULL || size > ANSWER_MAX / 2)
		back_die("size");
	time_t now = time(NULL);
	struct tm utc;
	char date[64];
	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	int n = snprintf(back.answer, ANSWER_MAX,
	    "HTTP/1.1 200 OK\r\nServer: quickback\r\nDate: %s\r\n"
	    "Content-Type: text/html; charset=utf-8\r\nCache-Control: s-maxage=86400\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    date, size);
	memset(back.answer + n, 'x', size);
	back.answer_len = (size_t)n + size;
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];

	if (argc != 4) {
		fputs("usage: quickback PORT SIZE HOLD_MS\n", stderr);
		return 64;
	}
	back_make_answer(strtoul(argv[2], NULL, 10));
	back.hold_ns = strtoll(argv[3], NULL, 10) * 1000000;
	back.epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener = back_listen((uint16_t)strtoul(argv[1], NULL, 10));
	for (;;) {
		int n = epoll_wait(back.epoll, events, EVENTS_MAX, back.n_held > 0 ? 1 : -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				back_accept(listener);
			else
				peer_ready(events[i].data.ptr);
		}
		back_release_held();
	}
}
