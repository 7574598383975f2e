/* owner.c -- Which process wrote a note, and whether it still runs. */
#include "store/owner.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

enum { OWNER_FILE_MAX = 1024, OWNER_STARTED_FIELD = 22, OWNER_STATE_FIELD = 3 };

/* Reads a small file. Returns an absent slice where that fails. */
static struct slice
owner_read_file(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (struct slice){ NULL, 0 };
	ssize_t n = read(fd, text, OWNER_FILE_MAX);
	close(fd);
	return n <= 0 ? (struct slice){ NULL, 0 } : (struct slice){ text, (size_t)n };
}

/* proc(5): the second field is a name in parentheses that may itself hold some. */
static int
owner_parse_stat(struct slice stat, char *state, uint64_t *started)
{
	const char *close = stat.len == 0 ? NULL : memrchr(stat.at, ')', stat.len);
	if (close == NULL || close + 2 > stat.at + stat.len)
		return -EIO;
	struct slice rest = { close + 2, (size_t)(stat.at + stat.len - (close + 2)) };
	struct slice field = slice_cut(&rest, ' ');
	*state = field.len == 1 ? field.at[0] : '?';
	for (int i = OWNER_STATE_FIELD; i < OWNER_STARTED_FIELD; i++)
		field = slice_cut(&rest, ' ');
	return slice_to_u64(field, started) == 0 ? 0 : -EIO;
}

int
owner_self(struct owner *out)
{
	char text[OWNER_FILE_MAX], state;
	struct owner self = { .pid = getpid() };
	int rc = owner_parse_stat(owner_read_file("/proc/self/stat", text), &state, &self.started);
	struct slice boot = owner_read_file("/proc/sys/kernel/random/boot_id", text);

	if (rc != 0 || boot.len == 0)
		return -EIO;
	self.boot = XXH3_64bits(boot.at, boot.len);
	*out = self;
	return 0;
}

bool
owner_is_dead(const struct owner *o, const struct owner *self)
{
	char path[64], text[OWNER_FILE_MAX], state;
	uint64_t started;

	if (o->boot != self->boot)
		return true;
	if (o->pid <= 0 || (kill((pid_t)o->pid, 0) != 0 && errno == ESRCH))
		return true;
	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)o->pid);
	/* /proc may hide processes of others: then it runs, as far as we know. */
	if (owner_parse_stat(owner_read_file(path, text), &state, &started) != 0)
		return false;
	return started != o->started || state == 'Z' || state == 'X';
}
