"""The shared record of a node: which groups may run, for readers that must not wait and may not trust.

The guard is the only writer, but for a listener that has to revoke while there is none (listener/last_resort.py). A chain
loader, which may run as any user, reads whether its group has a grant, and until when; a guard that takes over from a dead one
reads what it was in charge of; whoever answers load balancers reads whether the node is primary (web/verdict.py).

The file has a fixed size and is written in place, block by block, so that a full disk cannot stop a revocation. Block 0
says whose record it is, and when its writer was last known to run; every further block holds one election. A block is a
magic word, the version of the format, the length and the CRC-32 of what follows, and strings with a NUL between any two.
Whoever reads a block that is torn, of another version, of an earlier boot, or of another supervisord, gets a `RecordError`
and must do as if there were no grant. Strings that a newer writer adds at the end are skipped, and those that an older one
lacks are taken for what grants least, so that readers and writers of several versions go together.

The chain loader imports this, so it does without json, typing and hashlib, which take longer to import than the loader
itself takes.
"""

from __future__ import annotations

import math
import os
import stat
import struct
import zlib
from collections import namedtuple

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.core.room import ROOM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

VERSION = 2
BLOCK = ROOM + 16
"""Bytes in a block."""

MOST = 100_000
"""Elections that a reader believes a record to hold."""

RECORD, SESSION, LOCK = "record", "session", "lock"
GUARD_LOCK, SOCKET, GUARD_LOG, KEY = "guard.lock", "guard.sock", "guard.log", "guard.key"
CONFIGURATION = "kept"
"""Files in a runtime folder."""

DOUBTED = "zkelect-doubt"
"""Name of a guard's thread whose record may grant what was revoked."""

VARIABLE = "ZKELECT_RUNTIME_DIR"
"""Environment variable that sets the runtime folder for the listener and for the programs alike."""

_HEAD = struct.Struct("<4sHHII")
_MAGIC = b"zkel"
_READS = 20


class RecordError(Exception):
    """The record cannot be used: missing, torn, foreign, of an earlier boot or another version."""


class Owner(namedtuple("Owner", "boot namespace pid start")):
    """Whose record it is: this boot, this pid namespace, this very supervisord. boot, namespace: strings."""

    __slots__ = ()


class Entry(namedtuple("Entry", "election group address token granted revoked lease acked", defaults=(False,))):
    """One election. revoked: how many grants were revoked so far. lease: a `Lease`, after whose times the guard goes; of a group
    that is proven dead none. acked: whether the ack was written in this term; it counts under the grant alone."""

    __slots__ = ()

    def revoke(self) -> Entry:
        """The same without its grant."""
        return self._replace(granted=False, acked=False, revoked=self.revoked + 1)

    def strings(self) -> list[str]:
        numbers = map(str, (self.token, int(self.granted), self.revoked))
        return [*self[:3], *numbers, *map(repr, self.lease), str(int(self.acked))]

    @classmethod
    def of_strings(cls, strings: list[str]) -> Entry:
        """Raises ValueError and TypeError."""
        election, group, address, token, granted, revoked, *rest = strings
        times, acked = rest[:len(Lease._fields)], rest[len(Lease._fields):len(Lease._fields) + 1]
        lease = Lease(*map(float, times))
        return cls(election, group, address, int(token), granted == "1", int(revoked), lease, acked == ["1"])


class Head(namedtuple("Head", "owner room seen writer")):
    """Block 0. room: for how many elections there are blocks. seen, writer: as `Record` has them."""

    __slots__ = ()

    @classmethod
    def of_strings(cls, strings: list[str]) -> Head:
        """Raises ValueError, and RecordError where the block names nobody."""
        if not strings:
            raise RecordError("it belongs to nobody, as a guard is making it")
        boot, namespace, pid, start, room, *more = strings
        count = int(room)
        if not 0 <= count <= MOST:
            raise ValueError(f"room for {count} elections")
        writer = (int(more[1]), int(more[2])) if len(more) > 2 else (0, 0)
        return cls(Owner(boot, namespace, int(pid), int(start)), count, float(more[0]) if more else -math.inf, writer)


class Record(namedtuple("Record", "seen entries writer", defaults=((0, 0),))):
    """What a record says. seen: when its writer was last known to run, seconds of CLOCK_BOOTTIME; minus infinity where that is
    not told. entries: a list of `Entry`. writer: number and start time of the writing thread, noughts where that is not told."""

    __slots__ = ()


def instance(owner: Owner) -> str:
    """ZKELECT_INSTANCE of the programs of one supervisord, and of no other's. Fit for a file's name."""
    return f"{instances(owner)}{owner.pid}-{owner.start}"


def instances(owner: Owner) -> str:
    """The common prefix of the instances of this boot and pid namespace; pid and start time follow."""
    namespace = "".join(filter(str.isdigit, owner.namespace))
    return f"{owner.boot}-{namespace}-"


def key(url: str) -> str:
    """A key that tells apart the supervisords of one user, by their SUPERVISOR_SERVER_URL. Fit for a file's name."""
    return f"{zlib.crc32(url.encode('utf-8', 'surrogateescape')):08x}"


def boot() -> str:
    """The id of this boot of the machine. Raises OSError."""
    with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
        return file.read(64).decode().strip()


def owner_of(pid: int) -> Owner:
    """The owner for the supervisord with this pid. Raises RecordError when there is none."""
    try:
        return Owner(boot(), os.readlink("/proc/self/ns/pid"), pid, int(_stat(pid)[19]))
    except (OSError, IndexError, ValueError) as error:
        raise RecordError(f"supervisord, process {pid}, cannot be read: {error}") from error


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat behind the name (proc_pid_stat(5)): the first is the state, the twentieth the start time."""
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        return file.read(4096).rpartition(b")")[2].split()


def folders(url: str, uid: int, environ: Mapping[str, str] | None = None) -> list[str]:
    """Where the runtime folder of a supervisord may be, the first first.

    url: its SUPERVISOR_SERVER_URL. uid: the user it runs as. environ: where the folder may be chosen; else this process's.
    """
    chosen = (os.environ if environ is None else environ).get(VARIABLE)
    if chosen:
        return [chosen]
    # Of two supervisords of one user whose URLs have the same CRC the second takes part in nothing, and says so (occupant.py).
    return [f"{base}/zkelect-{uid}-{key(url)}" for base in ("/run", "/tmp")]


def make_folder(url: str, uid: int) -> str:
    """Make the runtime folder, or take the one there is. Raises RecordError when none can be had safely."""
    troubles = []
    for folder in folders(url, uid):
        trouble = unusable(folder)
        if trouble is None:
            return folder
        troubles.append(trouble)
    raise RecordError(f"no runtime folder: {'; '.join(troubles)}; set {VARIABLE} in supervisord's environment")


def unusable(folder: str) -> str | None:
    """Make a runtime folder unless it is there; why this process cannot keep its files in it, None when it can."""
    try:
        # It is looked at first, as making one waits for all who change the folder above it.
        if not os.path.lexists(folder):
            try:
                os.mkdir(folder, 0o755)
                os.chmod(folder, 0o755)
            except FileExistsError:
                pass
        trouble = untrusted(folder, os.geteuid())
        if trouble is None and not os.access(folder, os.W_OK):
            return f"{folder} may not be written by uid {os.geteuid()}; remove it, if a listener of another user left it"
        return trouble
    except OSError as error:
        return f"{folder}: {error.strerror}"


def find_folders(url: str, uid: int, environ: Mapping[str, str] | None = None) -> list[str]:
    """The runtime folders that exist and may be relied on, the first first. url, uid, environ: as for `folders`.

    This process's own user is trusted too: whoever acts as that user can start what this process would start. So a
    listener and its programs may have a user that is not supervisord's. Raises RecordError when there is none.
    """
    found, troubles = [], []
    for folder in folders(url, uid, environ):
        trouble = untrusted(folder, uid)
        if trouble is not None:
            trouble = untrusted(folder, os.geteuid())
        if trouble is None:
            found.append(folder)
        else:
            troubles.append(trouble)
    if not found:
        raise RecordError("; ".join(troubles))
    return found


def untrusted(folder: str, uid: int) -> str | None:
    """Why nobody may rely on what is in the folder; None when its owner alone can write there."""
    try:
        status = os.lstat(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is no folder"
    if status.st_uid not in (0, uid):
        return f"{folder} belongs to somebody else, uid {status.st_uid}"
    if status.st_mode & 0o022:
        return f"{folder} can be written by others"
    return None


def at_socket(folder: str, act: Callable[[str], Any]) -> None:
    """Connect or bind to the guard's socket: give `act` a path to it. Through /proc, as a socket's path has room for 107 bytes
    only (unix(7)). Raises OSError."""
    opened = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        act(f"/proc/self/fd/{opened}/{SOCKET}")
    finally:
        os.close(opened)


def is_at(descriptor: int, path: str) -> bool:
    """Tell whether the open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def pack(strings: list[str]) -> bytes:
    """A block. Raises ValueError when the strings have no room in it, or when one of them holds a NUL."""
    if any("\0" in one for one in strings):
        raise ValueError("a string of the record holds a NUL")
    data = "\0".join(strings).encode("utf-8", "surrogateescape")
    if len(data) > ROOM:
        raise ValueError(f"{len(data)} bytes do not fit into a block of the record, which holds {ROOM}")
    return (_HEAD.pack(_MAGIC, VERSION, 0, len(data), zlib.crc32(data)) + data).ljust(BLOCK, b"\0")


def unpack(block: bytes) -> list[str]:
    """The strings that `pack` was given. Raises RecordError."""
    if len(block) < BLOCK:
        raise RecordError("it is cut short")
    magic, version, _, length, crc = _HEAD.unpack_from(block)
    if magic != _MAGIC or version != VERSION:
        raise RecordError(f"it has version {version} and not {VERSION}" if magic == _MAGIC else "it is no record")
    data = block[_HEAD.size:_HEAD.size + length]
    if length > ROOM or zlib.crc32(data) != crc:
        raise RecordError("it is torn")
    return data.decode("utf-8", "surrogateescape").split("\0") if data else []


class Blocks:
    """A file of blocks, written in place by one process. Raises OSError."""

    def __init__(self, path: str, count: int, mode: int) -> None:
        self._path, self._mode, self._count = path, mode, 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        self._blocks: dict[int, bytes] = {}
        try:
            os.fchmod(self._fd, mode)
            self.make_room(count)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._fd)

    def make_room(self, count: int) -> None:
        """Allocate so many blocks now, so that no later write needs disk space."""
        os.posix_fallocate(self._fd, 0, count * BLOCK)
        self._count = max(self._count, count)

    def put_back(self, folder: str) -> bool:
        """Write the file again if it was removed, replaced or cut short. folder: where it belongs. Returns whether it was."""
        path = os.path.join(folder, os.path.basename(self._path))
        if is_at(self._fd, path) and os.fstat(self._fd).st_size >= self._count * BLOCK:
            return False
        # Aside first, so that whoever reads meanwhile finds all of it or nothing.
        aside = f"{path}.{os.getpid()}"
        fresh = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, self._mode)
        try:
            os.fchmod(fresh, self._mode)
            os.posix_fallocate(fresh, 0, self._count * BLOCK)
            for index, block in self._blocks.items():
                os.pwrite(fresh, block, index * BLOCK)
            os.replace(aside, path)
            os.dup2(fresh, self._fd, inheritable=False)
        except OSError:
            os.unlink(aside)
            raise
        finally:
            os.close(fresh)
        return True

    def put(self, index: int, strings: list[str]) -> None:
        block = pack(strings)
        if self._blocks.get(index) != block:
            os.pwrite(self._fd, block, index * BLOCK)
            self._blocks[index] = block


def read_block(path: str, index: int = 0) -> list[str]:
    """One block of a file. Raises RecordError."""
    return _read(path, index, 1)[0]


class Writer:
    """Writes the record in `folder`. An entry has a block from its first grant on; one whose grant is revoked lends its
    block to another that finds no room."""

    def __init__(self, folder: str, owner: Owner, room: int, writer: tuple[int, int] = (0, 0)) -> None:
        """writer: number and start time of the thread that writes."""
        self._writer = writer
        self._blocks = Blocks(os.path.join(folder, RECORD), room + 1, 0o644)
        self._entries: dict[int, Entry | None] = {}
        self._places: dict[str, int] = {}
        self._owner = owner
        self._opened = False
        self._seen = -math.inf
        try:
            # Blocks of a former owner are emptied before the new owner is named.
            self._blocks.put(0, [])
            self.make_room(room)
        except Exception:
            self._blocks.close()
            raise

    def close(self) -> None:
        self._blocks.close()

    def make_room(self, room: int) -> None:
        """Make room for at least so many elections. Raises OSError."""
        if room > len(self._entries):
            self._blocks.make_room(room + 1)
            for index in range(len(self._entries) + 1, room + 1):
                self._blocks.put(index, [])
                self._entries[index] = None
            if self._opened:
                self.open()

    def open(self) -> None:
        """Write the owner: from now on readers believe the record."""
        self._opened = True
        self._blocks.put(0, [*map(str, self._owner), str(len(self._entries)), repr(self._seen), *map(str, self._writer)])

    def beat(self, moment: float) -> None:
        """Write that this process runs at `moment`, seconds of CLOCK_BOOTTIME. Raises OSError."""
        self._seen = moment
        if self._opened:
            self.open()

    def put(self, entry: Entry) -> None:
        """Raises ValueError when there is no room, OSError when it cannot be written."""
        place = self._place(entry)
        if place is not None:
            other = self._entries[place]
            if other is not None:
                del self._places[other.group]
            self._entries[place], self._places[entry.group] = entry, place
            self._blocks.put(place, entry.strings())

    def _place(self, entry: Entry) -> int | None:
        """The entry's block; None for one that was never granted, of which readers need not know."""
        if entry.group in self._places:
            return self._places[entry.group]
        if not entry.granted:
            return None
        for place, other in self._entries.items():
            if other is None:
                return place
        for place, other in self._entries.items():
            if other is not None and not other.granted:
                return place
        raise ValueError(f"the record has room for {len(self._entries)} elections")

    def put_back(self, folder: str) -> bool:
        """As `Blocks.put_back`."""
        return self._blocks.put_back(folder)


def read(folder: str, owner: Owner) -> list[Entry]:
    """All elections of the record in `folder`. Raises RecordError, also when it is not `owner`'s."""
    entries: list[Entry] = look(folder, owner).entries
    return entries


def look(folder: str, owner: Owner) -> Record:
    """All that the record in `folder` says. Raises RecordError as `read`."""
    path = os.path.join(folder, RECORD)
    head = _head(path)
    if head.owner != owner:
        raise RecordError("it belongs to another supervisord, or to an earlier boot")
    try:
        entries = [Entry.of_strings(strings) for strings in _read(path, 1, head.room) if strings]
    except (ValueError, TypeError) as error:
        raise RecordError(f"it has other fields: {error}") from error
    # A guard that takes over empties the first block before it touches the others.
    _head(path)
    return Record(head.seen, entries, head.writer)


def _head(path: str) -> Head:
    """Block 0. Raises RecordError."""
    try:
        return Head.of_strings(read_block(path))
    except ValueError as error:
        raise RecordError(f"it has other fields: {error}") from error


def named_owner(folder: str) -> Owner:
    """Whom the record in `folder` names as its owner, who may be long gone. Raises RecordError."""
    owner: Owner = _head(os.path.join(folder, RECORD)).owner
    return owner


def unvouched(writer: tuple[int, int]) -> str:
    """Why the writer of a record does not vouch for it, "" where it does: it lives, and does not show that it may grant what was
    revoked (book.py). writer: as `Record` has it."""
    pid, start = writer
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            name = file.read()
        fields = _stat(pid)
        # One that nobody has reaped is there still.
        if int(fields[19]) != start or fields[0] == b"Z":
            return "the guard is dead"
    except FileNotFoundError:
        return "the guard is dead"
    except (OSError, IndexError, ValueError) as error:
        return f"the guard cannot be looked at: {error}"
    return "the guard cannot write its record" if name == f"{DOUBTED}\n".encode() else ""


def find(folder: str, owner: Owner, group: str) -> Entry:
    """The entry of one group. Raises RecordError as `read`, and where there is none."""
    for entry in read(folder, owner):
        if entry.group == group:
            return entry
    raise RecordError(f"no election has the group {group}")


def _read(path: str, first: int, count: int) -> tuple[list[str], ...]:
    """Blocks; one that is being written is read again."""
    trouble = ""
    cause: OSError | None = None
    try:
        with open(path, "rb", buffering=0) as file:
            for _ in range(_READS):
                data = os.pread(file.fileno(), count * BLOCK, first * BLOCK)
                try:
                    return tuple(unpack(data[at * BLOCK:(at + 1) * BLOCK]) for at in range(count))
                except RecordError as error:
                    trouble = str(error)
    except OSError as error:
        trouble, cause = error.strerror or str(error), error
    raise RecordError(f"{path}: {trouble}") from cause
