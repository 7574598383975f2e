/* config.h -- The configuration: one INI file, read, checked and held as a tree. */
#ifndef DORY_CONFIG_CONFIG_H
#define DORY_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdio.h>

/* A value whose syntax another module owns (patterns, calls, scopes), with where it stands. */
struct config_text {
	const char *text; /* NULL where it is not set. NUL-terminated, trimmed. */
	unsigned line;
};

/* What a list or a repeatable key holds, in the order of the file. */
struct config_list {
	struct config_text *items;
	size_t n;
};

enum config_client_control { CLIENT_CONTROL_IGNORE, CLIENT_CONTROL_HONOUR };
enum config_origin { ORIGIN_OBEY, ORIGIN_CAP, ORIGIN_IGNORE };
enum config_set_cookie { SET_COOKIE_REFUSE, SET_COOKIE_STRIP, SET_COOKIE_STORE };
enum config_interim { INTERIM_AUTO, INTERIM_PASS, INTERIM_DROP };
enum config_authorization { AUTHORIZATION_DROP, AUTHORIZATION_FORWARD };
enum config_deflate_mode { DEFLATE_HARD, DEFLATE_SOFT };

struct config_dory {
	const char *listen;
	uint64_t workers; /* 0: one a processor. */
	const char *store;
	uint64_t size_bytes;
	uint64_t body_file_min_bytes;
	bool store_unsafe_fs;
	const char *sendfile_header; /* NULL: none. */
	uint64_t max_object_bytes;
	int64_t client_timeout_ms;
	/* For requests that no route matches. Filled in where there is one; NULL: several. */
	struct config_text backend;
	int log_level;          /* enum log_level */
	const char *access_log; /* NULL: none. */
	bool status_header;
	enum config_client_control client_cache_control;
	enum config_interim interim;
};

struct config_admin {
	const char *path;
	struct config_text token_file;
	struct config_list hosts;
};

struct config_backend {
	const char *name;
	unsigned line; /* Of its section header. */
	struct config_list urls;
	const char *socket;
	const char *host; /* NULL: keep the client's. */
	int64_t connect_timeout_ms;
	int64_t first_byte_timeout_ms;
	int64_t idle_timeout_ms;
	int64_t timeout_ms;
	uint64_t max_fetches;
	uint64_t breaker; /* 0: none. */
};

/* `timeout_404 = 30s`: the lifetime for one status. */
struct config_status_timeout {
	unsigned status;
	int64_t timeout_ms;
};

struct config_bloat {
	const char *name;
	unsigned line;
	const char *prefix; /* Defaults to the name. */
	struct config_text key;
	int64_t timeout_ms;
	struct config_status_timeout *status_timeouts;
	size_t n_status_timeouts;
	bool enabled;
	enum config_origin origin;
	bool heuristic;
	int64_t grace_ms;
	int64_t stale_if_error_ms;
	int64_t keep_ms;
	struct config_text query; /* `*` where not set. */
	struct config_list vary;
	struct config_list cookie;
	struct config_list lang;
	struct config_list forward; /* Empty: `*`. `none` is one item with that text. */
	struct config_list tags;
	enum config_set_cookie set_cookie;
	bool store_post;
};

struct config_route {
	const char *name;
	unsigned line;
	struct config_list match; /* Repeatable. */
	struct config_list host;
	struct config_text backend; /* Filled in where not set: dory's, or the only one. */
	struct config_text bloat;
	struct config_text deflate;
	enum config_deflate_mode deflate_mode;
	enum config_authorization authorization;
	struct config_list bypass; /* Empty only where the file says `none`. */
};

/* Everything in it, texts included, is freed with it. Read-only once loaded, so thread-safe. */
struct config {
	const char *file; /* As given, for messages. */
	struct config_dory dory;
	struct config_admin admin;
	struct config_backend *backends;
	size_t n_backends;
	struct config_bloat *bloats;
	size_t n_bloats;
	struct config_route *routes;
	size_t n_routes;
	struct arena arena;
};

/*
 * What is wrong with a file: every finding, each as "FILE:LINE: what was wrong; what to write".
 * A zeroed struct is empty.
 */
struct config_errors {
	struct buf
	    text; /* One line each, newline-terminated, in the order of their lines once sorted. */
	unsigned n;
	struct buf marks; /* Private: line and place in `text` of each. */
};

/* So many findings are written out, the rest only counted. */
enum { CONFIG_ERRORS_MAX = 1000 };

/* Note one. `line` 0 where no line is to blame; `file` NULL where the message says it all. */
void config_error(struct config_errors *e, const char *file, unsigned line, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Put them in the order of their lines: the loader and the routes find them in two passes. */
void config_errors_sort(struct config_errors *e);
void config_errors_free(struct config_errors *e);

/*
 * Read and check a file. All that this module can judge is judged: sections, keys, types, limits,
 * names that refer to each other (backend, and that a route has a match). What lib/route compiles
 * is kept as text.
 *
 * file:    a path; caller keeps.
 * errors:  what was found is appended.
 * Returns: 0; -EINVAL with findings in `errors`; -errno where the file can't be read (also noted in
 *          `errors`); -ENOMEM. With -EINVAL `*out` holds what could be read, not to be served by:
 *          routes_new() can then say what else is wrong, so that all of a file is said at once. On
 *          any other error `*out` is untouched.
 * Owner:   caller; free with config_free().  Blocks on disk.
 */
int config_load(const char *file, struct config **out, struct config_errors *errors) NODISCARD;

/* The same from a stream; `name` stands in messages. */
int config_read(
    FILE *stream, const char *name, struct config **out, struct config_errors *errors) NODISCARD;
void config_free(struct config *c);

/* The reference: every section and key with default, limits and meaning, as a commented INI file.
 */
void config_print_reference(struct buf *out);

/* The nearest of `n` names, or NULL where none is near enough to suggest. Thread-safe: pure. */
const char *config_nearest(struct slice name, const char *const *names, size_t n);

/*
 * "500ms", "30s", "1h30m", "2d", "0" to milliseconds; "64K", "16M", "1G", "512" to bytes.
 * Returns: 0; -EINVAL; -ERANGE. On error `*out` is untouched.  Thread-safe: pure.
 */
int config_parse_duration(struct slice text, int64_t *out_ms) NODISCARD;
int config_parse_size(struct slice text, uint64_t *out_bytes) NODISCARD;

#endif
