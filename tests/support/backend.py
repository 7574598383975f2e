"""backend.py -- An HTTP/1.1 backend that does what a test tells it, when the test tells it."""
import collections
import dataclasses
import socket
import struct
import threading
import time

WAIT_S = 10  # How long anything here waits before it is a failure.


@dataclasses.dataclass
class Request:
    """One request as it arrived."""
    method: str
    target: str
    headers: list  # Of (name, value), as sent.
    connection: int
    head: bytes
    body: bytes = b""

    @property
    def path(self):
        return self.target.partition("?")[0]

    def header(self, name):
        """All values of a field joined by commas; None where there is none."""
        found = [v for n, v in self.headers if n.lower() == name.lower()]
        return ", ".join(found) if found else None


@dataclasses.dataclass
class Answer:
    """What to send. `pieces` replaces all else: bytes to send, or calls to make between them."""
    body: bytes = b""
    status: int = 200
    headers: tuple = (("Content-Type", "text/html"),)
    pieces: list = None
    end: str = "keep"  # "keep" the connection, "close" it, or "reset" it.

    def parts(self, request):
        if self.pieces is not None:
            return self.pieces
        lines = [f"HTTP/1.1 {self.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return [head if request.method == "HEAD" or self.status == 304 else head + self.body]


def page(body, *, status=200, **headers):
    """An Answer; `max_age=60`-like words become header fields: cache_control="max-age=60"."""
    if isinstance(body, str):
        body = body.encode()
    fields = [("Content-Type", "text/html")]
    for name, value in headers.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        fields += [(name.replace("_", "-").title(), v) for v in values]
    return Answer(body=body, status=status, headers=tuple(fields))


def raw(*pieces, end="close"):
    """An Answer of exactly these bytes."""
    return Answer(pieces=list(pieces), end=end)


class Backend:
    """
    Listens on 127.0.0.1, a port of the system's choice. Each request is recorded before it is
    answered. An answer is made when the request arrives and sent when its path is not held: what a
    test changes in between is not in it.
    """

    def __init__(self):
        self._lock = threading.RLock()  # Guards all below.
        self._arrived = threading.Condition(self._lock)
        self._freed = threading.Condition(self._lock)
        self._counts = collections.Counter()  # Of requests, by path and by target.
        self._answers = {}
        self._held = set()
        self._requests = []
        self._connections = set()
        self._n_connections = 0
        self._stopping = False
        self.default = page("default")
        self.port = 0
        self.start()

    # ---- what a test says

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def on(self, path, answer):
        """`answer`: an Answer, text for a plain page, or a function of the Request giving either.
        `path`: a target with its query, or the path of any query."""
        with self._lock:
            self._answers[path] = answer

    def hold(self, path):
        """From now on answers for `path` wait until release(path)."""
        with self._lock:
            self._held.add(path)

    def release(self, path):
        with self._lock:
            self._held.discard(path)
            self._freed.notify_all()

    def requests(self, path=None):
        with self._lock:
            return [r for r in self._requests if path in (None, r.path, r.target)]

    def count(self, path=None):
        with self._lock:
            return self._counts[path]

    def forget(self):
        """Begin to count anew."""
        with self._lock:
            self._requests.clear()
            self._counts.clear()

    def wait_for(self, path, n=1, timeout=WAIT_S):
        """Wait until `n` requests for `path` have arrived; they are the result."""
        with self._lock:
            if not self._arrived.wait_for(lambda: self._counts[path] >= n, timeout):
                raise AssertionError(f"{self.count(path)} requests for {path}, not {n}")
            return self.requests(path)

    # ---- life

    def start(self):
        """Listen, on the same port as before where there was one."""
        self._stopping = False
        self._socket = socket.socket(socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self.port))
        self._socket.listen(4096)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=[self._socket], daemon=True)
        self._thread.start()

    def stop(self):
        """Refuse and cut all connections. Where it is stopped, nothing."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._held.clear()
            self._freed.notify_all()
            open_ones = list(self._connections)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(WAIT_S)
        for connection in open_ones:
            _shut(connection)

    # ---- threads, one a connection

    def _accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._n_connections += 1
                self._connections.add(connection)
                number = self._n_connections
            threading.Thread(target=self._serve, args=[connection, number], daemon=True).start()

    def _serve(self, connection, number):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(60)
        try:
            with connection.makefile("rb") as stream:
                while self._serve_one(connection, stream, number):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _serve_one(self, connection, stream, number):
        request = _read_request(stream, number)
        if request is None:
            return False
        with self._lock:
            self._requests.append(request)
            self._counts.update({None, request.path, request.target})
            answer = self._answers.get(request.target, self._answers.get(request.path))
            self._arrived.notify_all()
        answer = self.default if answer is None else answer
        if callable(answer):
            answer = answer(request)
        if not isinstance(answer, Answer):
            answer = page(answer)
        with self._lock:
            self._freed.wait_for(lambda: self._is_free(request), 60)
        for part in answer.parts(request):
            if callable(part):
                part()
            else:
                connection.sendall(part)
        if answer.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return answer.end == "keep"

    def _is_free(self, request):
        return self._stopping or not {request.path, request.target} & self._held


def _shut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _read_request(stream, number):
    """The next request of a connection, or None at its end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline(1 << 20)
        if not line:
            return None
        head += line
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:] if line]
    request = Request(method, target, headers, number, head)
    if (request.header("Transfer-Encoding") or "").lower() == "chunked":
        request.body = _read_chunks(stream)
    else:
        request.body = _read_exactly(stream, int(request.header("Content-Length") or 0))
    return request


def _read_exactly(stream, n):
    body = stream.read(n)
    if len(body) < n:
        raise ValueError("a body cut short")
    return body


def _read_chunks(stream):
    body = b""
    while True:
        size = int(stream.readline(100).split(b";")[0], 16)
        body += _read_exactly(stream, size)
        stream.readline(100)
        if size == 0:
            return body


def trickle(pieces, pause_s=0.05):
    """Pieces with a pause after each: a slow sender."""
    for piece in pieces:
        yield piece
        yield lambda: time.sleep(pause_s)
