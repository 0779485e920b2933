"""The shared record: what is torn, foreign, old or of another version gives nobody a grant."""

import os

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
    others = [ENTRY._replace(election=f"e{number}", group=f"g{number}") for number in range(9)]
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
    with pytest.raises(record.RecordError, match="another supervisord"):
        record.read(folder, other)


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
    with pytest.raises(ValueError, match="NUL"):
        writer.put(entry._replace(address="a\0b"))


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


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_whose_folders_are_relied_on(tmp_path, monkeypatch):
    """root's, supervisord's user's, and this process's own user's."""
    url, nobody, other = "unix:///a", 65534, 65533
    places = [str(tmp_path / "one"), str(tmp_path / "two")]
    monkeypatch.setattr(record, "folders", lambda *_: places)
    with pytest.raises(record.RecordError, match="one: No such.*two: No such"):
        record.find_folders(url, 0)
    os.mkdir(places[1], 0o755)
    os.chown(places[1], nobody, nobody)
    monkeypatch.setattr(os, "geteuid", lambda: nobody)
    assert record.find_folders(url, 0) == places[1:]
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(record.RecordError, match="somebody else, uid 65534"):
        record.find_folders(url, 0)
    assert record.find_folders(url, nobody) == places[1:]
    os.mkdir(places[0], 0o755)
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
    elections = [saved_session.Election(name, f"group-{name}", f"/{name}/election", "n-", f"/{name}/ack") for name in "abc"]
    session = saved_session.Saved(2**63 - 1, "00ff", 10.0, OWNER, "a", "zk:2181", elections, 0.5)
    store.save(session)
    assert saved_session.load(folder) == session
    store.save(session._replace(elections=elections[1:]))
    assert saved_session.load(folder).elections == elections[1:]
    assert os.stat(os.path.join(folder, record.SESSION)).st_mode & 0o777 == 0o600
    store.forget()
    assert saved_session.load(folder) is None
    open(os.path.join(folder, record.SESSION), "wb").write(b"rubbish")
    assert saved_session.load(folder) is None


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
