/* cgi.h -- One request from the environment, as a CGI program gets it (RFC 3875). */
#ifndef DORY_PROXY_CGI_H
#define DORY_PROXY_CGI_H

#include "base/attributes.h"

#include <stdbool.h>

/* Was this process started as a CGI program? */
bool cgi_is(void);

/*
 * Serve the request: its parameters and body become FastCGI records on `fd`, a socket whose other
 * end a worker has adopted, and what comes back on it goes to standard output. So a CGI request
 * goes the way of every other one.
 *
 * fd:      blocking; taken.
 * Returns: 0; -EPIPE where the answer broke off; -errno.  Blocks until the answer is there.
 */
int cgi_serve(int fd) NODISCARD;

#endif
