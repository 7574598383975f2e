/* fcgirequest.h -- A browser's request as lighttpd sends it to a FastCGI responder, for the load
 * makers. */
#ifndef DORY_TESTS_SUPPORT_FCGIREQUEST_H
#define DORY_TESTS_SUPPORT_FCGIREQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum { FCGIREQUEST_MAX = 8 << 10 };

struct fcgirequest {
	unsigned char bytes[FCGIREQUEST_MAX];
	size_t len;
};

/*
 * The records that lighttpd 1.4.69 makes of a browser's GET for `path`, query included.
 *
 * keep:    the responder is not to close the connection afterwards.
 * Returns: 0; -E2BIG.
 */
int fcgirequest_make(struct fcgirequest *r, const char *path, bool keep);

#endif
