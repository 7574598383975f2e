/* site.c -- The configuration in force: swapped whole on reload, kept while any request uses it. */
#include "site.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { SITE_TOKEN_GOOD = 16, SITE_TOKEN_FILE_MAX = 8192 };

static void
site_hash_token(struct slice token, unsigned char hash[SITE_TOKEN_HASH])
{
	XXH128_canonical_t canonical;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(token.at, token.len));
	memcpy(hash, canonical.digest, SITE_TOKEN_HASH);
}

bool
site_knows_token(const struct site *site, struct slice token)
{
	unsigned char hash[SITE_TOKEN_HASH];
	unsigned found = 0;

	site_hash_token(token, hash);
	for (unsigned i = 0; i < site->n_tokens; i++) {
		unsigned differs = 0;
		for (unsigned j = 0; j < SITE_TOKEN_HASH; j++)
			differs |= (unsigned)(hash[j] ^ site->tokens[i][j]);
		found |= differs == 0;
	}
	return found != 0;
}

static int
site_take_tokens(struct site *site, struct slice text, struct config_errors *errors)
{
	struct config_text file = site->config->admin.token_file;

	while (text.at != NULL) {
		struct slice line = slice_cut(&text, '\n');
		/* Of an editor that ends lines with CR LF. */
		line.len -= line.len > 0 && line.at[line.len - 1] == '\r';
		struct slice token = slice_trim(line);
		if (token.len == 0 || token.at[0] == '#')
			continue;
		if (site->n_tokens == SITE_TOKENS_MAX) {
			config_error(errors, site->config->file, file.line,
			    "[admin] token_file: %s holds more than %d tokens; take out old ones",
			    file.text, SITE_TOKENS_MAX);
			return -EINVAL;
		}
		if (token.len < SITE_TOKEN_GOOD)
			log_warn("%s holds a token of %zu characters, which can be guessed; make a "
				 "better one with: openssl rand -hex 32",
			    file.text, token.len);
		site_hash_token(token, site->tokens[site->n_tokens++]);
	}
	if (site->n_tokens > 0)
		return 0;
	config_error(errors, site->config->file, file.line,
	    "[admin] token_file: %s holds no token; make one with: openssl rand -hex 32",
	    file.text);
	return -EINVAL;
}

/* Whoever can read the token can empty the cache: refuse a file that others may read. */
static int
site_load_tokens(struct site *site, struct config_errors *errors)
{
	struct config_text file = site->config->admin.token_file;
	char text[SITE_TOKEN_FILE_MAX];
	struct stat st;
	int rc = -EINVAL;

	if (file.text == NULL)
		return 0;
	int fd = open(file.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		config_error(errors, site->config->file, file.line,
		    "[admin] token_file: cannot read %s: %s", file.text, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > SITE_TOKEN_FILE_MAX) {
		config_error(errors, site->config->file, file.line,
		    "[admin] token_file: %s is no file, or is longer than %d bytes", file.text,
		    SITE_TOKEN_FILE_MAX);
	} else if ((st.st_mode & 077) != 0) {
		config_error(errors, site->config->file, file.line,
		    "[admin] token_file: %s can be read by others (mode %04o); make it 0600 with: "
		    "chmod 600 %s",
		    file.text, (unsigned)st.st_mode & 07777, file.text);
	} else {
		ssize_t n = read(fd, text, sizeof(text));
		rc = n < 0 ? -EINVAL
			   : site_take_tokens(site, (struct slice){ text, (size_t)n }, errors);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

int
site_load(const char *file, struct site **out, struct config_errors *errors)
{
	struct site *site = calloc(1, sizeof(*site));
	int rc = -ENOMEM;

	if (site == NULL)
		return -ENOMEM;
	site->users = 1;
	rc = config_load(file, &site->config, errors);
	if (site->config == NULL)
		goto out;
	/* Whatever the first finds, the others look too: all that is wrong is said at once. */
	site->admin_path = slice_of(site->config->admin.path);
	int routes_rc = routes_new(&site->routes, site->config, errors);
	int tokens_rc = routes_rc == -ENOMEM ? routes_rc : site_load_tokens(site, errors);
	rc = rc != 0 ? rc : routes_rc != 0 ? routes_rc : tokens_rc;
	if (rc != 0)
		goto out;
	rc = -ENOMEM;
	site->places = calloc(site->config->n_backends + 1, sizeof(*site->places));
	if (site->places == NULL)
		goto out;
	rc = 0;
	*out = site;
	site = NULL;
out:
	config_errors_sort(errors);
	site_unref(site);
	return rc;
}

struct site_places *
site_places(const struct site *site, const struct config_backend *backend)
{
	return &site->places[backend - site->config->backends];
}

struct site *
site_ref(struct site *site)
{
	atomic_fetch_add_explicit(&site->users, 1, memory_order_relaxed);
	return site;
}

void
site_unref(struct site *site)
{
	if (site == NULL || atomic_fetch_sub_explicit(&site->users, 1, memory_order_acq_rel) != 1)
		return;
	routes_free(site->routes);
	config_free(site->config);
	free(site->places);
	free(site);
}
