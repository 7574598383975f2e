/* await.h -- A flight's lease, and the wait for another process that has it. */
#ifndef DORY_PROXY_AWAIT_H
#define DORY_PROXY_AWAIT_H

#include "flight_state.h"

/*
 * Where the store does not say yet that responses to this vary, a flight may, whose response is on
 * its way there: note on x which variant it wants, under the name by which all processes will look
 * for it. So its lease is not that of the key, and its fetch no other's. Owning worker only.
 */
void await_learn_variant(struct exchange *x);

/*
 * Ask for the lease of what f, a flight that others may join, is to fetch; one whose fetch a
 * deflate has overtaken is taken away from its owner.
 *
 * Returns: LEASE_OTHER where another process fetches the same: f->other is its lease.
 */
enum lease_verdict await_take(struct flight *f);

/* The same, and where another process has it, have f wait: its requests then look again. Returns
 * true where f waits. Owning worker only. */
bool await_other(struct flight *f, struct exchange *x) NODISCARD;

/*
 * Where f has its lease, but x was looked for in a snapshot that lacks what another process stored
 * under it before: f ends, and x looks again, once. Returns true then.
 */
bool await_came_late(struct flight *f, struct exchange *x) NODISCARD;

/*
 * As await_take(), for a refresh: nobody waits for one, but there is one at a time. Returns false
 * where another makes it, or has since the stale response was found.
 */
bool await_refresh(struct flight *f) NODISCARD;

/* The lease was lost: another process has fetched since, and what f brought is not for the store.
 */
bool await_was_overtaken(const struct flight *f);

/* It is sent now, and has the sequence by which it will be judged. */
void await_sent(struct flight *f);

/* Give the lease back once the outcome is on disk, or is known not to get there. */
void await_settle(struct flight *f);

/* The flight ends. */
void await_end(struct flight *f);

#endif
