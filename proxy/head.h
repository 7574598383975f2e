/* head.h -- A request's head on its way in: looked at until it is whole. */
#ifndef DORY_PROXY_HEAD_H
#define DORY_PROXY_HEAD_H

#include "base/arena.h"
#include "gate.h"
#include "inflow.h"
#include "params.h"

enum head_state {
	HEAD_MORE,  /* Look again when there is more. */
	HEAD_READY, /* Its parameters can be taken; a body, or the next request, is read next. */
	HEAD_BAD,   /* gate.why says what was wrong. */
	HEAD_GONE,  /* The peer closed, or memory is out. */
};

/* How much memory a look needs: what arrived, and room to join split parameters. */
enum { HEAD_SCRATCH = 2 * (GATE_HEAD_MAX + 8) };

/* scratch: HEAD_SCRATCH bytes, to be left alone until the parameters are taken. */
enum head_state head_look(struct inflow *in, char *scratch, struct gate *out);

/* out: in `arena`. Returns: 0; -ENOMEM. */
int head_take_params(const struct gate *gate, struct arena *arena, struct params *out) NODISCARD;

#endif
