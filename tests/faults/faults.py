"""The test's side of the preloaded libraries: what fails in a running daemon, and how often it did."""

import errno
import mmap
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from home import BIN, Home  # noqa: E402,F401

# Scratch homes are where a sync costs nothing, unless told otherwise: what fails here fails by our hand. test_real_disk.py makes its own places.
if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"

LIBRARIES = pathlib.Path(os.environ.get("CCCC_FAULTS") or BIN.parent / "tests/faults")

# The bits of `enum call` in fail_files.c.
CALLS = ["open_to_read", "open_to_write", "read", "write", "sync", "sync_directory", "truncate", "look", "rename", "unlink", "mkdir", "lock", "close"]

HEADER = struct.Struct("=QQ")
RULE = struct.Struct("=iiiiQQQQQ200s")
RULES = 16


def preload(*names):
    """LD_PRELOAD for these libraries of ours. A sanitizer's own library has to stay in front of them."""
    linked = subprocess.run(["ldd", str(BIN / "ccccd")], capture_output=True, text=True).stdout.split()
    sanitizer = [path for path in linked if path.startswith("/") and "san.so" in path]
    return {"LD_PRELOAD": ":".join(sanitizer + [str(LIBRARIES / f"lib{name}.so") for name in names])}


def is_instrumented():
    return "san.so" in preload()["LD_PRELOAD"]


class Page:
    """A file of `size` zeros, mapped here and, by its name in the environment, in the process under test."""

    def __init__(self, variable, size):
        self.variable, self.file = variable, tempfile.NamedTemporaryFile(prefix="cccc-fault-")
        self.file.truncate(size)
        self.map = mmap.mmap(self.file.fileno(), size)

    def environment(self):
        return {self.variable: self.file.name}

    def close(self):
        self.map.close()
        self.file.close()


class Rule:
    """with faults.on(...) as rule: the rule is on; `seen` calls were about it, `struck` met it."""

    def __init__(self, page, index, fields):
        self.page, self.at, self.fields = page, HEADER.size + index * RULE.size, fields

    def __enter__(self):
        RULE.pack_into(self.page, self.at, 0, *self.fields)
        struct.pack_into("=i", self.page, self.at, 1)
        return self

    def __exit__(self, *_):
        struct.pack_into("=i", self.page, self.at, 0)

    def counts(self):
        return RULE.unpack_from(self.page, self.at)[7:9]

    @property
    def seen(self):
        return self.counts()[0]

    @property
    def struck(self):
        return self.counts()[1]


class FailingFiles:
    """The rules of one daemon: home.start(extra_env=files.environment()), then `with files.on("write", "*/ledger.jsonl", "ENOSPC"): ...`"""

    def __init__(self):
        self.page = Page("FAULT_RULES", HEADER.size + RULES * RULE.size)
        self.used = 0

    def environment(self):
        return {**preload("fail_files"), **self.page.environment()}

    def on(self, calls, pattern, error=None, first=1, count=0, short=-1, delay_s=0.0):
        names = calls if isinstance(calls, list) else [calls]
        bits = sum(1 << CALLS.index(name) for name in names)
        number = getattr(errno, error) if error else 0
        fields = (bits, number, short, first, count, int(delay_s * 1e6), 0, 0, str(pattern).encode())
        self.used = (self.used + 1) % RULES
        return Rule(self.page.map, self.used, fields)

    @property
    def failed_syncs(self):
        return HEADER.unpack_from(self.page.map)[0]

    @property
    def repeated_syncs(self):
        return HEADER.unpack_from(self.page.map)[1]

    def close(self):
        self.page.close()


class Stage(Home):
    """A home, and the rules of its daemon in `files`."""

    def __init__(self):
        super().__init__()
        self.files = FailingFiles()

    def start(self, *prefix, extra_env=None, **options):
        return super().start(*prefix, extra_env={**self.files.environment(), **(extra_env or {})}, **options)

    def end(self):
        super().end()
        self.files.close()
