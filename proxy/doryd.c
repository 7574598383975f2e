/* doryd.c -- The daemon: start, run, reload, stop. */
#include "base/log.h"
#include "breaker.h"
#include "cgi.h"
#include "conn.h"
#include "listen.h"
#include "origin.h"
#include "resolver.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DORYD_BAD_CONFIG = 78, DORYD_FAILED = 1, DORYD_USAGE = 2, DORYD_BUS_ERROR = 70 };
enum { DORYD_DRAIN_MS = 30000, DORYD_WHY = 512, DORYD_WORKERS_MAX = 64 };

static const char doryd_usage[] =
    "usage: doryd [-c FILE] [-l ADDRESS] [-t] [-T] [-V]\n"
    "  -c FILE     configuration; else $DORY_CONFIG, else /etc/dory/dory.ini\n"
    "  -l ADDRESS  listen there instead: unix:/path or host:port\n"
    "  -t          check the configuration and end\n"
    "  -T          print the reference of all settings and end\n"
    "  -V          print the version and end\n";

struct doryd {
	const char *file;
	const char *listen; /* -l, or NULL. */
	bool check;
	struct site *site;
	struct keeper *store;
	struct workers workers;
	int listen_fd;
	bool made_socket;
	char *address; /* Where it was made. */
};

static int
doryd_print_reference(void)
{
	struct buf text = { 0 };

	config_print_reference(&text);
	int rc = buf_error(&text);
	if (rc == 0)
		fwrite(text.data, 1, text.len, stdout);
	buf_free(&text);
	return rc == 0 ? 0 : DORYD_FAILED;
}

/* Returns -1 to go on, else an exit status. */
static int
doryd_read_options(struct doryd *d, int argc, char **argv)
{
	int option;

	d->file = getenv("DORY_CONFIG");
	if (d->file == NULL || *d->file == '\0')
		d->file = "/etc/dory/dory.ini";
	while ((option = getopt(argc, argv, "c:l:tTVh")) != -1) {
		switch (option) {
		case 'c':
			d->file = optarg;
			break;
		case 'l':
			d->listen = optarg;
			break;
		case 't':
			d->check = true;
			break;
		case 'T':
			return doryd_print_reference();
		case 'V':
			puts("doryd " DORY_VERSION);
			return 0;
		case 'h':
			fputs(doryd_usage, stdout);
			return 0;
		default:
			fputs(doryd_usage, stderr);
			return DORYD_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "doryd: \"%s\" is no option\n%s", argv[optind], doryd_usage);
		return DORYD_USAGE;
	}
	return -1;
}

static int
doryd_load(struct doryd *d)
{
	struct config_errors errors = { 0 };

	int rc = site_load(d->file, &d->site, &errors);
	if (rc != 0 && errors.text.len > 0)
		fprintf(stderr, "%.*s", (int)errors.text.len, errors.text.data);
	else if (rc != 0)
		fprintf(stderr, "doryd: %s: %s\n", d->file, strerror(-rc));
	config_errors_free(&errors);
	return rc;
}

/* A broken store never breaks the site: everything passes, and Cache-Status says so. */
static int
doryd_open_store(struct doryd *d, bool watch)
{
	const struct config_dory *dory = &d->site->config->dory;
	struct store_options options = { .path = dory->store,
		.size_bytes = dory->size_bytes,
		.unsafe_fs = dory->store_unsafe_fs,
		.body_file_min = dory->body_file_min_bytes,
		.share_bodies = dory->sendfile_header != NULL };

	int rc = keeper_new(&options, watch, &d->store);
	if (rc != 0)
		return rc;
	d->workers.store = d->store;
	d->workers.leases = keeper_leases(d->store);
	return 0;
}

static int
doryd_find_backends(struct doryd *d)
{
	int rc = breakers_new(&d->workers.breakers);

	if (rc == 0)
		rc = resolver_new(&d->workers.resolver);
	if (rc == 0)
		resolver_refresh(d->workers.resolver, d->site->config);
	return rc;
}

/* -1 where there is to be none; the daemon's own signals go to doryd_wait(). */
static int
doryd_open_access_log(const struct site *site)
{
	const char *path = site->config->dory.access_log;

	if (path == NULL)
		return -1;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
	if (fd < 0)
		log_warn("cannot write the access log %s: %s", path, strerror(errno));
	return fd;
}

static unsigned
doryd_count_workers(const struct site *site)
{
	uint64_t n = site->config->dory.workers;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (n == 0)
		n = processors > 0 ? (uint64_t)processors : 1;
	return (unsigned)(n < DORYD_WORKERS_MAX ? n : DORYD_WORKERS_MAX);
}

/* Thousands of requests may wait at once, each with two descriptors. */
static void
doryd_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * libcurl takes and frees 64 KiB a fetch. Freeing so much makes glibc sort all its small free
 * chunks, unless it keeps none. By itself it hands 128 KiB back to the kernel, and has each page
 * anew a moment later. Setting that switches off its own learning of when to map a piece by itself,
 * so it is told.
 */
static void
doryd_tune_malloc(void)
{
	mallopt(M_MXFAST, 0);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

/* A mapped file was cut short under us: nothing can be mended here, and a new process can. */
static void
doryd_on_bus_error(int which)
{
	static const char text[] =
	    "doryd: a file of the store was cut short or cannot be read; ending\n";

	(void)which;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(DORYD_BUS_ERROR);
}

static sigset_t
doryd_block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* The main thread takes them. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* What manages FastCGI processes may send it to those that are idle: SIGTERM ends us. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGBUS, doryd_on_bus_error);
	return set;
}

/* The file is checked whole before anything changes; where it is wrong, nothing does. */
static void
doryd_reload(struct doryd *d)
{
	struct config_errors errors = { 0 };
	struct site *site = NULL;

	int rc = site_load(d->file, &site, &errors);
	struct slice rest = buf_as_slice(&errors.text);
	while (rc != 0 && rest.len > 0) {
		struct slice line = slice_cut(&rest, '\n');
		log_error("%.*s", SLICE_ARGS(line));
	}
	config_errors_free(&errors);
	if (rc != 0) {
		log_error("%s was not taken; the configuration stays as it was", d->file);
		return;
	}
	resolver_refresh(d->workers.resolver, site->config);
	log_set_level((enum log_level)site->config->dory.log_level);
	log_set_access(doryd_open_access_log(site));
	workers_reload(&d->workers, site);
	site_unref(d->site);
	d->site = site;
	log_info("reloaded %s", d->file);
}

static void
doryd_wait(struct doryd *d, const sigset_t *signals)
{
	const struct timespec interval = { .tv_sec = RESOLVER_INTERVAL_S };

	for (;;) {
		int which = sigtimedwait(signals, NULL, &interval);
		if (which == SIGHUP)
			doryd_reload(d);
		else if (which > 0)
			return;
		else if (errno == EAGAIN)
			resolver_refresh(d->workers.resolver, d->site->config);
	}
}

static int
doryd_listen(struct doryd *d)
{
	const char *address = d->listen != NULL ? d->listen : d->site->config->dory.listen;
	char why[DORYD_WHY];

	d->listen_fd = d->listen == NULL ? listen_inherited() : -1;
	if (d->listen_fd >= 0)
		return 0;
	d->listen_fd = listen_open(address, why, sizeof(why));
	if (d->listen_fd < 0) {
		log_error("%s", why);
		return d->listen_fd;
	}
	/* A copy: the configuration it stands in goes with the next reload. */
	d->address = strdup(address);
	d->made_socket = d->address != NULL;
	return d->made_socket ? 0 : -ENOMEM;
}

static void
doryd_close(struct doryd *d, int status)
{
	if (d->made_socket)
		listen_unlink(d->address);
	free(d->address);
	if (d->listen_fd >= 0)
		close(d->listen_fd);
	if (!keeper_stop(d->store)) {
		log_warn("ending before all is stored: another process holds the store's lock");
		log_stop();
		_exit(status);
	}
	workers_free(&d->workers);
	resolver_free(d->workers.resolver);
	breakers_free(d->workers.breakers);
	keeper_free(d->store);
	site_unref(d->site);
	log_stop();
	origin_fini();
}

static int
doryd_serve(struct doryd *d)
{
	sigset_t signals = doryd_block_signals();

	doryd_tune_malloc();
	doryd_raise_limits();
	int rc = log_start(
	    (enum log_level)d->site->config->dory.log_level, doryd_open_access_log(d->site));
	/* The store first: who connects is served from it. */
	if (rc == 0)
		rc = doryd_find_backends(d);
	if (rc == 0)
		rc = doryd_open_store(d, true);
	if (rc == 0)
		rc = doryd_listen(d);
	if (rc == 0)
		rc =
		    workers_start(&d->workers, doryd_count_workers(d->site), d->listen_fd, d->site);
	if (rc != 0 && d->listen_fd >= 0)
		log_error("cannot start: %s", strerror(-rc));
	if (rc != 0)
		return DORYD_FAILED;
	log_info("doryd %s serves %s", DORY_VERSION,
	    d->made_socket ? d->address : "the socket it was given");
	doryd_wait(d, &signals);
	log_info("draining");
	/* Who connects now is refused at once, not left waiting; a socket we were given is not ours
	 * to end. */
	if (d->made_socket) {
		listen_unlink(d->address);
		shutdown(d->listen_fd, SHUT_RDWR);
		d->made_socket = false;
	}
	workers_drain(&d->workers, DORYD_DRAIN_MS);
	workers_join(&d->workers);
	return 0;
}

/* What a CGI process's one worker adopts as its first connection. */
struct doryd_cgi {
	struct message message;
	int fd;
};

static void
doryd_adopt(struct worker *worker, struct message *message)
{
	struct doryd_cgi *cgi = (struct doryd_cgi *)message;

	if (conn_adopt(worker, cgi->fd) != 0)
		log_error("out of memory");
}

static int
doryd_serve_cgi(struct doryd *d)
{
	struct doryd_cgi cgi = { .message.run = doryd_adopt };
	int ends[2];

	doryd_block_signals();
	log_set_level((enum log_level)d->site->config->dory.log_level);
	/* A CGI program's head is not FastCGI's: not every web server looks for files in it. */
	d->site->config->dory.sendfile_header = NULL;
	if (doryd_open_store(d, false) != 0 || doryd_find_backends(d) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
	    workers_start(&d->workers, 1, -1, d->site) != 0) {
		log_error("cannot serve a CGI request: %s", strerror(errno));
		return DORYD_FAILED;
	}
	cgi.fd = ends[1];
	worker_post(d->workers.items[0], &cgi.message);
	int rc = cgi_serve(ends[0]);
	workers_drain(&d->workers, DORYD_DRAIN_MS);
	workers_join(&d->workers);
	return rc == 0 ? 0 : DORYD_FAILED;
}

int
main(int argc, char **argv)
{
	struct doryd d = { .listen_fd = -1 };

	int status = doryd_read_options(&d, argc, argv);
	if (status >= 0)
		return status;
	umask(0027);
	if (origin_init() != 0) {
		fputs("doryd: out of memory\n", stderr);
		return DORYD_FAILED;
	}
	if (doryd_load(&d) != 0) {
		status = DORYD_BAD_CONFIG;
	} else if (d.check) {
		printf("%s: fine\n", d.file);
		status = 0;
	} else if (cgi_is() && listen_inherited() < 0) {
		status = doryd_serve_cgi(&d);
	} else {
		status = doryd_serve(&d);
	}
	doryd_close(&d, status);
	return status;
}
