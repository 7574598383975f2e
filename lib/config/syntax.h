/* syntax.h -- What addresses, paths and names of the configuration look like. */
#ifndef DORY_CONFIG_SYNTAX_H
#define DORY_CONFIG_SYNTAX_H

#include "base/slice.h"

enum { SYNTAX_NAME_MAX = 40, SYNTAX_UNIX_PATH_MAX = 107 };

/*
 * Each returns NULL where `s` is right, or else what is wrong with it, as the end of a sentence
 * that begins with the value: "is no absolute path". Static. All are thread-safe: pure.
 */
const char *syntax_listen(struct slice s);      /* unix:/PATH, HOST:PORT, [IPV6]:PORT */
const char *syntax_url(struct slice s);         /* http://HOST or https://HOST:PORT, no more */
const char *syntax_path(struct slice s);        /* absolute */
const char *syntax_socket(struct slice s);      /* absolute, and short enough for a socket */
const char *syntax_admin_path(struct slice s);  /* segments of RFC 3986 pchar, none encoded */
const char *syntax_host(struct slice s);        /* a name, an IPv4 or [IPv6] address */
const char *syntax_host_port(struct slice s);   /* the same, maybe with a port */
const char *syntax_field_name(struct slice s);  /* token of RFC 9110 section 5.6.2 */
const char *syntax_cookie_name(struct slice s); /* the same, RFC 6265 section 4.1.1 */
const char *syntax_language(struct slice s);    /* RFC 5646, roughly */
const char *syntax_name(struct slice s);        /* of a section */

#endif
