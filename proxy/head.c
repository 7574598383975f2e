/* head.c -- A request's head on its way in: looked at until it is whole. */
#include "head.h"

#include <errno.h>

/* Most heads fit in a piece, and what is read of a body that follows is held until it is used. */
enum { HEAD_MOST = GATE_HEAD_MAX + 8, HEAD_PIECE = 16384 };

/* Returns what is still to be read, in `scratch`. */
static struct slice
head_rest(const struct gate *gate, const char *scratch, size_t arrived)
{
	size_t used = gate->request_bytes > 0 ? gate->request_bytes : gate->head_bytes;

	return (struct slice){ scratch + used, arrived - used };
}

enum head_state
head_look(struct inflow *in, char *scratch, struct gate *out)
{
	enum gate_verdict verdict = GATE_MORE;
	size_t arrived = 0;

	while (verdict == GATE_MORE) {
		size_t room = HEAD_MOST - arrived;
		ssize_t n =
		    inflow_read(in, scratch + arrived, room < HEAD_PIECE ? room : HEAD_PIECE);
		if (n == -EPIPE)
			return HEAD_GONE;
		if (n == -EAGAIN)
			break;
		arrived += (size_t)n;
		*out = (struct gate){ 0 };
		verdict = gate_check((struct slice){ scratch, arrived }, scratch + HEAD_MOST, out);
	}
	if (verdict == GATE_BAD)
		return HEAD_BAD;
	struct slice rest = verdict == GATE_READY ? head_rest(out, scratch, arrived)
						  : (struct slice){ scratch, arrived };
	if (inflow_unread(in, rest) != 0)
		return HEAD_GONE;
	return verdict == GATE_READY ? HEAD_READY : HEAD_MORE;
}

int
head_take_params(const struct gate *gate, struct arena *arena, struct params *out)
{
	char *block = arena_copy(arena, gate->params);

	if (block == NULL)
		return -ENOMEM;
	params_take((struct slice){ block, gate->params.len }, out);
	return 0;
}
