/* fault.h -- Test builds only: which one promise is to be broken, to prove that a test guards it.
 */
#ifndef DORY_BASE_FAULT_H
#define DORY_BASE_FAULT_H

#include <stdbool.h>

/*
 * Does the environment's DORY_FAULT name this fault? Without -Dfaults=true always false, and the
 * test costs nothing. Thread-safe.
 */
#ifdef DORY_FAULTS
bool fault_is(const char *name);
#else
static inline bool
fault_is(const char *name)
{
	(void)name;
	return false;
}
#endif

#endif
