"""The runtime folder, in whose place something else is put while it is looked at."""

import os
from types import SimpleNamespace

import pytest

from supervisor_zkelect.guard import folder as runtime_folder
from supervisor_zkelect.guard import locks, record, saved_session
from supervisor_zkelect.guard.members import MemberFiles
from supervisor_zkelect.listener.history_copy import HistoryCopy
from supervisor_zkelect.listener.host import Host
from tests.unit.guard.test_record import OWNER
from tests.unit.guard.test_upkeep import SESSION, Kept, remove_all
from tests.unit.listener.parts import Disk


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(0o755)
    return folder


def swapped(monkeypatch, place, how):
    """Have something else stand there as soon as the folder was found to be fit. Returns what stands there then."""
    other, real = place.with_name("other"), record.unusable
    other.mkdir(0o777 if how == "open to all" else 0o755)
    other.chmod(0o777 if how == "open to all" else 0o755)

    def unusable(folder):
        found = real(folder)
        if found is None and not place.with_name("former").exists():
            place.rename(place.with_name("former"))
            if how == "a link":
                place.symlink_to(other)
            else:
                other.rename(place)
        return found

    monkeypatch.setattr(record, "unusable", unusable)
    return other if how == "a link" else place


@pytest.mark.parametrize("how", ["open to all", "a link"])
def test_a_guard_puts_nothing_into_what_it_has_not_looked_at(place, monkeypatch, how):
    kept = Kept(place)
    there = swapped(monkeypatch, place, how)
    assert str(place) in kept.look()
    assert os.listdir(there) == []


def test_a_guard_goes_on_in_the_folder_that_it_has_looked_at(place, monkeypatch):
    """Also where that was moved away meanwhile: the next look sees what stands there now."""
    kept = Kept(place)
    os.unlink(place / record.KEY)
    real = record.untrusted

    def untrusted(folder, uid):
        found = real(folder, uid)
        if folder.startswith("/proc/self/fd/"):
            place.rename(place.with_name("former"))
            place.mkdir(0o777)
            place.chmod(0o777)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(record, "untrusted", untrusted)
        assert kept.look() == ""
    assert os.listdir(place) == [] and (place.with_name("former") / record.KEY).exists()
    assert "can be written by others" in kept.look() and os.listdir(place) == []


@pytest.mark.parametrize("how", ["open to all", "a link"])
def test_a_listener_puts_nothing_into_what_it_has_not_looked_at(place, monkeypatch, how):
    store = saved_session.Store(str(place))
    store.save(SESSION)
    lock = locks.take(str(place / record.LOCK))
    host = SimpleNamespace(_folder=str(place), _lock=lock, _store=store, _touched_at=float("inf"))
    there = swapped(monkeypatch, place, how)
    assert str(place) in Host.keep_folder(host)
    assert os.listdir(there) == []
    os.close(lock)


def test_a_mistake_names_the_folder_and_not_its_descriptor(place):
    kept = Kept(place)
    remove_all(place)
    place.mkdir(0o755)
    (place / record.KEY).mkdir()
    assert kept.look().startswith(f"{place}/") and "/proc/" not in kept.look()


@pytest.mark.parametrize("how", ["open to all", "a link"])
@pytest.mark.parametrize("write", [
    lambda folder: MemberFiles(folder, OWNER).keep("primary", [(1, 2)]),
    lambda folder: runtime_folder.replace(folder, "config", b"x"),
    lambda folder: HistoryCopy(os.path.join(folder, "history-orders"), Disk()).keep([]),
], ids=["members", "configuration", "history"])
def test_whatever_else_is_kept_is_not_put_there_either(place, how, write):
    other = place.with_name("other")
    place.rename(other)
    if how == "a link":
        place.symlink_to(other)
    else:
        other.rename(place)
        place.chmod(0o777)
    try:
        write(str(place))
    except runtime_folder.Unfit as error:
        assert str(place) in error.why
    except OSError as error:
        assert error.filename == str(place)
    assert os.listdir(place) == []
