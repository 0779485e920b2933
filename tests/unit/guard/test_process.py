"""A guard's process, where little is to be had for it."""

import errno
import gc
import os
import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.guard import place, process, protocol, record
from supervisor_zkelect.processes import cgroup, group_events, quick_moves
from supervisor_zkelect.processes.manager import ProcessManager

#: Without which no group is killed.
NEEDED = ["zkelect-striker", "zkelect-manager"]


@pytest.fixture
def threads(monkeypatch):
    """Names of the threads that were started beside those for calls, of which there may be as many as are needed."""
    started, start = [], threading.Thread.start

    def begin(thread):
        if not thread.name.startswith("zkelect-rpc"):
            if len(started) >= len(NEEDED):
                raise RuntimeError("can't start new thread")
            started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)
    return started


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Make a guard of a supervisord that is this process."""
    monkeypatch.setattr(quick_moves, "here", lambda: ("/", str(tmp_path)))
    monkeypatch.setattr(process.cgroups, "find", lambda owner, url: (cgroup.Cgroups(str(tmp_path)), cgroup.Former({}, None)))
    made = []

    def make():
        owner = record.owner_of(os.getpid())
        terms = process.Terms(str(tmp_path), tuple(owner), "unix:///none", "none", 2.0, 1)
        held = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
        made.append((process.GuardProgram(terms, (None, None), place.Place(held, None), alone=False), held))
        return made[-1][0]

    yield make
    for one, held in made:
        one.manager.close()
        os.close(held)


def test_what_kills_has_a_thread_before_what_only_makes_it_quick(make, threads):
    make()
    assert threads == NEEDED


@pytest.mark.parametrize("error", [None, OSError(28, "No space left on device"), MemoryError()])
def test_a_listener_that_is_gone_is_told_whatever_becomes_of_the_folder(make, error):
    """Otherwise nobody renews its leases, and the guard would wait for it for ever."""
    made, told = make(), []
    listener = made.conversation.listener = object()

    def look(alone, lock):
        told.append("folder")
        if error is not None:
            raise error

    made.upkeep = SimpleNamespace(look=look)
    made.guard.listener_gone = lambda: told.append("gone")
    made.attempt(made.conversation._left, object())
    assert told == []
    made.attempt(made.conversation._left, listener)
    assert told == ["folder", "gone"] and made.conversation.listener is None


@pytest.mark.parametrize("lacks", ["the event", "its text", ""])
def test_with_what_the_listener_cannot_be_told_its_conversation_ends(make, monkeypatch, lacks):
    """It takes an order for carried out, and a group for proven dead, by what it is told."""
    made, dropped, told = make(), [], []
    event = group_events.GroupDead("primary", 7, 0.1)

    def answer(peer, message):
        if lacks == "its text":
            raise MemoryError
        told.append(message)

    def heard(event):
        if lacks == "the event":
            raise MemoryError
        made.tell(event)
        told.append("the rest is done")

    made.conversation.listener = "listener"
    made.conversation.door = SimpleNamespace(answer=answer, drop=dropped.append)
    monkeypatch.setattr(made.guard, "heard", heard)
    made.post(event)
    made.on_bell(made.inbox.bell, 0)
    assert dropped == ["listener"] * bool(lacks) and ("the rest is done" in told) == (lacks != "the event")


@pytest.mark.parametrize("taken, in_place, locked", [
    # What cannot be had for its folder costs neither the lease nor the release, where its lock is there.
    (False, True, True), (False, False, False), (True, False, False), (True, True, False),
])
def test_only_what_somebody_else_has_taken_is_given_up(make, taken, in_place, locked):
    made, told = make(), []
    made.upkeep = SimpleNamespace(look=lambda alone, lock: "No space left on device", taken=taken, in_place=in_place)
    made.guard.disowned = lambda: told.append("disowned")
    assert made.take_lock() is locked
    assert told == ["disowned"] * taken
    if locked:
        made.give_lock_back()


@pytest.mark.parametrize("thread", NEEDED)
def test_one_that_cannot_begin_leaves_nothing_open(make, monkeypatch, thread):
    """It is tried again each second, in a process that has to go on."""
    start = threading.Thread.start

    def begin(one):
        if one.name == thread:
            raise RuntimeError("can't start new thread")
        start(one)

    monkeypatch.setattr(threading.Thread, "start", begin)
    with pytest.raises(RuntimeError):
        make()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(RuntimeError):
            make()
    gc.collect()
    # The lock is the test's own.
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    assert not [one for one in threading.enumerate() if one.name in NEEDED]


def test_a_supervisord_whose_answer_makes_no_sense_tells_nothing_of_the_listener(make, monkeypatch):
    made, heard = make(), []
    made.conversation.program = "zkelect:zkelect"
    monkeypatch.setattr(process.aside, "listener_state", lambda supervisord, name: {}["statename"])
    monkeypatch.setattr(made, "calls", SimpleNamespace(submit=lambda work: work()))
    made.guard.listener_state = heard.append
    made.ask_for_listener()
    for call in made.inbox.take():
        call()
    assert heard == [""]


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_a_supervisord_that_cannot_be_asked_for_the_listener_is_asked_again(make, monkeypatch, error):
    """Else one that it said was coming would be waited for for ever."""
    made, heard = make(), []

    def refuse(work):
        raise error

    made.conversation.program = "zkelect:zkelect"
    monkeypatch.setattr(made, "calls", SimpleNamespace(submit=refuse))
    made.guard.listener_state = heard.append
    made.ask_for_listener()
    assert heard == [""]


@pytest.mark.parametrize("short", [errno.ENFILE, errno.EMFILE, errno.ENOMEM])
@pytest.mark.parametrize("what", [record.RECORD, record.KEY])
def test_a_guard_that_cannot_read_what_the_one_before_it_left_does_not_begin(make, tmp_path, monkeypatch, short, what):
    """It would take granted groups for such that were never granted, and what it cannot prove for a stranger's."""
    first = make()
    first.guard.welcome(protocol.Hello(protocol.VERSION, first.owner, {}, ("", "")), 1, "")

    def failing(opened):
        def fails(path, *more, **options):
            if str(path).endswith(f"/{what}"):
                raise OSError(short, "no more")
            return opened(path, *more, **options)

        return fails

    monkeypatch.setattr(os, "open", failing(os.open))
    monkeypatch.setattr(record, "open", failing(open), raising=False)
    with pytest.raises(OSError, match="no more"):
        make()
    monkeypatch.undo()


@pytest.mark.parametrize("fails", [1, 2])
def test_what_cannot_be_had_at_the_beginning_is_tried_again_with_the_reserve(make, monkeypatch, fails):
    left, read, spent = [OSError(24, "no more")] * fails, process.read_former, []
    monkeypatch.setattr(process, "read_former", lambda *given: read(*given) if not left else (_ for _ in ()).throw(left.pop()))
    monkeypatch.setattr(process.reserve, "spend", lambda: spent.append(True))
    if fails == 1:
        make()
    else:
        with pytest.raises(OSError, match="no more"):
            make()
    assert spent == [True]


def test_what_was_granted_is_known_though_the_beginning_is_tried_twice(make, monkeypatch):
    """The record is emptied for the guard that begins."""
    entry = record.Entry("orders", "primary", "a", 7, True, 1, record.Lease(1e9, 1e9 + 1, 1e9 + 2))
    left, begin = [MemoryError()], ProcessManager.start

    def start(manager):
        if left:
            raise left.pop()
        begin(manager)

    monkeypatch.setattr(ProcessManager, "start", start)
    monkeypatch.setattr(process, "read_former", lambda folder, owner: [entry] if left else [])
    assert make().guard.groups["primary"].entry.granted


def test_a_door_that_cannot_be_opened_is_made_again(make, tmp_path, monkeypatch):
    made = make()
    monkeypatch.setattr(made.conversation.door, "listen", lambda listening: (_ for _ in ()).throw(OSError(errno.ENOMEM, "no more")))
    with pytest.raises(OSError, match="no more"):
        made.open_door(str(tmp_path))
    assert made.listening is None
    monkeypatch.undo()
    made.keep_folder()
    assert made.listening is not None


def test_whoever_shares_a_former_supervisords_session_is_known_to_the_census(make, monkeypatch):
    given, census = [], process.Census
    monkeypatch.setattr(process.sessions, "note", lambda folder, owner, session: frozenset({4711}))
    monkeypatch.setattr(process, "Census", lambda *words, **options: given.append(options) or census(*words, **options))
    make()
    assert [one["former_sessions"] for one in given] == [{4711}]
