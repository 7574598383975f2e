/* target.c -- Where a request goes: canonical path, query and host, the bytes key and backend
 * share. */
#include "http/target.h"

#include "http/chars.h"

#include <errno.h>

/* Is the segment that begins at `i` "." or ".."? */
static bool
target_is_dot_segment(struct slice path, size_t i)
{
	size_t end = i;

	while (end < path.len && path.at[end] == '.')
		end++;
	return end - i >= 1 && end - i <= 2 && (end == path.len || path.at[end] == '/');
}

int
http_path_encode(struct slice decoded, struct arena *arena, struct slice *out)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t escapes = 0;

	if (decoded.len == 0 || decoded.at[0] != '/')
		return -EINVAL;
	for (size_t i = 0; i < decoded.len; i++) {
		char c = decoded.at[i];
		if (chars_is_control(c))
			return -EINVAL;
		if (c == '.' && decoded.at[i - 1] == '/' && target_is_dot_segment(decoded, i))
			return -EINVAL;
		escapes += !chars_is(c, CHARS_PATH);
	}
	if (escapes == 0) {
		*out = decoded;
		return 0;
	}
	char *bytes = arena_alloc(arena, decoded.len + 2 * escapes);
	if (bytes == NULL)
		return -ENOMEM;
	char *at = bytes;
	for (size_t i = 0; i < decoded.len; i++) {
		unsigned char c = (unsigned char)decoded.at[i];
		if (chars_is(decoded.at[i], CHARS_PATH)) {
			*at++ = decoded.at[i];
			continue;
		}
		*at++ = '%';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	*out = (struct slice){ bytes, decoded.len + 2 * escapes };
	return 0;
}

/* The byte that "%XX" at `i` stands for, or -1. */
static int
target_escaped(struct slice s, size_t i)
{
	if (s.len - i < 3)
		return -1;
	int high = chars_hex(s.at[i + 1]), low = chars_hex(s.at[i + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int
http_percent_decode(struct slice encoded, struct arena *arena, struct slice *out)
{
	size_t len = 0;

	if (encoded.len == 0 || memchr(encoded.at, '%', encoded.len) == NULL) {
		*out = encoded;
		return 0;
	}
	char *bytes = arena_alloc(arena, encoded.len);
	if (bytes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < encoded.len; i++) {
		char c = encoded.at[i];
		if (c == '%') {
			int byte = target_escaped(encoded, i);
			if (byte < 0)
				return -EINVAL;
			c = (char)byte;
			i += 2;
		}
		bytes[len++] = c;
	}
	*out = (struct slice){ bytes, len };
	return 0;
}

int
http_form_decode(struct slice encoded, struct arena *arena, struct slice *out)
{
	if (encoded.len == 0 || memchr(encoded.at, '+', encoded.len) == NULL)
		return http_percent_decode(encoded, arena, out);
	char *copy = arena_copy(arena, encoded);
	if (copy == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < encoded.len; i++)
		copy[i] = (char)(copy[i] == '+' ? ' ' : copy[i]);
	return http_percent_decode((struct slice){ copy, encoded.len }, arena, out);
}

int
http_path_normalise(struct slice encoded, struct arena *arena, struct slice *out)
{
	struct slice decoded;
	int rc = http_percent_decode(encoded, arena, &decoded);

	return rc != 0 ? rc : http_path_encode(decoded, arena, out);
}

bool
http_query_is_valid(struct slice query)
{
	for (size_t i = 0; i < query.len; i++) {
		char c = query.at[i];
		if (chars_is_control(c) || c == ' ' || c == '#')
			return false;
	}
	return true;
}

static bool
target_is_ipv6(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] != ':' && s.at[i] != '.' && chars_hex(s.at[i]) < 0)
			return false;
	}
	return s.len > 0;
}

static bool
target_is_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!chars_is(s.at[i], CHARS_HOST))
			return false;
	}
	/* Of a trailing dot one was taken; a second would leave two spellings of one host. */
	return s.len > 0 && s.at[s.len - 1] != '.';
}

static bool
target_has_upper(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (chars_is_upper(s.at[i]))
			return true;
	}
	return false;
}

/*
 * Check what follows the name: nothing, or ":" and digits, which may be none (RFC 3986 section
 * 3.2.3). `*port` gets the digits without leading zeros, none where they say what the scheme says.
 */
static int
target_port(struct slice behind, struct slice scheme, struct slice *port)
{
	uint64_t number = 0;

	*port = (struct slice){ NULL, 0 };
	if (behind.len == 0)
		return 0;
	if (behind.at[0] != ':')
		return -EINVAL;
	struct slice digits = { behind.at + 1, behind.len - 1 };
	if (digits.len == 0)
		return 0;
	if (slice_to_u64(digits, &number) != 0 || number > UINT16_MAX)
		return -EINVAL;
	while (digits.len > 1 && digits.at[0] == '0')
		digits = (struct slice){ digits.at + 1, digits.len - 1 };
	bool is_default = (number == 80 && slice_equal(scheme, SLICE("http"))) ||
			  (number == 443 && slice_equal(scheme, SLICE("https")));
	if (!is_default)
		*port = digits;
	return 0;
}

/* Cut `host` into its name, checked and without a trailing dot, and what is behind it. */
static int
target_cut_name(struct slice host, struct slice *name, struct slice *behind)
{
	bool literal = host.at[0] == '[';
	const char *end = memchr(host.at, literal ? ']' : ':', host.len);
	if (literal && end == NULL)
		return -EINVAL;
	size_t len = end == NULL ? host.len : (size_t)(end - host.at) + literal;

	*name = (struct slice){ host.at, len };
	*behind = (struct slice){ host.at + len, host.len - len };
	if (literal)
		return target_is_ipv6((struct slice){ host.at + 1, len - 2 }) ? 0 : -EINVAL;
	if (len > 0 && host.at[len - 1] == '.')
		name->len--;
	return target_is_name(*name) ? 0 : -EINVAL;
}

int
http_host_normalise(struct slice host, struct slice scheme, struct arena *arena, struct slice *out)
{
	struct slice name, behind, port;

	if (host.len == 0) {
		*out = host;
		return 0;
	}
	int rc = target_cut_name(host, &name, &behind);
	if (rc == 0)
		rc = target_port(behind, scheme, &port);
	if (rc != 0)
		return rc;
	size_t len = name.len + (port.len > 0 ? port.len + 1 : 0);
	bool in_place = port.len == 0 || port.at == name.at + name.len + 1;
	if (in_place && !target_has_upper(name)) {
		*out = (struct slice){ name.at, len };
		return 0;
	}
	char *bytes = arena_alloc(arena, len);
	if (bytes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < name.len; i++)
		bytes[i] = chars_lower(name.at[i]);
	if (port.len > 0) {
		bytes[name.len] = ':';
		memcpy(bytes + name.len + 1, port.at, port.len);
	}
	*out = (struct slice){ bytes, len };
	return 0;
}

/* Take "http://" or "https://" off `*rest` (RFC 9110 section 4.2: case does not count). */
static struct slice
target_take_scheme(struct slice *rest)
{
	static const struct slice schemes[] = { { "http", 4 }, { "https", 5 } };

	for (size_t i = 0; i < COUNT(schemes); i++) {
		size_t len = schemes[i].len;
		if (rest->len < len + 3 || memcmp(rest->at + len, "://", 3) != 0 ||
		    !slice_equal_nocase((struct slice){ rest->at, len }, schemes[i]))
			continue;
		*rest = (struct slice){ rest->at + len + 3, rest->len - len - 3 };
		return schemes[i];
	}
	return SLICE("");
}

int
http_url_parse(struct slice url, struct arena *arena, struct http_url *out)
{
	struct http_url u = { .scheme = SLICE(""), .host = SLICE("") };
	struct slice query = url;

	if (url.len == 0 || memchr(url.at, '#', url.len) != NULL)
		return -EINVAL;
	struct slice target = slice_cut(&query, '?');
	u.query = query;
	if (!http_query_is_valid(query))
		return -EINVAL;
	if (target.len == 0 || target.at[0] != '/') {
		u.scheme = target_take_scheme(&target);
		const char *slash = target.len == 0 ? NULL : memchr(target.at, '/', target.len);
		size_t len = slash == NULL ? target.len : (size_t)(slash - target.at);
		struct slice host = { target.at, len };
		/* No host: RFC 9110 section 4.2.1. */
		if (u.scheme.len == 0 || host.len == 0)
			return -EINVAL;
		int rc = http_host_normalise(host, u.scheme, arena, &u.host);
		if (rc != 0)
			return rc;
		target = slash == NULL ? SLICE("/") : (struct slice){ slash, target.len - len };
	}
	int rc = http_path_normalise(target, arena, &u.path);
	if (rc == 0)
		*out = u;
	return rc;
}
