"""A disk in memory that remembers what is certain: replays recorded calls, and rebuilds the folders a power cut could leave.

The model, which is weaker than ext4, xfs or btrfs (what they promise more, we do not rely on):

- A file's bytes are certain up to what it held when a sync of it began that has returned. Each of its 512-byte sectors may have any later content
  it ever had instead; its size may be any later size. Where the size is there and the bytes are not, there are zeros.
- A name (create, rename, unlink, mkdir, rmdir) is certain when a sync of a directory it is in began after it and has returned. Later
  changes may have happened or not, in any combination and order over files and directories, but: a rename is one step, also between
  directories; of two changes to the same name, or that move the same file, the later one never happened without the earlier.
- A sync of a file says nothing of its name, that of a directory nothing of the files in it or of its own name.
"""

import hashlib
import os
import pathlib
import random
import re
import shutil
import stat

SECTOR, PAGE = 512, 4096
SOCKETS = shutil.ignore_patterns("*.bus", "*.events", "*.sock")  # what copytree cannot copy


class File:
    """`base` is certain; `pending` are the later writes (offset, bytes) and truncations (size, None), in order."""

    kind = "file"

    def __init__(self, inode, base=b""):
        self.inode, self.base, self.data, self.pending = inode, bytes(base), bytearray(base), []

    def write(self, offset, data):
        self.pending.append((offset, bytes(data)))
        apply(self.data, offset, data)

    def truncate(self, size):
        self.pending.append((size, None))
        apply(self.data, size, None)

    def settle(self, count):
        """The first `count` pending changes are certain now."""
        base = bytearray(self.base)
        for offset, data in self.pending[:count]:
            apply(base, offset, data)
        self.base, self.pending = bytes(base), self.pending[count:]


def apply(content, offset, data):
    """One write, or truncation, to a bytearray."""
    end = offset + len(data or b"")
    if len(content) < (offset if data is None else end):
        content.extend(bytes((offset if data is None else end) - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


class Socket:
    kind = "socket"


class Directory:
    """`entries` as the processes see them, `base` what is certain."""

    kind = "directory"

    def __init__(self):
        self.entries, self.base = {}, {}


class Change:
    """One pending step in the names: [(directory, name, what is there afterwards or None)]."""

    def __init__(self, number, steps, moved):
        self.number, self.steps, self.moved = number, steps, moved

    def touches(self, directory):
        return any(step[0] is directory for step in self.steps)

    def conflicts(self, other):
        """Must the earlier one of the two have happened when the later one has?"""
        return self.moved is other.moved or any(a[0] is b[0] and a[1] == b[1] for a in self.steps for b in other.steps)


class Disk:
    def __init__(self):
        self.root, self.changes, self.count = Directory(), [], 0
        self.descriptors, self.syncs = {}, {}

    @classmethod
    def from_folder(cls, folder, inodes=None):
        """A disk on which everything in `folder` is certain. `inodes`: {path: inode} where they are to be other ones."""
        disk = cls()
        disk._load(pathlib.Path(folder), "", disk.root, inodes or {})
        return disk

    def _load(self, folder, prefix, directory, inodes):
        for entry in os.scandir(folder):
            status, path = entry.stat(follow_symlinks=False), prefix + entry.name
            if stat.S_ISDIR(status.st_mode):
                node = Directory()
                self._load(entry.path, path + "/", node, inodes)
            elif stat.S_ISSOCK(status.st_mode):
                node = Socket()
            else:
                node = File(inodes.get(path, status.st_ino), pathlib.Path(entry.path).read_bytes())
            directory.entries[entry.name] = directory.base[entry.name] = node

    # ---- replaying ----

    def find(self, path):
        node = self.root
        for name in path.split("/") if path else []:
            node = node.entries[name]
        return node

    def parent(self, path):
        folder, _, name = path.rpartition("/")
        return self.find(folder), name

    def change(self, steps, moved):
        for directory, name, node in steps:
            if node is None:
                del directory.entries[name]
            else:
                directory.entries[name] = node
        self.changes.append(Change(self.count, steps, moved))
        self.count += 1

    def replay(self, record):
        getattr(self, "_" + record.op.lower())(record)

    def _start(self, _):
        self.descriptors.clear()
        self.syncs.clear()

    def _send(self, _):
        pass

    def _chmod(self, _):
        pass

    def _open(self, record):
        if record.a & os.O_CREAT and record.path.rpartition("/")[2] not in self.parent(record.path)[0].entries:
            directory, name = self.parent(record.path)
            self.change([(directory, name, node := File(record.b))], node)
        node = self.find(record.path)
        if node.kind == "file" and record.a & os.O_TRUNC and node.data:
            node.truncate(0)
        self.descriptors[record.fd] = node

    def _close(self, record):
        self.descriptors.pop(record.fd, None)

    def _write(self, record):
        self.descriptors[record.fd].write(record.a, record.data)

    def _truncate(self, record):
        self.descriptors[record.fd].truncate(record.a)

    def _rename(self, record):
        directory, name = self.parent(record.path)
        to, to_name = self.parent(record.other)
        node = directory.entries[name]
        self.change([(directory, name, None), (to, to_name, node)], node)

    def _unlink(self, record):
        directory, name = self.parent(record.path)
        self.change([(directory, name, None)], directory.entries[name])

    _rmdir = _unlink

    def _mkdir(self, record):
        directory, name = self.parent(record.path)
        self.change([(directory, name, node := Directory())], node)

    def _bind(self, record):
        directory, name = self.parent(record.path)
        self.change([(directory, name, node := Socket())], node)

    def _sync_begin(self, record):
        node = self.descriptors[record.fd]
        self.syncs[record.thread] = (node, self.count if node.kind == "directory" else len(node.pending))

    def _sync_end(self, record):
        node, mark = self.syncs.pop(record.thread)
        if not record.a:
            raise ValueError("a sync failed while it was recorded")
        if node.kind == "directory":
            self._settle_names([change for change in self.changes if change.number < mark and change.touches(node)])
        else:
            # Another sync of the same file may have returned in between.
            self.syncs.update({k: (n, max(0, m - mark)) for k, (n, m) in self.syncs.items() if n is node})
            node.settle(min(mark, len(node.pending)))

    def _settle_names(self, changes):
        settled = self.closure(changes)
        for change in settled:
            for directory, name, node in change.steps:
                put(directory.base, name, node)
        self.changes = [change for change in self.changes if change not in settled]

    def closure(self, chosen):
        """`chosen` and the pending changes that must have happened when those have, in order."""
        chosen = set(chosen)
        for later in reversed(self.changes):
            if later in chosen:
                chosen.update(c for c in self.changes if c.number < later.number and c.conflicts(later))
        return [change for change in self.changes if change in chosen]

    # ---- what a power cut leaves ----

    def crash(self, seed):
        """One folder that a power cut here could leave, as a tree {name: File-like leaf or tree}. Seeds 0 to 3 are the corners, others random."""
        chance = random.Random(f"{self.count} {seed}")
        changes = {0: [], 1: self.changes, 2: self.changes, 3: []}.get(seed)
        if changes is None:
            changes = some(chance, self.changes)
        names = {}
        for change in self.closure(changes):
            for directory, name, node in change.steps:
                names.setdefault(id(directory), dict(directory.base))
                put(names[id(directory)], name, node)
        choose = {0: lambda file: file.base, 1: lambda file: bytes(file.data), 2: lambda file: file.base, 3: lambda file: bytes(file.data)}.get(seed)
        return self._tree(self.root, names, choose or (lambda file: left_of(chance, file)))

    def _tree(self, directory, names, choose):
        tree = {}
        for name, node in sorted(names.get(id(directory), directory.base).items()):
            if node.kind == "directory":
                tree[name] = self._tree(node, names, choose)
            elif node.kind == "file":
                tree[name] = Leaf(choose(node), node)
            else:
                tree[name] = None
        return tree

    def now(self):
        """The folder as the processes see it."""
        return self.crash(1)


class Leaf:
    """A file in a rebuilt folder: its bytes, and which file it was (the mark of a ledger names that)."""

    def __init__(self, content, file):
        self.content, self.inode = content, file.inode


def put(entries, name, node):
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node


def some(chance, changes):
    """A subset: a prefix, as a journal would leave it, or each by itself."""
    if chance.random() < 0.3:
        return changes[: chance.randint(0, len(changes))]
    share = chance.choice([0, 0.2, 0.5, 0.8, 1])
    return [change for change in changes if chance.random() < share]


def left_of(chance, file):
    """Bytes that a power cut could leave of `file`."""
    if not file.pending:
        return file.base
    how = chance.choice(["nothing", "all", "some writes", "torn", "size only", "pages", "sectors"])
    if how == "nothing":
        return file.base
    if how == "all":
        return bytes(file.data)
    if how == "size only":
        content = bytearray(file.base)
        apply(content, len(file.data), None)
        return bytes(content)
    if how in ("some writes", "torn"):
        return first_writes(file, chance.randint(0, len(file.pending) - 1), chance if how == "torn" else None)
    return mixture(chance, file, PAGE if how == "pages" else SECTOR)


def first_writes(file, count, tear):
    """The first `count` pending changes, and with `tear` the beginning of the next one, cut at a sector."""
    content = bytearray(file.base)
    for offset, data in file.pending[:count]:
        apply(content, offset, data)
    offset, data = file.pending[count]
    if tear and data:
        sectors = (offset % SECTOR + len(data)) // SECTOR
        keep = tear.randint(0, sectors) * SECTOR - offset % SECTOR
        apply(content, offset, data[: max(0, keep)])
    return bytes(content)


def mixture(chance, file, unit):
    """Each unit of the file from a moment of its own, and the size from another."""
    moments, content = [file.base], bytearray(file.base)
    for offset, data in file.pending:
        apply(content, offset, data)
        moments.append(bytes(content))
    size = len(chance.choice(moments))
    if chance.random() < 0.5:
        moments = [moments[0], moments[-1]]
    result = bytearray(size)
    for at in range(0, size, unit):
        piece = chance.choice(moments)[at : min(at + unit, size)]
        result[at : at + len(piece)] = piece
    return bytes(result)


# ---- trees and folders ----


def digest(tree, skip=("daemon/ccccd.log",)):
    """A hash of what a tree holds, without the log, which nobody reads back."""
    total = hashlib.blake2b(digest_size=16)
    for path, leaf in leaves(tree):
        if not path.startswith(skip):
            total.update(path.encode() + b"\0" + (b"-" if leaf is None else hashlib.blake2b(leaf.content).digest()))
    return total.digest()


def leaves(tree, prefix=""):
    """(path, leaf) of every file (None for a socket and an empty folder), in order of names."""
    for name, node in tree.items():
        if isinstance(node, dict):
            if not node:
                yield f"{prefix}{name}/", None
            yield from leaves(node, f"{prefix}{name}/")
        else:
            yield prefix + name, node


def write_tree(tree, folder):
    """Make the folder. Marks name the new ledgers' inodes where they named the recorded ones'."""
    folder = pathlib.Path(folder)
    folder.mkdir(mode=0o700)
    for name, node in tree.items():
        if isinstance(node, dict):
            write_tree(node, folder / name)
        elif node is None:
            os.mknod(folder / name, stat.S_IFSOCK | 0o600)
        else:
            write_file(folder / name, node.content)
    ledger = tree.get("ledger.jsonl")
    mark = folder / "state/ledger/mark"
    if ledger and mark.is_file():
        mark.write_bytes(marked_anew(mark.read_bytes(), ledger.inode, (folder / "ledger.jsonl").stat().st_ino))


def write_file(path, content):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


# A slot of a mark (broker/ledger/FORMAT.md), as it begins.
SLOT = re.compile(rb"(cccc-mark 1 turn=\d+ device=\d+ inode=)(\d+)( seq=\d+ offset=\d+)(?: birth=\d+)? crc=[0-9a-f]{8}\n")


def marked_anew(mark, old_inode, new_inode):
    """The mark's bytes with one inode for another, and without the time of birth, which a copy cannot have. Slots that are not whole stay so."""
    slots = [mark[at : at + PAGE] for at in range(0, len(mark), PAGE)]
    for number, slot in enumerate(slots):
        match = SLOT.match(slot)
        if match and int(match[2]) == old_inode:
            text = match[1] + b"%d" % new_inode + match[3]
            text += b" crc=%08x\n" % crc32c(text)
            slots[number] = text + slot[match.end() :].rjust(len(slot) - len(text))
    return b"".join(slots)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
