/* values.h -- Texts of the file turned into what a setting holds. */
#ifndef DORY_CONFIG_VALUES_H
#define DORY_CONFIG_VALUES_H

#include "config/settings.h"

/* Where a value stands in the file, and what its memory comes from. */
struct values_place {
	struct arena *arena;
	unsigned line;
};

/*
 * Put `text` into the member of `section` (a struct of config.h) that the setting is for; lists
 * grow. A setting of type SETTING_STATUS_MS has no place of its own: values_set_status() is for it.
 *
 * flaw:    on -EINVAL what is wrong, as `"3x" is no duration`; made in the arena.
 * Returns: 0; -EINVAL; -ENOMEM.
 */
int values_set(const struct setting *s, struct slice text, struct values_place place, void *section,
    const char **flaw) NODISCARD;
int values_set_status(const struct setting *s, unsigned status, struct slice text,
    struct values_place place, struct config_bloat *bloat, const char **flaw) NODISCARD;

#endif
