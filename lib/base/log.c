/* log.c -- Lines for the operator, and the access log: one event a line, printable, never blocking.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A pipe takes up to 4096 bytes (PIPE_BUF) whole or not at all, and at once where it has any room.
 */
enum { LOG_QUEUE_MAX = 8192, LOG_LINE_MAX = 4096, LOG_WAIT_MS = 100 };

struct log_entry {
	struct log_entry *next;
	bool access;
	size_t len;
	char bytes[];
};

/* The one global of the project beside the counters: where lines go. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	/* Guarded by lock. */
	struct log_entry *head;
	struct log_entry **tail;
	size_t queued;
	int access_fd;
	bool running;
	_Atomic bool stopping;
	_Atomic int level;
	_Atomic bool has_access;
} log_sink = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.tail = &log_sink.head,
	.access_fd = -1,
	.level = LOG_INFO };

/* Nobody waits for long: neither a line behind one that is not taken up, nor the end of the
 * program. */
static bool
log_is_writable(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLOUT };
	int n;

	do
		n = poll(&poller, 1, log_sink.stopping ? 0 : LOG_WAIT_MS);
	while (n < 0 && errno == EINTR);
	return n != 0;
}

static void
log_write_all(int fd, const char *at, size_t len)
{
	while (len > 0 && fd >= 0 && log_is_writable(fd)) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += n;
		len -= (size_t)n;
	}
	if (len > 0 && fd >= 0)
		metric_add(METRIC_LOG_DROPPED, 1);
}

static void *
log_main(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&log_sink.lock);
	for (;;) {
		while (log_sink.head == NULL && !log_sink.stopping)
			pthread_cond_wait(&log_sink.wake, &log_sink.lock);
		struct log_entry *entry = log_sink.head;
		if (entry == NULL)
			break;
		log_sink.head = NULL;
		log_sink.tail = &log_sink.head;
		log_sink.queued = 0;
		int access_fd = log_sink.access_fd;
		pthread_mutex_unlock(&log_sink.lock);
		while (entry != NULL) {
			struct log_entry *next = entry->next;
			log_write_all(
			    entry->access ? access_fd : STDERR_FILENO, entry->bytes, entry->len);
			free(entry);
			entry = next;
		}
		pthread_mutex_lock(&log_sink.lock);
	}
	pthread_mutex_unlock(&log_sink.lock);
	return NULL;
}

/* A line is one event: whatever a request carried cannot start another one. */
static void
log_escape(struct buf *out, struct slice line)
{
	const size_t most = LOG_LINE_MAX - sizeof("\\x00");

	for (size_t i = 0; i < line.len && out->len < most; i++) {
		unsigned char c = (unsigned char)line.at[i];
		if (c >= 0x20 && c < 0x7f)
			buf_char(out, (char)c);
		else
			buf_printf(out, "\\x%02x", c);
	}
	buf_char(out, '\n');
}

static void
log_queue(struct slice line, bool access)
{
	struct log_entry *entry = malloc(sizeof(*entry) + line.len);
	bool queued = false;

	if (entry != NULL) {
		*entry = (struct log_entry){ .access = access, .len = line.len };
		memcpy(entry->bytes, line.at, line.len);
		pthread_mutex_lock(&log_sink.lock);
		if (log_sink.queued < LOG_QUEUE_MAX) {
			*log_sink.tail = entry;
			log_sink.tail = &entry->next;
			log_sink.queued++;
			queued = true;
			pthread_cond_signal(&log_sink.wake);
		}
		pthread_mutex_unlock(&log_sink.lock);
	}
	if (!queued) {
		free(entry);
		metric_add(METRIC_LOG_DROPPED, 1);
	}
}

static void
log_emit(struct slice line, bool access)
{
	struct buf out = { 0 };

	log_escape(&out, line);
	pthread_mutex_lock(&log_sink.lock);
	bool running = log_sink.running;
	int fd = access ? log_sink.access_fd : STDERR_FILENO;
	pthread_mutex_unlock(&log_sink.lock);
	if (buf_error(&out) != 0)
		metric_add(METRIC_LOG_DROPPED, 1);
	else if (running)
		log_queue(buf_as_slice(&out), access);
	else
		log_write_all(fd, out.data, out.len);
	buf_free(&out);
}

void
log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	char line[LOG_LINE_MAX];

	if ((int)level > log_sink.level)
		return;
	int len = snprintf(line, sizeof(line), "dory: %s: ", names[level]);
	va_list args;
	va_start(args, format);
	int more = vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
	va_end(args);
	if (more < 0)
		return;
	size_t total = (size_t)len + (size_t)more;
	log_emit((struct slice){ line, total < sizeof(line) ? total : sizeof(line) - 1 }, false);
}

void
log_access(struct slice line)
{
	log_emit(line, true);
}

bool
log_has_access(void)
{
	return log_sink.has_access;
}

void
log_set_level(enum log_level level)
{
	log_sink.level = (int)level;
}

void
log_set_access(int access_fd)
{
	pthread_mutex_lock(&log_sink.lock);
	log_sink.has_access = access_fd >= 0;
	/* The thread may be writing to the old one: hand its number over instead of closing it. */
	if (log_sink.access_fd >= 0 && access_fd < 0)
		access_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (log_sink.access_fd < 0) {
		log_sink.access_fd = access_fd;
	} else if (access_fd >= 0) {
		dup3(access_fd, log_sink.access_fd, O_CLOEXEC);
		close(access_fd);
	}
	pthread_mutex_unlock(&log_sink.lock);
}

int
log_start(enum log_level level, int access_fd)
{
	log_set_level(level);
	log_set_access(access_fd);
	log_sink.stopping = false;
	int rc = pthread_create(&log_sink.thread, NULL, log_main, NULL);
	if (rc != 0)
		return -rc;
	pthread_mutex_lock(&log_sink.lock);
	log_sink.running = true;
	pthread_mutex_unlock(&log_sink.lock);
	return 0;
}

void
log_stop(void)
{
	pthread_mutex_lock(&log_sink.lock);
	bool running = log_sink.running;
	log_sink.running = false;
	log_sink.stopping = true;
	pthread_cond_signal(&log_sink.wake);
	pthread_mutex_unlock(&log_sink.lock);
	if (running)
		pthread_join(log_sink.thread, NULL);
}
