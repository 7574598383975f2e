/* log.h -- Lines for the operator, and the access log: one event a line, printable, never blocking.
 */
#ifndef DORY_BASE_LOG_H
#define DORY_BASE_LOG_H

#include "base/attributes.h"
#include "base/slice.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * Until log_start() a line is written at once by the caller. From then on a thread of its own
 * writes both logs, so a full disk or a pipe that nobody reads costs lines, not requests: they are
 * dropped and counted (METRIC_LOG_DROPPED).
 *
 * access_fd: taken; -1 for no access log.
 * Returns:   0; -EAGAIN or -ENOMEM where no thread can be had.
 */
int log_start(enum log_level level, int access_fd) NODISCARD;

/* Write what is queued, end the thread. Lines are then written at once again. */
void log_stop(void);
void log_set_level(enum log_level level);

/* Swap the access log for one that was opened anew (reload, rotation). `access_fd` is taken. */
void log_set_access(int access_fd);

/* One line without its newline; controls and bytes over 0x7e are written as \xNN. Thread-safe. */
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_access(struct slice line);

/* Is there an access log? Thread-safe. */
bool log_has_access(void);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
