/* stat.c -- Numbers of the store and of the process, and what a deflate did. */
#include "report/piece.h"

#include "base/metrics.h"

static json_t *
stat_store(const struct routes *routes, struct store_reader *reader)
{
	struct store_stat stat;

	if (store_stat(reader, &stat) != 0)
		return NULL;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "path",
	    piece_text(slice_of(routes_config(routes)->dory.store)), "entries",
	    piece_number(stat.entries), "used_bytes", piece_number(stat.used_bytes), "size_bytes",
	    piece_number(stat.size_bytes), "sequence", piece_number(stat.sequence), "floor",
	    piece_number(stat.floor), "deflated", piece_number(stat.deflated), "intents",
	    piece_number(stat.intents), "readers", piece_number(stat.readers), "readers_max",
	    piece_number(stat.readers_max));
}

/* A bloat may be off in the configuration or in the store. */
static json_t *
stat_bloats(const struct routes *routes, struct store_reader *reader)
{
	const struct config *config = routes_config(routes);
	json_t *array = json_array();

	for (size_t i = 0; i < config->n_bloats; i++) {
		const struct config_bloat *bloat = &config->bloats[i];
		bool enabled = bloat->enabled && !store_bloat_disabled(reader, bloat->name);
		piece_append(
		    &array, json_pack("{s:o, s:b}", "name", piece_text(slice_of(bloat->name)),
				"enabled", (int)enabled));
	}
	return array;
}

static json_t *
stat_counters(void)
{
	json_t *counters = json_object();

	for (int i = 0; counters != NULL && i < METRIC_COUNT; i++) {
		json_int_t value = metric_get((enum metric)i);
		const char *name = metric_name((enum metric)i);
		if (json_object_set_new(counters, name, json_integer(value)) != 0) {
			json_decref(counters);
			counters = NULL;
		}
	}
	return counters;
}

static bool
stat_has_counted(void)
{
	for (int i = 0; i < METRIC_COUNT; i++) {
		if (metric_get((enum metric)i) != 0)
			return true;
	}
	return false;
}

json_t *
report_stat(const struct routes *routes, struct store_reader *reader)
{
	json_t *store = stat_store(routes, reader), *bloats = stat_bloats(routes, reader);

	if (!stat_has_counted())
		return json_pack("{s:o, s:o}", "store", store, "bloats", bloats);
	return json_pack(
	    "{s:o, s:o, s:o}", "store", store, "bloats", bloats, "counters", stat_counters());
}

json_t *
report_deflated(
    const struct routes *routes, const struct scope *scopes, size_t n, uint64_t sequence)
{
	return json_pack("{s:o, s:o}", "sequence", piece_number(sequence), "scopes",
	    piece_scopes(routes, scopes, n));
}
