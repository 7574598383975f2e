/* settings.h -- The table of settings: it drives keys, types, defaults, limits and the reference.
 */
#ifndef DORY_CONFIG_SETTINGS_H
#define DORY_CONFIG_SETTINGS_H

#include "config/config.h"

enum settings_section {
	SETTINGS_DORY,
	SETTINGS_ADMIN,
	SETTINGS_BACKEND,
	SETTINGS_BLOAT,
	SETTINGS_ROUTE,
	SETTINGS_SECTIONS
};

enum setting_type {
	SETTING_BOOL,      /* bool */
	SETTING_COUNT,     /* uint64_t, from min to max */
	SETTING_LINES,     /* config_list: the key may be repeated, an item a line */
	SETTING_LIST,      /* config_list: words between blanks or commas */
	SETTING_MS,        /* int64_t, from min to max */
	SETTING_SIZE,      /* uint64_t, from min to max */
	SETTING_STATUS_MS, /* KEY_404 = 30s: n_status_timeouts config_status_timeouts */
	SETTING_STRING,    /* const char * */
	SETTING_TEXT,      /* config_text: lib/route judges it */
	SETTING_WORD,      /* an enum: one of `words` */
	SETTING_WORDS,     /* config_list: as LIST, and the key may be repeated */
};

struct setting_word {
	const char *word; /* NULL ends an array of them. */
	int value;
};

struct setting {
	enum settings_section section;
	const char *key;
	enum setting_type type;
	size_t offset;       /* In the section's struct of config.h. */
	const char *initial; /* The default, read as if it stood in the file. NULL: none. */
	const char *help;    /* What it is for, for the reference. */
	uint64_t min;
	uint64_t max;
	const struct setting_word *words;
	const char *(*flaw)(struct slice); /* NULL: any text. Else as in syntax.h. */
	const char *absent;                /* The word for an empty list, or NULL. */
	const char *expect;  /* "write ..."; for types that can't say it themselves. */
	const char *example; /* Where there is no default to show. */
	bool required;
};

/* The rows of one section, in the order of the reference. Static. */
const struct setting *settings_of(enum settings_section section, size_t *n);

/* "dory", "backend", ... and whether a NAME follows. Static. */
const char *settings_section_name(enum settings_section section);
bool settings_section_named(enum settings_section section);

/* What the value may be, as it follows "write ". */
void settings_expect(const struct setting *s, struct buf *out);

#endif
