"""fcgi.py -- A FastCGI client: what a web server sends, or anything else a test wants to send."""
import dataclasses
import socket
import struct

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
GET_VALUES = 9
KEEP = 1
TIMEOUT_S = 20


def record(kind, content=b"", request_id=1, padding=0):
    head = struct.pack(">BBHHBB", 1, kind, request_id, len(content), padding, 0)
    return head + content + b"\0" * padding


def _length(n):
    return bytes([n]) if n < 128 else struct.pack(">I", n | 0x80000000)


def pair(name, value):
    name, value = _bytes(name), _bytes(value)
    return _length(len(name)) + _length(len(value)) + name + value


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def params(method="GET", target="/", *, path=None, headers=(), body=None, host="shop.test",
           length=True):
    """
    The parameters that lighttpd makes. `path` is the decoded path where it is not simply the
    target's; `length=False` leaves out CONTENT_LENGTH, as Apache does for a chunked upload.
    """
    raw_path, _, query = target.partition("?")
    path = raw_path if path is None else path
    pairs = [("CONTENT_LENGTH", str(len(body or b"")))] if length else []
    pairs += [
        ("QUERY_STRING", query), ("REQUEST_URI", target), ("REDIRECT_STATUS", "200"),
        ("SCRIPT_NAME", ""), ("PATH_INFO", path), ("PATH_TRANSLATED", b"/srv" + _bytes(path)),
        ("SCRIPT_FILENAME", "/srv/"), ("DOCUMENT_ROOT", "/srv"), ("REQUEST_METHOD", method),
        ("SERVER_PROTOCOL", "HTTP/1.1"), ("SERVER_SOFTWARE", "lighttpd/1.4.69"),
        ("GATEWAY_INTERFACE", "CGI/1.1"), ("REQUEST_SCHEME", "http"), ("SERVER_PORT", "80"),
        ("SERVER_ADDR", "127.0.0.1"), ("SERVER_NAME", host.partition(":")[0]),
        ("REMOTE_ADDR", "127.0.0.1"), ("REMOTE_PORT", "43210"), ("HTTP_HOST", host)]
    for name, value in headers:
        plain = name.upper().replace("-", "_")
        pairs.append((plain if plain == "CONTENT_TYPE" else "HTTP_" + plain, value))
    return pairs


def request(pairs, body=b"", *, keep=False, end=True):
    """One whole request as bytes; `end=False` leaves the body open."""
    block = b"".join(pair(name, value) for name, value in pairs)
    out = record(BEGIN, struct.pack(">HB5x", 1, KEEP if keep else 0))
    out += stream(PARAMS, block) + stream(STDIN, body, end=end)
    return out


def stream(kind, content, *, end=True):
    """A stream cut into records, closed by an empty one."""
    out = b"".join(record(kind, content[i:i + 65528]) for i in range(0, len(content), 65528))
    return out + (record(kind) if end else b"")


@dataclasses.dataclass
class Response:
    status: int
    headers: list
    body: bytes
    complete: bool = True  # END_REQUEST was seen, or the connection ended as HTTP wants.

    def header(self, name):
        found = [v for n, v in self.headers if n.lower() == name.lower()]
        return ", ".join(found) if found else None

    @property
    def cache_status(self):
        return self.header("Cache-Status") or ""

    @property
    def text(self):
        return self.body.decode("latin-1")


class Connection:
    """A connection to a FastCGI socket: a path, or (host, port)."""

    def __init__(self, address, timeout=TIMEOUT_S):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.connect(address)  # With a time limit a full queue would be an error at once.
        self.socket.settimeout(timeout)
        self._have = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def begin(self, method="GET", target="/", body=b"", *, keep=False, **more):
        """Send a whole request; its response is read by read()."""
        self.send(request(params(method, target, body=body, **more), body, keep=keep))
        return self

    def ask(self, method="GET", target="/", body=b"", **more):
        return self.begin(method, target, body, **more).read()

    def read_record(self):
        """(kind, content) of the next record; None at the end of the connection."""
        head = self._read(8)
        if head is None:
            return None
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", head)
        content = self._read(length + padding)
        return None if content is None else (kind, content[:length])

    def read(self):
        """The response; None where the connection ends before any of it."""
        output, complete, seen = [], False, False
        while not complete:
            got = self.read_record()
            if got is None:
                break
            seen = True
            complete = got[0] == END
            if got[0] == STDOUT:
                output.append(got[1])
        return parse_response(b"".join(output), complete) if seen else None

    def is_closed(self):
        """Has the other side ended the connection? Waits for it or for data."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True

    def _read(self, n):
        while len(self._have) < n:
            try:
                got = self.socket.recv(max(65536, n - len(self._have)))
            except ConnectionError:
                got = b""
            if not got:
                return None
            self._have += got
        data, self._have = self._have[:n], self._have[n:]
        return data


def parse_response(output, complete):
    """The response in what a CGI program writes."""
    head, _, body = output.partition(b"\r\n\r\n")
    while head.startswith(b"Status: 1"):  # As lighttpd takes it: an interim response.
        head, _, body = body.partition(b"\r\n\r\n")
    headers = []
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name:
            headers.append((name, value.strip()))
    status = next((int(v.split()[0]) for n, v in headers if n.lower() == "status"), 200)
    return Response(status, [h for h in headers if h[0].lower() != "status"], body, complete)
