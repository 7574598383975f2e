/* syntax.c -- What addresses, paths and names of the configuration look like. */
#include "config/syntax.h"

#include <arpa/inet.h>

enum { SYNTAX_PORT_MAX = 65535, SYNTAX_HOST_MAX = 253, SYNTAX_LANGUAGE_MAX = 35 };

static bool
syntax_is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Is every byte a letter, a digit or one of `others`, and is there one at least? */
static bool
syntax_only(struct slice s, const char *others)
{
	for (size_t i = 0; i < s.len; i++)
		if (!syntax_is_alnum(s.at[i]) && (s.at[i] == '\0' || !strchr(others, s.at[i])))
			return false;
	return s.len > 0;
}

/* "127.0.0.1", "shop.example", "[::1]". */
static bool
syntax_is_host(struct slice s)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;

	if (s.len == 0 || s.at[0] != '[')
		return s.len <= SYNTAX_HOST_MAX && syntax_only(s, ".-_");
	if (s.at[s.len - 1] != ']' || s.len < 4 || s.len - 2 >= sizeof(address))
		return false;
	memcpy(address, s.at + 1, s.len - 2);
	address[s.len - 2] = '\0';
	return inet_pton(AF_INET6, address, &parsed) == 1;
}

static bool
syntax_is_port(struct slice s)
{
	uint64_t port;
	return slice_to_u64(s, &port) == 0 && port >= 1 && port <= SYNTAX_PORT_MAX;
}

/* Cut ":PORT" off the end of `*host`; at == NULL where there is none. */
static struct slice
syntax_cut_port(struct slice *host)
{
	for (size_t i = host->len; i > 0 && host->at[i - 1] != ']'; i--) {
		if (host->at[i - 1] != ':')
			continue;
		struct slice port = { host->at + i, host->len - i };
		host->len = i - 1;
		return port;
	}
	return (struct slice){ NULL, 0 };
}

const char *
syntax_host(struct slice s)
{
	return syntax_is_host(s) ? NULL : "is no host name or address";
}

const char *
syntax_host_port(struct slice s)
{
	struct slice port = syntax_cut_port(&s);

	if (port.at != NULL && !syntax_is_port(port))
		return "has a port that is none of 1 to 65535";
	return syntax_host(s);
}

const char *
syntax_path(struct slice s)
{
	if (s.len == 0 || s.at[0] != '/')
		return "is no absolute path";
	return memmem(s.at, s.len, " #", 2) == NULL ? NULL : "holds \"#\", which begins no comment";
}

const char *
syntax_socket(struct slice s)
{
	if (s.len > SYNTAX_UNIX_PATH_MAX)
		return "is longer than the 107 bytes that a Unix socket's path may have";
	return syntax_path(s);
}

const char *
syntax_listen(struct slice s)
{
	struct slice prefix = SLICE("unix:");

	if (slice_starts_with(s, prefix))
		return syntax_socket((struct slice){ s.at + prefix.len, s.len - prefix.len });
	struct slice port = syntax_cut_port(&s);
	if (port.at == NULL)
		return "names no port";
	if (!syntax_is_port(port))
		return "has a port that is none of 1 to 65535";
	return syntax_host(s);
}

const char *
syntax_url(struct slice s)
{
	struct slice http = SLICE("http://"), https = SLICE("https://");
	size_t skip = slice_starts_with(s, http) ? http.len : https.len;

	if (skip == https.len && !slice_starts_with(s, https))
		return "does not begin with http:// or https://";
	s = (struct slice){ s.at + skip, s.len - skip };
	if (s.len > 0 && s.at[s.len - 1] == '/')
		s.len--;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '/')
			return "has a path";
		if (s.at[i] == '?' || s.at[i] == '#')
			return "has a query or fragment";
		if (s.at[i] == '@')
			return "has a user name";
	}
	struct slice port = syntax_cut_port(&s);
	if (port.at != NULL && !syntax_is_port(port))
		return "has a port that is none of 1 to 65535";
	return syntax_is_host(s) ? NULL : "names no host, or none that can be one";
}

const char *
syntax_admin_path(struct slice s)
{
	if (s.len == 0 || s.at[0] != '/')
		return "does not begin with \"/\"";
	if (s.at[s.len - 1] == '/')
		return "ends with \"/\"";
	if (!syntax_only(s, "/-._~!$&'()*+,;=:@"))
		return "holds a character that stands for itself in no path";
	for (size_t i = 0; i < s.len; i++) {
		struct slice rest = { s.at + i, s.len - i };
		bool step = rest.at[0] == '/' && (rest.at[1] == '/' || rest.at[1] == '.');
		if (step)
			return "holds \"//\" or \"/.\"";
	}
	return NULL;
}

const char *
syntax_field_name(struct slice s)
{
	return syntax_only(s, "!#$%&'*+-.^_`|~") ? NULL : "is no header name";
}

const char *
syntax_cookie_name(struct slice s)
{
	return syntax_field_name(s) == NULL ? NULL : "is no cookie name";
}

const char *
syntax_language(struct slice s)
{
	bool language = s.len <= SYNTAX_LANGUAGE_MAX && syntax_only(s, "-") && s.at[0] != '-' &&
			s.at[s.len - 1] != '-';
	return language ? NULL : "is no language";
}

const char *
syntax_name(struct slice s)
{
	return s.len <= SYNTAX_NAME_MAX && syntax_only(s, "-_.") ? NULL : "is no name";
}
