/* admin_query.c -- The query parameters of an admin request. */
#include "admin_query.h"

#include "http/target.h"

bool
admin_query_next(struct exchange *x, struct slice *rest, struct slice name, struct slice *out)
{
	while (rest->at != NULL) {
		struct slice value = slice_cut(rest, '&'), found = slice_cut(&value, '=');
		if (!slice_equal(found, name))
			continue;
		if (http_form_decode(value.at == NULL ? SLICE("") : value, &x->arena, out) == 0)
			return true;
	}
	return false;
}

struct slice
admin_query_value(struct exchange *x, struct slice name)
{
	struct slice rest = x->request.query, value;
	return admin_query_next(x, &rest, name, &value) ? value : (struct slice){ NULL, 0 };
}

bool
admin_query_flag(struct exchange *x, struct slice name)
{
	return slice_equal(admin_query_value(x, name), SLICE("1"));
}
