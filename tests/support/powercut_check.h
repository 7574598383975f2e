/* powercut_check.h -- What is left of a store after a power cut: opened and checked with libdory.
 */
#ifndef DORY_TESTS_POWERCUT_CHECK_H
#define DORY_TESTS_POWERCUT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

enum { CUT_KEYS = 4096, CUT_WHY = 512 };

/* What was acknowledged before the cut. */
struct cut_marks {
	uint32_t hard[CUT_KEYS], any[CUT_KEYS]; /* Oldest version that may live. */
	uint64_t sequence, n;
};

struct cut_found {
	uint64_t entries, alive, files, older;
	bool opened, set_aside, empty;
	char why[CUT_WHY]; /* Empty: all is well. */
};

/*
 * A process that checks one image after the other, for any of them may kill it; then another one
 * is started. Whatever goes wrong beside it ends the program with 2.
 */
struct cut_checker;

/* image: the directory that images are made in; caller keeps it. */
struct cut_checker *powercut_checker_new(const char *image);
void powercut_checker_free(struct cut_checker *c);

/* What the next image is held against: the caller's to write. */
struct cut_marks *powercut_marks(struct cut_checker *c);

/* Check what is in `image` now. What was found is good until the next call. */
const struct cut_found *powercut_check(struct cut_checker *c);

#endif
