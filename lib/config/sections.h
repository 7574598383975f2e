/* sections.h -- Sections as they are read: headers, keys, defaults, and the arrays they end in. */
#ifndef DORY_CONFIG_SECTIONS_H
#define DORY_CONFIG_SECTIONS_H

#include "config/settings.h"

enum { SECTIONS_KEYS_MAX = 32, SECTIONS_STATUS_MIN = 200, SECTIONS_STATUS_MAX = 599 };

/* The section that lines now belong to. */
struct section {
	bool open; /* Not before the first header, nor behind one that was refused. */
	enum settings_section kind;
	bool again;        /* A second [dory] or [admin]: checked, then dropped. */
	bool damaged;      /* Lines of it were refused: what is missing may stand in them. */
	const char *title; /* "[bloat product]" */
	unsigned line;
	unsigned key_lines[SECTIONS_KEYS_MAX]; /* Where each setting stands; 0 where it does not. */
	unsigned status_lines[SECTIONS_STATUS_MAX - SECTIONS_STATUS_MIN + 1];
	union {
		struct config_dory dory;
		struct config_admin admin;
		struct config_backend backend;
		struct config_bloat bloat;
		struct config_route route;
	} at;
};

struct sections {
	struct config *config;        /* Borrowed. Its file and arena are set. */
	struct config_errors *errors; /* Borrowed. */
	struct section now;
	unsigned dory_line; /* 0: not seen yet. */
	unsigned admin_line;
	struct buf backends; /* Arrays of the structs of config.h. */
	struct buf bloats;
	struct buf routes;
	bool lost;   /* A header was refused, so names may seem to be missing. */
	bool failed; /* Out of memory. */
};

/* A header's text, without brackets. What is wrong with it is noted, and its lines are skipped. */
void sections_begin(struct sections *s, struct slice header, unsigned line);

/* A header that can't be read. Its lines are skipped. */
void sections_lose(struct sections *s);

/* `key = value`, both trimmed. */
void sections_set(struct sections *s, struct slice key, struct slice value, unsigned line);

/* A line that was refused. */
void sections_damage(struct sections *s);

/*
 * The end of the file: what was gathered becomes the configuration's.
 * Returns: 0; -ENOMEM.
 */
int sections_end(struct sections *s) NODISCARD;
void sections_fini(struct sections *s);

#endif
