/* gate.c -- The bytes at the front of a connection: a whole request head, checked to the last. */
#include "gate.h"

#include "params.h"

enum { RECORD_HEADER = 8, BEGIN_BODY = 8, BEGIN_KEEP_CONN = 1, RECORD_VERSION = 1 };
enum { RECORD_BEGIN = 1, RECORD_PARAMS = 4, RECORD_STDIN = 5, ROLE_RESPONDER = 1 };

struct gate_record {
	unsigned type;
	uint16_t request_id;
	struct slice content;
};

static enum gate_verdict
gate_refuse(struct gate *out, const char *why)
{
	out->why = why;
	return GATE_BAD;
}

static unsigned char
gate_byte(struct slice s, size_t i)
{
	return (unsigned char)s.at[i];
}

/* Take one whole record off `*rest`. */
static enum gate_verdict
gate_next_record(struct slice *rest, struct gate_record *record, struct gate *out)
{
	if (rest->len < RECORD_HEADER)
		return GATE_MORE;
	size_t content = (size_t)(gate_byte(*rest, 4) << 8 | gate_byte(*rest, 5));
	size_t whole = RECORD_HEADER + content + gate_byte(*rest, 6);
	if (gate_byte(*rest, 0) != RECORD_VERSION)
		return gate_refuse(out, "a record of another FastCGI version");
	record->type = gate_byte(*rest, 1);
	record->request_id = (uint16_t)(gate_byte(*rest, 2) << 8 | gate_byte(*rest, 3));
	record->content = (struct slice){ rest->at + RECORD_HEADER, content };
	if (rest->len < whole)
		return GATE_MORE;
	*rest = (struct slice){ rest->at + whole, rest->len - whole };
	return GATE_READY;
}

/* Does this parameter announce a request body? */
static bool
gate_names_body(const struct param *param)
{
	if (slice_equal(param->name, SLICE("CONTENT_LENGTH")))
		return param->value.len > 0 && !slice_equal(param->value, SLICE("0"));
	return slice_equal(param->name, SLICE("HTTP_TRANSFER_ENCODING"));
}

static enum gate_verdict
gate_check_params(struct slice rest, bool *body, struct gate *out)
{
	struct param param;

	for (unsigned n = 0; rest.len > 0; n++) {
		if (n == PARAMS_MAX)
			return gate_refuse(out, "more than 256 parameters");
		if (!params_next(&rest, &param))
			return gate_refuse(out, "a parameter longer than its record");
		if (param.name.len == 0 || memchr(param.name.at, '=', param.name.len) != NULL)
			return gate_refuse(out, "a parameter without a proper name");
		if (memchr(param.name.at, '\0', param.name.len + param.value.len) != NULL)
			return gate_refuse(out, "a NUL byte in a parameter");
		*body = *body || gate_names_body(&param);
	}
	return GATE_READY;
}

static enum gate_verdict
gate_check_begin(const struct gate_record *record, struct gate *out)
{
	if (record->type != RECORD_BEGIN || record->request_id == 0)
		return gate_refuse(out, "something else where a request begins");
	if (record->content.len != BEGIN_BODY)
		return gate_refuse(out, "a BEGIN_REQUEST of another length");
	if (gate_byte(record->content, 0) != 0 || gate_byte(record->content, 1) != ROLE_RESPONDER)
		return gate_refuse(out, "a role other than responder");
	out->request_id = record->request_id;
	out->keep = (gate_byte(record->content, 2) & BEGIN_KEEP_CONN) != 0;
	return GATE_READY;
}

/* Collect the PARAMS records up to the empty one; in place where there is only one. */
static enum gate_verdict
gate_collect_params(struct slice *rest, char *scratch, struct slice *params, struct gate *out)
{
	struct gate_record record;
	size_t joined = 0;

	*params = (struct slice){ NULL, 0 };
	for (;;) {
		enum gate_verdict verdict = gate_next_record(rest, &record, out);
		if (verdict == GATE_BAD)
			return verdict;
		if (verdict == GATE_MORE && rest->len < RECORD_HEADER)
			return GATE_MORE;
		if (record.type != RECORD_PARAMS || record.request_id != out->request_id)
			return gate_refuse(out, "something else among the parameters");
		if (verdict == GATE_MORE)
			return GATE_MORE;
		if (record.content.len == 0)
			return GATE_READY;
		if (params->at == NULL) {
			*params = record.content;
			continue;
		}
		if (joined == 0) {
			memcpy(scratch, params->at, params->len);
			joined = params->len;
		}
		memcpy(scratch + joined, record.content.at, record.content.len);
		joined += record.content.len;
		*params = (struct slice){ scratch, joined };
	}
}

/* Without a body announced, the first STDIN record tells: the usual one is empty. */
static enum gate_verdict
gate_check_stdin(struct slice arrived, bool body, struct gate *out)
{
	struct slice rest = { arrived.at + out->head_bytes, arrived.len - out->head_bytes };
	struct gate_record record;

	out->request_bytes = 0;
	if (body)
		return GATE_READY;
	enum gate_verdict verdict = gate_next_record(&rest, &record, out);
	if (verdict == GATE_BAD || (verdict == GATE_MORE && rest.len < RECORD_HEADER))
		return verdict;
	if (record.type != RECORD_STDIN || record.request_id != out->request_id)
		return gate_refuse(out, "something else where the request body begins");
	if (record.content.len > 0)
		return GATE_READY;
	out->request_bytes = arrived.len - rest.len;
	return verdict;
}

enum gate_verdict
gate_check(struct slice arrived, char *scratch, struct gate *out)
{
	struct slice rest = arrived;
	struct gate_record record;
	bool body = false;

	if (rest.len > GATE_HEAD_MAX)
		rest.len = GATE_HEAD_MAX;
	enum gate_verdict verdict = gate_next_record(&rest, &record, out);
	if (verdict == GATE_READY)
		verdict = gate_check_begin(&record, out);
	if (verdict == GATE_READY)
		verdict = gate_collect_params(&rest, scratch, &out->params, out);
	if (verdict == GATE_MORE && arrived.len >= GATE_HEAD_MAX)
		return gate_refuse(out, "a head of more than 65000 bytes");
	if (verdict == GATE_READY)
		verdict = gate_check_params(out->params, &body, out);
	if (verdict != GATE_READY)
		return verdict;
	out->head_bytes = (size_t)(rest.at - arrived.at);
	return gate_check_stdin(arrived, body, out);
}
