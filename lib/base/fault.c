/* fault.c -- Test builds only: which one promise is to be broken, to prove that a test guards it.
 */
#include "base/fault.h"

#ifdef DORY_FAULTS
#include <stdlib.h>
#include <string.h>

bool
fault_is(const char *name)
{
	const char *fault = getenv("DORY_FAULT");

	return fault != NULL && strcmp(fault, name) == 0;
}
#endif
