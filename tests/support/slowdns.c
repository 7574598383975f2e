/* slowdns.c -- A DNS that is as slow as a test wants: preloaded, it holds look-ups back. */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * SLOWDNS names a file. While it exists look-ups of names that end in ".slow.test" wait; then they
 * are 127.0.0.1. For each that begins a byte is added to the file of that name with ".asked" behind
 * it. Other names are looked up as ever.
 */
enum { SLOWDNS_AGAIN_US = 2000, SLOWDNS_PATH = 4096 };

static int
slowdns_is_held(const char *path)
{
	return access(path, F_OK) == 0;
}

static void
slowdns_count(const char *path)
{
	char asked[SLOWDNS_PATH];

	snprintf(asked, sizeof(asked), "%s.asked", path);
	int fd = open(asked, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	(void)!write(fd, "x", 1);
	close(fd);
}

int
getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	static const char suffix[] = ".slow.test";
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	const char *path = getenv("SLOWDNS");
	size_t len = name == NULL ? 0 : strlen(name);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (path == NULL || len < sizeof(suffix) - 1 ||
	    strcmp(name + len - (sizeof(suffix) - 1), suffix) != 0)
		return real(name, service, hints, out);
	slowdns_count(path);
	while (slowdns_is_held(path))
		usleep(SLOWDNS_AGAIN_US);
	return real("127.0.0.1", service, hints, out);
}
