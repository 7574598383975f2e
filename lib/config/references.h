/* references.h -- Names of the configuration: each given once, and each that is used given. */
#ifndef DORY_CONFIG_REFERENCES_H
#define DORY_CONFIG_REFERENCES_H

#include "config/config.h"

/*
 * Find sections and prefixes that stand twice and backends that do not exist, and fill in the
 * backend where none is named.
 *
 * lost:    section headers were refused, so names may seem to be missing: don't say so.
 * Returns: 0, whatever was found; -ENOMEM.
 */
int references_check(struct config *c, bool lost, struct config_errors *errors) NODISCARD;

#endif
