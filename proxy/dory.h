/* dory.h -- The dory command: ask a configuration and a store, deflate, switch bloats. */
#ifndef DORY_PROXY_DORY_H
#define DORY_PROXY_DORY_H

#include "report/report.h"

/* Exit statuses; EX_CONFIG of sysexits.h is 78. */
enum { DORY_DONE = 0, DORY_FAILED = 1, DORY_USAGE = 2, DORY_BAD_CONFIG = 78 };

struct dory;

/* A command: how it is called, what it may be given, and who does it. */
struct dory_command {
	const char *name;
	const char *arguments; /* As help writes them. */
	const char *help;
	size_t min, max;     /* So many arguments. */
	const char *nothing; /* What there is not where there is no store yet. */
	const char *options; /* Letters of those that only some commands take: H, s, d. */
	int (*run)(struct dory *d);
};

/* One run: what was asked, and what is needed to answer. */
struct dory {
	const struct dory_command *command;
	const char *file; /* The configuration. */
	bool json;
	bool soft;
	bool dry_run;
	struct slice *headers;
	size_t n_headers;
	const char **arguments; /* Of the command; [n_arguments] is NULL. */
	size_t n_arguments;

	struct config *config;
	struct routes *routes;
	struct store *store;
	struct store_reader *reader;
	struct arena arena;
};

/* One line to standard error, "dory: " before it. */
void dory_say(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * Load the configuration and compile its routes; with `errors` NULL findings go to standard error.
 * Returns: an exit status.
 */
int dory_load(struct dory *d, struct config_errors *errors);

/* The commands (dory_commands.c). Each returns an exit status. */
int dory_check(struct dory *d);
int dory_explain(struct dory *d);
int dory_deflate(struct dory *d);
int dory_ls(struct dory *d);
int dory_show(struct dory *d);
int dory_stat(struct dory *d);
int dory_enable(struct dory *d);
int dory_disable(struct dory *d);

#endif
