/* replay.c -- A target's corpus as an ordinary test: each file, and each beginning of it. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLAY_MAX = 4096 };

/* In memory of exactly that size, so that a sanitizer sees a step too far. */
static void
replay_bytes(const char *bytes, size_t len)
{
	uint8_t *copy = malloc(len + (len == 0));

	if (copy == NULL)
		exit(1);
	memcpy(copy, bytes, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static bool
replay_file(const char *folder, const char *name)
{
	char path[512], bytes[REPLAY_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return false;
	size_t len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	for (size_t i = 0; i <= len; i++)
		replay_bytes(bytes, i);
	return true;
}

int
main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	unsigned n = 0;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		bool read = replay_file(argv[1], entry->d_name);
		printf("%s %u - %s\n", read ? "ok" : "not ok", ++n, entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	printf("1..%u\n", n);
	return n > 0 ? 0 : 1;
}
