/* pending.h -- A request that waits for the writer, and jobs that nobody waits for. */
#ifndef DORY_PROXY_PENDING_H
#define DORY_PROXY_PENDING_H

#include "exchange.h"

enum { PENDING_MS = 10000 };

/*
 * Hand a job to the writer and call `then` on the worker when it is done; with rc -ETIMEDOUT when
 * that takes longer than PENDING_MS (it may yet be done: the outcome is unknown). Where x is gone
 * by then, `then` is not called. Scopes and names in `job` are copied.
 *
 * Returns: 0; -EAGAIN; -EIO; -ENOMEM, and `then` is not called.
 */
int pending_start(struct exchange *x, const struct store_job *job,
    void (*then)(struct exchange *x, const struct store_job *job, int rc)) NODISCARD;
void pending_leave(struct exchange *x);

/* Have x's entry, which failed its check, removed. Nobody waits for it. */
void pending_remove(struct exchange *x, struct slice variant);

#endif
