/* interim.c -- Interim responses (RFC 9110 section 15.2) on their way to who asked. */
#include "conn.h"
#include "flight_state.h"

/* Of one fetch: an answer is not made of hints alone. */
enum { INTERIM_MAX = 8 };

/*
 * Measured: lighttpd makes a real interim response of a header block that comes before the final
 * one; Apache's mod_proxy_fcgi and mod_cgi take it for the answer.
 */
static bool
interim_is_taken(const struct exchange *x)
{
	switch (x->site->config->dory.interim) {
	case INTERIM_AUTO:
		return x->request.takes_interim &&
		       slice_starts_with(x->request.server_software, SLICE("lighttpd/"));
	case INTERIM_PASS:
		return x->request.takes_interim;
	case INTERIM_DROP:
		return false;
	}
	return false;
}

static const char *
interim_reason(unsigned status)
{
	switch (status) {
	case 102:
		return "Processing";
	case 103:
		return "Early Hints";
	default:
		return NULL;
	}
}

/*
 * Cookies are for the final response to set; its framing is not this one's; and Location makes an
 * answer of a block (RFC 3875 section 6.3.2).
 */
static bool
interim_drops(const struct flight *f, struct slice name)
{
	return !landing_passes_on(f, name) || slice_equal_nocase(name, SLICE("set-cookie")) ||
	       slice_equal_nocase(name, SLICE("content-length")) ||
	       slice_equal_nocase(name, SLICE("location"));
}

/* Only to who it was begun for: whoever else waits may yet be given another response than this
 * hints at. */
void
interim_pass_on(struct flight *f, const struct http_response *response)
{
	const char *reason = interim_reason(response->status);
	struct buf block = { 0 };

	if (f->leader == NULL || reason == NULL || f->n_interim == INTERIM_MAX ||
	    !interim_is_taken(f->leader) || !conn_has_room(f->leader))
		return;
	f->n_interim++;
	buf_printf(&block, "Status: %u %s\r\n", response->status, reason);
	for (size_t i = 0; i < response->fields.n; i++) {
		const struct http_field *field = &response->fields.items[i];
		if (!interim_drops(f, field->name))
			buf_printf(&block, "%.*s: %.*s\r\n", SLICE_ARGS(field->name),
			    SLICE_ARGS(field->value));
	}
	buf_text(&block, "\r\n");
	struct iovec part = { block.data, block.len };
	struct record_offer offer = { .must = block.len, .end = RECORD_MORE };
	/* That the peer is gone is noticed where the answer is sent. */
	if (buf_error(&block) == 0)
		(void)!conn_offer(f->leader, &part, 1, &offer);
	buf_free(&block);
}
