/* units.h -- Durations and sizes, read and written. */
#ifndef DORY_CONFIG_UNITS_H
#define DORY_CONFIG_UNITS_H

#include "base/buf.h"

/* "1h30m", "10 years", "0"; "64K", "1G". Reading them is config_parse_duration() and _size(). */
void units_print_duration(int64_t ms, struct buf *out);
void units_print_size(uint64_t bytes, struct buf *out);

#endif
