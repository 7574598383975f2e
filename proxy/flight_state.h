/* flight_state.h -- What a flight is made of: for the files that make up a flight only. */
#ifndef DORY_PROXY_FLIGHT_STATE_H
#define DORY_PROXY_FLIGHT_STATE_H

#include "apart.h"
#include "flight.h"
#include "http/range.h"
#include "http/vary.h"
#include "origin.h"
#include "store/lease.h"

#define FLIGHT_OF(pointer, member)                                                                 \
	((struct flight *)((char *)(pointer)-offsetof(struct flight, member)))

enum flight_state {
	FLIGHT_WAITING, /* For its intent to be noted, or for a place at the backend. */
	FLIGHT_SENT,    /* The backend has, or is about to have, the request. */
	FLIGHT_HEAD,    /* The header block is here. */
	FLIGHT_WHOLE,   /* All of the body is here. */
	FLIGHT_FAILED,
};

/* A job of the flight's that the writer has, and the way back to the worker. */
struct flight_job {
	struct store_job job;
	struct message message;
	struct flight *flight;
	void (*landed)(struct flight *f, struct store_job *job);
};

/* This worker's flights that wait for a place at one backend. */
struct flight_lane {
	struct flight_lane *next;
	char *backend;
	struct flight *first_queued;
	struct flight **last_queued;
	bool running; /* By lane_run(), which is not to be called from within itself. */
};

enum { FLIGHT_BUCKETS = 4096 };

struct flights {
	struct worker *worker;
	size_t n;
	struct flight *buckets[FLIGHT_BUCKETS];
	struct flight_lane *lanes;
	struct apart apart;
};

/*
 * What is here of an answer's body: a file with its front, if it was spilled, then `going`, then
 * `fresh`. Without a file its front may be gone, and only then may there be a gap before `fresh`.
 */
struct spool {
	struct buf fresh; /* What came last, */
	uint64_t fresh_at;
	struct buf going; /* What is on its way to the file, or did not get there. */
	uint64_t going_at;
	bool busy; /* The writer has `going`: it may be read, not changed. */
	struct store_spill file;
	uint64_t filed; /* Bytes of the file that may be read. */
};

/* All of it is the owning worker's. */
struct flight {
	struct flights *flights;
	struct worker *worker;
	struct site *site;
	struct arena arena;
	struct flight *next; /* In its bucket. */
	struct flight **link;
	uint64_t hash;
	bool shared;   /* Others may join. */
	bool unstored; /* For a reason of the request's, whatever the response says. */
	enum flight_state state;
	struct message message; /* For a refresh on its way to the owning worker. */

	/* The request, copied. */
	struct http_request request;
	struct plan plan;

	struct stale stale; /* Asked about with a conditional request. */
	bool freshens;      /* The answer was 304: what is stored is good. */

	struct slice range; /* What is asked for of it; at == NULL: all. */
	struct part part;   /* To be joined with that; bytes.at == NULL: none. */
	bool completes;     /* The two are all of it: what those who wait get is the whole. */
	bool refused;       /* They do not belong together: those who wait look again. */
	struct range_content content; /* Of a 206, once its head is here; complete == 0: unknown. */

	/* Those who wait. */
	struct exchange *waiters;
	struct exchange *leader; /* Who it was begun for; NULL once gone. Its body is uploaded. */

	/* Among processes. */
	uint64_t lease_hash;
	struct lease lease;      /* Held, where its word is not 0. */
	struct timer lease_beat; /* It is renewed then. */
	struct lease_wait await; /* For another's; the keeper's while `awaits`. */
	bool awaits;

	/* The fetch. */
	struct flight_lane *lane;
	struct flight *next_queued;
	struct timer patience; /* While it is queued. */
	int64_t queued_ms;     /* Since when it was; 0: it was not. */
	struct fetch *fetch;
	struct timer turn; /* What libcurl's callbacks may not do is done then. */
	uint64_t sequence; /* Read before the request was sent. */
	uint64_t snapshot; /* Of whom it is for, who found nothing fresh in it. */
	uint64_t store_id; /* Whose number that is. */
	bool sequenced;    /* The store could be read, so `sequence` means something. */
	bool paused;
	struct timer stalled; /* While its readers hold it back. */
	int64_t sent_s;
	unsigned n_interim; /* Passed on. */
	int64_t uploaded;   /* Bytes of the request's body. */
	bool body_short;    /* It ended before its Content-Length. */
	enum fetch_end end;
	unsigned fail_status; /* What to answer where it failed. */
	bool backend_failed;  /* It was asked, and that is what came of it. */
	const char *why;

	/* The answer. */
	unsigned status;
	struct buf head;                  /* "Status: ..." and fields, without Content-Length. */
	struct slice public_head;         /* The same, without what only the leader may have. */
	struct slice etag, last_modified; /* at == NULL where it has none. */
	struct slice age; /* The Age it came with: an entry's is counted anew at each hit. */
	bool has_length;
	uint64_t length;
	bool bodyless;
	struct storing storing;
	struct vary_choice vary; /* Whom its response is for, once it is there. */
	struct slice search;     /* What it says of queries (lib/http/search.h); empty: nothing. */
	struct slice tags;
	int64_t response_s;
	bool shareable;
	bool storable;
	struct spool body;

	/* What the writer does for it. */
	struct timer writer_late; /* While a write waits for its note, or for its deflate. */
	unsigned jobs;            /* With the writer now. */
	bool stored;              /* Handed to the writer. */
	uint64_t stored_in;       /* The snapshot that has all that was stored so far. */
	uint64_t intent;
	bool noted;  /* Or tried to: it was sent on. */
	bool held;   /* A write's answer, until its deflate is on disk. */
	bool posted; /* To be stored by the number of its own deflate, once that is known. */

	/* Its jobs. From here on nothing is zeroed: few flights need more than the first, and each
	 * would touch 3 KiB for them. */
	struct flight_job stores[2];   /* The response, and the Vary record that leads to it. */
	struct flight_job searches[2]; /* The record of No-Vary-Search, and the end of what was
					  stored for this query alone. */
	struct flight_job spill;       /* The next piece of the body's file, or its end. */
	struct flight_job note;        /* What a write will deflate. */
	struct flight_job write;       /* Its deflate, or the note's end. */
};

/* ---- flight.c: the story -----------------------------------------------------------------------
 */

/* Do the flight's next step soon, from the event loop; whatever became possible is done then. */
void flight_turn_soon(struct flight *f);
void flight_turn(struct timer *timer);

/* Send it to the backend, or queue it for a place; once there is one, flight_depart(). */
void flight_send(struct flight *f);
void flight_depart(struct flight *f);

/* It has ended without an answer, or in the middle of one. */
void flight_fail(struct flight *f, enum fetch_end end, unsigned status, const char *why);

/* Only what may yet be stored, or joined by others, is kept whole. */
bool flight_keeps_body(const struct flight *f);

/* ---- flights.c: made, found, ended -------------------------------------------------------------
 */

/* A flight with its own copy of what x asks. NULL if memory is out. */
struct flight *flight_new(const struct exchange *x);
void flight_enter(struct flight *f);
void flight_end(struct flight *f);
void flight_free(struct flight *f); /* One that was not entered. */
uint64_t flight_hash(const struct plan *plan);
struct flight **flights_bucket(struct flights *flights, uint64_t hash);

/* It is only here for those who still read it: what it brought is the store's affair by now. */
bool flight_is_past(const struct flight *f);

/* One that others may join and that fetches what f is to fetch: of that variant too, where Vary is
 * known. NULL: there is none. */
struct flight *flights_find_same(struct flights *flights, const struct flight *f);

/* Hand a job to the writer. Returns 0; -EAGAIN; -EIO without a store. */
int flight_submit(struct flight *f, struct flight_job *job) NODISCARD;

/* ---- lane.c: places at a backend ---------------------------------------------------------------
 */

/* True: it has a place. False: it waits for one, or has failed. */
bool lane_enter(struct flight *f);
void lane_leave(struct flight *f);
void lane_queue_late(struct timer *timer);
void lanes_free(struct flights *flights);

/* ---- delivery.c: to those who wait -------------------------------------------------------------
 */

void delivery_answer(struct flight *f);
void delivery_fail(struct flight *f);

/* Give away the front of a body that is not kept, as far as all have it; let the backend go on. */
void delivery_trim(struct flight *f);

/* The backend waits for its readers, or for the disk: for a while only. */
void delivery_hold(struct flight *f);

/* That was too long: it goes on without those readers, or without being stored. */
void delivery_stalled(struct timer *timer);

/* ---- spool.c: the body ------------------------------------------------------------------------
 */

enum { SPOOL_AHEAD = 1 << 20 };

uint64_t spool_end(const struct flight *f);  /* Where what has arrived ends. */
bool spool_has_all(const struct flight *f);  /* From its first byte on. */
bool spool_has_room(const struct flight *f); /* Or else the backend is to wait. */

/* Add what came; where it is to be stored, all but the last goes to a file. Returns: 0; -ENOMEM. */
int spool_append(struct flight *f, const char *bytes, size_t len) NODISCARD;

/* The disk takes too long: go on without it. */
void spool_give_up(struct flight *f);

/*
 * What there is from `at` on, up to where the next kind of it begins; borrowed until the next call,
 * or until it arrives. Returns: 0; -EIO.
 */
int spool_find(const struct flight *f, uint64_t at, struct iovec *piece) NODISCARD;

/* Nobody needs what is before `at` any more, and nobody will. */
void spool_trim(struct flight *f, uint64_t at);

/* The body is whole: have all of it in memory, or all of it in the file. Returns false while it is
 * on its way there, or could not get there. */
bool spool_settle(struct flight *f);

/* Has what was spilled an entry, or is it gone? Returns false while it is on its way out. */
bool spool_leave(struct flight *f);
void spool_fini(struct spool *spool);

/* ---- interim.c ---------------------------------------------------------------------------------
 */

/* Pass an interim response on to who it was begun for, where its web server can. */
void interim_pass_on(struct flight *f, const struct http_response *response);

/* ---- landing.c: what a response is, and how it gets to the store ------------------------------
 */

/* Judge the header block and make the head that clients and the store get. Returns 0; -ENOMEM. */
int landing_take_head(struct flight *f, const struct answer *answer) NODISCARD;

/* The same of a response that was put together from what is stored. */
int landing_take_response(struct flight *f, const struct http_response *response) NODISCARD;

/* May clients see that field of a response? */
bool landing_passes_on(const struct flight *f, struct slice name);

/* May the response be stored, and who else may have it? Returns 0; -ENOMEM. */
int landing_judge(struct flight *f, const struct http_response *response) NODISCARD;

/* The body is whole: hand the response to the writer, if it is to be stored. */
void landing_store(struct flight *f);

/* May x, which did not begin the flight, have its response? Sets x->alone where nobody else may. */
bool landing_may_answer(struct flight *f, struct exchange *x);

/* ---- revalidation.c: asking whether what is stored is still good (RFC 9111 section 4.3)
 * ---------- */

/* Copy what x knows of its stale entry. Returns 0; -ENOMEM. */
int revalidation_take(struct flight *f, const struct stale *stale) NODISCARD;

/* The response of a flight is on its way into the store, and stale: x asks about that, once it has
 * a flight of its own. Borrowed until either flight ends. */
void revalidation_note_landing(const struct flight *f, struct exchange *x);

/* The fields of a request that asks about the stale entry: those of a fetch and its validators. */
int revalidation_ask(struct flight *f, struct http_fields *fields) NODISCARD;

/* A 304 came: merge its fields with what is stored. Sets f->freshens and f->held. */
int revalidation_take_head(struct flight *f, const struct answer *answer) NODISCARD;

/* Freshen the entry, then have all who wait look at it again. */
void revalidation_store(struct flight *f);

/* ---- part.c: parts of a response (RFC 9111 sections 3.3 and 3.4)
 * -----------------------------------
 */

/* Copy what x asks for of a response, and the part that is there. Returns 0; -ENOMEM. */
int part_take(struct flight *f, const struct exchange *x) NODISCARD;

/* The fields of a request for a part. Returns 0; -ENOMEM. */
int part_ask(struct flight *f, struct http_fields *fields) NODISCARD;

/*
 * The head of the answer to such a request: where it completes what is stored, *response is that of
 * the whole. Returns: 0; -ENOMEM; -ESTALE (f->refused: those who wait are to ask anew).
 */
int part_take_head(
    struct flight *f, const struct answer *answer, struct http_response *response) NODISCARD;

/* Its tags are known: do the two parts belong together? Returns: as part_take_head(). */
int part_check_tags(struct flight *f) NODISCARD;

/* May so many bytes have arrived? */
bool part_has_room(const struct flight *f, uint64_t end);

/* All has arrived. Returns: 0; -ENOMEM; -EBADMSG (not as long as it was announced). */
int part_end(struct flight *f) NODISCARD;

/* Is what is to be stored a part, and not yet the whole? */
bool part_is_stored(const struct flight *f);

/* Is all that x asks for within the part, which is on its way to the store? Then `entry` is what it
 * will find there, but for its body. */
bool part_serves(const struct flight *f, const struct exchange *x, struct store_entry *entry);

/* Head and body to store, with the part that was there already. Returns 0; -ENOMEM. */
int part_fill_job(struct flight *f, struct store_job *job) NODISCARD;

/* Those who wait ask anew, for the whole. */
void part_again(struct flight *f);

/* ---- posted.c: a POST's answer that is the page itself (RFC 9110 section 9.3.3)
 * ------------------
 */

/*
 * Where a later GET of the URL may have the answer, plan it as that GET's, and set f->posted: it is
 * stored if no deflate but the POST's own came since it was sent. Returns 0; -ENOMEM.
 */
int posted_judge(struct flight *f, const struct http_response *response) NODISCARD;

/* Its own deflate is over: as of that number it is stored, or not at all. */
void posted_deflated(struct flight *f, const struct store_job *job);

/* ---- write.c: unsafe requests that deflate -----------------------------------------------------
 */

/* Does the flight's success deflate anything? */
bool write_deflates(const struct flight *f);

/* Note on disk what is about to be deflated, then flight_send(). */
void write_note(struct flight *f);

/* The head is here: deflate, what it names in Location too, or drop the note. Sets f->held until
 * that is on disk. */
void write_judge(struct flight *f, const struct http_fields *answer);

/* No head came. What the backend did nobody knows, unless it never saw the request. */
void write_failed(struct flight *f);

#endif
