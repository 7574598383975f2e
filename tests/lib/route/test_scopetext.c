/* test_scopetext.c -- A scope that is written means what it says, and reads back as it was. */
#include "route/scopetext.h"
#include "site.h"

#include <errno.h>

enum { ROUNDS = 100000 };

static const char site_ini[] =
    SITE_BACKEND "[bloat product]\nkey = {id:uint}\nprefix = p\n"
		 "[bloat list]\nkey = {category:str} {page:str} {sort:path}\n"
		 "[bloat home]\n"
		 "[bloat item]\nkey = {id:uuid}\n"
		 "[bloat site]\nkey = {host}\n"
		 "[bloat tongue]\nkey = {lang}\nlang = en de\n"
		 "[bloat find]\nkey = {page:uint}\nquery = page:uint=1\n"
		 "[route product]\nmatch = /product/{id:uint}\nbloat = product(id)\n"
		 "[route shop]\nmatch = /product/{id:uint}\nhost = shop.example\n"
		 "bloat = list(\"shop\", id, \"\")\n"
		 "[route site]\nmatch = /site\nbloat = site(host)\n"
		 "[route tongue]\nmatch = /tongue\nbloat = tongue(lang)\n"
		 "[route find]\nmatch = /find\nbloat = find(query.page)\n"
		 "[route plain]\nmatch = /plain\n"
		 "[route home]\nmatch = /\nbloat = home\n";

static const struct {
	const char *text;
	const char *want; /* As printed. */
} parse_cases[] = {
	{ "*", "*" },
	{ " * ", "*" },
	{ "product(42)", "product(42)" },
	{ "product( 42 )", "product(42)" },
	{ "product(id=42)", "product(42)" },
	{ "product(\"42\")", "product(42)" },
	{ "product(*)", "product(*)" },
	{ "product(42, *)", "product(42)" },
	{ "home", "home()" },
	{ "home()", "home()" },
	{ "home(*)", "home()" },
	{ "list(books, *)", "list(books, *)" },
	{ "list(category=books, *)", "list(books, *)" },
	{ "list(page=2, category=books, *)", "list(books, 2, *)" },
	{ "list(books, 2, \"\")", "list(books, 2, \"\")" },
	{ "list(sort=\"\", page=2, category=books)", "list(books, 2, \"\")" },
	{ "list(\"a, (b)\", \"\\\"\\\\\\x00\", *)", "list(\"a, (b)\", \"\\\"\\\\\\x00\", *)" },
	{ "list(\"*\", *)", "list(\"*\", *)" },
	{ "list(caf\xc3\xa9, *)", "list(\"caf\\xC3\\xA9\", *)" },
	{ "list(a/b:c%20d, *)", "list(a/b:c%20d, *)" },
	{ "item(123E4567-E89B-12D3-A456-426614174000)",
	    "item(123e4567-e89b-12d3-a456-426614174000)" },
	{ "tag:sale", "tag:sale" },
	{ "tag:\"a b\"", "tag:\"a b\"" },
	{ "url:/product/42", "product(42)" },
	{ "url:/product/42?x=1", "product(42)" },
	{ "url:/product/%34%32", "product(42)" },
	{ "url:http://shop.example/product/42", "list(shop, 42, \"\")" },
	{ "url:http://SHOP.example:80/product/42", "list(shop, 42, \"\")" },
	{ "url:http://other.example/product/42", "product(42)" },
	{ "url:http://other.example/site", "site(other.example)" },
	{ "url:/find", "find(1)" },
	{ "url:/find?page=3", "find(3)" },
	{ "url:/", "home()" },
};

START_TEST(a_scope_is_read_and_printed_in_one_form)
{
	struct buf got = { 0 };
	struct scope scope;
	const char *why = "";
	struct site site;

	site_open(&site, site_ini);
	int rc =
	    scope_parse(site.routes, slice_of(parse_cases[_i].text), &site.arena, &scope, &why);
	ck_assert_msg(rc == 0, "%s: %s", parse_cases[_i].text, why);
	scope_print(site.routes, scope, &got);
	ck_assert_msg(slice_equal(buf_as_slice(&got), slice_of(parse_cases[_i].want)), "%s: %.*s",
	    parse_cases[_i].text, SLICE_ARGS(buf_as_slice(&got)));
	buf_free(&got);
	site_close(&site);
}
END_TEST

static const struct {
	const char *text;
	const char *why;
} refuse_cases[] = {
	{ "", "an empty scope; write product(42), tag:NAME, url:/path or *" },
	{ "prodct(42)", "unknown bloat \"prodct\"; did you mean \"product\"?" },
	{ "p(42)", "unknown bloat \"p\"; write the name of a [bloat NAME] section" },
	{ "product", "product lacks id; give every field a value, or end with \"*\" for all" },
	{ "product()", "product lacks id; give every field a value, or end with \"*\" for all" },
	{ "product(\"\")", "\"\" does not fit field \"id\" of product, which is uint" },
	{ "product(042)", "\"042\" does not fit field \"id\" of product, which is uint" },
	{ "product(42, 43)", "too many values for product; its key has 1 field" },
	{ "home(1)", "too many values for home; its key has 0 fields" },
	{ "product(no=1)",
	    "unknown field of product \"no\"; see the bloat's `key` for its fields" },
	{ "list(books)", "list lacks page, sort; give every field a value, or end with \"*\" for "
			 "all" },
	{ "list(*, 2)", "\"*\" before another value in \"list\"; it may only come last" },
	{ "list(page=2, *)",
	    "\"page\" without \"category\" before it; \"*\" stands for the last fields only" },
	{ "list(category=*)", "\"category=*\" says nothing; write \"*\" last for all values" },
	{ "product(42) home()", "unexpected \" home()\" behind product; write one scope" },
	{ "product(42", "no \")\" behind \"product(\"; write NAME(value, ...)" },
	{ "product(,)", "unexpected \",\"; write a name, \"text\" or *" },
	{ "product(\"\\x4\")", "unknown escape in quotes; write \\\", \\\\ or \\xNN" },
	{ "**", "unexpected \"*\"; write NAME or NAME(value, ...)" },
	{ "tag:", "a value is missing; write a name, \"text\" or *" },
	{ "tag:*", "unexpected \"*\" in a tag; write tag:NAME, or tag:\"NAME\" where it has "
		   "blanks or signs" },
	{ "tag:a b", "unexpected \" b\" in a tag; write tag:NAME, or tag:\"NAME\" where it has "
		     "blanks or signs" },
	{ "tag:\"\"", "a tag of 0 bytes; tags have 1 to 128" },
	{ "url:product/42", "\"product/42\" is no URL; write url:/path or url:http://HOST/path, "
			    "encoded" },
	{ "url:/nowhere", "no route matches GET /nowhere; write url:http://HOST/path where "
			  "routes have hosts" },
	{ "url:/plain", "route \"plain\" has no bloat: nothing of /plain is stored" },
	{ "url:/site", "/site has no host that fits the key of site; write url:http://HOST/path" },
	{ "url:/tongue", "the key of /tongue also depends on lang; write tongue(...)" },
};

START_TEST(what_is_no_scope_is_refused_with_what_to_write)
{
	struct scope scope = { SCOPE_TAG, SLICE("untouched") };
	const char *why = "";
	struct site site;

	site_open(&site, site_ini);
	int rc =
	    scope_parse(site.routes, slice_of(refuse_cases[_i].text), &site.arena, &scope, &why);
	ck_assert_int_eq(rc, -EINVAL);
	ck_assert_msg(strcmp(why, refuse_cases[_i].why) == 0, "%s: %s", refuse_cases[_i].text, why);
	site_close(&site);
}
END_TEST

START_TEST(without_its_bloat_a_prefix_stands_for_the_name)
{
	struct slice fields[] = { SLICE("gone"), SLICE("a b"), SLICE("2") };
	struct arena arena = { 0 };
	struct buf got = { 0 };
	struct tuple tuple;

	ck_assert_int_eq(tuple_encode(&arena, fields, 3, &tuple), 0);
	key_print(NULL, &tuple, &got);
	scope_print(NULL, (struct scope){ SCOPE_KEY, tuple.bytes }, &got);
	ck_assert(slice_equal(buf_as_slice(&got), SLICE("gone(\"a b\", 2)gone(\"a b\", 2)")));
	buf_free(&got);
	arena_fini(&arena);
}
END_TEST

static unsigned
sample_random(unsigned *state, unsigned below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

/* A key of `list`, or its first `n` fields, with values of a few nasty bytes. */
static unsigned
sample_make(struct slice *fields, char (*bytes)[4], unsigned *state)
{
	static const char alphabet[] = { 'a', ',', '"', '\\', '\0', ' ', '*', ')', '=', '\x80',
		'\xff', '1', '\n' };

	fields[0] = SLICE("list");
	for (unsigned i = 0; i < 3; i++) {
		size_t len = 1 + sample_random(state, 2);
		if (i == 2 && sample_random(state, 4) == 0)
			len = 0;
		for (size_t j = 0; j < len; j++)
			bytes[i][j] = alphabet[sample_random(state, COUNT(alphabet))];
		fields[i + 1] = (struct slice){ bytes[i], len };
	}
	return 1 + sample_random(state, 4);
}

/* Do the first `n` fields of both say the same? */
static bool
sample_agrees(const struct slice *a, const struct slice *b, unsigned n)
{
	bool same = true;

	for (unsigned i = 0; same && i < n; i++)
		same = slice_equal(a[i], b[i]);
	return same;
}

START_TEST(a_written_scope_covers_a_key_exactly_when_it_says_so)
{
	struct slice scoped[4], keyed[4];
	char one[3][4], other[3][4];
	unsigned state = 2026, covered = 0;
	struct buf text = { 0 };
	struct site site;

	site_open(&site, site_ini);
	for (int i = 0; i < ROUNDS; i++) {
		struct arena arena = { 0 };
		struct tuple tuple, key;
		struct scope scope;
		const char *why = "";
		unsigned n = sample_make(scoped, one, &state);
		sample_make(keyed, other, &state);
		if (sample_random(&state, 2) == 0)
			memcpy(keyed, scoped, (1 + sample_random(&state, 4)) * sizeof(keyed[0]));
		ck_assert_int_eq(tuple_encode(&arena, scoped, n, &tuple), 0);
		ck_assert_int_eq(tuple_encode(&arena, keyed, 4, &key), 0);
		buf_clear(&text);
		scope_print(site.routes, (struct scope){ SCOPE_KEY, tuple.bytes }, &text);
		bool printable = true;
		for (size_t j = 0; j < text.len; j++)
			printable = printable && text.data[j] >= ' ' && text.data[j] < 0x7f;
		ck_assert(printable); /* Check notes each assertion in a file. */
		int rc = scope_parse(site.routes, buf_as_slice(&text), &arena, &scope, &why);
		ck_assert_msg(rc == 0, "%.*s: %s", SLICE_ARGS(buf_as_slice(&text)), why);
		ck_assert(slice_equal(scope.bytes, tuple.bytes));
		ck_assert(scope_covers(scope, &key) == sample_agrees(scoped, keyed, n));
		covered += scope_covers(scope, &key);
		arena_fini(&arena);
	}
	ck_assert_uint_gt(covered, ROUNDS / 10);
	buf_free(&text);
	site_close(&site);
}
END_TEST

START_TEST(any_bytes_at_all_are_read_or_refused)
{
	static const char *const parts[] = { "list", "product", "(", ")", ",", "\"", "\\", "*", "=",
		"tag:", "url:", "/", " ", "4", "\\x0", "page", "%", "?" };
	unsigned state = 7, read = 0;
	struct buf text = { 0 };
	struct site site;

	site_open(&site, site_ini);
	for (int i = 0; i < ROUNDS; i++) {
		struct scope scope;
		const char *why = NULL;
		buf_clear(&text);
		for (unsigned n = sample_random(&state, 9); n > 0; n--)
			buf_text(&text, parts[sample_random(&state, COUNT(parts))]);
		int rc = scope_parse(site.routes, buf_as_slice(&text), &site.arena, &scope, &why);
		ck_assert(rc == 0 || (rc == -EINVAL && why != NULL));
		ck_assert(rc != 0 || scope.kind == SCOPE_ALL || scope.bytes.len > 0);
		read += rc == 0;
		arena_reset(&site.arena);
	}
	ck_assert_uint_gt(read, 100);
	buf_free(&text);
	site_close(&site);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("scopetext");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, a_scope_is_read_and_printed_in_one_form, 0, COUNT(parse_cases));
	tcase_add_loop_test(
	    tests, what_is_no_scope_is_refused_with_what_to_write, 0, COUNT(refuse_cases));
	tcase_add_test(tests, without_its_bloat_a_prefix_stands_for_the_name);
	tcase_add_test(tests, a_written_scope_covers_a_key_exactly_when_it_says_so);
	tcase_add_test(tests, any_bytes_at_all_are_read_or_refused);
	return suite_run("lib/route/scopetext", tests);
}
