"""The shared record: what is torn, foreign, old or of another version gives nobody a grant."""

import math
import os
import struct
import zlib
from pathlib import Path

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import record, saved_session

OWNER = record.Owner("boot", "pid:[1]", 10, 100)
ENTRY = record.Entry("orders", "primary", "h:80", 7, True, 0, Lease(1.0, 2.0, 3.0))


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path)


def written(folder, *entries, owner=OWNER, room=3):
    writer = record.Writer(folder, owner, room)
    for entry in entries:
        writer.put(entry)
    writer.open()
    return writer


def test_what_is_written_is_read(folder):
    writer = written(folder, ENTRY)
    assert record.read(folder, OWNER) == [ENTRY]
    revoked = ENTRY._replace(granted=False, revoked=1)
    writer.put(revoked)
    assert record.read(folder, OWNER) == [revoked]


def test_one_entry_is_found_among_others(folder):
    others = [ENTRY._replace(election=f"e{number}", group=f"g{number}", address="primary") for number in range(9)]
    written(folder, *others, ENTRY, room=10)
    assert record.find(folder, OWNER, "primary") == ENTRY
    assert record.find(folder, OWNER, "g7") == others[7]
    with pytest.raises(record.RecordError, match="no election has the group g"):
        record.find(folder, OWNER, "g")
    with pytest.raises(record.RecordError, match="another supervisord"):
        record.find(folder, OWNER._replace(pid=11), "primary")
    # What a larger record of a former owner has left behind the room of this one is not read.
    written(folder, *others[:2], room=2)
    with pytest.raises(record.RecordError, match="no election"):
        record.find(folder, OWNER, "primary")


def test_a_block_that_is_lent_is_the_new_entrys(folder):
    writer = written(folder, ENTRY._replace(granted=True), room=1)
    writer.put(ENTRY._replace(granted=False))
    other = ENTRY._replace(election="other", group="other")
    writer.put(other)
    assert record.read(folder, OWNER) == [other]
    writer.put(other._replace(granted=False))
    writer.put(ENTRY)
    assert record.read(folder, OWNER) == [ENTRY]


def test_its_size_never_changes_and_its_room_is_taken(folder):
    writer = written(folder, ENTRY)
    status = os.stat(os.path.join(folder, record.RECORD))
    assert status.st_size == 4 * record.BLOCK and status.st_blocks * 512 >= status.st_size
    writer.put(ENTRY._replace(address="x" * 300))
    assert os.stat(os.path.join(folder, record.RECORD)).st_size == status.st_size


@pytest.mark.parametrize("other", [
    OWNER._replace(boot="later"), OWNER._replace(pid=11), OWNER._replace(start=101), OWNER._replace(namespace="pid:[2]"),
])
def test_another_owner_is_refused(folder, other):
    written(folder, ENTRY)
    with pytest.raises(record.RecordError) as refused:
        record.read(folder, other)
    assert str(refused.value) == "it belongs to another supervisord, or to an earlier boot"


def test_a_record_that_nobody_opened_is_refused(folder):
    record.Writer(folder, OWNER, 3).put(ENTRY)
    with pytest.raises(record.RecordError):
        record.read(folder, OWNER)


@pytest.mark.parametrize("at", [0, 5, 20, record.BLOCK + 8, record.BLOCK + 30])
def test_a_changed_byte_is_refused(folder, at):
    written(folder, ENTRY)
    path = os.path.join(folder, record.RECORD)
    data = bytearray(open(path, "rb").read())
    data[at] ^= 1
    open(path, "wb").write(data)
    with pytest.raises(record.RecordError):
        record.read(folder, OWNER)


def test_a_record_cut_short_or_missing_is_refused(folder):
    written(folder, ENTRY)
    path = os.path.join(folder, record.RECORD)
    os.truncate(path, record.BLOCK + 100)
    with pytest.raises(record.RecordError, match="cut short"):
        record.read(folder, OWNER)
    os.unlink(path)
    with pytest.raises(record.RecordError):
        record.read(folder, OWNER)


def test_any_text_and_any_number_are_read_as_they_were_written(folder):
    entry = record.Entry("ä\udcff\n", " ", "", 2**63 - 1, False, 3, Lease(float("inf"), -float("inf"), 0.1 + 0.2))
    writer = written(folder, entry._replace(granted=True))
    writer.put(entry)
    assert record.read(folder, OWNER) == [entry]
    assert record.find(folder, OWNER, " ") == entry
    named = entry._replace(group="g\udcff")
    writer.make_room(4)
    writer.put(named._replace(granted=True))
    assert record.find(folder, OWNER, "g\udcff") == named._replace(granted=True)
    with pytest.raises(ValueError) as refused:
        writer.put(entry._replace(address="a\0b"))
    assert str(refused.value) == "a string of the record holds a NUL"


def test_what_has_no_room_is_an_error_and_changes_nothing(folder):
    writer = written(folder, ENTRY, room=1)
    with pytest.raises(ValueError):
        writer.put(ENTRY._replace(group="second"))
    with pytest.raises(ValueError):
        writer.put(ENTRY._replace(address="x" * 2000))
    assert record.read(folder, OWNER) == [ENTRY]


def test_a_folder_that_others_can_write_is_not_trusted(tmp_path):
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert "by others" in record.untrusted(str(open_to_all), os.geteuid())
    (tmp_path / "link").symlink_to(tmp_path)
    assert record.untrusted(str(tmp_path / "link"), os.geteuid())
    (tmp_path / "file").touch(0o644)
    assert "no folder" in record.untrusted(str(tmp_path / "file"), os.geteuid())
    assert record.untrusted(str(tmp_path / "none"), os.geteuid())
    tmp_path.chmod(0o755)
    assert record.untrusted(str(tmp_path), os.geteuid()) is None


@pytest.fixture
def owned(monkeypatch):
    """Whom folders belong to for who looks, by path."""
    uids, lstat = {}, os.lstat

    def look(path):
        status = lstat(path)
        return os.stat_result((*status[:4], uids.get(path, status.st_uid), *status[5:]))

    monkeypatch.setattr(os, "lstat", look)
    return uids


def test_whose_folders_are_relied_on(tmp_path, monkeypatch, owned):
    """root's, supervisord's user's, and this process's own user's."""
    url, nobody, other = "unix:///a", 65534, 65533
    places = [str(tmp_path / "one"), str(tmp_path / "two")]
    monkeypatch.setattr(record, "folders", lambda *_: places)
    with pytest.raises(record.RecordError) as refused:
        record.find_folders(url, 0)
    assert str(refused.value) == f"{places[0]}: No such file or directory; {places[1]}: No such file or directory"
    os.mkdir(places[1])
    os.chmod(places[1], 0o755)
    owned.update({places[0]: 0, places[1]: nobody})
    monkeypatch.setattr(os, "geteuid", lambda: nobody)
    assert record.find_folders(url, 0) == places[1:] and record.unusable(places[1]) is None
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(record.RecordError, match="two belongs to somebody else, uid 65534"):
        record.find_folders(url, 0)
    assert record.unusable(places[1]) == f"{places[1]} belongs to somebody else, uid 65534"
    assert record.find_folders(url, nobody) == places[1:]
    os.mkdir(places[0])
    os.chmod(places[0], 0o755)
    assert record.find_folders(url, nobody) == places


def test_a_folder_that_cannot_be_written_is_none_for_a_listener(tmp_path, monkeypatch):
    """root's listener may have left it, before it was given a user."""
    places = [str(tmp_path / "one"), str(tmp_path / "two")]
    monkeypatch.setattr(record, "folders", lambda *_: places)
    os.mkdir(places[0], 0o755)
    monkeypatch.setattr(os, "access", lambda path, mode: path != places[0])
    assert record.make_folder("unix:///a", os.geteuid()) == places[1]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(record.RecordError, match=f"remove it.*set {record.VARIABLE}"):
        record.make_folder("unix:///a", os.geteuid())


def test_supervisords_never_share_a_folder(monkeypatch):
    monkeypatch.delenv(record.VARIABLE, raising=False)
    found = {tuple(record.folders(url, uid)) for url in ("unix:///a", "unix:///b") for uid in (0, 1000)}
    assert len(found) == 4
    assert record.instance(OWNER) != record.instance(OWNER._replace(start=101))


def test_the_session_is_saved_for_its_owner_alone(folder):
    store = saved_session.Store(folder)
    elections = [saved_session.SavedElection(name, f"group-{name}", f"/{name}/election", "n-", f"/{name}/ack") for name in "abc"]
    session = saved_session.Saved(2**63 - 1, "00ff", 10.0, OWNER, "a", "zk:2181", elections, 0.5)
    store.save(session)
    assert saved_session.load(folder, None) == session
    store.save(session._replace(elections=elections[1:]))
    assert saved_session.load(folder, None).elections == elections[1:]
    assert os.stat(os.path.join(folder, record.SESSION)).st_mode & 0o777 == 0o600
    store.forget()
    assert saved_session.load(folder, None) is None
    open(os.path.join(folder, record.SESSION), "wb").write(b"rubbish")
    assert saved_session.load(folder, None) is None


def test_where_the_folder_of_a_supervisord_is(monkeypatch, tmp_path):
    """The listener, its guard and the programs look for it by themselves, and may be of several versions."""
    monkeypatch.delenv(record.VARIABLE, raising=False)
    assert record.folders("unix:///run/supervisor.sock", 7) == [f"{base}/zkelect-7-19db8e99" for base in ("/run", "/tmp")]
    assert record.key("unix:///\udcff") == f"{zlib.crc32(b'unix:///' + bytes([255])):08x}"
    monkeypatch.setenv(record.VARIABLE, "/mine")
    assert record.folders("unix:///a", 7) == ["/mine"]
    assert record.folders("unix:///a", 7, {record.VARIABLE: "/theirs"}) == ["/theirs"]
    assert record.folders("unix:///a", 7, {})[1:] == [f"/tmp/zkelect-7-{record.key('unix:///a')}"]
    assert record.find_folders("unix:///a", os.geteuid(), {record.VARIABLE: str(tmp_path)}) == [str(tmp_path)]
    monkeypatch.setattr(record, "folders", lambda url, uid, environ=None: [str(tmp_path / f"{url}-{uid}")])
    assert record.make_folder("a", 7) == str(tmp_path / "a-7")
    assert record.find_folders("a", 7) == [str(tmp_path / "a-7")]


def test_a_folder_that_is_made_is_never_open_to_others(tmp_path, monkeypatch):
    path, modes, chmod = str(tmp_path / "run"), [], os.chmod

    def note(path, mode):
        modes.append(os.stat(path).st_mode & 0o777)
        chmod(path, mode)

    monkeypatch.setattr(os, "chmod", note)
    for umask in (0o777, 0o000):
        former = os.umask(umask)
        try:
            assert record.unusable(path) is None
        finally:
            os.umask(former)
        assert os.stat(path).st_mode & 0o777 == 0o755
        os.rmdir(path)
    assert all(not mode & 0o022 for mode in modes)


def test_a_folder_that_others_have_prepared_is_not_used(tmp_path):
    os.mkdir(tmp_path / "run")
    os.chmod(tmp_path / "run", 0o777)
    assert record.unusable(str(tmp_path / "run")) == f"{tmp_path}/run can be written by others"
    os.chmod(tmp_path / "run", 0o755)
    assert record.unusable(str(tmp_path / "run")) is None
    assert record.unusable(str(tmp_path / "none" / "run")) == f"{tmp_path}/none/run: No such file or directory"


def test_no_folder_is_told_with_all_troubles(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "folders", lambda *_: [f"{tmp_path}/a/b", f"{tmp_path}/c/d"])
    with pytest.raises(record.RecordError) as refused:
        record.make_folder("unix:///a", os.geteuid())
    assert str(refused.value) == (
        f"no runtime folder: {tmp_path}/a/b: No such file or directory; {tmp_path}/c/d: No such file or directory; "
        f"set {record.VARIABLE} in supervisord's environment"
    )


def test_a_supervisord_is_told_apart_by_boot_namespace_pid_and_start():
    comm = Path("/proc/self/comm")
    former = comm.read_text()
    comm.write_text("a) R 1 (b")
    try:
        owner = record.owner_of(os.getpid())
    finally:
        comm.write_text(former)
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert owner == record.Owner(boot, os.readlink("/proc/self/ns/pid"), os.getpid(), start)
    assert record.instance(record.Owner("b", "pid:[402]", 10, 100)) == "b-402-10-100"
    with pytest.raises(record.RecordError, match="supervisord, process 0, cannot be read: .*No such file"):
        record.owner_of(0)


def test_the_format_of_a_block():
    """A guard and a chain loader of several versions read one record, and each must know whether it can."""
    data = b"a\0\xc3\xa4"
    block = struct.pack("<4sHHII", b"zkel", 2, 0, len(data), zlib.crc32(data)) + data
    assert record.pack(["a", "ä"]) == block + bytes(record.BLOCK - len(block))
    assert record.unpack(record.pack(["a", "ä"])) == ["a", "ä"]
    assert record.unpack(record.pack([])) == []


def test_a_block_is_used_to_its_last_byte():
    most = ["x" * (record.BLOCK - 16)]
    assert record.unpack(record.pack(most)) == most
    with pytest.raises(ValueError, match="1009 bytes do not fit into a block of the record, which holds 1008"):
        record.pack(["x" * 1009])


@pytest.mark.parametrize("change, told", [
    ((0, b"q"), "it is no record"), ((4, b"\3"), "it has version 3 and not 2"), ((12, b"\0\0\0\0"), "it is torn"), ((8, b"\xff\xff"), "it is torn"),
    ((16, b"b"), "it is torn"),
])
def test_why_a_block_is_not_believed(change, told):
    at, what = change
    block = record.pack(["a"])
    with pytest.raises(record.RecordError) as refused:
        record.unpack(block[:at] + what + block[at + len(what):])
    assert str(refused.value) == told
    with pytest.raises(record.RecordError) as refused:
        record.unpack(block[:-1])
    assert str(refused.value) == "it is cut short"


def test_why_a_record_is_not_believed(folder):
    path = os.path.join(folder, record.RECORD)
    with pytest.raises(record.RecordError) as refused:
        record.read(folder, OWNER)
    assert str(refused.value) == f"{path}: No such file or directory"
    blocks = record.Blocks(path, 2, 0o644)
    with pytest.raises(record.RecordError) as refused:
        record.read(folder, OWNER)
    assert str(refused.value) == f"{path}: it is no record"
    owned = [*map(str, OWNER)]
    for room, told in (("-1", "room for -1 elections"), ("100001", "room for 100001 elections"), ("many", "invalid literal .*'many'")):
        blocks.put(0, [*owned, room])
        with pytest.raises(record.RecordError, match=f"^it has other fields: {told}"):
            record.read(folder, OWNER)
        with pytest.raises(record.RecordError):
            record.find(folder, OWNER, "primary")
    blocks.put(0, [*owned, "0"])
    assert record.read(folder, OWNER) == []
    blocks.put(0, [*owned, "1"])
    blocks.put(1, ["fields", "of another version"])
    with pytest.raises(record.RecordError, match="^it has other fields: "):
        record.read(folder, OWNER)


def test_a_record_that_cannot_be_read_is_told_with_what_there_is_to_tell(folder, monkeypatch):
    written(folder, ENTRY)

    def fail(*_):
        raise OSError("odd")

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(record.RecordError) as refused:
        record.read(folder, OWNER)
    assert str(refused.value) == f"{folder}/{record.RECORD}: odd"


def test_a_record_of_many_elections_is_believed_to_a_limit(folder, monkeypatch):
    monkeypatch.setattr(record, "MOST", 2)
    written(folder, ENTRY, room=2)
    assert record.read(folder, OWNER) == [ENTRY]
    written(folder, ENTRY, room=3)
    with pytest.raises(record.RecordError, match="room for 3 elections"):
        record.read(folder, OWNER)


def test_a_file_of_blocks_is_never_open_to_others_and_no_link(tmp_path, monkeypatch):
    """The saved session lies in one, with its password."""
    modes, fchmod = [], os.fchmod

    def note(descriptor, mode):
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        fchmod(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", note)
    former = os.umask(0)
    try:
        blocks = record.Blocks(str(tmp_path / "blocks"), 1, 0o600)
        os.unlink(tmp_path / "blocks")
        assert blocks.put_back(str(tmp_path))
    finally:
        os.umask(former)
    assert modes == [0o600, 0o600]
    (tmp_path / "link").symlink_to(tmp_path / "else")
    with pytest.raises(OSError, match="symbolic links"):
        record.Blocks(str(tmp_path / "link"), 1, 0o600)
    os.unlink(tmp_path / "blocks")
    (tmp_path / f"blocks.{os.getpid()}").symlink_to(tmp_path / "else")
    with pytest.raises(OSError, match="symbolic links"):
        blocks.put_back(str(tmp_path))
    assert not (tmp_path / "else").exists()


@pytest.mark.parametrize("gone", [os.unlink, lambda path: os.replace(path, f"{path}.old"), lambda path: Path(path).rename(f"{path}.old") and Path(path).touch()])
def test_a_record_that_is_gone_or_replaced_is_written_again_as_it_was(folder, gone):
    writer, path = written(folder, ENTRY), os.path.join(folder, record.RECORD)
    before, mode = Path(path).read_bytes(), os.stat(path).st_mode
    assert not writer.put_back(folder)
    ((name, _),) = descriptors(folder)
    gone(path)
    Path(f"{path}.{os.getpid()}").write_bytes(b"left by one that was killed" * 400)
    umask = os.umask(0o777)
    try:
        assert writer.put_back(folder)
    finally:
        os.umask(umask)
    status = os.stat(path)
    assert Path(path).read_bytes() == before and status.st_mode == mode and status.st_blocks * 512 >= status.st_size
    assert not writer.put_back(folder)
    # What is written from now on stands there, and no program that is started inherits it.
    writer.put(ENTRY._replace(granted=False))
    assert record.read(folder, OWNER) == [ENTRY._replace(granted=False)]
    assert descriptors(folder) == [(name, path)] and not os.get_inheritable(int(name))


def descriptors(folder):
    """Those of this process for files in the folder, and where they are."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append((name, os.readlink(f"/proc/self/fd/{name}")))
        except FileNotFoundError:
            # It was that of the list.
            continue
    return [(name, path) for name, path in found if path.startswith(f"{folder}/")]


def test_a_record_that_cannot_be_put_back_leaves_nothing_behind(folder, monkeypatch):
    writer, path = written(folder, ENTRY), os.path.join(folder, record.RECORD)
    os.unlink(path)
    (before,) = descriptors(folder)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space left"):
            writer.put_back(folder)
    assert os.listdir(folder) == [] and descriptors(folder) == [before]
    assert writer.put_back(folder) and record.read(folder, OWNER) == [ENTRY]


def test_what_is_not_written_is_written_by_the_next_try(folder, monkeypatch):
    writer = written(folder, ENTRY)

    def fail(*_):
        raise OSError(5, "Input/output error")

    revoked = ENTRY._replace(granted=False)
    with monkeypatch.context() as context:
        context.setattr(os, "pwrite", fail)
        with pytest.raises(OSError):
            writer.put(revoked)
    writer.put(revoked)
    assert record.read(folder, OWNER) == [revoked]


def test_what_the_record_says_already_is_not_written(folder, monkeypatch):
    writer = written(folder, ENTRY)
    monkeypatch.setattr(os, "pwrite", lambda *_: pytest.fail("it was written again"))
    writer.put(ENTRY)


def test_the_blocks_of_a_former_owner_are_emptied_before_it_is_opened(folder):
    written(folder, *(ENTRY._replace(group=f"g{number}") for number in range(3)))
    other = OWNER._replace(pid=11)
    writer = record.Writer(folder, other, 3)
    for owner in (OWNER, other):
        with pytest.raises(record.RecordError, match="a guard is making it"):
            record.read(folder, owner)
    writer.make_room(3)
    with pytest.raises(record.RecordError):
        record.read(folder, other)
    writer.open()
    assert record.read(folder, other) == []
    assert os.stat(os.path.join(folder, record.RECORD)).st_mode & 0o777 == 0o644


def test_an_entry_that_is_being_written_is_read_again(folder, monkeypatch):
    written(folder, ENTRY)
    torn, read = [True, True, True], os.pread

    def pread(*arguments):
        data = read(*arguments)
        return bytes([data[0] ^ 1]) + data[1:] if torn and torn.pop() else data

    monkeypatch.setattr(os, "pread", pread)
    assert record.read(folder, OWNER) == [ENTRY] and not torn


def test_an_entry_that_lent_its_block_gets_another_one(folder):
    writer = written(folder, ENTRY, room=2)
    writer.put(ENTRY._replace(granted=False))
    other = ENTRY._replace(election="other", group="other")
    writer.put(other)
    writer.put(ENTRY._replace(group="third"))
    writer.put(other._replace(granted=False))
    writer.put(ENTRY)
    assert {entry.group for entry in record.read(folder, OWNER) if entry.granted} == {"primary", "third"}


def test_an_entry_that_is_not_granted_lends_its_block(folder):
    writer = record.Writer(folder, OWNER, 1)
    entry = record.Entry("orders", "one", "a", 7, True, 0, Lease(1.0, 2.0, 3.0))
    writer.put(entry)
    writer.open()
    with pytest.raises(ValueError, match="room for 1"):
        writer.put(entry._replace(group="two"))
    writer.put(entry._replace(granted=False))
    writer.put(entry._replace(group="two"))
    assert [one.group for one in record.read(folder, OWNER)] == ["two"]


def test_what_was_never_granted_needs_no_block(folder):
    writer = record.Writer(folder, OWNER, 1)
    writer.open()
    writer.put(record.Entry("orders", "one", "a", 7, False, 0, Lease(1.0, 2.0, 3.0)))
    assert record.read(folder, OWNER) == []


def test_there_can_be_more_room_while_it_is_read(folder):
    writer = record.Writer(folder, OWNER, 1)
    entry = record.Entry("orders", "one", "a", 7, True, 0, Lease(1.0, 2.0, 3.0))
    writer.put(entry)
    writer.open()
    writer.make_room(3)
    for name in ("two", "three"):
        writer.put(entry._replace(group=name))
    assert [one.group for one in record.read(folder, OWNER)] == ["one", "two", "three"]


def test_whether_the_ack_is_written_is_read_as_it_was_written(folder):
    writer = written(folder, ENTRY)
    for acked in (True, False):
        writer.put(ENTRY._replace(acked=acked))
        assert record.read(folder, OWNER) == [ENTRY._replace(acked=acked)]
    assert not record.Entry("orders", "primary", "h:80", 7, True, 0, Lease(1.0, 2.0, 3.0)).acked


def test_older_records_are_read_as_those_that_grant_least(folder):
    """A guard of this version takes over from one of an earlier one, whose record knows no ack, or no pause either."""
    strings = ENTRY._replace(acked=True).strings()
    assert record.Entry.of_strings(strings) == ENTRY._replace(acked=True)
    assert record.Entry.of_strings(strings[:-1]) == ENTRY
    assert record.Entry.of_strings(strings[:-2]) == ENTRY
    with pytest.raises(TypeError):
        record.Entry.of_strings(strings[:-3])
    for word in ("0", "", "yes", "2"):
        assert not record.Entry.of_strings([*strings[:-1], word]).acked
    blocks = record.Blocks(os.path.join(folder, record.RECORD), 2, 0o644)
    blocks.put(0, [*map(str, OWNER), "1"])
    blocks.put(1, strings[:-1])
    assert record.look(folder, OWNER) == record.Record(-math.inf, [ENTRY])


def test_what_a_newer_record_adds_is_skipped(folder):
    """Whoever answers load balancers runs on while the package is upgraded."""
    blocks = record.Blocks(os.path.join(folder, record.RECORD), 2, 0o644)
    blocks.put(0, [*map(str, OWNER), "1", "5.5", "more"])
    blocks.put(1, [*ENTRY._replace(acked=True).strings(), "more", "and more"])
    assert record.look(folder, OWNER) == record.Record(5.5, [ENTRY._replace(acked=True)])
    assert record.named_owner(folder) == OWNER


def test_when_its_writer_was_seen_to_run_is_read_as_it_was_written(folder):
    writer = record.Writer(folder, OWNER, 3)
    writer.beat(4.25)
    with pytest.raises(record.RecordError, match="^it belongs to nobody, as a guard is making it$"):
        record.look(folder, OWNER)
    with pytest.raises(record.RecordError):
        record.named_owner(folder)
    writer.put(ENTRY)
    writer.open()
    assert record.look(folder, OWNER) == record.Record(4.25, [ENTRY])
    writer.beat(5.5)
    assert record.look(folder, OWNER) == record.Record(5.5, [ENTRY])
    writer.make_room(9)
    assert record.look(folder, OWNER) == record.Record(5.5, [ENTRY])


def test_a_record_that_no_beat_was_written_into_tells_of_none(folder):
    written(folder, ENTRY)
    assert record.look(folder, OWNER).seen == -math.inf


def test_a_guard_that_takes_over_meanwhile_is_told_from_one_that_grants_nothing(folder, monkeypatch):
    """It empties the first block, then the others, and a reader may have read the first one before."""
    written(folder, ENTRY)
    read_block, looks = record.read_block, []

    def slowly(path, index=0):
        looks.append(index)
        if len(looks) == 2:
            record.Writer(folder, OWNER, 3)
        return read_block(path, index)

    monkeypatch.setattr(record, "read_block", slowly)
    with pytest.raises(record.RecordError):
        record.look(folder, OWNER)


def test_whom_a_record_names(folder):
    written(folder, ENTRY)
    assert record.named_owner(folder) == OWNER
    blocks = record.Blocks(os.path.join(folder, record.RECORD), 1, 0o644)
    for first in (["boot", "namespace", "ten", "100"], ["boot", "namespace", "10"]):
        blocks.put(0, first)
        with pytest.raises(record.RecordError, match="^it has other fields: "):
            record.named_owner(folder)
