/* listen.c -- The socket where web servers connect: made, inherited, or handed over by systemd. */
#include "listen.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096, LISTEN_SYSTEMD_FD = 3, LISTEN_HOST_MAX = 256 };

static bool
listen_is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening == 1;
}

int
listen_inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	int fd = -1;

	if (listen_is_listening(STDIN_FILENO))
		fd = STDIN_FILENO;
	else if (pid != NULL && n != NULL && strtol(pid, NULL, 10) == (long)getpid() &&
		 strtol(n, NULL, 10) >= 1 && listen_is_listening(LISTEN_SYSTEMD_FD))
		fd = LISTEN_SYSTEMD_FD;
	if (fd >= 0) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return fd;
}

/* Is somebody behind that socket file? Only a refused connection says that nobody is: its queue may
 * be full, it may be of another kind, or not ours to connect to. */
static bool
listen_is_taken(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool taken =
	    fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			   errno != ECONNREFUSED);

	if (fd >= 0)
		close(fd);
	return taken;
}

/* What to do about it, behind what went wrong. */
static const char *
listen_advice(int rc, bool local)
{
	switch (rc) {
	case -ENOENT:
		return "; make its directory";
	case -EACCES:
		return local ? "; let this user write to its directory"
			     : "; choose a port from 1024 up, which needs no root";
	case -EADDRINUSE:
		return local ? "; what stands there is no socket, move it away"
			     : "; another process listens there, stop it first";
	default:
		return "";
	}
}

static int
listen_unix(const char *path, char *why, int size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(why, (size_t)size, "%s: a socket's path has at most %zu characters", path,
		    sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path));
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (listen_is_taken(&address)) {
			snprintf(why, (size_t)size,
			    "%s: another process listens there; stop it first", path);
			return -EADDRINUSE;
		}
		unlink(path);
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Made closed and opened up afterwards: there is no moment in which others could connect.
	 */
	mode_t mask = umask(0177);
	int rc = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ? -errno : 0;
	umask(mask);
	if (rc == 0 && (chmod(path, 0660) != 0 || listen(fd, LISTEN_BACKLOG) != 0))
		rc = -errno;
	if (rc == 0)
		return fd;
	snprintf(why, (size_t)size, "cannot listen on %s: %s%s", path, strerror(-rc),
	    listen_advice(rc, true));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int
listen_bind(const struct addrinfo *info)
{
	int one = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	int rc = -errno;
	close(fd);
	return rc;
}

static int
listen_tcp(const char *text, char *why, int size)
{
	const char *colon = strrchr(text, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	char host[LISTEN_HOST_MAX];
	uint64_t port;

	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	if (len == 0 || len >= sizeof(host)) {
		snprintf(why, (size_t)size, "%s: write unix:/path or host:port", text);
		return -EINVAL;
	}
	/* getaddrinfo() takes an empty one for 0, any port, and 65616 for 80. */
	if (slice_to_u64(slice_of(colon + 1), &port) != 0 || port > UINT16_MAX) {
		snprintf(why, (size_t)size, "%s: the port is a number up to 65535", text);
		return -EINVAL;
	}
	bool bracketed = text[0] == '[' && text[len - 1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
	int rc = getaddrinfo(host, colon + 1, &hints, &found);
	if (rc != 0) {
		snprintf(why, (size_t)size, "cannot listen on %s: %s", text, gai_strerror(rc));
		return -EINVAL;
	}
	int fd = listen_bind(found);
	freeaddrinfo(found);
	if (fd < 0)
		snprintf(why, (size_t)size, "cannot listen on %s: %s%s", text, strerror(-fd),
		    listen_advice(fd, false));
	return fd;
}

int
listen_open(const char *address, char *why, int size)
{
	if (strncmp(address, "unix:", 5) == 0)
		return listen_unix(address + 5, why, size);
	return listen_tcp(address, why, size);
}

void
listen_unlink(const char *address)
{
	if (strncmp(address, "unix:", 5) == 0)
		unlink(address + 5);
}
