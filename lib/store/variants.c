/* variants.c -- The variants that a Vary record leads to: at most so many, the oldest goes. */
#include "store/store_internal.h"

#include "http/chars.h"
#include "http/message.h"

#include <errno.h>

void
store_variant_make(struct slice variant, struct slice language, struct store_variant *out)
{
	memset(out, 0, sizeof(*out));
	entry_name_end(variant, out->name);
	if (language.len > sizeof(out->language) || !http_is_token(language))
		return;
	for (size_t i = 0; i < language.len; i++)
		out->language[i] = chars_lower(language.at[i]);
}

static struct slice
variants_language(const struct store_variant *v)
{
	return (struct slice){ v->language, strnlen(v->language, sizeof(v->language)) };
}

const struct store_variant *
variants_next(struct slice *list)
{
	struct slice rest = *list;

	if (rest.len < sizeof(struct store_variant))
		return NULL;
	*list = (struct slice){ rest.at + sizeof(struct store_variant),
		rest.len - sizeof(struct store_variant) };
	return (const struct store_variant *)(const void *)rest.at;
}

int
variants_add(struct change *c, const struct tuple *key, const struct store_variant *new,
    struct slice old, struct variants *out)
{
	const struct store_variant *v;
	struct entry_name oldest = { 0 };

	out->items[0] = *new;
	out->n = 1;
	while ((v = variants_next(&old)) != NULL) {
		if (memcmp(v->name, new->name, sizeof(v->name)) == 0)
			continue;
		if (out->n < STORE_VARIANTS_MAX)
			out->items[out->n++] = *v;
		else
			entry_name_with(key, v->name, &oldest);
	}
	/* Only now: what we read is no longer in its place once something is written. */
	return oldest.len > 0 ? entry_remove(c, &oldest) : 0;
}

int
store_find_language(struct store_reader *r, const struct tuple *key, struct slice language,
    struct store_entry *entry, struct iovec *body, size_t *n_body)
{
	struct slice list = entry->body, vary = entry->vary;
	const struct store_variant *v;
	struct entry_name name;

	do
		v = variants_next(&list);
	while (v != NULL && !slice_equal_nocase(variants_language(v), language));
	if (v == NULL)
		return -ENOENT;
	entry_name_with(key, v->name, &name);
	int rc = reader_find(r, &name, key, entry, body, n_body);
	bool fits =
	    rc == 0 && entry->kind == STORE_ENTRY_RESPONSE && slice_equal(entry->vary, vary);
	return rc == 0 && !fits ? -ENOENT : rc;
}
