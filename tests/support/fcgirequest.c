/* fcgirequest.c -- A browser's request as lighttpd sends it to a FastCGI responder, for the load
 * makers. */
#include "fcgirequest.h"

#include "base/attributes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_BEGIN = 1, RECORD_PARAMS = 4, RECORD_STDIN = 5, RECORD_HEAD = 8 };
enum { BLOCK_MAX = FCGIREQUEST_MAX - 64 }; /* Of all parameters: records and BEGIN beside them. */

static void
fcgirequest_record(struct fcgirequest *r, unsigned type, const void *content, size_t len)
{
	unsigned char head[RECORD_HEAD] = { 1, (unsigned char)type, 0, 1, (unsigned char)(len >> 8),
		(unsigned char)len };
	memcpy(r->bytes + r->len, head, RECORD_HEAD);
	if (len > 0)
		memcpy(r->bytes + r->len + RECORD_HEAD, content, len);
	r->len += RECORD_HEAD + len;
}

static size_t
fcgirequest_length(unsigned char *to, size_t len)
{
	if (len < 128) {
		to[0] = (unsigned char)len;
		return 1;
	}
	to[0] = (unsigned char)(0x80 | len >> 24);
	to[1] = (unsigned char)(len >> 16);
	to[2] = (unsigned char)(len >> 8);
	to[3] = (unsigned char)len;
	return 4;
}

int
fcgirequest_make(struct fcgirequest *r, const char *path, bool keep)
{
	char name[1024];
	const char *query = strchr(path, '?');
	snprintf(name, sizeof(name), "%.*s",
	    (int)(query != NULL ? query - path : (long)strlen(path)), path);
	const char *const params[][2] = {
		{ "CONTENT_LENGTH", "0" },
		{ "QUERY_STRING", query != NULL ? query + 1 : "" },
		{ "REQUEST_URI", path },
		{ "REDIRECT_STATUS", "200" },
		{ "SCRIPT_NAME", "" },
		{ "PATH_INFO", name },
		{ "PATH_TRANSLATED", "/var/www/html/page" },
		{ "SCRIPT_FILENAME", "/var/www/html/" },
		{ "DOCUMENT_ROOT", "/var/www/html" },
		{ "REQUEST_METHOD", "GET" },
		{ "SERVER_PROTOCOL", "HTTP/1.1" },
		{ "SERVER_SOFTWARE", "lighttpd/1.4.69" },
		{ "GATEWAY_INTERFACE", "CGI/1.1" },
		{ "REQUEST_SCHEME", "http" },
		{ "SERVER_PORT", "80" },
		{ "SERVER_ADDR", "127.0.0.1" },
		{ "SERVER_NAME", "localhost" },
		{ "REMOTE_ADDR", "127.0.0.1" },
		{ "REMOTE_PORT", "43862" },
		{ "HTTP_HOST", "localhost" },
		{ "HTTP_ACCEPT",
		    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" },
		{ "HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5" },
		{ "HTTP_ACCEPT_ENCODING", "gzip, deflate, br" },
		{ "HTTP_USER_AGENT",
		    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0" },
		{ "HTTP_CONNECTION", "keep-alive" },
	};
	unsigned char begin[8] = { 0, 1, keep ? 1 : 0 }, block[BLOCK_MAX];
	size_t at = 0;

	for (size_t i = 0; i < COUNT(params); i++) {
		size_t names = strlen(params[i][0]), values = strlen(params[i][1]);
		if (at + names + values + 8 > sizeof(block))
			return -E2BIG;
		at += fcgirequest_length(block + at, names);
		at += fcgirequest_length(block + at, values);
		memcpy(block + at, params[i][0], names);
		memcpy(block + at + names, params[i][1], values);
		at += names + values;
	}
	r->len = 0;
	fcgirequest_record(r, RECORD_BEGIN, begin, sizeof(begin));
	fcgirequest_record(r, RECORD_PARAMS, block, at);
	fcgirequest_record(r, RECORD_PARAMS, NULL, 0);
	fcgirequest_record(r, RECORD_STDIN, NULL, 0);
	return 0;
}
