/* routebench.c -- What matching and planning cost, and that more routes do not make it cost more.
 */
#include "base/clock.h"
#include "route/plan.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * As many requests for each table, in a shuffled order, so that nothing differs but the number of
 * routes; enough rounds to tell nanoseconds apart.
 */
enum { BENCH_ROUNDS = 2000000, BENCH_REQUESTS = 10000, BENCH_PATH_SIZE = 64, BENCH_REPEATS = 5 };

struct bench_kind {
	const char *name;
	const char *pattern;
	const char *path;
	const char *settings; /* Of each route. */
	bool plan;            /* Make the plan too. */
};

static const struct bench_kind bench_kinds[] = {
	{ "literals", "/page-%u", "/page-%u", "", false },
	{ "arguments", "/section-%u/{id:uint}", "/section-%u/4711", "", false },
	{ "behind one argument", "/{site:slug}/page-%u/{id:uint}", "/shop/page-%u/4711", "",
	    false },
	{ "plan of a hit", "/section-%u/{id:uint}", "/section-%u/4711", "bloat = product(id)\n",
	    true },
};

static const char bench_head[] = "[backend app]\nurl = http://127.0.0.1:8000\n"
				 "[bloat product]\nkey = {id:uint}\ntimeout = 1h\n"
				 "query = page:uint=1 sort:name|price=name\n"
				 "tags = catalog product-{id}\n";

struct bench {
	struct config *config;
	struct routes *routes;
	char (*paths)[BENCH_PATH_SIZE];
};

static void
bench_fail(const char *what)
{
	fprintf(stderr, "routebench: %s\n", what);
	exit(1);
}

/* pattern and path have one %u, and come from the table above. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void
bench_write(const struct bench_kind *kind, unsigned n, struct buf *ini)
{
	buf_text(ini, bench_head);
	for (unsigned i = 0; i < n; i++) {
		buf_printf(ini, "[route r%u]\nmatch = GET ", i);
		buf_printf(ini, kind->pattern, i);
		buf_printf(ini, "\n%s", kind->settings);
	}
}

static void
bench_open(struct bench *b, const struct bench_kind *kind, unsigned n)
{
	struct config_errors errors = { .n = 0 };
	struct buf ini = { .len = 0 };
	unsigned state = 1;

	bench_write(kind, n, &ini);
	FILE *stream = fmemopen(ini.data, ini.len, "r");
	if (stream == NULL || config_read(stream, "bench.ini", &b->config, &errors) != 0 ||
	    routes_new(&b->routes, b->config, &errors) != 0)
		bench_fail("no routes");
	fclose(stream);
	buf_free(&ini);
	b->paths = calloc(BENCH_REQUESTS, sizeof(*b->paths));
	if (b->paths == NULL)
		bench_fail("out of memory");
	for (unsigned i = 0; i < BENCH_REQUESTS; i++)
		snprintf(b->paths[i], BENCH_PATH_SIZE, kind->path, i % n);
	for (unsigned i = BENCH_REQUESTS - 1; i > 0; i--) {
		char swap[BENCH_PATH_SIZE];
		state = state * 1664525u + 1013904223u;
		unsigned j = (state >> 8) % (i + 1);
		memcpy(swap, b->paths[i], sizeof(swap));
		memcpy(b->paths[i], b->paths[j], sizeof(swap));
		memcpy(b->paths[j], swap, sizeof(swap));
	}
}

static void
bench_close(struct bench *b)
{
	routes_free(b->routes);
	config_free(b->config);
	free(b->paths);
}

static double
bench_run(const struct bench *b, bool plan)
{
	static struct http_field fields[] = {
		{ { "accept", 6 }, { "*/*", 3 } },
		{ { "accept-encoding", 15 }, { "gzip, br", 8 } },
		{ { "accept-language", 15 }, { "de-AT, en;q=0.5", 15 } },
		{ { "connection", 10 }, { "keep-alive", 10 } },
		{ { "cookie", 6 }, { "theme=dark; seen=1", 18 } },
		{ { "host", 4 }, { "shop.example", 12 } },
		{ { "referer", 7 }, { "http://shop.example/", 20 } },
		{ { "sec-fetch-dest", 14 }, { "document", 8 } },
		{ { "upgrade-insecure-requests", 25 }, { "1", 1 } },
		{ { "user-agent", 10 }, { "bench", 5 } },
	};
	struct http_request request = { .method = SLICE("GET"),
		.scheme = SLICE("http"),
		.host = SLICE("shop.example"),
		.query = SLICE("page=2&utm_source=x"),
		.fields = { fields, COUNT(fields) } };
	struct arena arena = { .blocks = NULL };
	const struct route *route;
	struct route_args args;
	struct plan made;

	int64_t start_us = clock_mono_us();
	for (unsigned i = 0, at = 0; i < BENCH_ROUNDS; i++) {
		request.path = slice_of(b->paths[at]);
		at = at + 1 == BENCH_REQUESTS ? 0 : at + 1;
		if (plan ? plan_make(b->routes, &request, &arena, &made) != 0 ||
			       made.action != PLAN_CACHE
			 : routes_match(b->routes, &request, &arena, &route, &args) != 0 ||
			       route == NULL)
			bench_fail("no match");
		arena_reset(&arena);
	}
	int64_t took_us = clock_mono_us() - start_us;
	arena_fini(&arena);
	return (double)took_us * 1000 / BENCH_ROUNDS;
}

int
main(void)
{
	for (size_t i = 0; i < COUNT(bench_kinds); i++) {
		double first = 0;
		for (unsigned n = 10; n <= BENCH_REQUESTS; n *= 10) {
			struct bench bench;
			double best = 0;
			bench_open(&bench, &bench_kinds[i], n);
			for (int round = 0; round < BENCH_REPEATS; round++) {
				double ns = bench_run(&bench, bench_kinds[i].plan);
				best = round == 0 || ns < best ? ns : best;
			}
			bench_close(&bench);
			first = n == 10 ? best : first;
			printf("%-20s %6u routes: %6.1f ns, %.2f times that of 10\n",
			    bench_kinds[i].name, n, best, best / first);
		}
	}
	return 0;
}
