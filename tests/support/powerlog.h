/* powerlog.h -- LD_PRELOAD: record every write and sync under a store's directory, in order. */
#ifndef DORY_TESTS_POWERLOG_H
#define DORY_TESTS_POWERLOG_H

#include <stdint.h>

enum powerlog_kind {
	POWERLOG_OPEN,    /* `file` got the name that follows; `at`: how it was opened. */
	POWERLOG_WRITE,   /* The bytes that follow were written at `at`. */
	POWERLOG_DSYNC,   /* As above, on disk when the call returned. */
	POWERLOG_SIZE,    /* The file has the size `at` now. */
	POWERLOG_SYNCING, /* A sync of the file (or directory) number `file` began ... */
	POWERLOG_SYNCED,  /* ... and that one, by its number `at`, ended well. */
	POWERLOG_RENAME,  /* Two names follow, each with its NUL. */
	POWERLOG_UNLINK,  /* A name follows. */
	POWERLOG_MKDIR,   /* A name follows. */
	POWERLOG_MARK,    /* A struct powerlog_mark follows: a client got its acknowledgement. */
	POWERLOG_KINDS,
};

/* How POWERLOG_OPEN was. */
enum { POWERLOG_CREATED = 1, POWERLOG_TRUNCATED = 2, POWERLOG_DIRECTORY = 4 };

/* Names are relative to the store's directory, without a NUL but in POWERLOG_RENAME. */
struct powerlog_record {
	uint32_t kind;
	uint32_t len;  /* Of what follows. */
	uint64_t file; /* Its inode number. */
	uint64_t at;
};

/* tests/integration/test_powercut.py appends these. */
struct powerlog_mark {
	uint32_t key, version; /* Whatever is older than this version may not live any more. */
	uint64_t sequence;     /* The store's is not below it; 0: not known. */
	uint32_t hard, reserved;
};

#endif
