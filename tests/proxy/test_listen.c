/* test_listen.c -- Where web servers connect: dead sockets are replaced, living ones never. */
#include "listen.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WHY_SIZE = 512 };

static char listen_dir[64], listen_path[128], listen_address[160], listen_why[WHY_SIZE];

static void
listen_setup(void)
{
	strcpy(listen_dir, "/tmp/dory-listen-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(listen_dir));
	snprintf(listen_path, sizeof(listen_path), "%s/socket", listen_dir);
	snprintf(listen_address, sizeof(listen_address), "unix:%s", listen_path);
	listen_why[0] = '\0';
}

static void
listen_teardown(void)
{
	unlink(listen_path);
	rmdir(listen_dir);
}

static int
listen_to(const char *address)
{
	return listen_open(address, listen_why, WHY_SIZE);
}

static struct sockaddr_un
listen_unix_address(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, listen_path);
	return address;
}

static bool
listen_answers(void)
{
	struct sockaddr_un address = listen_unix_address();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return answers;
}

START_TEST(a_unix_socket_takes_connections_of_owner_and_group)
{
	struct stat st;
	mode_t mask = umask(_i == 0 ? 0 : 0777);
	int fd = listen_to(listen_address);
	ck_assert_msg(fd >= 0, "%s", listen_why);
	ck_assert_uint_eq(umask(mask), _i == 0 ? 0 : 0777);
	ck_assert_int_eq(lstat(listen_path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0660);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ck_assert(listen_answers());
	listen_unlink(listen_address);
	ck_assert_int_eq(lstat(listen_path, &st), -1);
	listen_unlink(listen_address);
	close(fd);
}
END_TEST

START_TEST(what_a_dead_process_left_is_replaced)
{
	int dead = listen_to(listen_address);
	ck_assert_int_ge(dead, 0);
	close(dead);
	ck_assert(!listen_answers());
	int fd = listen_to(listen_address);
	ck_assert_msg(fd >= 0, "%s", listen_why);
	ck_assert(listen_answers());
	close(fd);
}
END_TEST

START_TEST(a_socket_that_is_listened_on_is_refused)
{
	char want[WHY_SIZE];
	int fd = listen_to(listen_address);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(listen_to(listen_address), -EADDRINUSE);
	snprintf(
	    want, sizeof(want), "%s: another process listens there; stop it first", listen_path);
	ck_assert_str_eq(listen_why, want);
	ck_assert(listen_answers());
	close(fd);
}
END_TEST

START_TEST(a_socket_whose_queue_is_full_is_taken_too)
{
	struct sockaddr_un address = listen_unix_address();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), waiting = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	ck_assert_int_eq(connect(waiting, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen_to(listen_address), -EADDRINUSE);
	close(waiting);
	close(fd);
}
END_TEST

START_TEST(a_socket_of_another_kind_is_taken_too)
{
	struct sockaddr_un address = listen_unix_address();
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen_to(listen_address), -EADDRINUSE);
	ck_assert_int_eq(lstat(listen_path, &st), 0);
	close(fd);
}
END_TEST

START_TEST(a_file_that_is_no_socket_stays)
{
	struct stat st;
	char want[WHY_SIZE];
	close(open(listen_path, O_WRONLY | O_CREAT, 0600));
	ck_assert_int_eq(listen_to(listen_address), -EADDRINUSE);
	snprintf(want, sizeof(want),
	    "cannot listen on %s: Address already in use; what stands there is no socket, move it "
	    "away",
	    listen_path);
	ck_assert_str_eq(listen_why, want);
	ck_assert_int_eq(lstat(listen_path, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
}
END_TEST

START_TEST(a_path_has_at_most_107_characters)
{
	char address[5 + 109 + 1] = "unix:/";
	memset(address + 6, 'x', 107);
	address[5 + 108] = '\0';
	ck_assert_int_eq(listen_to(address), -ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(listen_why, ": a socket's path has at most 107 characters"));
}
END_TEST

START_TEST(tcp_takes_connections)
{
	static const char *const addresses[] = { "127.0.0.1:0", "localhost:0", "[::1]:0" };
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	int fd = listen_to(addresses[_i]);
	/* There are machines without IPv6. */
	if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT)
		return;
	ck_assert_msg(fd >= 0, "%s", listen_why);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
	int client = socket(bound.ss_family, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&bound, len), 0);
	listen_unlink(addresses[_i]);
	close(client);
	close(fd);
}
END_TEST

static const struct {
	const char *address;
	int rc;
	const char *why;
} bad_cases[] = {
	{ "", -EINVAL, ": write unix:/path or host:port" },
	{ "8080", -EINVAL, "8080: write unix:/path or host:port" },
	{ ":8080", -EINVAL, ":8080: write unix:/path or host:port" },
	{ "127.0.0.1:", -EINVAL, "127.0.0.1:: the port is a number up to 65535" },
	{ "127.0.0.1:x", -EINVAL, "127.0.0.1:x: the port is a number up to 65535" },
	{ "127.0.0.1:-1", -EINVAL, "127.0.0.1:-1: the port is a number up to 65535" },
	{ "127.0.0.1:65536", -EINVAL, "127.0.0.1:65536: the port is a number up to 65535" },
	{ "127.0.0.1: 80", -EINVAL, "127.0.0.1: 80: the port is a number up to 65535" },
	{ "300.0.0.1.invalid:80", -EINVAL, NULL },
	{ "unix:/nowhere/at/all", -ENOENT,
	    "cannot listen on /nowhere/at/all: No such file or directory; make its directory" },
	{ "unix:", -ENOENT, "cannot listen on : No such file or directory; make its directory" },
	{ "192.0.2.1:0", -EADDRNOTAVAIL,
	    "cannot listen on 192.0.2.1:0: Cannot assign requested address" },
};

START_TEST(a_bad_address_is_refused_in_words)
{
	int rc = listen_to(bad_cases[_i].address);
	ck_assert_msg(rc == bad_cases[_i].rc, "%s: %d", bad_cases[_i].address, rc);
	if (bad_cases[_i].why != NULL)
		ck_assert_str_eq(listen_why, bad_cases[_i].why);
	ck_assert_uint_gt(strlen(listen_why), 0);
}
END_TEST

START_TEST(words_end_where_their_memory_does)
{
	char why[8];
	ck_assert_int_eq(listen_open("no address at all", why, sizeof(why)), -EINVAL);
	ck_assert_uint_eq(strlen(why), 7);
}
END_TEST

/* What listen_inherited() finds in a process with `given` as descriptor `as`. */
static int
listen_child(int given, int as, const char *fds, long pid_off)
{
	char pid[32];
	int status;
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		snprintf(pid, sizeof(pid), "%ld", (long)getpid() + pid_off);
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", fds, 1);
		int null = open("/dev/null", O_RDWR);
		dup2(null, STDIN_FILENO);
		dup2(given, as);
		int found = listen_inherited();
		bool ready = found < 0 || ((fcntl(found, F_GETFL) & O_NONBLOCK) != 0 &&
					      (fcntl(found, F_GETFD) & FD_CLOEXEC) != 0);
		_exit(ready ? found + 1 : 99);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status) - 1;
}

START_TEST(a_socket_that_was_handed_over_is_found)
{
	int fd = listen_to(listen_address), plain = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(listen_child(fd, STDIN_FILENO, "0", 0), STDIN_FILENO);
	ck_assert_int_eq(listen_child(fd, 3, "1", 0), 3);
	ck_assert_int_eq(listen_child(fd, 3, "0", 0), -1);
	ck_assert_int_eq(listen_child(fd, 3, "1", 1), -1);
	ck_assert_int_eq(listen_child(plain, STDIN_FILENO, "0", 0), -1);
	ck_assert_int_eq(listen_child(plain, 3, "1", 0), -1);
	close(plain);
	close(fd);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("listen");
	tcase_add_checked_fixture(tests, listen_setup, listen_teardown);
	tcase_add_loop_test(tests, a_unix_socket_takes_connections_of_owner_and_group, 0, 2);
	tcase_add_test(tests, what_a_dead_process_left_is_replaced);
	tcase_add_test(tests, a_socket_that_is_listened_on_is_refused);
	tcase_add_test(tests, a_socket_whose_queue_is_full_is_taken_too);
	tcase_add_test(tests, a_socket_of_another_kind_is_taken_too);
	tcase_add_test(tests, a_file_that_is_no_socket_stays);
	tcase_add_test(tests, a_path_has_at_most_107_characters);
	tcase_add_loop_test(tests, tcp_takes_connections, 0, 3);
	tcase_add_loop_test(tests, a_bad_address_is_refused_in_words, 0, COUNT(bad_cases));
	tcase_add_test(tests, words_end_where_their_memory_does);
	tcase_add_test(tests, a_socket_that_was_handed_over_is_found);
	return suite_run("proxy/listen", tests);
}
