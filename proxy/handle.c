/* handle.c -- Handles of libcurl: told once what never changes, then of each fetch, and used again.
 */
#include "base/fault.h"
#include "origin_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLE_BUFFER = 65536 };

/* 8.1.1, as curl_version_info() has it. */
enum { HANDLE_UNFOLDS_SAFELY = 0x080101 };

/* ---- Made, and used again -------------------------------------------------------------------- */

/* What never changes: nothing of this machine's or of libcurl's own habits has a say in a fetch. */
static CURL *
handle_new(struct origin *o)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	/* See fetch_refuses_line(): only there, for later versions show trailers so too, as if they
	 * were of the body. */
	if (curl_version_info(CURLVERSION_NOW)->version_num < HANDLE_UNFOLDS_SAFELY)
		curl_easy_setopt(easy, CURLOPT_HEADER, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)HANDLE_BUFFER);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)HANDLE_BUFFER);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, origin_on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, o);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, fetch_on_connected);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, fetch_on_header);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, fetch_on_body);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, fetch_on_upload);
	return easy;
}

CURL *
handle_take(struct origin *o)
{
	return o->n_spare > 0 ? o->spare[--o->n_spare] : handle_new(o);
}

void
handle_give(struct origin *o, CURL *easy, bool clean)
{
	if (!clean || easy == NULL || o->n_spare == ORIGIN_SPARE_HANDLES) {
		curl_easy_cleanup(easy);
		return;
	}
	/* What the fetch owned must not be looked at again. */
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL);
	o->spare[o->n_spare++] = easy;
}

void
handle_drop_all(struct origin *o)
{
	while (o->n_spare > 0)
		curl_easy_cleanup(o->spare[--o->n_spare]);
	while (o->n_urls > 0) {
		struct origin_url *url = &o->urls[--o->n_urls];
		curl_url_cleanup(url->parsed);
		free(url->text);
	}
	free(o->urls);
}

/* ---- Urls ------------------------------------------------------------------------------------ */

static CURLU *
handle_parse_url(const char *text)
{
	CURLU *url = curl_url();

	if (url == NULL || curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK)
		return url;
	curl_url_cleanup(url);
	return NULL;
}

static CURLU *
handle_add_url(struct origin *o, const char *text)
{
	struct origin_url *more = realloc(o->urls, (o->n_urls + 1) * sizeof(*more));

	if (more == NULL)
		return NULL;
	o->urls = more;
	struct origin_url *url = &more[o->n_urls];
	*url = (struct origin_url){ strdup(text), handle_parse_url(text) };
	if (url->text != NULL && url->parsed != NULL) {
		o->n_urls++;
		return url->parsed;
	}
	free(url->text);
	curl_url_cleanup(url->parsed);
	return NULL;
}

static CURLU *
handle_find_url(struct origin *o, const char *text)
{
	for (size_t i = 0; i < o->n_urls; i++) {
		if (strcmp(o->urls[i].text, text) == 0)
			return o->urls[i].parsed;
	}
	return handle_add_url(o, text);
}

/* ---- Told of a fetch ------------------------------------------------------------------------- */

struct curl_slist *
handle_line(struct arena *arena, const char *line)
{
	struct curl_slist *item =
	    line == NULL ? NULL : arena_alloc(arena, sizeof(struct curl_slist));

	if (item != NULL)
		*item = (struct curl_slist){ .data = (char *)(uintptr_t)line };
	return item;
}

static int
handle_add_line(struct fetch *f, const char *line, struct curl_slist ***end)
{
	struct curl_slist *item = handle_line(f->order.arena, line);

	if (item == NULL)
		return -ENOMEM;
	**end = item;
	*end = &item->next;
	return 0;
}

/*
 * libcurl's own Host and Accept, and of a body Content-Type and Expect, are switched off: a fetch
 * carries what it was given. libcurl looks through the list for each field that it might add, and
 * sends a line letter by letter: it gets one, of all fields. How a body is sent is its own to say,
 * and what is said of a body is for it to see.
 */
int
handle_make_fields(struct fetch *f)
{
	static const char *const looked_for[] = { "Host:", "Accept:", "Content-Type:", "Expect:" };
	size_t n_looked_for = f->order.body_bytes == FETCH_NO_BODY ? 2 : COUNT(looked_for);
	/* One whose only value is empty would not be sent. */
	bool one = f->order.body_bytes == FETCH_NO_BODY && f->order.fields.n > 1;
	struct curl_slist **end = &f->fields;
	const char *lines = NULL;
	int rc = one ? fetch_order_lines(&f->order, &lines) : 0;

	for (size_t i = 0; rc == 0 && i < n_looked_for; i++)
		rc = handle_add_line(f, looked_for[i], &end);
	if (rc == 0 && one)
		return handle_add_line(f, lines, &end);
	for (size_t i = 0; rc == 0 && i < f->order.fields.n; i++)
		rc = handle_add_line(f, fetch_order_line(&f->order, i), &end);
	return rc;
}

/* Returns: 0; -ENOMEM. */
static int
handle_set_method(struct fetch *f)
{
	bool head = slice_equal(f->order.method, SLICE("HEAD"));
	bool get = slice_equal(f->order.method, SLICE("GET"));
	/* For libcurl an upload is a PUT, whatever was said before: a HEAD goes without its body.
	 */
	bool upload = f->order.body_bytes != FETCH_NO_BODY && !head;

	curl_easy_setopt(f->easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(f->easy, CURLOPT_NOBODY, head ? 1L : 0L);
	if (upload) {
		curl_easy_setopt(f->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(f->easy, CURLOPT_INFILESIZE_LARGE,
		    (curl_off_t)(f->order.body_bytes < 0 ? -1 : f->order.body_bytes));
	}
	/* Those two libcurl names itself. */
	bool named = head || (get && !upload);
	char *name = named ? NULL : arena_copy(f->order.arena, f->order.method);
	if (!named && name == NULL)
		return -ENOMEM;
	curl_easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, name);
	/* libcurl sends a request again when a kept connection turns out dead: unsafe ones must not
	 * be. */
	bool again = (!upload && http_method_is_safe(f->order.method)) || fault_is("fresh");
	curl_easy_setopt(f->easy, CURLOPT_FRESH_CONNECT, again ? 0L : 1L);
	return 0;
}

int
handle_tell(struct fetch *f)
{
	const struct config_backend *backend = f->order.backend;
	CURLU *url = handle_find_url(f->origin, backend->urls.items[f->url].text);

	if (url == NULL)
		return -ENOMEM;
	curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f);
	curl_easy_setopt(f->easy, CURLOPT_PREREQDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_READDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_CURLU, url);
	curl_easy_setopt(f->easy, CURLOPT_REQUEST_TARGET, f->target);
	curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->fields);
	curl_easy_setopt(f->easy, CURLOPT_RESOLVE, f->address);
	curl_easy_setopt(f->easy, CURLOPT_UNIX_SOCKET_PATH, backend->socket);
	curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)backend->connect_timeout_ms);
	return handle_set_method(f);
}
