/* metrics.c -- Counters of this process, one row each: name, kind and meaning. */
#include "base/metrics.h"

#include <stdatomic.h>

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE };

static const struct {
	const char *name;
	enum metric_kind kind;
	const char *help;
} metric_rows[METRIC_COUNT] = {
#define X(id, name, kind, help) [METRIC_##id] = { name, METRIC_KIND_##kind, help },
	METRICS(X)
#undef X
};

/* Each counter has its cache line, so that two workers do not slow each other. */
static struct {
	_Alignas(64) _Atomic int64_t value;
} metric_values[METRIC_COUNT];

void
metric_add(enum metric which, int64_t by)
{
	atomic_fetch_add_explicit(&metric_values[which].value, by, memory_order_relaxed);
}

int64_t
metric_get(enum metric which)
{
	return atomic_load_explicit(&metric_values[which].value, memory_order_relaxed);
}

const char *
metric_name(enum metric which)
{
	return metric_rows[which].name;
}

void
metrics_print(struct buf *out)
{
	for (int i = 0; i < METRIC_COUNT; i++) {
		bool counter = metric_rows[i].kind == METRIC_KIND_COUNTER;
		buf_printf(out, "# TYPE dory_%s %s\n# HELP dory_%s %s\ndory_%s%s %lld\n",
		    metric_rows[i].name, counter ? "counter" : "gauge", metric_rows[i].name,
		    metric_rows[i].help, metric_rows[i].name, counter ? "_total" : "",
		    (long long)metric_get((enum metric)i));
	}
}
