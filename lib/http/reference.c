/* reference.c -- What a URL reference in a header means, seen from a request (RFC 3986). */
#include "http/reference.h"

#include <errno.h>

/* RFC 3986 section 3.1: a scheme stands before the first ":", and that before any "/" and "?". */
static bool
reference_has_scheme(struct slice reference)
{
	for (size_t i = 0; i < reference.len; i++) {
		if (reference.at[i] == ':')
			return true;
		if (reference.at[i] == '/' || reference.at[i] == '?')
			return false;
	}
	return false;
}

/* Section 5.2.4, in place: "." and ".." segments go, with what ".." takes back. */
static size_t
reference_remove_dots(char *path, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len;) {
		size_t end = i + 1;
		while (end < len && path[end] != '/')
			end++;
		struct slice segment = { path + i + 1, end - i - 1 };
		bool up = slice_equal(segment, SLICE("..")), last = end == len;
		if (up) {
			while (out > 0 && path[out - 1] != '/')
				out--;
			out -= out > 0;
		} else if (!slice_equal(segment, SLICE("."))) {
			memmove(path + out, path + i, end - i);
			out += end - i;
			last = false;
		}
		if (last)
			path[out++] = '/';
		i = end;
	}
	return out;
}

/* Section 5.2.3: `relative` in the place of all behind the last "/" of the request's path. */
static int
reference_merge(const struct http_request *request, struct slice relative, struct arena *arena,
    struct slice *out)
{
	size_t len = request->path.len;

	while (len > 0 && request->path.at[len - 1] != '/')
		len--;
	if (relative.at[0] == '/')
		len = 0;
	char *at = arena_alloc(arena, len + relative.len + 1);
	if (at == NULL)
		return -ENOMEM;
	memcpy(at, request->path.at, len);
	memcpy(at + len, relative.at, relative.len);
	struct slice merged = { at, reference_remove_dots(at, len + relative.len) };
	return http_path_normalise(merged, arena, out);
}

int
reference_resolve(const struct http_request *request, struct slice reference, struct arena *arena,
    struct http_url *out)
{
	struct slice rest = reference, whole = slice_cut(&rest, '#');
	bool network = whole.len >= 2 && memcmp(whole.at, "//", 2) == 0;

	if (network)
		whole = slice_of(arena_printf(
		    arena, "%.*s:%.*s", SLICE_ARGS(request->scheme), SLICE_ARGS(whole)));
	if (network && whole.at == NULL)
		return -ENOMEM;
	if (reference_has_scheme(whole))
		return http_url_parse(whole, arena, out);
	*out = (struct http_url){ request->scheme, request->host, request->path, request->query };
	if (whole.len == 0)
		return 0;
	struct slice path = slice_cut(&whole, '?');
	out->query = whole;
	if (!http_query_is_valid(whole))
		return -EINVAL;
	return path.len == 0 ? 0 : reference_merge(request, path, arena, &out->path);
}
