"""test_flow.py -- Large responses and uploads flow through bounded memory, at each reader's pace."""
import hashlib
import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import fcgi
from backend import page, raw
from testsite import DORYD, PAGES, WAIT_S, FaultyDisk, SiteCase, wait_until

MIB = 1 << 20
# A build with sanitizers keeps what was freed for a while.
SANITIZED = bool(os.environ.get("DORY_SANITIZED"))
PRIVATE_MAX = (512 if SANITIZED else 64) * MIB


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


def head_of(n=None):
    """The header block of a response of n bytes, or of one that does not say."""
    length = b"Transfer-Encoding: chunked" if n is None else b"Content-Length: %d" % n
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + length + b"\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def private_bytes(pid):
    """What a process has for itself: no files that are mapped, no cache of the disk."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return int(re.search(r"Anonymous: +(\d+) kB", f.read())[1]) << 10


class Reader:
    """One answer over FastCGI, read as far as is wanted."""

    def __init__(self, site, target, timeout=60):
        self.connection = fcgi.Connection(site.socket, timeout=timeout)
        self.connection.begin("GET", target)
        self.head, self.body, self.ended = None, b"", False

    def read(self, n):
        """Until there are n bytes of the body, or its end: true while there may be more."""
        parts, have = [self.body], len(self.body)
        while have < n and not self.ended:
            part = self._next()
            self.ended = part is None
            parts.append(part or b"")
            have += len(parts[-1])
        self.body = b"".join(parts)
        return not self.ended

    def _next(self):
        got = self.connection.read_record()
        if got is None:
            self.complete = False
            return None
        if got[0] == fcgi.END:
            self.complete = True
            return None
        if self.head is None:
            self.head, _, rest = got[1].partition(b"\r\n\r\n")
            return rest
        return got[1]

    def rest(self):
        self.read(1 << 40)
        return self

    def close(self):
        self.connection.close()


class FlowCase(SiteCase):
    ROUTES = PAGES
    LIGHTTPD = False
    DORY = "workers = 2\nclient_timeout = 1h"

    def setUp(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        super().setUp()

    def reader(self, target):
        r = Reader(self.site, target)
        self.addCleanup(r.close)
        return r

    def gate(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        return gate

    def assert_same(self, got, want):
        """Without a difference of megabytes in the message."""
        self.assertEqual((len(got), hashlib.sha1(got).hexdigest()),
                         (len(want), hashlib.sha1(want).hexdigest()))

    def assert_whole(self, reader, want):
        reader.rest()
        self.assertTrue(reader.complete)
        self.assert_same(reader.body, want)

    def body_files(self):
        return [os.path.join(where, name)
                for where, _, names in os.walk(os.path.join(self.site.dir, "store", "bodies"))
                for name in names]

    @staticmethod
    def wait_until_nothing_moves(measure):
        """Until nobody on the way takes any more."""
        before, now = None, measure()
        while before != now:
            time.sleep(0.3)
            before, now = now, measure()


class OneCopy(FlowCase):
    READERS = 1000

    def test_1000_slow_readers_of_one_50_mib_response_cost_one_copy(self):
        body = noise(50 * MIB)
        self.backend.on("/page/big", page(body))
        self.backend.hold("/page/big")
        readers = [self.reader("/page/big") for _ in range(self.READERS)]
        self.site.wait_for_metric("misses+collapsed", self.READERS)
        self.backend.release("/page/big")
        most = 0
        while self.site.metric("stored") < 1:  # All of it has come, and nobody has read any.
            most = max(most, private_bytes(self.site.doryd.pid))
            self.assertEqual(self.site.metric("store_errors"), 0, "it will not be stored")
            time.sleep(0.01)
        for r in readers:
            r.read(256 << 10)
            self.assertEqual(r.body, body[:len(r.body)])
        most = max(most, private_bytes(self.site.doryd.pid))
        self.assertLess(most, PRIVATE_MAX)
        for r in readers[::self.READERS // 8]:
            self.assert_whole(r, body)
        for r in readers:
            r.close()
        self.assertEqual(self.backend.count("/page/big"), 1)
        self.assertEqual(self.site.metric("spilled"), 1)
        self.site.wait_for_no_flights()
        hit = self.site.doryd.ask("GET", "/page/big")
        self.assert_hit(hit)
        self.assert_same(hit.body, body)

    def test_what_is_not_stored_is_in_memory_once_and_only_a_piece_of_it(self):
        sent, body = [], noise(MIB)

        def pieces():
            yield head_of(100 * MIB)
            for i in range(100):
                yield body
                sent.append(i)

        self.backend.on("/other", lambda request: raw_of(pieces()))
        r = self.reader("/other")
        r.read(1)
        self.wait_until_nothing_moves(lambda: len(sent))
        self.assertLess(len(sent), 50)
        self.assertLess(private_bytes(self.site.doryd.pid), PRIVATE_MAX / 2)
        self.assert_whole(r, body * 100)


def raw_of(pieces):
    answer = raw(end="close")
    answer.pieces = pieces
    return answer


class Pace(FlowCase):
    def halves(self, path, first, second):
        """The backend sends `first`, and `second` once the gate is opened."""
        gate = self.gate()
        self.backend.on(path, raw(head_of(len(first) + len(second)), first,
                                  lambda: gate.wait(30), second))
        return gate

    def test_late_joiners_get_what_is_there_then_follow(self):
        first, second = noise(10 * MIB), noise(5 * MIB, 2)
        gate = self.halves("/page/big", first, second)
        readers = [self.reader("/page/big")]
        self.assertTrue(readers[0].read(len(first)))  # All but the last of it is a file now.
        readers += [self.reader("/page/big") for _ in range(9)]
        for r in readers:
            self.assertTrue(r.read(len(first)))
            self.assert_same(r.body, first)
        gate.set()
        for r in readers:
            self.assert_whole(r, first + second)
        self.assertEqual(self.backend.count("/page/big"), 1)
        self.site.wait_for_metric("stored", 1)
        self.assertEqual(self.site.metric("spilled"), 1)

    def test_bodies_of_every_size_around_what_is_kept_in_memory(self):
        for n in (MIB - 1, MIB, MIB + 1, 3 * MIB // 2, 2 * MIB, 3 * MIB + 17):
            with self.subTest(n):
                body, name = noise(n), f"/page/{n}"
                self.backend.on(name, page(body))
                stored = self.site.metric("stored")
                self.assert_whole(self.reader(name), body)
                self.site.wait_for_metric("stored", stored + 1)
                hit = self.site.doryd.ask("GET", name)
                self.assert_hit(hit)
                self.assert_same(hit.body, body)
        self.assertEqual(len(self.body_files()), 6)

    def test_a_chunked_body_that_spilled_is_stored_with_its_length(self):
        body = noise(5 * MIB)
        self.backend.on("/page/big", raw(head_of(), chunk(body), b"0\r\n\r\n"))
        self.assert_whole(self.reader("/page/big"), body)
        self.site.wait_for_metric("stored", 1)
        hit = self.site.doryd.ask("GET", "/page/big")
        self.assert_hit(hit)
        self.assertEqual(hit.header("Content-Length"), str(len(body)))
        self.assert_same(hit.body, body)

    def test_a_reader_that_stops_costs_nobody_anything(self):
        body = noise(20 * MIB)
        self.backend.on("/page/big", page(body))
        self.backend.hold("/page/big")
        stopped = self.reader("/page/big")
        others = [self.reader("/page/big") for _ in range(5)]
        self.site.wait_for_metric("misses+collapsed", 6)
        self.backend.release("/page/big")
        for r in others:
            self.assert_whole(r, body)
        self.site.wait_for_metric("stored", 1)
        self.assert_hit(self.site.doryd.ask("GET", "/page/big"))
        self.assert_whole(stopped, body)  # It lost nothing either.
        self.site.wait_for_no_flights()

    def test_a_deflate_while_it_spills_is_obeyed(self):
        first, second = noise(10 * MIB), noise(5 * MIB, 2)
        gate = self.halves("/page/big", first, second)
        r = self.reader("/page/big")
        r.read(len(first))
        self.site.deflate("page(big)")
        gate.set()
        self.assert_whole(r, first + second)
        self.site.wait_for_metric("store_refused", 1)
        self.site.wait_for_no_flights()
        self.assertEqual(self.site.entries(), [])
        self.assertEqual(self.body_files(), [])

    def test_a_body_that_breaks_off_while_it_spills_leaves_nothing_behind(self):
        body = noise(10 * MIB)
        self.backend.on("/page/big", raw(head_of(20 * MIB), body))
        before = self.site.doryd.descriptors()
        r = self.reader("/page/big").rest()
        self.assertFalse(r.complete)
        self.assertEqual(r.body, body[:len(r.body)])
        r.close()
        self.site.wait_for_no_flights()
        self.assertEqual((self.site.entries(), self.body_files()), ([], []))
        wait_until(lambda: self.site.doryd.descriptors() <= before + 2, "descriptors are closed")


class HeldBack(FlowCase):
    DORY = "workers = 2\nmax_object = 2M\nclient_timeout = 1s"

    def test_who_holds_a_response_back_too_long_is_cut_and_the_others_go_on(self):
        body = noise(MIB)
        self.backend.on("/page/big", raw(head_of(), *[chunk(body)] * 30, b"0\r\n\r\n"))
        self.backend.hold("/page/big")
        stopped, well = self.reader("/page/big"), self.reader("/page/big")
        self.site.wait_for_metric("misses+collapsed", 2)
        self.backend.release("/page/big")
        self.assert_whole(well, body * 30)
        self.assertEqual(self.site.metric("clients_cut"), 1)
        self.assertFalse(stopped.rest().complete)
        self.assertEqual(stopped.body, (body * 30)[:len(stopped.body)])
        self.assertEqual(self.backend.count("/page/big"), 1)
        self.site.wait_for_no_flights()
        self.assertEqual((self.site.entries(), self.body_files()), ([], []))

    def test_the_only_reader_is_cut_too_and_its_fetch_ends(self):
        self.backend.on("/other", page(noise(30 * MIB)))
        stopped = self.reader("/other")
        self.site.wait_for_metric("clients_cut", 1)
        self.site.wait_for_no_flights()
        self.assertFalse(stopped.rest().complete)


class TooLarge(FlowCase):
    """Where nobody is cut off for being slow, as a test is that has other things to do."""
    DORY = "workers = 2\nmax_object = 2M\nclient_timeout = 1h"

    def test_what_is_announced_as_too_large_never_becomes_a_file(self):
        body = noise(10 * MIB)
        self.backend.on("/page/big", page(body))
        for n in (1, 2):
            self.assert_whole(self.reader("/page/big"), body)
            self.assertEqual(self.backend.count("/page/big"), n)
        self.assertEqual(self.site.metric("spilled"), 0)


class Left(FlowCase):
    def endless(self, path):
        """A backend that goes on sending until its connection is closed: the event of that."""
        closed = threading.Event()

        def pieces():
            try:
                yield head_of(1 << 30)
                while True:
                    yield b"x" * 1000
                    time.sleep(0.01)
            finally:
                closed.set()

        self.backend.on(path, lambda request: raw_of(pieces()))
        return closed

    def test_what_is_not_stored_is_cancelled_when_its_client_leaves(self):
        """The backend never ends it; and it does not go on until some time-out."""
        def left():
            closed = self.endless("/other")
            r = self.reader("/other")
            r.read(1)
            r.close()
            began = time.monotonic()
            self.assertTrue(closed.wait(WAIT_S), "the backend still sends")
            self.site.wait_for_no_flights()
            return time.monotonic() - began
        self.assertLess(min(left() for _ in range(3)), 1)

    def test_who_leaves_as_soon_as_it_has_asked_is_noticed(self):
        """Its request and its end are told of at once."""
        self.backend.on("/page/a", page("a"))
        self.backend.hold("/other")
        self.addCleanup(self.backend.release, "/other")
        c = self.site.doryd.connect()
        self.assertEqual(c.ask("GET", "/page/a", keep=True).text, "a")
        self.site.doryd.send(signal.SIGSTOP)
        c.begin("GET", "/other", keep=True).close()
        self.site.doryd.send(signal.SIGCONT)
        self.site.wait_for_metric("passes", 1)
        self.site.wait_for_no_flights()

    def test_what_is_stored_goes_on_when_its_client_leaves(self):
        first, second, gate = noise(5 * MIB), noise(5 * MIB, 2), self.gate()
        self.backend.on("/page/big", raw(head_of(10 * MIB), first, lambda: gate.wait(30), second))
        r = self.reader("/page/big")
        r.read(len(first))
        connections = self.site.metric("connections")
        r.close()
        wait_until(lambda: self.site.metric("connections") < connections, "it is gone")
        gate.set()
        self.site.wait_for_metric("stored", 1)
        hit = self.site.doryd.ask("GET", "/page/big")
        self.assert_hit(hit)
        self.assert_same(hit.body, first + second)
        self.assertEqual(self.backend.count("/page/big"), 1)

    def test_sigterm_and_reload_let_what_is_spilling_finish(self):
        first, second, gate = noise(5 * MIB), noise(5 * MIB, 2), self.gate()
        answer = raw(head_of(10 * MIB), first, lambda: gate.wait(30), second)
        self.backend.on("/page/big", answer)
        self.backend.on("/page/next", page("next"))
        r = self.reader("/page/big")
        r.read(len(first))
        self.site.configure(routes=PAGES.replace("timeout = 1h", "timeout = 1h\nenabled = no"))
        self.site.doryd.send(signal.SIGHUP)
        self.site.doryd.wait_for_output("reloaded")
        for _ in range(2):
            self.assert_fetched(self.site.doryd.ask("GET", "/page/next"))  # As the new one says.
        self.site.doryd.send(signal.SIGTERM)
        wait_until(lambda: not os.path.exists(self.site.socket), "it takes no more")
        gate.set()
        self.assert_whole(r, first + second)
        self.assertEqual(self.site.doryd.child.wait(20), 0)

    def test_what_a_killed_doryd_was_spilling_is_swept_by_the_next(self):
        body, gate = noise(5 * MIB), self.gate()
        self.backend.on("/page/big", raw(head_of(10 * MIB), body, lambda: gate.wait(30), body))
        self.reader("/page/big").read(len(body))
        self.assertEqual(len(self.body_files()), 1)
        self.site.doryd.kill()
        gate.set()
        self.site.restart()
        wait_until(lambda: self.body_files() == [], "the file is gone")

    def test_as_a_cgi_program_it_spills_too(self):
        body = noise(20 * MIB)
        self.backend.on("/page/big", page(body))
        done = subprocess.run([DORYD, "-c", self.site.ini], stdin=subprocess.DEVNULL, timeout=60,
                              env={**os.environ, **dict(fcgi.params("GET", "/page/big"))},
                              capture_output=True, check=True)
        self.assert_same(fcgi.parse_response(done.stdout, True).body, body)
        hit = self.site.doryd.ask("GET", "/page/big")
        self.assert_hit(hit)
        self.assert_same(hit.body, body)


class WebServer(FlowCase):
    LIGHTTPD = True

    def test_a_web_server_that_is_killed_leaves_nothing_behind(self):
        gate = self.gate()
        for path in ("/page/big", "/other"):
            self.backend.on(path, raw(head_of(20 * MIB), noise(10 * MIB),
                                      lambda: gate.wait(30), noise(10 * MIB, 2)))
        before = self.site.doryd.descriptors()
        clients = []
        for path in ["/page/big", "/other"] * 5:
            c = socket.create_connection(("127.0.0.1", self.site.server.port))
            self.addCleanup(c.close)
            c.sendall(b"GET %s HTTP/1.1\r\nHost: shop.test\r\n\r\n" % path.encode())
            self.assertTrue(c.recv(1).startswith(b"H"))
            clients.append(c)
        self.site.server.end(signal.SIGKILL)
        wait_until(lambda: self.site.metric("connections") == 1, "all connections are closed")
        gate.set()
        self.site.wait_for_no_flights()
        wait_until(lambda: self.site.doryd.descriptors() <= before + 4, "descriptors are closed")
        self.assertEqual(len(self.site.entries()), 1)
        self.assert_hit(self.site.doryd.ask("GET", "/page/big"))


class Disk(FlowCase):
    """A disk that fails while a response is on its way there."""

    def setUp(self):
        super().setUp()
        self.disk = FaultyDisk(self.site.dir)
        self.site.doryd.stop()
        self.site.restart(env=self.disk.env)

    def test_a_full_disk_takes_nothing_from_those_who_read(self):
        first, second, gate = noise(10 * MIB), noise(20 * MIB, 2), self.gate()
        self.backend.on("/page/big", raw(head_of(30 * MIB), first, lambda: gate.wait(30), second))
        readers = [self.reader("/page/big")]
        readers[0].read(len(first))
        readers.append(self.reader("/page/big"))
        self.site.wait_for_metric("collapsed", 1)
        before = private_bytes(self.site.doryd.pid)
        self.disk.break_with("bodies")
        gate.set()
        self.site.wait_for_metric("store_errors", 1)
        self.wait_until_nothing_moves(lambda: private_bytes(self.site.doryd.pid))
        self.assertLess(private_bytes(self.site.doryd.pid) - before, PRIVATE_MAX / 8)
        results = [self.site.later(r.rest) for r in readers]
        for r in results:
            self.assert_whole(r.result(60), first + second)
        self.site.wait_for_no_flights()
        self.assertEqual((self.site.entries(), self.body_files()), ([], []))
        self.site.doryd.wait_for_output("spilling a response: No space left")
        self.disk.mend()
        self.assert_whole(self.reader("/page/big"), first + second)
        self.site.wait_for_metric("stored", 1)

    def test_a_disk_that_hangs_is_waited_for_two_seconds_at_most(self):
        first, second, gate = noise(10 * MIB), noise(20 * MIB, 2), self.gate()
        self.backend.on("/page/big", raw(head_of(30 * MIB), first, lambda: gate.wait(30), second))
        r = self.reader("/page/big")
        r.read(len(first))
        self.disk.break_with("hang")
        gate.set()
        self.site.wait_for_metric("store_errors", 1)  # It is given up while the disk still hangs,
        self.assert_whole(r, first + second)  # and what follows does without.
        self.site.doryd.wait_for_output("the disk takes nothing of its body")
        self.disk.mend()
        self.site.wait_for_no_flights()
        self.assertEqual((self.site.entries(), self.body_files()), ([], []))

    def test_who_cannot_be_given_what_was_spilled_can_tell(self):
        first, second, gate = noise(10 * MIB), noise(10 * MIB, 2), self.gate()
        self.backend.on("/page/big", raw(head_of(20 * MIB), first, lambda: gate.wait(30), second))
        behind, ahead = self.reader("/page/big"), self.reader("/page/big")
        ahead.read(len(first))
        self.disk.break_with("unreadable")
        self.assertFalse(behind.rest().complete)
        self.assertEqual(behind.body, first[:len(behind.body)])
        self.disk.mend()
        gate.set()
        self.assert_whole(ahead, first + second)


class SlowBackend:
    """Takes a request's head, and its body once it is told to; then it answers with a digest."""

    def __init__(self):
        self.go = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as stream:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.readline()
            left = int(re.search(rb"Content-Length: (\d+)", head)[1])
            self.go.wait(30)
            digest = hashlib.sha1()
            while left > 0:
                data = stream.read(min(left, MIB))
                if not data:
                    return
                digest.update(data)
                left -= len(data)
            text = digest.hexdigest().encode()
            connection.sendall(head_of(len(text)) + text)

    def close(self):
        self.go.set()
        self._listener.close()


class Upload(FlowCase):
    SIZE = 200 * MIB

    def setUp(self):
        self.slow = SlowBackend()
        self.addCleanup(self.slow.close)
        self.ROUTES = f"""
[backend slow]
url = http://127.0.0.1:{self.slow.port}
[route upload]
match = POST /upload
backend = slow
[route rest]
match = GET /{{rest:path}}
backend = app
"""
        super().setUp()

    def test_an_upload_of_200_mib_to_a_slow_backend_is_never_in_memory(self):
        piece, sent = noise(MIB), []
        c = self.site.doryd.connect(timeout=60)
        self.addCleanup(c.close)

        def send():
            params = fcgi.params("POST", "/upload", body=None, length=False)
            c.send(fcgi.request([("CONTENT_LENGTH", str(self.SIZE)), *params], end=False))
            for _ in range(self.SIZE // MIB):
                c.send(fcgi.stream(fcgi.STDIN, piece, end=False))
                sent.append(len(piece))
            c.send(fcgi.record(fcgi.STDIN))

        sender = self.site.later(send)
        wait_until(lambda: sent, "the first of it is on its way")
        self.wait_until_nothing_moves(lambda: len(sent))
        self.assertLess(len(sent), 50)
        self.slow.go.set()
        most = 0
        while not sender.done():
            most = max(most, private_bytes(self.site.doryd.pid))
            time.sleep(0.02)
        sender.result()
        self.assertLess(most, PRIVATE_MAX / 2)
        want = hashlib.sha1()
        for _ in range(self.SIZE // MIB):
            want.update(piece)
        self.assertEqual(c.read().text, want.hexdigest())
