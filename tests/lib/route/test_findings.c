/* test_findings.c -- What is wrong with routes and bloats is said with its line, all at once. */
#include "site.h"

#include <errno.h>

/* Line 3 is `[bloat b]`, the keys under test follow from line 4. */
#define BLOAT SITE_BACKEND "[bloat b]\n"
/* Lines 3 to 9: bloats to call. Line 10 is `[route r]`, the keys under test follow from line 11. */
#define ROUTE                                                                                      \
	SITE_BACKEND "[bloat product]\nkey = {id:uint}\n"                                          \
		     "[bloat list]\nkey = {category:slug} {page:uint}\n"                           \
		     "query = page:uint=1 sort:name|price\n"                                       \
		     "[bloat home]\nquery = none\n"                                                \
		     "[route r]\n"

static const struct {
	const char *ini;
	const char *want; /* Without "site.ini:" in front of each line. */
} finding_cases[] = {
	/* Keys. */
	{ BLOAT "key = id\n",
	    "4: [bloat b] key: \"id\" is no field; write {name} or {name:type}\n" },
	{ BLOAT "key = {id:unit}\n", "4: [bloat b] key: unknown type \"unit\"; did you mean "
				     "\"uint\"?\n" },
	{ BLOAT "key = {id:colour}\n",
	    "4: [bloat b] key: unknown type \"colour\"; write int, uint, slug, uuid, date, str, "
	    "path or words as a|b\n" },
	{ BLOAT "key = {:uint}\n",
	    "4: [bloat b] key: \"{:uint}\" has no name; write {name} or {name:type}, the name of "
	    "letters, digits, \"-\" and \"_\"\n" },
	{ BLOAT "key = {a} {a:uint}\n",
	    "4: [bloat b] key: two fields named \"a\"; give each its own name\n" },
	{ BLOAT "key = {a:x|}\n",
	    "4: [bloat b] key: an empty word in \"x|\"; write words as a|b\n" },
	{ BLOAT "key = {a:x|y|x}\n",
	    "4: [bloat b] key: \"x\" stands twice in \"x|y|x\"; write it once\n" },
	{ BLOAT "key = {a} {b} {c} {d} {e} {f} {g} {h} {i} {j} {k} {l} {m} {n} {o} {p}\n",
	    "4: [bloat b] key: more than 15 fields; name fewer\n" },
	/* Queries. */
	{ BLOAT "query = page:uint=one\n",
	    "4: [bloat b] query: the default \"one\" of \"page\" does not fit uint\n" },
	{ BLOAT "query = page page:uint\n",
	    "4: [bloat b] query: \"page\" is declared twice; declare it once\n" },
	{ BLOAT "query = page *\n",
	    "4: [bloat b] query: \"*\" beside other words; it stands alone\n" },
	{ BLOAT "query = :uint\n",
	    "4: [bloat b] query: \":uint\" has no name; write name:type=default\n" },
	/* Lists of a bloat. */
	{ BLOAT "vary = Cookie\n", "4: [bloat b] vary: \"Cookie\" holds all cookies; name those "
				   "that count in `cookie`\n" },
	{ BLOAT "vary = Host\n", "4: [bloat b] vary: \"Host\" always selects; leave it out\n" },
	{ BLOAT "vary = X-Forwarded-Host\n",
	    "4: [bloat b] vary: \"X-Forwarded-Host\" is made or dropped by Dory where a bloat "
	    "serves; leave it out\n" },
	{ BLOAT "vary = Accept-Language\nlang = en\n",
	    "4: [bloat b] vary: \"Accept-Language\" is what `lang` is for; leave one of them "
	    "out\n" },
	{ BLOAT "vary = X-A x-a\n", "4: [bloat b] vary: \"x-a\" stands twice; write it once\n" },
	{ BLOAT "forward = X-Original-URL\n",
	    "4: [bloat b] forward: \"X-Original-URL\" never reaches the backend where a bloat "
	    "serves; leave it out\n" },
	{ BLOAT "key = {id}\ntags = p-{it}\n",
	    "5: [bloat b] tags: unknown argument \"it\"; did you mean \"id\"?\n" },
	{ BLOAT "tags = p-{id\n",
	    "4: [bloat b] tags: \"{\" without \"}\" in \"p-{id\"; write {name}\n" },
	/* Patterns. */
	{ ROUTE "match = product\n",
	    "11: [route r] match: \"product\" is no pattern; write METHOD /path, where the path "
	    "starts with \"/\"\n" },
	{ ROUTE "match = GET product/{id}\n",
	    "11: [route r] match: \"product/{id}\" is no pattern; write METHOD /path, where the "
	    "path starts with \"/\"\n" },
	{ ROUTE "match = G{T /a\n",
	    "11: [route r] match: \"G{T\" is no method; write GET, GET|POST, or * for any before "
	    "the path\n" },
	{ ROUTE "match = get /a\n",
	    "11: [route r] match: the method \"get\" is in lower case; methods are written as "
	    "GET\n" },
	{ ROUTE "match = GET /a /b\n",
	    "11: [route r] match: a blank in \"/a /b\"; write %20, and each pattern in a `match` "
	    "of its own\n" },
	{ ROUTE "match = /a/{x\n",
	    "11: [route r] match: \"{\" without \"}\" in \"{x\"; write {name:type}, or %7B\n" },
	{ ROUTE "match = /a/x}\n",
	    "11: [route r] match: \"}\" without \"{\" in \"x}\"; write {name:type}, or %7D\n" },
	{ ROUTE "match = /{x}-{y}\n",
	    "11: [route r] match: two arguments in one segment; a segment holds one argument, "
	    "with text before and behind it\n" },
	{ ROUTE "match = /{x:path}/a\n",
	    "11: [route r] match: {x:path} takes the rest of a path; put it last, alone in its "
	    "segment\n" },
	{ ROUTE "match = /{x}/{x}\n",
	    "11: [route r] match: two arguments named \"x\"; give each its own name\n" },
	{ ROUTE "match = /a?b=1\n",
	    "11: [route r] match: \"?\" in a path; a pattern has no query, the bloat's `query` "
	    "has it\n" },
	{ ROUTE "match = /a/*\n",
	    "11: [route r] match: \"*\" in a path; write {rest:path} for the rest of a path, or "
	    "%2A for a star\n" },
	{ ROUTE "match = /a/%zz\n",
	    "11: [route r] match: broken %XX in \"%zz\"; write %25 for a percent sign\n" },
	{ ROUTE "match = /a%2fb\n",
	    "11: [route r] match: \"a%2fb\" never matches: no path has an encoded slash or a "
	    "control byte\n" },
	{ ROUTE "match = /a/../b\n",
	    "11: [route r] match: \"..\" never matches: web servers resolve dot segments\n" },
	{ ROUTE "match = /a\nhost = *.example\n",
	    "12: [route r] host: \"*.example\" is no host name; write shop.example or "
	    "shop.example:8080\n" },
	/* Bloat calls. */
	{ ROUTE "match = /{id:uint}\nbloat = prodct(id)\n",
	    "12: [route r] bloat: unknown bloat \"prodct\"; did you mean \"product\"?\n" },
	{ ROUTE "match = /{id:uint}\nbloat = product(it)\n",
	    "12: [route r] bloat: unknown value \"it\"; did you mean \"id\"?\n" },
	{ ROUTE "match = /a\nbloat = product(books)\n",
	    "12: [route r] bloat: unknown value \"books\"; write an argument of the match, "
	    "query.NAME, host, path, a number or \"text\"\n" },
	{ ROUTE "match = /{id}\nbloat = product(id)\n",
	    "12: [route r] bloat: {id:str} of \"/{id}\" has values that do not fit field \"id\"; "
	    "write {id:uint} in the match\n" },
	{ ROUTE "match = /a\nbloat = product\n",
	    "12: [route r] bloat: product lacks id; give every field a value\n" },
	{ ROUTE "match = /a\nbloat = list()\n",
	    "12: [route r] bloat: list lacks category, page; give every field a value\n" },
	{ ROUTE "match = /a\nbloat = list(\"b\")\n",
	    "12: [route r] bloat: list lacks page; give every field a value\n" },
	{ ROUTE "match = /{id:uint}\nbloat = product(id, id)\n",
	    "12: [route r] bloat: too many values for product; its key has 1 field\n" },
	{ ROUTE "match = /{id:uint}\nbloat = product(id, id=id)\n",
	    "12: [route r] bloat: two values for \"id\" in \"product\"; give one\n" },
	{ ROUTE "match = /{id:uint}\nbloat = product(ident=id)\n",
	    "12: [route r] bloat: unknown field of product \"ident\"; see the bloat's `key` for "
	    "its "
	    "fields\n" },
	{ ROUTE "match = /{c:slug}\nbloat = list(page=1, c)\n",
	    "12: [route r] bloat: a value without name behind a named one in \"list\"; name it "
	    "too\n" },
	{ ROUTE "match = /a\nbloat = product(*)\n",
	    "12: [route r] bloat: \"*\" in \"product\"; a key needs every value\n" },
	{ ROUTE "match = /a\nbloat = product(\"x\")\n",
	    "12: [route r] bloat: \"x\" does not fit field \"id\", which is uint\n" },
	{ ROUTE "match = /a\nbloat = product(-1)\n",
	    "12: [route r] bloat: \"-1\" does not fit field \"id\", which is uint\n" },
	{ ROUTE "match = /a\nbloat = product(path)\n",
	    "12: [route r] bloat: path never fits field \"id\", which is uint; write {id:path}\n" },
	{ ROUTE "match = /a\nbloat = product(lang)\n",
	    "12: [route r] bloat: product has no `lang`; write it there, as en de\n" },
	{ ROUTE "match = /a\nbloat = product(cookie.id)\n",
	    "12: [route r] bloat: cookie.id is not in the `cookie` of product, so the backend "
	    "might not see it; add it there\n" },
	{ ROUTE "match = /a\nbloat = product(header.X-Id)\n",
	    "12: [route r] bloat: header.X-Id is not in the `vary` of product, so the backend "
	    "might not see it; add it there\n" },
	{ ROUTE "match = /{c:slug}\nbloat = list(c, query.pages)\n",
	    "12: [route r] bloat: query.pages is not declared in the `query` of list, so the "
	    "backend would not see it; add pages there\n" },
	{ ROUTE "match = /{id:uint}\nbloat = product(id\n",
	    "12: [route r] bloat: no \")\" behind \"product(\"; write NAME(value, ...)\n" },
	{ ROUTE "match = /{id:uint}\nbloat = product(id id)\n",
	    "12: [route r] bloat: unexpected \"i\" in \"product(\"; put a comma between values, "
	    "quotes around text with blanks\n" },
	{ ROUTE "match = /{id:uint}\nbloat = product(id) home\n",
	    "12: [route r] bloat: unexpected \" home\" behind product; a route has one bloat\n" },
	{ ROUTE "match = /a\nbloat = product(\"1)\n",
	    "12: [route r] bloat: a quote without its end; write \"text\"\n" },
	/* Deflates. */
	{ ROUTE "match = POST /{id:uint}\ndeflate = product(id) lst(*)\n",
	    "12: [route r] deflate: unknown bloat \"lst\"; did you mean \"list\"?\n" },
	{ ROUTE "match = POST /a\ndeflate = product()\n",
	    "12: [route r] deflate: product lacks id; give every field a value, or end with \"*\" "
	    "for all\n" },
	{ ROUTE "match = POST /a\ndeflate = list(*, 2)\n",
	    "12: [route r] deflate: \"*\" before another value in \"list\"; it may only come "
	    "last\n" },
	{ ROUTE "match = POST /a\ndeflate = list(page=2, *)\n",
	    "12: [route r] deflate: \"page\" without \"category\" before it; \"*\" stands for the "
	    "last fields only\n" },
	{ ROUTE "match = POST /a\ndeflate = product(query.id)\n",
	    "12: [route r] deflate: query.id may not fit field \"id\", which is uint; use an "
	    "argument of the path\n" },
	{ ROUTE "match = POST /a\ndeflate = product(host)\n",
	    "12: [route r] deflate: unknown value \"host\"; write an argument of the match, "
	    "query.NAME, a number or \"text\"\n" },
	{ ROUTE "match = POST /a\ndeflate = tag:x-{id}\n",
	    "12: [route r] deflate: unknown argument \"id\"; there are no arguments here\n" },
	{ ROUTE "match = POST /a\ndeflate = home()list(*)\n",
	    "12: [route r] deflate: unexpected \"l\" behind a scope; put a blank between "
	    "scopes\n" },
	/* Bypasses. */
	{ ROUTE "match = /a\nbypass = cooky:session\n",
	    "12: [route r] bypass: unknown bypass \"cooky\"; did you mean \"cookie\"?\n" },
	{ ROUTE "match = /a\nbypass = Authorization\n",
	    "12: [route r] bypass: unknown bypass \"Authorization\"; write header:NAME, "
	    "cookie:NAME, query:NAME, or none alone\n" },
	{ ROUTE "match = /a\nbypass = cookie:\n",
	    "12: [route r] bypass: \"cookie:\" names nothing; write cookie:NAME, or "
	    "cookie:NAME*\n" },
	{ ROUTE "match = /a\nbypass = cookie:*session\n",
	    "12: [route r] bypass: \"*\" within \"cookie:*session\"; it may only end a name\n" },
	/* Several at once, and none of them twice where a route has several patterns. */
	{ ROUTE "match = /{id:uint}\nmatch = /b/{id:uint}\nbloat = nothing(id)\nbypass = x:y\n"
		"[route s]\nmatch = nowhere\n",
	    "13: [route r] bloat: unknown bloat \"nothing\"; write the name of a [bloat NAME] "
	    "section\n"
	    "14: [route r] bypass: unknown bypass \"x\"; write header:NAME, cookie:NAME, "
	    "query:NAME, or none alone\n"
	    "16: [route s] match: \"nowhere\" is no pattern; write METHOD /path, where the path "
	    "starts with \"/\"\n" },
};

START_TEST(a_finding_names_its_line_and_what_to_write)
{
	struct site site;
	struct buf want = { 0 };
	struct slice rest = slice_of(finding_cases[_i].want);

	while (rest.len > 0) {
		struct slice line = slice_cut(&rest, '\n');
		buf_printf(&want, "site.ini:%.*s\n", SLICE_ARGS(line));
	}
	ck_assert_int_eq(site_try(&site, finding_cases[_i].ini), -EINVAL);
	ck_assert_msg(slice_equal(buf_as_slice(&site.errors.text), buf_as_slice(&want)),
	    "got:  %.*swant: %.*s", SLICE_ARGS(buf_as_slice(&site.errors.text)),
	    SLICE_ARGS(buf_as_slice(&want)));
	buf_free(&want);
	site_close(&site);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("findings");
	tcase_add_loop_test(
	    tests, a_finding_names_its_line_and_what_to_write, 0, COUNT(finding_cases));
	return suite_run("lib/route/findings", tests);
}
