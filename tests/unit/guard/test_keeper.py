"""The keeper where no thread is to be had."""

import errno
import json
import os
from types import SimpleNamespace

import pytest

from supervisor_zkelect.guard import keeper, record, saved_session
from tests.unit.guard.test_record import OWNER

SAVED = saved_session.Saved(7, "00ff", 4.0, OWNER, "a", "zk:2181", [saved_session.SavedElection("orders", "primary", "/e", "n-", "/ack")])


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A keeper whose client finds no thread, and how often it tried to attach."""
    tries = []

    def attach(former, keeping):
        tries.append(keeping)
        raise RuntimeError("can't start new thread")

    folder = tmp_path / "run"
    folder.mkdir(0o755)
    saved_session.Store(str(folder)).save(SAVED)
    return keeper.Keeper(str(folder), OWNER, attach, lambda message: None), tries


def test_without_a_thread_for_its_client_it_goes_on_and_tries_again(kept):
    made, tries = kept
    made.keep({"primary": 7}, True)
    made.keep_time()
    assert tries == [True] and made.next_wakeup() < keeper.NEVER
    made._due = 0.0
    made.keep_time()
    assert tries == [True, True]


@pytest.mark.parametrize("connected", [False, True])
def test_without_a_thread_for_its_client_a_release_fails(kept, monkeypatch, connected):
    made, tries = kept
    if connected:
        dropped = []
        made._attached = SimpleNamespace(client=SimpleNamespace(client_id=(SAVED.id, b"")), drop=lambda: dropped.append(1))
        monkeypatch.setattr(keeper.release, "release", lambda folder, owner, ended, attach: made._attach(None, False))
    assert made.release({}) == 1 and set(tries) == {False}
    assert len(tries) == 1 + connected and (not connected or dropped == [1])


@pytest.mark.parametrize("short", [True, False])
def test_a_session_that_cannot_be_read_just_now_is_not_taken_for_none(kept, monkeypatch, short):
    """Its proposals would stay until it expires, and who follows would find a node that ended dirty."""
    made, tries = kept

    def opened(path, *more, **options):
        raise OSError(errno.EMFILE if short else errno.ENOENT, "no")

    monkeypatch.setattr(record, "open", opened, raising=False)
    assert made.release({}) == int(short) and tries == []


def test_it_has_a_thread_for_names_before_it_is_needed(monkeypatch):
    did = []
    monkeypatch.setattr(keeper, "keep_thread", lambda: did.append("thread"))
    monkeypatch.setattr(keeper.logs, "begin", lambda who: SimpleNamespace())
    monkeypatch.setattr(keeper.signal, "signal", lambda *_: None)
    monkeypatch.setattr(keeper.socket, "socket", lambda fileno: None)
    monkeypatch.setattr(keeper, "_Process", lambda *words: SimpleNamespace(run=lambda: did.append("run"), tell=None))
    assert keeper.main([os.devnull, "none", "no", json.dumps(OWNER)]) == 0
    assert did == ["thread", "run"]


@pytest.mark.parametrize("words, owner", [([], None), ([json.dumps(OWNER)], OWNER)], ids=["earlier", "now"])
def test_a_guard_of_an_earlier_version_does_not_tell_whose_session_it_is(monkeypatch, words, owner):
    given = []
    monkeypatch.setattr(keeper, "keep_thread", lambda: None)
    monkeypatch.setattr(keeper.logs, "begin", lambda who: SimpleNamespace())
    monkeypatch.setattr(keeper.signal, "signal", lambda *_: None)
    monkeypatch.setattr(keeper.socket, "socket", lambda fileno: None)
    monkeypatch.setattr(keeper, "_Process", lambda *told: given.append(told[2]) or SimpleNamespace(run=lambda: None, tell=None))
    assert keeper.main([os.devnull, "none", "no", *words]) == 0
    assert given == [owner]
