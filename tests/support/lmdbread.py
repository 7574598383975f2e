"""lmdbread.py -- What LMDB's own library says of a store: the rows of a table, who has a slot."""
import contextlib
import ctypes

RDONLY, NOTLS, INTEGERKEY, NEXT, NOTFOUND = 0x20000, 0x200000, 0x08, 8, -30798


class _Value(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p)]


def _check(rc):
    if rc < 0 or rc > 0:
        raise OSError(f"LMDB says {rc}")


@contextlib.contextmanager
def _environment(path):
    lmdb = ctypes.CDLL("liblmdb.so.0")
    env = ctypes.c_void_p()
    _check(lmdb.mdb_env_create(ctypes.byref(env)))
    lmdb.mdb_env_close.restype = None
    try:
        _check(lmdb.mdb_env_set_maxdbs(env, 16))
        _check(lmdb.mdb_env_open(env, path.encode(), RDONLY | NOTLS, 0o600))
        yield lmdb, env
    finally:
        lmdb.mdb_env_close(env)


def reader_pids(path):
    """The process of each reader slot that is taken."""
    lines = []
    hear = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
        lambda line, _: lines.append(line) or 0)
    with _environment(path) as (lmdb, env):
        if lmdb.mdb_reader_list(env, hear, None) < 0:
            raise OSError("the reader slots cannot be listed")
    return [int(line.split()[0]) for line in lines if line.split()[0].isdigit()]


def numbers(path, table):
    """The keys of a table whose keys are 64-bit numbers."""
    txn, dbi, cursor = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_void_p()
    key, value, found = _Value(), _Value(), []
    with _environment(path) as (lmdb, env):
        _check(lmdb.mdb_txn_begin(env, None, RDONLY, ctypes.byref(txn)))
        _check(lmdb.mdb_dbi_open(txn, table.encode(), INTEGERKEY, ctypes.byref(dbi)))
        _check(lmdb.mdb_cursor_open(txn, dbi, ctypes.byref(cursor)))
        rc = lmdb.mdb_cursor_get(cursor, ctypes.byref(key), ctypes.byref(value), NEXT)
        while rc == 0:
            found.append(int.from_bytes(ctypes.string_at(key.data, key.size), "little"))
            rc = lmdb.mdb_cursor_get(cursor, ctypes.byref(key), ctypes.byref(value), NEXT)
        lmdb.mdb_cursor_close(cursor)
        lmdb.mdb_txn_abort(txn)
        if rc != NOTFOUND:
            _check(rc)
    return found
