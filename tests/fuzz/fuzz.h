/* fuzz.h -- What each target of this folder is: one function, for libFuzzer and for replay.c. */
#ifndef DORY_TESTS_FUZZ_H
#define DORY_TESTS_FUZZ_H

#include "base/slice.h"

#include <assert.h>

/* libFuzzer's name for it. Returns 0; what should not be true ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct slice
fuzz_input(const uint8_t *data, size_t size)
{
	return (struct slice){ (const char *)data, size };
}

#endif
