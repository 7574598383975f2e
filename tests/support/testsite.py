"""testsite.py -- A whole site for one test: backend, doryd, web server, in a folder of its own."""
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
import unittest

import backend
import fcgi

os.environ["PATH"] += ":/usr/sbin"  # Where web servers are.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("DORY_BUILD", os.path.join(ROOT, "build")))
DORYD = os.path.join(BUILD, "proxy", "doryd")
DORY = os.path.join(BUILD, "proxy", "dory")
FCGILOAD = os.path.join(BUILD, "tests", "support", "fcgiload")
TOKEN = "0123456789abcdef0123456789abcdef"
WAIT_S = 20  # How long anything here waits before it is a failure.

BASE = """\
[dory]
listen = unix:$dir/dory.sock
store = $dir/store
$size
$dory
[admin]
token_file = $dir/token
[backend app]
url = $backend
$origin
"""

# One bloat and its route: all that many tests need.
PAGES = """
[bloat page]
key = {name}
timeout = 1h
[route page]
match = GET /page/{name}
bloat = page(name)
"""

LIGHTTPD = """\
server.port = $port
server.bind = "127.0.0.1"
server.document-root = "$dir"
server.errorlog = "$dir/lighttpd.log"
server.upload-dirs = ("$dir")
server.modules = ("mod_fastcgi")
server.stream-response-body = 1
server.stream-request-body = $stream_request
server.max-connections = 4096
server.max-keep-alive-idle = 30
fastcgi.server = ("/" => (("socket" => "$socket", "check-local" => "disable",
                           "fix-root-scriptname" => "enable"$fastcgi)))
$more
"""

APACHE = """\
ServerRoot "$dir"
ServerName shop.test
Listen 127.0.0.1:$port
PidFile "$dir/apache.pid"
Mutex file:$dir
DefaultRuntimeDir "$dir"
DocumentRoot "$dir/htdocs"
ErrorLog "$dir/apache.log"
$modules
$user
KeepAliveTimeout $keep_alive
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
$more
"""
APACHE_MODULES = ("mpm_event", "authz_core", "authn_core", "authn_file", "authz_user", "auth_basic",
                  "env", "dir", "alias", "cgid", "proxy", "proxy_fcgi")
APACHE_MODULE_DIR = "/usr/lib/apache2/modules"


def wait_until(condition, what, timeout=WAIT_S):
    """Ask until it is so. For what cannot be waited for: another process's state."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.005)


def quickest(call, times=3):
    """
    How long the quickest of some calls takes. What waits for a time-out does so each time; a
    machine that is busy with others does not hold up each one.
    """
    took = []
    for _ in range(times):
        began = time.monotonic()
        call()
        took.append(time.monotonic() - began)
    return min(took)


def accepts(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as s:
        s.settimeout(WAIT_S)
        try:
            s.connect(address)
        except OSError:
            return False
        return True


def full_listener(test):
    """An address that answers no connection any more: its queue is full, until the test ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    test.addCleanup(listener.close)
    for _ in range(4):
        filler = socket.socket()
        test.addCleanup(filler.close)
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return "http://127.0.0.1:%d" % listener.getsockname()[1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def preloaded(shim, **more):
    """The environment of a doryd that has this library of tests/support before its own."""
    asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {"LD_PRELOAD": os.path.join(BUILD, "tests", "support", shim + ".so"),
            "ASAN_OPTIONS": asan, **more}


class FaultyDisk:
    """What a doryd with `env` has for a disk: faultfs.c tells in which ways it breaks."""

    def __init__(self, folder):
        self.word = os.path.join(folder, "fault")
        self.env = preloaded("faultfs", FAULTFS=self.word)

    def break_with(self, word):
        with open(self.word + ".new", "w") as f:
            f.write(word)
        os.rename(self.word + ".new", self.word)

    def mend(self):
        os.unlink(self.word)


class Process:
    """A child that is ended by its number, never by its name."""

    def __init__(self, command, log, env=None, stdin=subprocess.DEVNULL):
        self.log = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=out,
                                          env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self.child.pid

    def is_alive(self):
        return self.child.poll() is None

    def output(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def wait_for_output(self, *words):
        """Until it has said all of them. The log has a thread of its own: it may be behind."""
        for word in words:
            wait_until(lambda w=word: w in self.output(), f"it says: {word}")

    def wait_for_address(self, address):
        wait_until(lambda: accepts(address) or not self.is_alive(), f"{address} accepts")
        if not self.is_alive():
            raise AssertionError(f"ended with {self.child.returncode}:\n{self.output()[-4000:]}")

    def send(self, which):
        self.child.send_signal(which)
        if which == signal.SIGSTOP:
            wait_until(self.is_stopped, "all its threads have stopped")

    def is_stopped(self):
        states = set()
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/stat") as f:
                states.add(f.read().rpartition(")")[2].split()[0])
        return states <= {"T", "t"}

    def end(self, which=signal.SIGTERM):
        """Ask it to end; its exit status (negative: the signal that ended it)."""
        if self.is_alive():
            self.send(which)
        try:
            return self.child.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"did not end:\n{self.output()[-4000:]}") from None


class Doryd(Process):
    def __init__(self, ini, address, log, *, args=(), env=None, under=()):
        super().__init__([*under, DORYD, "-c", ini, *args], log, env)
        self.address = address
        self.wait_for_address(address)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def connect(self, **more):
        return fcgi.Connection(self.address, **more)

    def ask(self, method="GET", target="/", body=b"", **more):
        """One request straight over FastCGI."""
        with self.connect() as c:
            return c.ask(method, target, body, **more)

    def stop(self):
        status = self.end()
        if status != 0:
            raise AssertionError(f"doryd ended with {status}:\n{self.output()[-4000:]}")

    def kill(self):
        self.end(signal.SIGKILL)


class Lighttpd(Process):
    def __init__(self, folder, address, stream_request=0, *, fastcgi="", more=""):
        for _ in range(5):  # Somebody else may take the port first.
            self.port = free_port()
            conf = os.path.join(folder, "lighttpd.conf")
            with open(conf, "w") as f:
                f.write(string.Template(LIGHTTPD).substitute(
                    port=self.port, dir=folder, socket=address, stream_request=stream_request,
                    fastcgi=fastcgi, more=more))
            super().__init__(["lighttpd", "-D", "-f", conf], os.path.join(folder, "lighttpd.out"))
            try:
                self.wait_for_address(("127.0.0.1", self.port))
                return
            except AssertionError:
                self.end()
        raise AssertionError("lighttpd does not start:\n" + self.output())


def sendfile_lines(folder):
    """What config/lighttpd.conf has in comments about files, for the store in that folder."""
    with open(os.path.join(ROOT, "config", "lighttpd.conf")) as f:
        lines = re.findall(r'^ +# ("x-sendfile.*),$', f.read(), re.M)
    return "".join("," + line for line in lines).replace("/var/cache/dory",
                                                         os.path.join(folder, "store"))


class Apache(Process):
    """
    Apache with `more` in its configuration: what config/apache.conf has where nothing else is
    given. Started by root its children are www-data, which may use the socket by its group.
    """

    KEEP_ALIVE_S = 5  # As it is by default: a page that breaks off ends with its connection.

    def __init__(self, folder, address, more=None):
        if more is None:
            with open(os.path.join(ROOT, "config", "apache.conf")) as f:
                more = f.read().replace("/run/dory/dory.sock", address)
        os.makedirs(os.path.join(folder, "htdocs"), exist_ok=True)
        if os.geteuid() == 0:
            for path, mode in ((folder, 0o770), (address, 0o660)):
                shutil.chown(path, group="www-data")
                os.chmod(path, mode)
        conf = os.path.join(folder, "apache.conf")
        for _ in range(5):  # Somebody else may take the port first.
            self.port = free_port()
            with open(conf, "w") as f:
                f.write(string.Template(APACHE).substitute(
                    dir=folder, port=self.port, keep_alive=self.KEEP_ALIVE_S,
                    modules=self._modules(), more=more,
                    user="User www-data\nGroup www-data" if os.geteuid() == 0 else ""))
            super().__init__(["apache2", "-D", "FOREGROUND", "-f", conf],
                             os.path.join(folder, "apache.out"))
            # It listens before it has read its configuration.
            pid = os.path.join(folder, "apache.pid")
            wait_until(lambda: os.path.exists(pid) or not self.is_alive(), "apache2 starts")
            if self.is_alive():
                return
        with open(os.path.join(folder, "apache.log"), errors="replace") as f:
            raise AssertionError("apache2 does not start:\n" + self.output() + f.read())

    @staticmethod
    def is_installed():
        return shutil.which("apache2") is not None and os.path.exists(
            os.path.join(APACHE_MODULE_DIR, "mod_proxy_fcgi.so"))

    @staticmethod
    def _modules():
        # Some are built in, depending on who built it.
        return "\n".join(f"LoadModule {name}_module {APACHE_MODULE_DIR}/mod_{name}.so"
                         for name in APACHE_MODULES
                         if os.path.exists(f"{APACHE_MODULE_DIR}/mod_{name}.so"))


class FinalResponse(http.client.HTTPResponse):
    """Early hints and the like come before it: http.client itself passes over 100 alone."""

    def _read_status(self):
        line = super()._read_status()
        while 100 < line[1] < 200:
            http.client.parse_headers(self.fp)
            line = super()._read_status()
        return line


class Site:
    """
    routes:  the bloats and routes of the configuration, in INI; $dir and $backend stand for the
             site's folder and the backend's URL.
    dory, origin: more lines for [dory] and [backend app].
    server:  makes the web server from the site's folder and doryd's socket: Lighttpd where nothing
             else is given.
    """

    def __init__(self, routes="", *, dory="", origin="", lighttpd=True, stream_request=0,
                 server=None):
        self.dir = tempfile.mkdtemp(prefix="dory-test-")
        self.ini = os.path.join(self.dir, "dory.ini")
        self.socket = os.path.join(self.dir, "dory.sock")
        self.backend = backend.Backend()
        self.doryds = []
        self.server = None
        self._later = concurrent.futures.ThreadPoolExecutor(256)
        self._write("token", TOKEN + "\n")
        self.configure(routes=routes, dory=dory, origin=origin)
        try:
            self.doryd = self.start_doryd()
            if server is not None:
                self.server = server(self.dir, self.socket)
            elif lighttpd:
                self.server = Lighttpd(self.dir, self.socket, stream_request)
        except BaseException:
            self.close(check=False)
            raise

    def _write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)

    def configure(self, **parts):
        """Write the configuration anew: `routes`, `dory` and `origin`, or what they were."""
        self._parts = {**getattr(self, "_parts", {}), **parts}
        size = "" if "\nsize = " in "\n" + self._parts["dory"] else "size = 256M"
        text = string.Template(BASE).safe_substitute(self._parts, size=size)
        text += self._parts["routes"]
        self._write("dory.ini", string.Template(text).safe_substitute(
            dir=self.dir, backend=self.backend.url))

    # ---- processes

    def start_doryd(self, *, name="dory", args=(), env=None, ini=None, under=()):
        """Another one listens on a socket of that name. `under`: a command that runs it."""
        address = os.path.join(self.dir, name + ".sock")
        log = os.path.join(self.dir, name + ".log")
        doryd = Doryd(ini or self.ini, address, log, args=["-l", "unix:" + address, *args],
                      env=env, under=under)
        self.doryds.append(doryd)
        return doryd

    def restart(self, **more):
        """In place of one that was killed or stopped, on the same store and socket."""
        self.doryds.remove(self.doryd)
        self.doryd = self.start_doryd(**more)

    def remove_store(self):
        """In use: what a doryd makes there anew, or takes away itself, meanwhile is no fault."""
        def is_gone():
            try:
                shutil.rmtree(os.path.join(self.dir, "store"))
            except OSError:
                return False
            return True
        wait_until(is_gone, "the store is removed")

    def close(self, check=True):
        """Stop everything. Every doryd still there must end well."""
        faults = []
        self.backend.stop()
        if self.server is not None:
            self.server.end(signal.SIGINT if isinstance(self.server, Lighttpd) else signal.SIGTERM)
        for doryd in self.doryds:
            alive = doryd.is_alive()
            status = doryd.end()
            if status != 0 and (alive or status != -signal.SIGKILL):
                faults.append(f"doryd ended with {status}:\n{doryd.output()[-4000:]}")
        self._later.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self.dir, ignore_errors=True)
        if check and faults:
            raise AssertionError("\n".join(faults))

    # ---- requests

    def http(self, method, target, body=None, headers=(), host="shop.test"):
        """One request through the web server on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=WAIT_S)
        connection.response_class = FinalResponse
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in (("Host", host), *headers):
                connection.putheader(name, value)
            if body is None and method not in ("GET", "HEAD"):
                body = b""
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            try:
                body, complete = response.read(), True
            except http.client.IncompleteRead as cut:
                body, complete = cut.partial, False
            return fcgi.Response(response.status, response.getheaders(), body, complete)
        finally:
            connection.close()

    def get(self, target, **headers):
        """GET; `if_none_match='"x"'`-like words become header fields."""
        fields = [(n.replace("_", "-").title(), v) for n, v in headers.items()]
        return self.http("GET", target, headers=fields)

    def later(self, call, *args, **more):
        """Do it on another thread; `.result(timeout)` gives what came of it."""
        return self._later.submit(call, *args, **more)

    def admin(self, method, name, body=None, headers=None, host="localhost"):
        fields = [("Dory-Token", TOKEN)] if headers is None else headers
        return self.http(method, "/_dory/" + name, body, fields, host=host)

    def deflate(self, *scopes, doryd=None):
        """Through the admin path; the deflate's sequence."""
        body = "\n".join(scopes).encode()
        if doryd is not None or self.server is None:
            r = (doryd or self.doryd).ask("POST", "/_dory/deflate", body, host="localhost",
                                          headers=[("Dory-Token", TOKEN)])
        else:
            r = self.admin("POST", "deflate", body)
        if r.status != 200:
            raise AssertionError(f"deflate {scopes}: {r.status} {r.text}")
        return json.loads(r.body)["sequence"]

    def metric(self, name, doryd=None):
        r = (doryd or self.doryd).ask("GET", "/_dory/metrics", host="localhost",
                                      headers=[("Dory-Token", TOKEN)])
        values = dict(line.rsplit(" ", 1) for line in r.text.splitlines() if line[:1] != "#")
        return float(values.get(f"dory_{name}_total", values.get(f"dory_{name}", 0)))

    def wait_for_metric(self, names, at_least, doryd=None):
        """Wait until the sum of these counters is that."""
        names = names.split("+")
        wait_until(lambda: sum(self.metric(n, doryd) for n in names) >= at_least,
                   f"{'+'.join(names)} >= {at_least}")

    def wait_for_no_flights(self, doryd=None):
        """Until what was fetched is stored as well, or refused."""
        wait_until(lambda: self.metric("flights", doryd) == 0, "all flights ended")

    def entries(self, scope="*"):
        """What is stored, as the admin path tells it."""
        r = self.doryd.ask("GET", "/_dory/entries?scope=" + quote(scope), host="localhost",
                           headers=[("Dory-Token", TOKEN)])
        if r.status != 200:
            raise AssertionError(f"entries {scope}: {r.status} {r.text}")
        return json.loads(r.body)["entries"]

    def dory(self, *args, check=True):
        """The dory command on this site's configuration: a CompletedProcess with text."""
        done = subprocess.run([DORY, "-c", self.ini, *args], capture_output=True, text=True,
                              timeout=WAIT_S, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"dory {args}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done


def quote(text):
    """Percent-encode everything that is not plain."""
    plain = string.ascii_letters + string.digits + "-_."
    return "".join(c if c in plain else f"%{ord(c):02X}" for c in text)


class SiteCase(unittest.TestCase):
    """A test with a site of its own, made from ROUTES and the lines below."""
    ROUTES = ""
    DORY = "workers = 2"
    ORIGIN = ""
    LIGHTTPD = True
    STREAM_REQUEST = 0
    SERVER = None

    def setUp(self):
        self.site = Site(self.ROUTES, dory=self.DORY, origin=self.ORIGIN, lighttpd=self.LIGHTTPD,
                         stream_request=self.STREAM_REQUEST, server=self.SERVER)
        self.addCleanup(self.site.close)
        self.backend = self.site.backend

    def get_stored(self, target, n=1, **headers):
        """A response that has been stored when this returns; the `n`th of the test."""
        response = self.site.get(target, **headers)
        self.site.wait_for_metric("stored", n)
        return response

    def assert_text(self, response, text):
        self.assertEqual((response.status, response.text), (200, text))

    def assert_hit(self, response):
        self.assertRegex(response.cache_status, r"^dory; hit(;|$)")

    def assert_fetched(self, response):
        self.assertNotRegex(response.cache_status, r"^dory; hit")
        self.assertIn("fwd=", response.cache_status)

    def assert_plain_error(self, response, status):
        """Errors are plain text, not stored anywhere, and repeat nothing of the request."""
        self.assertEqual(response.status, status, response.text)
        self.assertRegex(response.header("Content-Type") or "", "^text/plain")
        self.assertIn("no-store", response.header("Cache-Control") or "")
