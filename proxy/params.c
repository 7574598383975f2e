/* params.c -- The parameters of a FastCGI request, taken apart where they lie. */
#include "params.h"

/* One byte, or four with the highest bit set. */
static bool
params_next_length(struct slice *rest, size_t *len)
{
	const unsigned char *at = (const unsigned char *)rest->at;

	if (rest->len == 0)
		return false;
	size_t bytes = at[0] & 0x80 ? 4 : 1;
	if (rest->len < bytes)
		return false;
	*len = at[0] & 0x7f;
	for (size_t i = 1; i < bytes; i++)
		*len = *len << 8 | at[i];
	*rest = (struct slice){ rest->at + bytes, rest->len - bytes };
	return true;
}

bool
params_next(struct slice *rest, struct param *out)
{
	size_t name, value;

	if (!params_next_length(rest, &name) || !params_next_length(rest, &value) ||
	    name > rest->len || value > rest->len - name)
		return false;
	out->name = (struct slice){ rest->at, name };
	out->value = (struct slice){ rest->at + name, value };
	*rest = (struct slice){ rest->at + name + value, rest->len - name - value };
	return true;
}

void
params_take(struct slice block, struct params *out)
{
	out->n = 0;
	while (out->n < PARAMS_MAX && block.len > 0 && params_next(&block, &out->items[out->n]))
		out->n++;
}
