/* settings.c -- The table of settings: it drives keys, types, defaults, limits and the reference.
 */
#include "config/settings.h"

#include "base/log.h"
#include "config/syntax.h"
#include "config/units.h"

#define AT(section, member) offsetof(struct config_##section, member)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define MINUTE_MS 60000ull
#define DAY_MS (24 * 60 * MINUTE_MS)
#define TEN_YEARS_MS (3650 * DAY_MS)

static const struct setting_word settings_levels[] = { { "error", LOG_ERROR }, { "warn", LOG_WARN },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG }, { NULL, 0 } };
static const struct setting_word settings_client_controls[] = { { "ignore", CLIENT_CONTROL_IGNORE },
	{ "honour", CLIENT_CONTROL_HONOUR }, { NULL, 0 } };
static const struct setting_word settings_origins[] = { { "obey", ORIGIN_OBEY },
	{ "cap", ORIGIN_CAP }, { "ignore", ORIGIN_IGNORE }, { NULL, 0 } };
static const struct setting_word settings_interims[] = { { "auto", INTERIM_AUTO },
	{ "pass", INTERIM_PASS }, { "drop", INTERIM_DROP }, { NULL, 0 } };
static const struct setting_word settings_authorizations[] = { { "drop", AUTHORIZATION_DROP },
	{ "forward", AUTHORIZATION_FORWARD }, { NULL, 0 } };
static const struct setting_word settings_set_cookies[] = { { "refuse", SET_COOKIE_REFUSE },
	{ "strip", SET_COOKIE_STRIP }, { "store", SET_COOKIE_STORE }, { NULL, 0 } };
static const struct setting_word settings_modes[] = { { "hard", DEFLATE_HARD },
	{ "soft", DEFLATE_SOFT }, { NULL, 0 } };

#define EXPECT_PATH "an absolute path or none"
#define EXPECT_BACKEND "the NAME of a [backend NAME]"

/* clang-format off */
static const struct setting settings_dory[] = {
	{ SETTINGS_DORY, "listen", SETTING_STRING, AT(dory, listen), "unix:/run/dory/dory.sock",
	    "Where web servers connect with FastCGI. A Unix socket is made with mode 0660. Not used "
	    "where a listening socket is handed over (lighttpd's bin-path, spawn-fcgi, systemd).",
	    .flaw = syntax_listen, .expect = "unix:/PATH, HOST:PORT or [IPV6]:PORT" },
	{ SETTINGS_DORY, "workers", SETTING_COUNT, AT(dory, workers), "0",
	    "Threads with an event loop each; 0 for one a processor.", .max = 64 },
	{ SETTINGS_DORY, "store", SETTING_STRING, AT(dory, store), "/var/cache/dory",
	    "The directory of the cache; made with mode 0700 where it does not exist.",
	    .flaw = syntax_path, .expect = "an absolute path" },
	{ SETTINGS_DORY, "store_unsafe_fs", SETTING_BOOL, AT(dory, store_unsafe_fs), "no",
	    "Use the store on a network file system too, where it may be damaged: by one machine "
	    "only, at your own risk.",
	    .min = 0 },
	{ SETTINGS_DORY, "size", SETTING_SIZE, AT(dory, size_bytes), "1G",
	    "The most that the cache may take of the disk, bodies included: what is hit least goes first.",
	    .min = MIB, .max = 64 * TIB },
	{ SETTINGS_DORY, "body_file_min", SETTING_SIZE, AT(dory, body_file_min_bytes), "64K",
	    "Bodies of this size or more are kept as files, smaller ones in the database. Read at "
	    "start.",
	    .min = 4 * KIB, .max = TIB },
	{ SETTINGS_DORY, "sendfile_header", SETTING_STRING, AT(dory, sendfile_header), "none",
	    "The header with which the web server is handed a body's file instead of its bytes, such "
	    "as X-Sendfile. Only where the web server is set to honour it, and may read the files: "
	    "Dory's group gets access to them, and to nothing else of the store. Read at start.",
	    .flaw = syntax_field_name, .absent = "none", .expect = "a header name or none" },
	{ SETTINGS_DORY, "max_object", SETTING_SIZE, AT(dory, max_object_bytes), "64M",
	    "Larger responses are passed on and not stored.", .min = KIB, .max = TIB },
	{ SETTINGS_DORY, "client_timeout", SETTING_MS, AT(dory, client_timeout_ms), "1m",
	    "How long clients that are too slow may hold back a response that is not stored; then "
	    "they are cut off.",
	    .min = 1, .max = DAY_MS },
	{ SETTINGS_DORY, "backend", SETTING_TEXT, AT(dory, backend), NULL,
	    "Who answers requests that no route matches, and routes that name no backend. "
	    "Default: the only one there is.",
	    .expect = EXPECT_BACKEND, .example = "app" },
	{ SETTINGS_DORY, "log_level", SETTING_WORD, AT(dory, log_level), "info",
	    "How much is logged to stderr.", .words = settings_levels },
	{ SETTINGS_DORY, "access_log", SETTING_STRING, AT(dory, access_log), "none",
	    "A file that gets one line a request.",
	    .flaw = syntax_path, .absent = "none", .expect = EXPECT_PATH },
	{ SETTINGS_DORY, "status_header", SETTING_BOOL, AT(dory, status_header), "on",
	    "Send Cache-Status (RFC 9211) with every response.", .max = 0 },
	{ SETTINGS_DORY, "client_cache_control", SETTING_WORD, AT(dory, client_cache_control),
	    "ignore", "honour lets a request's Cache-Control force a fetch.",
	    .words = settings_client_controls },
	{ SETTINGS_DORY, "interim", SETTING_WORD, AT(dory, interim), "auto",
	    "Interim responses (102, 103) of the backend: auto passes them on behind lighttpd, which "
	    "sends them as such; Apache would take one for the answer. pass: behind whatever it is.",
	    .words = settings_interims },
};

static const struct setting settings_admin[] = {
	{ SETTINGS_ADMIN, "path", SETTING_STRING, AT(admin, path), "/_dory",
	    "The start of all paths that are Dory's own; decided before any route.",
	    .flaw = syntax_admin_path, .expect = "one like /_dory, without percent signs" },
	{ SETTINGS_ADMIN, "token_file", SETTING_TEXT, AT(admin, token_file), "none",
	    "The file with the token that admin requests carry, mode 0600. Without it the admin "
	    "path answers 404.",
	    .flaw = syntax_path, .absent = "none", .expect = EXPECT_PATH },
	{ SETTINGS_ADMIN, "hosts", SETTING_LIST, AT(admin, hosts), "localhost 127.0.0.1 [::1]",
	    "The Host names under which the admin path answers.",
	    .flaw = syntax_host, .expect = "host names or addresses, without ports" },
};

static const struct setting settings_backend[] = {
	{ SETTINGS_BACKEND, "url", SETTING_WORDS, AT(backend, urls), NULL,
	    "The application. Several, on one line or more, are tried in their order. Required.",
	    .flaw = syntax_url, .expect = "http://HOST:PORT or https://HOST:PORT",
	    .example = "http://127.0.0.1:8000", .required = true },
	{ SETTINGS_BACKEND, "socket", SETTING_STRING, AT(backend, socket), "none",
	    "A Unix socket to connect to instead of the url's host.",
	    .flaw = syntax_socket, .absent = "none", .expect = EXPECT_PATH },
	{ SETTINGS_BACKEND, "host", SETTING_STRING, AT(backend, host), "keep",
	    "The Host it is sent: keep for the client's, or a fixed name.",
	    .flaw = syntax_host_port, .absent = "keep", .expect = "keep, HOST or HOST:PORT" },
	{ SETTINGS_BACKEND, "connect_timeout", SETTING_MS, AT(backend, connect_timeout_ms), "2s",
	    "How long to wait for a connection.", .min = 1, .max = 60 * MINUTE_MS },
	{ SETTINGS_BACKEND, "first_byte_timeout", SETTING_MS, AT(backend, first_byte_timeout_ms),
	    "30s",
	    "How long to wait for the first byte of the response, a wait for a place among max_fetches "
	    "included.",
	    .min = 1, .max = DAY_MS },
	{ SETTINGS_BACKEND, "idle_timeout", SETTING_MS, AT(backend, idle_timeout_ms), "15s",
	    "How long a response may pause.", .min = 1, .max = DAY_MS },
	{ SETTINGS_BACKEND, "timeout", SETTING_MS, AT(backend, timeout_ms), "5m",
	    "How long the whole fetch may take.", .min = 1, .max = 7 * DAY_MS },
	{ SETTINGS_BACKEND, "max_fetches", SETTING_COUNT, AT(backend, max_fetches), "128",
	    "Fetches at once, per process; more wait.", .min = 1, .max = 100000 },
	{ SETTINGS_BACKEND, "breaker", SETTING_COUNT, AT(backend, breaker), "5",
	    "After so many connections in a row that did not come about an address is left alone but "
	    "for one fetch a second; others get the next url, what is stale, or 502 at once. 0: never.",
	    .min = 0, .max = 100000 },
};

static const struct setting settings_bloat[] = {
	{ SETTINGS_BLOAT, "prefix", SETTING_STRING, AT(bloat, prefix), NULL,
	    "The first part of its keys. Entries of another prefix are no longer found. "
	    "Default: NAME.",
	    .flaw = syntax_name, .expect = "up to 40 letters, digits, \"-\", \"_\" and \".\"",
	    .example = "product" },
	{ SETTINGS_BLOAT, "key", SETTING_TEXT, AT(bloat, key), "none",
	    "The fields that tell one entry from another, with their types: int, uint, slug, uuid, "
	    "date, str, path or a|b|c.",
	    .absent = "none", .expect = "fields like {id:uint} or {category:slug} {page:uint}, or none" },
	{ SETTINGS_BLOAT, "timeout", SETTING_MS, AT(bloat, timeout_ms), "0",
	    "How long a response is fresh that does not say it itself.", .max = TEN_YEARS_MS },
	{ SETTINGS_BLOAT, "timeout_STATUS", SETTING_STATUS_MS, AT(bloat, status_timeouts), NULL,
	    "The same for responses of one status, from 200 to 599. Default: timeout.",
	    .max = TEN_YEARS_MS, .example = "30s" },
	{ SETTINGS_BLOAT, "enabled", SETTING_BOOL, AT(bloat, enabled), "yes",
	    "no: its requests pass to the backend, its entries stay.", .max = 0 },
	{ SETTINGS_BLOAT, "origin", SETTING_WORD, AT(bloat, origin), "obey",
	    "What counts of the response's own caching headers: obey all, cap their lifetime by "
	    "timeout, or ignore all but private and no-store. With obey a request for one range "
	    "of what is not stored is sent on as it is, and the part kept; else the whole is "
	    "fetched.",
	    .words = settings_origins },
	{ SETTINGS_BLOAT, "heuristic", SETTING_BOOL, AT(bloat, heuristic), "no",
	    "Guess a lifetime from Last-Modified where nothing else gives one (RFC 9111 section "
	    "4.2.2).", .max = 0 },
	{ SETTINGS_BLOAT, "grace", SETTING_MS, AT(bloat, grace_ms), "0",
	    "How long a stale response may be served while one fetch refreshes it.",
	    .max = TEN_YEARS_MS },
	{ SETTINGS_BLOAT, "stale_if_error", SETTING_MS, AT(bloat, stale_if_error_ms), "0",
	    "How long a stale response may be served because the backend fails.",
	    .max = TEN_YEARS_MS },
	{ SETTINGS_BLOAT, "keep", SETTING_MS, AT(bloat, keep_ms), "0",
	    "How long a stale response is kept so that the backend may confirm it.",
	    .max = TEN_YEARS_MS },
	{ SETTINGS_BLOAT, "query", SETTING_TEXT, AT(bloat, query), "*",
	    "Which query parameters count: * for all, none, or those declared, as in "
	    "page:uint=1 sort:name|price=name. Others do not reach the backend. Where origin is "
	    "obey, No-Vary-Search of a response says which of them are one to it.",
	    .expect = "*, none or parameters like page:uint=1" },
	{ SETTINGS_BLOAT, "vary", SETTING_LIST, AT(bloat, vary), "none",
	    "Request headers that tell variants apart. Those that the response's Vary names do so too: "
	    "of these variants the last 16 of a page are kept.",
	    .flaw = syntax_field_name, .absent = "none", .expect = "header names or none" },
	{ SETTINGS_BLOAT, "cookie", SETTING_LIST, AT(bloat, cookie), "none",
	    "Cookies that tell variants apart; others do not reach the backend.",
	    .flaw = syntax_cookie_name, .absent = "none", .expect = "cookie names or none" },
	{ SETTINGS_BLOAT, "lang", SETTING_LIST, AT(bloat, lang), "none",
	    "Languages that the application has; the one that suits Accept-Language best tells "
	    "variants apart.",
	    .flaw = syntax_language, .absent = "none", .expect = "languages like en fr de, or none" },
	{ SETTINGS_BLOAT, "forward", SETTING_LIST, AT(bloat, forward), "*",
	    "Request headers that reach the backend: * for all that are harmless, none, or these.",
	    .flaw = syntax_field_name, .absent = "*", .expect = "*, none or header names" },
	{ SETTINGS_BLOAT, "tags", SETTING_LIST, AT(bloat, tags), "none",
	    "Tags of its entries, such as catalog product-{id}. Those in the response's "
	    "Cache-Groups, Surrogate-Key, Cache-Tag and xkey are added.",
	    .absent = "none", .expect = "tags like catalog product-{id}, or none" },
	{ SETTINGS_BLOAT, "set_cookie", SETTING_WORD, AT(bloat, set_cookie), "refuse",
	    "Responses with Set-Cookie: refuse to store them, strip it from what is stored, or store it "
	    "for everybody to get (RFC 9111 section 7.3).",
	    .words = settings_set_cookies },
	{ SETTINGS_BLOAT, "store_post", SETTING_BOOL, AT(bloat, store_post), "no",
	    "Store the answer to a POST for later GETs, where it says by Content-Location that it is "
	    "the page itself, and for how long it is fresh (RFC 9110 section 9.3.3). All fields and "
	    "the body of the POST have had a say in it.", .max = 0 },
};

static const struct setting settings_route[] = {
	{ SETTINGS_ROUTE, "match", SETTING_LINES, AT(route, match), NULL,
	    "Method and path. May be repeated. The most specific route wins, whatever their order. "
	    "Required.",
	    .expect = "one like GET /product/{id:uint}, GET|HEAD /list or * /path",
	    .example = "GET /product/{id:uint}", .required = true },
	{ SETTINGS_ROUTE, "host", SETTING_LIST, AT(route, host), "any",
	    "Host names that it is for.",
	    .absent = "any", .expect = "host names or any" },
	{ SETTINGS_ROUTE, "backend", SETTING_TEXT, AT(route, backend), NULL,
	    "Who answers. Default: the backend of [dory], or the only one there is.",
	    .expect = EXPECT_BACKEND, .example = "app" },
	{ SETTINGS_ROUTE, "bloat", SETTING_TEXT, AT(route, bloat), "none",
	    "Which bloat its responses belong to, and the values of its key: from the path, as in "
	    "product(id), from the query, as in list(category, page=query.page), or host and path.",
	    .absent = "none", .expect = "one like product(id), or none" },
	{ SETTINGS_ROUTE, "deflate", SETTING_TEXT, AT(route, deflate), "none",
	    "What a successful unsafe request (POST, PUT, ...) deflates, before its client gets the "
	    "answer.",
	    .absent = "none", .expect = "scopes like product(id) list(*), or none" },
	{ SETTINGS_ROUTE, "deflate_mode", SETTING_WORD, AT(route, deflate_mode), "hard",
	    "soft lets grace serve what was deflated while one fetch refreshes it.",
	    .words = settings_modes },
	{ SETTINGS_ROUTE, "bypass", SETTING_LIST, AT(route, bypass), "header:Authorization",
	    "Requests that are never cached, such as cookie:session* or query:preview.",
	    .absent = "none",
	    .expect = "one like header:NAME, cookie:NAME* or query:NAME, or none" },
	{ SETTINGS_ROUTE, "authorization", SETTING_WORD, AT(route, authorization), "drop",
	    "Authorization of requests that no bypass takes past the bloat: drop it, or forward it, "
	    "alone, and store what comes back only where the response says public, "
	    "must-revalidate or s-maxage (RFC 9111 section 3.5).",
	    .words = settings_authorizations },
};
/* clang-format on */

static const struct {
	const char *name;
	bool named;
	const struct setting *rows;
	size_t n;
} settings_sections[] = {
	[SETTINGS_DORY] = { "dory", false, settings_dory, COUNT(settings_dory) },
	[SETTINGS_ADMIN] = { "admin", false, settings_admin, COUNT(settings_admin) },
	[SETTINGS_BACKEND] = { "backend", true, settings_backend, COUNT(settings_backend) },
	[SETTINGS_BLOAT] = { "bloat", true, settings_bloat, COUNT(settings_bloat) },
	[SETTINGS_ROUTE] = { "route", true, settings_route, COUNT(settings_route) },
};

const struct setting *
settings_of(enum settings_section section, size_t *n)
{
	*n = settings_sections[section].n;
	return settings_sections[section].rows;
}

const char *
settings_section_name(enum settings_section section)
{
	return settings_sections[section].name;
}

bool
settings_section_named(enum settings_section section)
{
	return settings_sections[section].named;
}

static void
settings_expect_words(const struct setting_word *words, struct buf *out)
{
	for (size_t i = 0; words[i].word != NULL; i++) {
		const char *before = words[i + 1].word == NULL ? " or " : ", ";
		buf_printf(out, "%s%s", i == 0 ? "" : before, words[i].word);
	}
}

void
settings_expect(const struct setting *s, struct buf *out)
{
	switch (s->type) {
	case SETTING_BOOL:
		buf_text(out, "yes, no, on, off, true or false");
		break;
	case SETTING_COUNT:
		buf_printf(out, "a number from %llu to %llu", (unsigned long long)s->min,
		    (unsigned long long)s->max);
		break;
	case SETTING_MS:
	case SETTING_STATUS_MS:
		buf_text(out, "one like 500ms, 30s, 5m, 1h30m or 2d (");
		units_print_duration((int64_t)s->min, out);
		buf_text(out, " to ");
		units_print_duration((int64_t)s->max, out);
		buf_char(out, ')');
		break;
	case SETTING_SIZE:
		buf_text(out, "one like 16M or 1G (");
		units_print_size(s->min, out);
		buf_text(out, " to ");
		units_print_size(s->max, out);
		buf_char(out, ')');
		break;
	case SETTING_WORD:
		settings_expect_words(s->words, out);
		break;
	case SETTING_LINES:
	case SETTING_LIST:
	case SETTING_STRING:
	case SETTING_TEXT:
	case SETTING_WORDS:
		buf_text(out, s->expect);
		break;
	}
}
