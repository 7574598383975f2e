"""missbench.py -- What a miss costs, for scripts/bench: beside nginx and Varnish, and to the first byte."""
import contextlib
import os
import re
import select
import shutil
import statistics
import string
import subprocess
import tempfile
import time

import fcgi
import ordeal
import testsite

QUICKBACK = os.path.join(testsite.BUILD, "tests", "support", "quickback")
SIZE = 1024
CONNECTIONS = 32
HOLD_MS = 150
WAITERS = 100
MOST_CPU_US = 60  # Of doryd, a miss.
MOST_FIRST_MS = 3
ROUTES = """
[backend quick]
url = http://127.0.0.1:$port
[bloat page]
key = {name}
timeout = 1d
[route page]
match = GET /page/{name}
bloat = page(name)
backend = quick
[route held]
match = GET /held/{name}
bloat = page(name)
backend = quick
[route pass]
match = GET /pass/{name}
backend = quick
"""
NGINX = """\
$user
worker_processes 1;
daemon off;
pid $dir/nginx.pid;
error_log $dir/nginx-error.log;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path $dir/nginx-body;
	proxy_temp_path $dir/nginx-temp;
	fastcgi_temp_path $dir/nginx-fastcgi;
	uwsgi_temp_path $dir/nginx-uwsgi;
	scgi_temp_path $dir/nginx-scgi;
	keepalive_requests 1000000000;
	proxy_cache_path $dir/nginx-cache keys_zone=pages:64m max_size=1g use_temp_path=off;
	upstream quick { server 127.0.0.1:$port; keepalive 64; keepalive_requests 1000000000; }
	server {
		listen 127.0.0.1:$own;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		location /page/ { proxy_pass http://quick; proxy_cache pages; proxy_cache_valid 1d; }
		location /pass/ { proxy_pass http://quick; }
	}
}
"""
VCL = """\
vcl 4.1;
backend quick { .host = "127.0.0.1"; .port = "$port"; }
sub vcl_recv { if (req.url ~ "^/pass/") { return (pass); } }
"""
# A number of its own for each request, and what fcgiload sends for a browser.
WRK = """\
local n = 0
local fields = {
	["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	["Accept-Language"] = "en-US,en;q=0.5",
	["Accept-Encoding"] = "gzip, deflate, br",
	["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}
request = function()
	n = n + 1
	return wrk.format("GET", string.format("$path%08d", n), fields)
end
"""


def write(folder, name, text, **words):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(string.Template(text).substitute(words))
    return path


def family(pid):
    """A process and all that descend from it."""
    return [pid] + [p for child in ordeal.children(pid) for p in family(child)]


def cpu_us(pid):
    """User and system time of a server's processes: see clock_getcpuclockid(3)."""
    return sum(time.clock_gettime_ns((~p << 3) | 2) for p in family(pid)) / 1000


def settled_cpu_us(pid):
    """The same, once what was begun is done: responses are stored after they were sent."""
    before = cpu_us(pid)
    while True:
        time.sleep(0.3)
        now = cpu_us(pid)
        if now - before < 3000:
            return now
        before = now


class Contender:
    def __init__(self, folder, process, port=None, address=None):
        self.folder, self.process, self.port, self.address = folder, process, port, address
        self.runs = 0

    def load(self, path, misses):
        """Send that many requests that nobody has sent yet; how many were answered."""
        if self.address is not None:
            out = subprocess.run(
                [testsite.FCGILOAD, "-k", "-u", "-a", "unix:" + self.address, "-d", "120",
                 "-n", str(misses), "-c", str(CONNECTIONS), "-p", path + "00000000"],
                capture_output=True, text=True, check=False)
            if out.returncode != 0:
                raise SystemExit(f"bench: fcgiload: {out.stdout}{out.stderr}")
            return int(re.search(r"requests=(\d+)", out.stdout)[1])
        script = write(self.folder, "unique.lua", WRK, path=path)
        done, seconds = 0, max(1, misses // 10000)
        while done < misses:
            out = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "-s", script,
                                  f"http://127.0.0.1:{self.port}"],
                                 capture_output=True, text=True, check=True).stdout
            if "Non-2xx" in out or re.search(r"Socket errors: .*[1-9]", out):
                raise SystemExit(f"bench: wrk: {out}")
            done += int(re.search(r"(\d+) requests in", out)[1])
            script = write(self.folder, "unique.lua", WRK, path=f"{path}{done}-")
        return done

    def cost_us(self, kind, misses):
        """Processor time of one miss."""
        self.runs += 1
        before = settled_cpu_us(self.process.pid)
        done = self.load(f"/{kind}/{self.runs}-", misses)
        return (settled_cpu_us(self.process.pid) - before) / done


@contextlib.contextmanager
def backend_and_folder():
    folder = tempfile.mkdtemp(prefix="dory-miss-")
    port = testsite.free_port()
    back = testsite.Process([QUICKBACK, str(port), str(SIZE), str(HOLD_MS)],
                            os.path.join(folder, "quickback.log"))
    try:
        back.wait_for_address(("127.0.0.1", port))
        yield folder, port
    finally:
        back.end()
        shutil.rmtree(folder, ignore_errors=True)


def start_dory(stack, port):
    site = testsite.Site(ROUTES.replace("$port", str(port)), lighttpd=False,
                         dory="workers = 1\nlog_level = warn\nsize = 2G")
    stack.callback(site.close)
    return site


def start_other(stack, folder, name, command, port):
    os.makedirs(folder, exist_ok=True)
    process = testsite.Process(command, os.path.join(folder, name + ".log"))
    stack.callback(process.end)
    process.wait_for_address(("127.0.0.1", port))
    return Contender(folder, process, port=port)


def contenders(stack, folder, port):
    site = start_dory(stack, port)
    found = {"dory": Contender(folder, site.doryd, address=site.socket)}
    own = testsite.free_port()
    conf = write(folder, "nginx.conf", NGINX, dir=folder, port=port, own=own,
                 user="user root;" if os.geteuid() == 0 else "")
    found["nginx"] = start_other(stack, folder, "nginx", ["nginx", "-c", conf], own)
    own = testsite.free_port()
    vcl = write(folder, "pages.vcl", VCL, port=port)
    found["varnish"] = start_other(
        stack, folder, "varnish",
        ["varnishd", "-F", "-j", "none", "-n", os.path.join(folder, "varnish"), "-f", vcl,
         "-a", f"127.0.0.1:{own}", "-s", "malloc,1g"], own)
    return found


def run(misses, rounds):
    """Print what a miss costs each; whether doryd's is cheap enough."""
    print(f"Misses: {misses} of {SIZE} bytes in a round, {CONNECTIONS} connections, from a backend "
          f"that keeps its own; processor time of all threads and processes of each, writing to "
          f"the store included; medians of {rounds} rounds, in turns.\n")
    good = True
    with backend_and_folder() as (folder, port), contextlib.ExitStack() as stack:
        found = contenders(stack, folder, port)
        print(f"{'route':8} {'who':8} {'CPU us a miss':>14}  lowest and highest")
        for kind in ("page", "pass"):
            costs = {who: [] for who in found}
            for _ in range(rounds):
                for who, contender in found.items():
                    costs[who].append(contender.cost_us(kind, misses))
            for who, us in costs.items():
                print(f"{'stored' if kind == 'page' else 'passed':8} {who:8} "
                      f"{statistics.median(us):14.1f}  {min(us):.1f} {max(us):.1f}", flush=True)
            check_stored(found["dory"], kind)
            good = verdict(f"a miss that is {'stored' if kind == 'page' else 'passed'}: CPU in doryd",
                           statistics.median(costs["dory"]), MOST_CPU_US, "us") and good
    return good


def check_stored(dory, kind):
    """The first page of the last round is a hit now, where it was to be stored."""
    with fcgi.Connection(dory.address) as c:
        status = c.ask(target=f"/{kind}/{dory.runs}-00000001", host="localhost").cache_status
    if ("dory; hit" in status) != (kind == "page"):
        raise SystemExit(f"bench: not what was to be measured: {kind}: {status}")


def verdict(what, value, most, unit):
    good = value <= most
    print(f"{'PASS' if good else 'FAIL'} {what}: {value:.2f} {unit}, at most {most}", flush=True)
    return good


def late_ms(address, target):
    """How long after the backend's first byte each of all who asked for one page had theirs."""
    poll = select.epoll()
    first = fcgi.Connection(address).begin(target=target)
    time.sleep(HOLD_MS / 3000)  # The fetch is under way, and is held back for longer.
    clients = [first] + [fcgi.Connection(address).begin(target=target) for _ in range(WAITERS)]
    by_fd = {c.socket.fileno(): n for n, c in enumerate(clients)}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    came_ns, bytes_of = {}, {}
    while len(came_ns) < len(clients):
        events = poll.poll(testsite.WAIT_S)
        if not events:
            raise SystemExit("bench: a waiter got no answer")
        for fd, _ in events:
            got = clients[by_fd[fd]].socket.recv(65536)
            came_ns[fd], bytes_of[fd] = time.monotonic_ns(), got
            poll.unregister(fd)
    wrote_ns = {re.search(rb"\r\n\r\n(\d{20})", b)[1] for b in bytes_of.values()}
    if len(wrote_ns) != 1:
        raise SystemExit("bench: more than one fetch for one page")
    began = int(wrote_ns.pop())
    late = [(came_ns[c.socket.fileno()] - began) / 1e6 for c in clients]
    for c in clients:
        c.close()
    return late


def run_first_byte(rounds):
    """Print how long the first byte takes through doryd; whether that is quick enough."""
    rounds *= 5
    print(f"First byte: {1 + WAITERS} clients of one page that the backend holds back; from before "
          f"its first byte was written until each has read its own, in {rounds} rounds.\n")
    with backend_and_folder() as (_, port), contextlib.ExitStack() as stack:
        site = start_dory(stack, port)
        late = [late_ms(site.socket, f"/held/{i}") for i in range(rounds)]
    worst = [statistics.median(l[n] for l in late) for n in range(1, 1 + WAITERS)]
    good = verdict("first byte for who asked first, median", statistics.median(l[0] for l in late),
                   MOST_FIRST_MS, "ms")
    good = verdict("for those who joined, median", statistics.median(worst), MOST_FIRST_MS,
                   "ms") and good
    return verdict("for the waiter that came off worst, median", max(worst), MOST_FIRST_MS,
                   "ms") and good
