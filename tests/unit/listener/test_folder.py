"""The listener's part of the runtime folder."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.listener.folder import FOLDER_PACE, LOCK_PACE, RuntimeFolder
from tests.unit.listener.parts import NOW, Host, Log, means


@pytest.fixture
def one():
    """A folder whose lock is `free`, and amiss as `trouble` says. taken: how often it was told to be taken."""
    host, log, taken = Host(), Log(), []
    folder = RuntimeFolder(means(host, log=log), lambda: taken.append(1))
    one = SimpleNamespace(host=host, log=log, taken=taken, folder=folder, free=True, trouble="", looks=0, occupant="")
    host.occupant = lambda: one.occupant
    host.take_lock = lambda: one.free
    host.give_lock_back = lambda: None

    def keep_folder():
        one.looks += 1
        return one.trouble

    host.keep_folder = keep_folder
    return one


def test_a_lock_that_another_holds_is_tried_for_again(one):
    one.free = False
    one.folder.take_lock()
    assert not one.folder.locked and one.folder.lock_at == NOW + LOCK_PACE and not one.taken
    one.free = True
    one.folder.take_lock()
    assert one.folder.locked and one.taken == [1]
    one.folder.give_lock_back(1.0)
    assert not one.folder.locked and one.folder.lock_at == NOW + 1.0


def test_the_folder_of_another_supervisord_is_left_alone_for_as_long_as_that_lives(one):
    one.occupant = "/run/zk belongs to another supervisord, process 7"
    one.folder.take_lock()
    assert not one.folder.locked and not one.taken and one.folder.lock_at == NOW + FOLDER_PACE
    assert one.folder.trouble == one.occupant and any(one.occupant in str(line) for line in one.log.warned)
    one.occupant = ""
    one.folder.take_lock()
    assert one.folder.locked and one.folder.trouble == ""


def test_whose_it_is_is_looked_at_again_where_that_cannot_be_told_just_now(one):
    def occupant():
        raise OSError(24, "no more")

    one.host.occupant, usual = occupant, one.host.occupant
    one.folder.take_lock()
    assert not one.folder.locked and not one.taken and one.folder.lock_at == NOW + LOCK_PACE
    one.host.occupant = usual
    one.folder.take_lock()
    assert one.folder.locked


def test_a_folder_is_looked_at_now_and_then_while_it_is_ours(one):
    one.folder.keep_time(NOW + 1.0)
    assert one.looks == 0
    one.folder.take_lock()
    one.trouble = "the folder is another user's"
    for moment in (1.0, 1.0 + FOLDER_PACE / 2, 1.0 + FOLDER_PACE):
        one.folder.keep_time(NOW + moment)
    assert one.looks == 2 and one.folder.trouble == one.trouble and len(one.log.warned) == 2


def test_what_cannot_be_looked_at_for_want_of_descriptors_is_tried_again(one):
    """The listener would end of it, and supervisord give it up after some times."""
    left = [MemoryError(), OSError(24, "no more")]

    def taken():
        if left:
            raise left.pop()
        one.taken.append(1)

    folder = RuntimeFolder(means(one.host, log=one.log), taken)
    for tries in (1, 2):
        folder.take_lock()
        assert not folder.locked and folder.lock_at == NOW + LOCK_PACE and len(one.log.warned) == tries
    folder.take_lock()
    assert folder.locked and one.taken == [1]
    left.append(OSError(13, "denied"))
    with pytest.raises(OSError, match="denied"):
        folder.take_lock()
