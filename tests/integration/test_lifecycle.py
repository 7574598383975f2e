"""test_lifecycle.py -- Starting, reloading, stopping; other ways to be started; no store."""
import os
import shutil
import signal
import socket
import stat
import subprocess

import fcgi
from backend import raw
from testsite import DORYD, PAGES, TOKEN, Doryd, SiteCase, wait_until


class LifeCase(SiteCase):
    ROUTES = PAGES

    def doryd(self, *args, env=None, **more):
        """Run doryd to its end."""
        return subprocess.run([DORYD, "-c", self.site.ini, *args], capture_output=True, timeout=20,
                              check=False, env={**os.environ, **(env or {})}, **more)


class Stopping(LifeCase):
    def test_sigterm_lets_requests_finish_and_exits_0(self):
        self.backend.hold("/page/a")
        waiting = [self.site.later(self.site.get, "/page/a") for _ in range(3)]
        self.backend.wait_for("/page/a")
        self.site.wait_for_metric("misses+collapsed", 3)
        self.site.doryd.send(signal.SIGTERM)
        wait_until(lambda: not self._accepts(), "no new connections are taken")
        self.backend.release("/page/a")
        self.assertEqual({r.result(20).text for r in waiting}, {"default"})
        self.site.doryd.stop()

    def _accepts(self):
        try:
            return self.site.doryd.ask("GET", "/_dory/healthz", host="localhost") is not None
        except OSError:
            return False

    def test_sigusr1_ends_nothing(self):
        self.site.doryd.send(signal.SIGUSR1)
        self.assertEqual(self.site.get("/page/a").status, 200)
        self.site.doryd.stop()

    def test_idle_connections_do_not_keep_it(self):
        with self.site.doryd.connect() as c:
            c.ask("GET", "/page/a", keep=True)
            self.site.doryd.stop()

    def test_what_was_stored_is_there_after_a_restart(self):
        self.site.get("/page/a")
        self.site.wait_for_metric("stored", 1)
        self.site.doryd.stop()
        self.site.restart()
        self.assert_hit(self.site.get("/page/a"))

    def test_it_starts_again_over_the_socket_of_a_killed_one(self):
        self.site.doryd.kill()
        self.site.restart()
        self.assertEqual(self.site.get("/page/a").status, 200)


class Reloading(LifeCase):
    def reload(self, **parts):
        self.site.configure(**parts)
        self.site.doryd.send(signal.SIGHUP)

    def test_sighup_takes_a_new_configuration(self):
        self.reload(routes=PAGES + "[route more]\nmatch = GET /more/{name}\nbloat = page(name)\n")
        wait_until(lambda: "key=" in self.site.get("/more/a").cache_status, "the route is known")
        self.assertEqual(self.site.get("/page/b").status, 200)

    def test_sighup_with_a_bad_configuration_changes_nothing(self):
        self.site.get("/page/a")
        self.site.wait_for_metric("stored", 1)
        self.reload(routes=PAGES + "[bloat x]\ntimeuot = 1h\n")
        self.site.doryd.wait_for_output("timeuot")
        self.assert_hit(self.site.get("/page/a"))

    def test_requests_under_way_end_as_they_began(self):
        self.backend.hold("/page/a")
        waiting = self.site.later(self.site.get, "/page/a")
        self.backend.wait_for("/page/a")
        self.reload(routes="[route only]\nmatch = GET /only\n")
        wait_until(lambda: "key=" not in self.site.get("/page/b").cache_status, "reloaded")
        self.backend.release("/page/a")
        self.assertEqual(waiting.result(20).text, "default")

    def test_many_reloads_leave_nothing_behind(self):
        before = self.site.doryd.descriptors()
        for i in range(20):
            self.reload(routes=PAGES if i % 2 else PAGES + "[bloat y]\ntimeout = 1h\n")
            self.assertEqual(self.site.get("/page/a").status, 200)
        wait_until(lambda: self.site.doryd.descriptors() <= before + 4, "descriptors are closed")

    def test_objects_that_a_reload_makes_room_for_are_hits(self):
        self.site.doryd.stop()
        self.site.configure(dory="workers = 2\nmax_object = 64K")
        self.site.restart()
        self.backend.on("/page/big", "x" * 3000000)
        self.reload(dory="workers = 2\nmax_object = 4M")
        wait_until(lambda: self.site.doryd.output().count("reloaded") == 1, "reloaded")
        self.site.get("/page/big")
        self.site.wait_for_metric("stored", 1)
        self.assert_hit(self.site.get("/page/big"))

    def test_after_a_reload_it_still_takes_its_socket_away(self):
        self.site.doryd.stop()
        log = os.path.join(self.site.dir, "again.log")
        again = Doryd(self.site.ini, self.site.socket, log)
        self.addCleanup(again.end)
        for i in range(3):
            again.send(signal.SIGHUP)
            wait_until(lambda i=i: again.output().count("reloaded") > i, "reloaded")
        self.assertEqual(again.ask("GET", "/page/a").status, 200)
        self.assertEqual(again.end(), 0, again.output())
        self.assertFalse(os.path.exists(self.site.socket))


class Options(LifeCase):
    LIGHTTPD = False

    def test_t_checks_the_configuration(self):
        done = self.doryd("-t")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_bad_configuration_is_78_and_every_fault_is_told_at_once(self):
        self.site.configure(routes=PAGES + "[bloat x]\ntimeuot = 1h\ngrace = soon\n[what y]\n")
        for args in (["-t"], []):
            done = self.doryd(*args)
            self.assertEqual(done.returncode, 78)
            for word in (b"timeuot", b"timeout", b"soon", b"what"):
                self.assertIn(word, done.stderr)

    def test_a_missing_configuration_is_78(self):
        done = subprocess.run([DORYD, "-c", "/nowhere/dory.ini"], capture_output=True, timeout=20,
                              check=False)
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"/nowhere/dory.ini", done.stderr)

    def test_dory_config_names_the_file(self):
        done = subprocess.run([DORYD, "-t"], env={**os.environ, "DORY_CONFIG": self.site.ini},
                              capture_output=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_v_tells_the_version(self):
        done = self.doryd("-V")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, rb"\d+\.\d+\.\d+")

    def test_socket_and_store_are_not_for_everybody(self):
        mode = lambda path: stat.S_IMODE(os.stat(os.path.join(self.site.dir, path)).st_mode)
        self.assertEqual(mode("dory.sock"), 0o660)
        self.assertEqual(mode("store"), 0o700)

    def test_a_token_file_for_everybody_is_refused(self):
        os.chmod(os.path.join(self.site.dir, "token"), 0o644)
        done = self.doryd("-l", "unix:" + self.site.dir + "/other.sock")
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"token", done.stderr)

    def test_it_listens_on_tcp(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        child = subprocess.Popen([DORYD, "-c", self.site.ini, "-l", f"127.0.0.1:{port}"],
                                 stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: self._ask(("127.0.0.1", port)), "it answers over TCP")
        finally:
            child.terminate()
            self.assertEqual(child.wait(20), 0)

    def _ask(self, address):
        try:
            with fcgi.Connection(address) as c:
                return c.ask("GET", "/page/a").text == "default"
        except ConnectionError:
            return False

    def test_the_access_log_has_a_line_a_request(self):
        log = os.path.join(self.site.dir, "access.log")
        self.site.configure(dory=f"access_log = {log}")
        self.site.doryd.stop()
        self.site.restart()
        self.site.doryd.ask("GET", "/page/a")
        self.site.doryd.ask("GET", "/page/b", path=b"/page/a\nFAKE \x1b[2J")
        self.site.doryd.stop()
        self.site.restart()
        with open(log, "rb") as f:
            lines = f.read().splitlines()
        self.assertIn(b"/page/a", lines[0])
        self.assertLessEqual(len(lines), 2)
        self.assertNotIn(b"\x1b", b"".join(lines))


class OtherStarts(LifeCase):
    LIGHTTPD = False

    def test_a_listening_socket_on_descriptor_0_is_used(self):
        path = os.path.join(self.site.dir, "zero.sock")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            s.listen(16)
            child = subprocess.Popen([DORYD, "-c", self.site.ini], stdin=s,
                                     stderr=subprocess.DEVNULL)
        try:
            with fcgi.Connection(path) as c:
                self.assertEqual(c.ask("GET", "/page/a").text, "default")
        finally:
            child.terminate()
            self.assertEqual(child.wait(20), 0)

    def cgi(self, method, target, body=b"", headers=()):
        env = {n: v for n, v in fcgi.params(method, target, body=body, headers=headers)}
        done = self.doryd(env=env, input=body)
        self.assertEqual(done.returncode, 0, done.stderr)
        return fcgi.parse_response(done.stdout, True)

    def test_as_a_cgi_program_it_serves_one_request(self):
        first = self.cgi("GET", "/page/a")
        self.assertEqual((first.status, first.text), (200, "default"))
        self.assert_hit(self.cgi("GET", "/page/a"))
        self.assert_hit(self.site.doryd.ask("GET", "/page/a"))

    def test_as_a_cgi_program_it_forwards_a_body(self):
        self.assertEqual(self.cgi("POST", "/other", b"a=1&b=2").status, 200)
        self.assertEqual(self.backend.requests("/other")[0].body, b"a=1&b=2")

    def test_as_a_cgi_program_it_begins_no_answer_that_breaks_off(self):
        for size in (4, 600000):
            self.backend.on("/other", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                          b"%x\r\n" % size + b"x" * size + b"\r\n"))
            done = self.doryd(env=dict(fcgi.params("GET", "/other")), stdin=subprocess.DEVNULL)
            r = fcgi.parse_response(done.stdout, True)
            self.assertEqual((r.status, r.text[:4]), (502, "502:"), size)

    def test_as_a_cgi_program_it_deflates(self):
        self.site.doryd.ask("GET", "/page/a")
        self.site.wait_for_metric("stored", 1)
        params = fcgi.params("POST", "/_dory/deflate?scope=page(a)", host="localhost",
                             headers=[("Dory-Token", TOKEN)])
        done = self.doryd(env=dict(params), stdin=subprocess.DEVNULL)
        self.assertEqual(fcgi.parse_response(done.stdout, True).status, 200)
        self.assert_fetched(self.site.doryd.ask("GET", "/page/a"))


class Names(LifeCase):
    ROUTES = """
[backend nowhere]
url = http://no-such-name.invalid:1
[route nowhere]
match = GET /nowhere
backend = nowhere
[bloat page]
timeout = 1h
[route page]
match = GET /page
bloat = page()
"""
    DORY = "backend = app"

    def test_a_backend_whose_name_has_no_address_is_a_502_and_stops_nobody(self):
        r = self.site.doryd.ask("GET", "/nowhere")
        self.assertEqual((r.status, r.text), (502, "502: the backend's name has no address\n"))
        self.site.doryd.wait_for_output("no-such-name.invalid")
        self.assertEqual(self.site.doryd.ask("GET", "/page").text, "default")


class WithoutAStore(LifeCase):
    def test_a_store_that_is_removed_leaves_the_site_up(self):
        self.site.get("/page/a")
        self.site.remove_store()
        for name in "abc":
            self.assertEqual(self.site.get("/page/" + name).text, "default")

    def test_a_store_that_cannot_be_opened_leaves_the_site_up(self):
        self.site.doryd.stop()
        shutil.rmtree(os.path.join(self.site.dir, "store"))
        with open(os.path.join(self.site.dir, "store"), "w") as f:
            f.write("this is no folder")
        self.site.restart()
        for _ in range(2):
            self.assertEqual(self.site.get("/page/a").text, "default")
        self.assertEqual(self.backend.count("/page/a"), 2)
        self.assertEqual(self.site.admin("POST", "deflate", b"page(a)").status, 503)
