/* dory.c -- The dory command: ask a configuration and a store, deflate, switch bloats. */
#include "dory.h"

#include "base/log.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>

enum { OPTION_JSON = 'j', OPTION_SOFT = 's', OPTION_DRY_RUN = 'd' };

static const struct dory_command dory_table[] = {
	{ "check", "", "say whether the configuration is fine, or all that is wrong with it", 0, 0,
	    NULL, "", dory_check },
	{ "explain", "METHOD URL [-H 'Name: value']...",
	    "what would be done with that request, and why", 2, 2, NULL, "H", dory_explain },
	{ "deflate", "[--soft] [--dry-run] SCOPE...",
	    "forget what the scopes cover: product(42), list(books, *), tag:sale, url:/p/42, *", 1,
	    SIZE_MAX, "nothing to deflate", "sd", dory_deflate },
	{ "ls", "[SCOPE]", "list what is stored", 0, 1, "nothing is stored", "", dory_ls },
	{ "show", "KEY", "everything that is stored under one key, such as product(42)", 1, 1,
	    "nothing is stored", "", dory_show },
	{ "stat", "", "numbers of the store, and which bloats are on", 0, 0, "nothing to count", "",
	    dory_stat },
	{ "enable", "BLOAT", "serve a bloat from the store again", 1, 1, "nothing to switch", "",
	    dory_enable },
	{ "disable", "BLOAT", "let a bloat's requests pass to the backend; its entries stay", 1, 1,
	    "nothing to switch", "", dory_disable },
};

static const struct option dory_long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "header", required_argument, NULL, 'H' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "soft", no_argument, NULL, OPTION_SOFT },
	{ "dry-run", no_argument, NULL, OPTION_DRY_RUN },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

void
dory_say(const char *format, ...)
{
	va_list args;

	fputs("dory: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- Configuration -------------------------------------------------------------------------- */

static int
dory_load_into(struct dory *d, struct config_errors *errors)
{
	int rc = config_load(d->file, &d->config, errors);

	/* Whatever the first finds, the second looks too: all that is wrong is said at once. */
	if (d->config != NULL) {
		int routes_rc = routes_new(&d->routes, d->config, errors);
		rc = rc != 0 ? rc : routes_rc;
	}
	if (rc == 0)
		return DORY_DONE;
	if (rc == -ENOMEM) {
		dory_say("out of memory");
		return DORY_FAILED;
	}
	config_errors_sort(errors);
	return DORY_BAD_CONFIG;
}

int
dory_load(struct dory *d, struct config_errors *errors)
{
	struct config_errors own = { 0 };

	if (errors != NULL)
		return dory_load_into(d, errors);
	int status = dory_load_into(d, &own);
	if (status == DORY_BAD_CONFIG) {
		fwrite(own.text.data, 1, own.text.len, stderr);
		dory_say("%s: %u %s", d->file, own.n, own.n == 1 ? "error" : "errors");
	}
	config_errors_free(&own);
	return status;
}

/* ---- What was asked ------------------------------------------------------------------------- */

static int
dory_help(void)
{
	puts("usage: dory [-c FILE] [--json] COMMAND\n");
	for (size_t i = 0; i < COUNT(dory_table); i++)
		printf("  dory %s%s%s\n        %s\n", dory_table[i].name,
		    dory_table[i].arguments[0] == '\0' ? "" : " ", dory_table[i].arguments,
		    dory_table[i].help);
	puts("\n"
	     "  -c FILE        the configuration; else $DORY_CONFIG, else /etc/dory/dory.ini\n"
	     "  -H, --header   explain: a header field of the request\n"
	     "      --json     answer in JSON, for machines\n"
	     "      --soft     deflate: let grace serve what is stored while it is fetched anew\n"
	     "      --dry-run  deflate: only say what it would cover\n"
	     "  -h, --help     this text\n"
	     "  -V, --version  the version\n"
	     "\n"
	     "Exit status: 0; 1 it failed; 2 wrong use; 78 a bad configuration.");
	return DORY_DONE;
}

static int
dory_misused(const struct dory_command *c, const char *how, const char *what)
{
	dory_say("%s %s%s; write: dory %s%s%s", c->name, how, what, c->name,
	    c->arguments[0] == '\0' ? "" : " ", c->arguments);
	return DORY_USAGE;
}

static int
dory_find_command(struct dory *d)
{
	const char *names[COUNT(dory_table)], *name = d->arguments[0];

	if (d->n_arguments == 0) {
		dory_say("no command was given; see dory --help");
		return DORY_USAGE;
	}
	for (size_t i = 0; i < COUNT(dory_table); i++) {
		names[i] = dory_table[i].name;
		if (strcmp(names[i], name) == 0)
			d->command = &dory_table[i];
	}
	d->arguments++;
	d->n_arguments--;
	if (d->command != NULL)
		return DORY_DONE;
	const char *nearest = config_nearest(slice_of(name), names, COUNT(names));
	if (nearest != NULL)
		dory_say("there is no command \"%s\"; did you mean \"%s\"?", name, nearest);
	else
		dory_say("there is no command \"%s\"; see dory --help", name);
	return DORY_USAGE;
}

/* Each command takes its own options and so many arguments. */
static int
dory_check_use(const struct dory *d)
{
	const struct dory_command *c = d->command;
	struct {
		bool given;
		char letter;
		const char *name;
	} own[] = {
		{ d->n_headers > 0, 'H', "-H" },
		{ d->soft, OPTION_SOFT, "--soft" },
		{ d->dry_run, OPTION_DRY_RUN, "--dry-run" },
	};

	for (size_t i = 0; i < COUNT(own); i++) {
		if (own[i].given && strchr(c->options, own[i].letter) == NULL)
			return dory_misused(c, "does not take ", own[i].name);
	}
	if (d->n_arguments >= c->min && d->n_arguments <= c->max)
		return DORY_DONE;
	return dory_misused(c, "was given too ", d->n_arguments < c->min ? "little" : "much");
}

/* Returns: an exit status, or -1 to go on. */
static int
dory_take_option(struct dory *d, int letter)
{
	switch (letter) {
	case 1: /* What is no option. */
		d->arguments[d->n_arguments++] = optarg;
		return -1;
	case 'c':
		d->file = optarg;
		return -1;
	case 'H':
		d->headers[d->n_headers++] = slice_of(optarg);
		return -1;
	case OPTION_JSON:
		d->json = true;
		return -1;
	case OPTION_SOFT:
		d->soft = true;
		return -1;
	case OPTION_DRY_RUN:
		d->dry_run = true;
		return -1;
	case 'h':
		return dory_help();
	case 'V':
		puts("dory " DORY_VERSION);
		return DORY_DONE;
	}
	dory_say("see dory --help"); /* getopt has said what is wrong. */
	return DORY_USAGE;
}

/* "-" first: options may stand anywhere, whatever POSIXLY_CORRECT says. */
static int
dory_take_arguments(struct dory *d, int argc, char **argv)
{
	static char name[] = "dory"; /* For getopt's messages. */
	const char *from_environment = getenv("DORY_CONFIG");
	int letter, status = -1;

	d->file = from_environment != NULL && from_environment[0] != '\0' ? from_environment
									  : "/etc/dory/dory.ini";
	d->headers = arena_zalloc(&d->arena, ((size_t)argc + 1) * sizeof(*d->headers));
	d->arguments = arena_zalloc(&d->arena, ((size_t)argc + 1) * sizeof(*d->arguments));
	if (d->headers == NULL || d->arguments == NULL) {
		dory_say("out of memory");
		return DORY_FAILED;
	}
	if (argc > 0)
		argv[0] = name;
	while (status < 0 &&
	       (letter = getopt_long(argc, argv, "-c:H:hV", dory_long_options, NULL)) != -1)
		status = dory_take_option(d, letter);
	/* Behind "--". */
	while (optind < argc)
		d->arguments[d->n_arguments++] = argv[optind++];
	return status;
}

static int
dory_run(struct dory *d)
{
	int status = dory_find_command(d);

	if (status == DORY_DONE)
		status = dory_check_use(d);
	if (status == DORY_DONE && d->command->run != dory_check)
		status = dory_load(d, NULL);
	if (status == DORY_DONE)
		status = d->command->run(d);
	return status;
}

int
main(int argc, char **argv)
{
	struct dory d = { 0 };

	log_set_level(LOG_WARN);
	int status = dory_take_arguments(&d, argc, argv);
	if (status < 0)
		status = dory_run(&d);
	store_reader_free(d.reader);
	store_close(d.store);
	routes_free(d.routes);
	config_free(d.config);
	arena_fini(&d.arena);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		dory_say("cannot write to standard output: %s", strerror(errno));
		status = status == DORY_DONE ? DORY_FAILED : status;
	}
	return status;
}
