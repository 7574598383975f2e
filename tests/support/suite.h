/* suite.h -- Run one file's unit tests and print TAP. */
#ifndef DORY_TESTS_SUITE_H
#define DORY_TESTS_SUITE_H

#include "base/attributes.h"

#include <check.h>

/* Runs `tests` as a suite of that name. Returns what main() returns. */
int suite_run(const char *name, TCase *tests);

#endif
