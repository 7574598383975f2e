/* fcgi.c -- The only door to libfcgi: a whole head on a descriptor becomes named parameters. */
#include "fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <unistd.h>

int
fcgi_init(void)
{
	return FCGX_Init() == 0 ? 0 : -ENOMEM;
}

/* All in one piece: this is done for every request. */
static int
fcgi_copy(char **envp, struct arena *arena, struct fcgi_params *out)
{
	size_t lengths[FCGI_PARAMS_MAX], n = 0, total = 0;

	for (; envp != NULL && envp[n] != NULL && n < FCGI_PARAMS_MAX; n++) {
		lengths[n] = strlen(envp[n]);
		total += lengths[n];
	}
	char *at = arena_alloc(arena, total + 1);
	if (at == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; at += lengths[i++]) {
		memcpy(at, envp[i], lengths[i]);
		struct slice rest = { at, lengths[i] };
		out->items[i].name = slice_cut(&rest, '=');
		out->items[i].value = rest;
	}
	out->n = n;
	return 0;
}

int
fcgi_parse(int fd, struct arena *arena, struct fcgi_params *out)
{
	FCGX_Request request;
	char rest[64];

	/*
	 * With a connection in ipcFd libfcgi accepts none; keepConnection stops FCGX_Accept_r's own
	 * clean-up from closing it first, and detached its linger of two seconds on errors. A
	 * listening socket of -1 turns "close and accept another" into an error.
	 */
	FCGX_InitRequest(&request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	request.ipcFd = fd;
	request.keepConnection = 1;
	request.detached = 1;
	if (FCGX_Accept_r(&request) != 0)
		return -EPROTO;
	/* The empty STDIN record must leave the buffer, or it meets the next request on this
	 * connection. */
	while (FCGX_GetStr(rest, sizeof(rest), request.in) > 0)
		continue;
	out->keep = request.keepConnection != 0;
	int rc = fcgi_copy(request.envp, arena, out);
	FCGX_Free(&request, 0);
	return rc;
}

/* Everything fits: the gate bounds a head to less than a pipe holds. */
static int
fcgi_fill(int fd, struct slice head, uint16_t request_id)
{
	const unsigned char empty_stdin[8] = { 1, 5, (unsigned char)(request_id >> 8),
		(unsigned char)request_id };

	if (write(fd, head.at, head.len) != (ssize_t)head.len ||
	    write(fd, empty_stdin, sizeof(empty_stdin)) != (ssize_t)sizeof(empty_stdin))
		return -EIO;
	return 0;
}

int
fcgi_parse_bytes(
    struct slice head, uint16_t request_id, struct arena *arena, struct fcgi_params *out)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	int rc = fcgi_fill(ends[1], head, request_id);
	if (rc == 0)
		rc = fcgi_parse(ends[0], arena, out);
	if (rc != -EPROTO)
		close(ends[0]);
	close(ends[1]);
	return rc;
}
