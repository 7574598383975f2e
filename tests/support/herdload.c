/* herdload.c -- A crowd that asks many processes for one page, and the backend that holds it back.
 */
#include "base/attributes.h"
#include "fcgirequest.h"
#include "latencies.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * One thread is the backend and all of its clients, so that both read one clock, and nothing but
 * what is measured runs between them. It speaks with who started it, a line at a time:
 *
 *   fetch N      the backend has a request: the N-th.
 *   asked        all clients have sent theirs.
 *   <- release   answer what is held, and from now on at once.
 *   <- kill PID  SIGKILL for that process.
 *   fetches=...  all clients have their answers; the program ends.
 *
 * Where somebody is to ask first (-f), all others do so once the backend has its request, and what
 * becomes of it is not counted. A wait is counted from before the backend writes its answer until a
 * client has read the last bytes of its own. A client that is a CGI program has them when the
 * program has written them.
 */

enum {
	CLIENTS_MAX = 4096,
	ADDRESSES_MAX = 16,
	EVENTS_MAX = 64,
	ANSWER_MAX = 4 << 10,
	INPUT_MAX = 64 << 10,
	BODY_LEN = 1024,
	LIMIT_S = 60,
	RECORD_END = 3,
	END_LEN = 16,
};

#define BODY_END "the page ends here"

struct source {
	int fd;
	void (*ready)(struct source *source);
};

/* A process that asks the backend. */
struct peer {
	struct source source;
	struct peer *next; /* Of those that are held. */
	size_t have;
	char head[ANSWER_MAX];
};

struct client {
	struct source source;
	bool is_program, ended;
	int64_t last_us; /* When its last bytes came. */
	size_t have;
	char answer[ANSWER_MAX];
};

extern char **environ;

static struct {
	int epoll;
	struct source control, listener;
	struct client first;
	struct client *clients;
	unsigned n_clients, n_ended, n_wrong;
	struct fcgirequest request;
	char answer[ANSWER_MAX];
	size_t answer_len;
	struct peer *held;
	bool released;
	unsigned fetches;
	int64_t killed_us, refetched_us, sent_us, own_us;
} herd;

static void
herd_fail(const char *what)
{
	fprintf(stderr, "herdload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
herd_watch(struct source *source)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.ptr = source };

	if (epoll_ctl(herd.epoll, EPOLL_CTL_ADD, source->fd, &e) != 0)
		herd_fail("epoll_ctl");
}

/* ---- The backend ---------------------------------------------------------------------------- */

static void
peer_answer(struct peer *p)
{
	p->have = 0;
	herd.sent_us = latencies_clock_us(CLOCK_MONOTONIC);
	if (send(p->source.fd, herd.answer, herd.answer_len, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		herd_fail("send");
}

static void
peer_close(struct peer *p)
{
	struct peer **at = &herd.held;

	while (*at != NULL && *at != p)
		at = &(*at)->next;
	if (*at == p)
		*at = p->next;
	close(p->source.fd);
	free(p);
}

static void
peer_ready(struct source *source)
{
	struct peer *p = (struct peer *)source;
	ssize_t n = recv(source->fd, p->head + p->have, sizeof(p->head) - p->have, 0);

	if (n <= 0) {
		peer_close(p);
		return;
	}
	p->have += (size_t)n;
	if (p->have < 4 || memcmp(p->head + p->have - 4, "\r\n\r\n", 4) != 0)
		return;
	if (herd.killed_us != 0 && herd.refetched_us == 0)
		herd.refetched_us = latencies_clock_us(CLOCK_MONOTONIC);
	herd.fetches++;
	if (herd.released) {
		peer_answer(p);
		return;
	}
	printf("fetch %u\n", herd.fetches);
	p->next = herd.held;
	herd.held = p;
}

static void
listener_ready(struct source *source)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		herd_fail("memory");
	p->source.fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	p->source.ready = peer_ready;
	if (p->source.fd < 0)
		herd_fail("accept");
	herd_watch(&p->source);
}

static void
herd_listen(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	herd.listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	herd.listener.ready = listener_ready;
	setsockopt(herd.listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(herd.listener.fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(herd.listener.fd, SOMAXCONN) != 0)
		herd_fail("listen");
	herd_watch(&herd.listener);
	int n = snprintf(herd.answer, sizeof(herd.answer),
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: max-age=3600\r\n"
	    "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
	    BODY_LEN);
	memset(herd.answer + n, 'x', BODY_LEN);
	herd.answer_len = (size_t)n + BODY_LEN;
	memcpy(herd.answer + herd.answer_len - strlen(BODY_END), BODY_END, strlen(BODY_END));
}

/* ---- The crowd ------------------------------------------------------------------------------ */

static bool
client_has(const struct client *c, const char *text)
{
	return memmem(c->answer, c->have, text, strlen(text)) != NULL;
}

/* A program's answer ends with the page, a responder's with END_REQUEST. */
static bool
client_is_whole(const struct client *c)
{
	size_t tail = c->is_program ? strlen(BODY_END) : END_LEN;

	if (c->have < tail)
		return false;
	const char *at = c->answer + c->have - tail;
	return c->is_program ? memcmp(at, BODY_END, tail) == 0 : at[0] == 1 && at[1] == RECORD_END;
}

/* Nothing is closed before the end: that would be work of ours that others wait for. */
static void
client_ready(struct source *source)
{
	/* One for all: the kernel's first look at a page is dear. */
	static char input[INPUT_MAX];
	struct client *c = (struct client *)source;

	if (c->ended)
		return;
	ssize_t n = read(source->fd, input, sizeof(input));
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && (size_t)n <= sizeof(c->answer) - c->have) {
		c->last_us = latencies_clock_us(CLOCK_MONOTONIC);
		memcpy(c->answer + c->have, input, (size_t)n);
		c->have += (size_t)n;
		if (!client_is_whole(c))
			return;
	}
	c->ended = true;
	herd.n_ended += c != &herd.first;
	if (c == &herd.first || (client_has(c, "Status: 200") && client_has(c, BODY_END)))
		return;
	if (herd.n_wrong++ == 0)
		fprintf(stderr, "herdload: not an answer: %.300s\n", c->answer);
}

static void
client_ask(struct client *c, const struct sockaddr_un *address)
{
	c->source.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->source.ready = client_ready;
	if (c->source.fd < 0 ||
	    connect(c->source.fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
	    send(c->source.fd, herd.request.bytes, herd.request.len, MSG_NOSIGNAL) !=
		(ssize_t)herd.request.len)
		herd_fail("connect");
	herd_watch(&c->source);
}

static void
client_run(struct client *c, char **command)
{
	posix_spawn_file_actions_t actions;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		herd_fail("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	errno = posix_spawn(&pid, command[0], &actions, NULL, command, environ);
	if (errno != 0)
		herd_fail(command[0]);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	c->is_program = true;
	c->source.fd = ends[0];
	c->source.ready = client_ready;
	herd_watch(&c->source);
}

/* ---- Orders and report ---------------------------------------------------------------------- */

static void
control_ready(struct source *source)
{
	char line[128];
	ssize_t n = read(source->fd, line, sizeof(line) - 1);

	if (n <= 0 && !herd.released)
		exit(1);
	if (n <= 0)
		return;
	line[n] = '\0';
	if (strncmp(line, "kill ", 5) == 0) {
		herd.killed_us = latencies_clock_us(CLOCK_MONOTONIC);
		if (kill((pid_t)atoi(line + 5), SIGKILL) != 0)
			herd_fail("kill");
		return;
	}
	herd.released = true;
	herd.own_us = latencies_clock_us(CLOCK_PROCESS_CPUTIME_ID);
	while (herd.held != NULL) {
		struct peer *p = herd.held;
		herd.held = p->next;
		peer_answer(p);
	}
}

static void
herd_turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(herd.epoll, events, EVENTS_MAX, -1);

	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;
		source->ready(source);
	}
}

static int
herd_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
herd_report(void)
{
	int64_t *waits = calloc(herd.n_clients, sizeof(*waits)), program_us = 0;

	if (waits == NULL)
		herd_fail("memory");
	for (unsigned i = 0; i < herd.n_clients; i++) {
		waits[i] = herd.clients[i].last_us - herd.sent_us;
		if (herd.clients[i].is_program && waits[i] > program_us)
			program_us = waits[i];
	}
	qsort(waits, herd.n_clients, sizeof(*waits), herd_compare);
	printf("fetches=%u errors=%u p50_us=%lld p99_us=%lld max_us=%lld program_us=%lld "
	       "refetch_us=%lld own_us=%lld\n",
	    herd.fetches, herd.n_wrong, (long long)waits[herd.n_clients / 2],
	    (long long)waits[herd.n_clients * 99 / 100], (long long)waits[herd.n_clients - 1],
	    (long long)program_us,
	    herd.refetched_us == 0 ? 0 : (long long)(herd.refetched_us - herd.killed_us),
	    (long long)(latencies_clock_us(CLOCK_PROCESS_CPUTIME_ID) - herd.own_us));
	free(waits);
}

static bool
herd_read_address(const char *text, struct sockaddr_un *out)
{
	if (strncmp(text, "unix:", 5) != 0 || strlen(text + 5) >= sizeof(out->sun_path))
		return false;
	out->sun_family = AF_UNIX;
	strcpy(out->sun_path, text + 5);
	return true;
}

static int
herd_usage(void)
{
	fputs("usage: herdload -b BACKEND_PORT -a unix:PATH [-a ...] -p PATH "
	      "[-f unix:PATH] [-n CLIENTS] [-g PROGRAMS] [-- CGI_PROGRAM ARGUMENT...]\n",
	    stderr);
	return 64;
}

int
main(int argc, char **argv)
{
	static struct sockaddr_un addresses[ADDRESSES_MAX], first;
	unsigned n_addresses = 0, n = 500, programs = 0, port = 0;
	const char *path = NULL;
	int option;

	while ((option = getopt(argc, argv, "a:b:f:g:n:p:")) != -1) {
		bool good = option != '?';
		if (option == 'a')
			good = n_addresses < ADDRESSES_MAX &&
			       herd_read_address(optarg, &addresses[n_addresses++]);
		else if (option == 'f')
			good = herd_read_address(optarg, &first);
		else if (option == 'p')
			path = optarg;
		else if (option == 'b')
			port = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'g')
			programs = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'n')
			n = (unsigned)strtoul(optarg, NULL, 10);
		if (!good)
			return herd_usage();
	}
	if (n_addresses == 0 || path == NULL || port == 0 || programs > n || n > CLIENTS_MAX ||
	    (programs > 0 && argv[optind] == NULL) ||
	    fcgirequest_make(&herd.request, path, false) != 0)
		return herd_usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(LIMIT_S);
	herd.epoll = epoll_create1(EPOLL_CLOEXEC);
	herd.clients = calloc(n, sizeof(*herd.clients));
	if (herd.epoll < 0 || herd.clients == NULL)
		herd_fail("start");
	/* Touched before they are needed: a new page costs more than what is put into it. */
	for (unsigned i = 0; i < n; i++)
		memset(herd.clients[i].answer, '-', ANSWER_MAX);
	herd.n_clients = n;
	herd.control = (struct source){ STDIN_FILENO, control_ready };
	herd_watch(&herd.control);
	herd_listen((uint16_t)port);
	if (first.sun_family != 0)
		client_ask(&herd.first, &first);
	while (first.sun_family != 0 && herd.fetches == 0)
		herd_turn();
	for (unsigned i = 0; i < programs; i++)
		client_run(&herd.clients[i], argv + optind);
	for (unsigned i = programs; i < n; i++)
		client_ask(&herd.clients[i], &addresses[i % n_addresses]);
	puts("asked");
	while (herd.n_ended < n)
		herd_turn();
	herd_report();
	for (unsigned i = 0; i < n; i++)
		close(herd.clients[i].source.fd);
	while (wait(NULL) > 0)
		continue;
	free(herd.clients);
	return herd.n_wrong > 0;
}
