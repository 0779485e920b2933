"""What a file says of ZooKeeper and supervisord, tried before a listener goes by it."""

import dataclasses
import os
import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.config import load
from supervisor_zkelect.config.values import Secret
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import kept_config, record, saved_session
from supervisor_zkelect.listener import trial

FILE = "[zkelect]\nservers = zk1:2181\nnode_name = a\nserverurl = unix:///right\n[election:orders]\naddress = x:1\n"

SESSION = 4711


class World(set):
    """What works. owners: sessions that have proposals at the former servers. tried: the servers, in the order in which they were.
    at_last: is called when the former ones have been asked."""

    def __init__(self, works):
        super().__init__(works)
        self.owners, self.tried, self.at_last = [SESSION], [], lambda: None


def elector_of(client, election, acl, timeout):
    """An elector at the former servers. client: the owners there."""
    assert election.znode == "/zkelect/orders/election"
    return SimpleNamespace(each_member=lambda: (SimpleNamespace(session=one) for one in client))


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Says which servers, digests and URLs work."""
    works = World({"zk1:2181", "unix:///right", ""})

    def login(settings, url=""):
        password = settings.password.reveal() if settings.password else ""
        return "" if {settings.serverurl, password} <= works else f"{settings.serverurl} refuses"

    def admission(settings, timeout):
        works.tried.append(settings.servers)
        digest = settings.digest.reveal() if settings.digest else ""
        return None if {*settings.servers, digest} <= works else "ZooKeeper: no connection"

    def by_client(settings, timeout, work):
        trouble = admission(settings, timeout)
        if trouble is None:
            work(works.owners, 10.0)
        works.at_last()
        return trouble

    monkeypatch.setattr(trial, "login_trouble", login)
    monkeypatch.setattr(trial.admission, "trouble", admission)
    monkeypatch.setattr(trial.admission, "by_client", by_client)
    monkeypatch.setattr(trial.release, "elector_of", elector_of)
    monkeypatch.setattr(trial, "_folders", lambda: [str(tmp_path)])
    monkeypatch.setenv("SUPERVISOR_SERVER_URL", "unix:///right")
    (tmp_path / "good").write_text(FILE)
    kept_config.save(str(tmp_path), load.from_file(str(tmp_path / "good")))
    election = saved_session.SavedElection("orders", "primary", "/zkelect/orders/election", "n-", "/zkelect/orders/ack")
    owner = record.owner_of(os.getppid())
    saved_session.Store(str(tmp_path)).save(saved_session.Saved(SESSION, "ab", 10.0, owner, "a", "", [election]))
    return works


def begun(tmp_path, text):
    path = tmp_path / "zkelect.conf"
    path.write_text(text)
    return trial.settings_of(str(path))


@pytest.mark.parametrize("edit, told", [
    (("zk1:2181", "zk1:2811"), "[zkelect] servers: ZooKeeper: no connection; what was used before works; correct the file"),
    (("node_name", "digest = zk:wrong\nnode_name"), "[zkelect] digest: ZooKeeper: no connection; what was used"),
    (("///right", "///wrong"), "[zkelect] serverurl: unix:///wrong refuses; what was used before works"),
    (("node_name", "username = u\npassword = wrong\nnode_name"), "[zkelect] username, [zkelect] password: unix:///right refuses;"),
])
def test_what_does_not_work_is_not_used_where_what_was_kept_does(world, tmp_path, capsys, edit, told):
    settings, trouble = begun(tmp_path, FILE.replace(*edit))
    good = load.from_file(str(tmp_path / "good"))
    assert dataclasses.replace(settings, file="") == dataclasses.replace(good, file="")
    assert "last good configuration" in str(trouble) and told in trouble.problems[0] and told in capsys.readouterr().err


@pytest.mark.parametrize("edit, dead", [
    (("zk1:2181", "zk2:2181"), "zk1:2181"), (("///right", "///other"), "unix:///right"),
])
def test_where_neither_works_the_file_is_used(world, tmp_path, edit, dead):
    world.remove(dead)
    settings, trouble = begun(tmp_path, FILE.replace(*edit))
    assert trouble is None and edit[1] in (settings.servers[0], (settings.serverurl or "")[5:])


@pytest.mark.parametrize("owners", [[], [4712], [4712, 0]], ids=str)
def test_nobody_leads_at_the_former_servers_who_has_nothing_to_go_on_with_there(world, tmp_path, owners):
    """All nodes may have been moved to those that the file names, which this one does not reach."""
    world.owners = owners
    settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk2"))
    assert trouble is None and settings.servers == ("zk2:2181",)


def test_who_was_stopped_asks_no_former_server(world, tmp_path):
    saved_session.Store(str(tmp_path)).forget()
    settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk2"))
    assert trouble is None and settings.servers == ("zk2:2181",) and world.tried == [("zk2:2181",)]


def test_a_moments_trouble_discards_no_file(world, tmp_path):
    world.at_last = lambda: world.add("zk2:2181")
    settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk2"))
    assert trouble is None and settings.servers == ("zk2:2181",)
    assert world.tried == [("zk2:2181",), ("zk1:2181",), ("zk2:2181",)]


def test_what_works_is_used(world, tmp_path):
    world.update({"zk2:2181", "unix:///other", "good"})
    text = FILE.replace("zk1", "zk2").replace("right", "other").replace("node_name", "username = u\npassword = good\nnode_name")
    settings, trouble = begun(tmp_path, text)
    assert trouble is None and settings.servers == ("zk2:2181",) and settings.password == Secret("good")


def test_without_such_a_change_nothing_is_tried(world, tmp_path, monkeypatch):
    world.clear()
    settings, trouble = begun(tmp_path, FILE + "health = tcp://x:1\n")
    assert trouble is None and settings.elections[0].health == "tcp://x:1"


def test_without_a_copy_nothing_is_tried(world, tmp_path):
    (tmp_path / kept_config.NAME).unlink()
    settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk9"))
    assert trouble is None and settings.servers == ("zk9:2181",)


def test_a_file_that_cannot_be_read_is_not_used(world, tmp_path, capsys):
    assert begun(tmp_path, FILE.replace("address", "adress"))[1].problems
    (tmp_path / kept_config.NAME).unlink()
    assert begun(tmp_path, FILE.replace("address", "adress")) is None and "adress" in capsys.readouterr().err


@pytest.fixture
def runs(world, tmp_path):
    """A group whose lease may let it run, by the record of this supervisord, and no guard."""
    owner = record.owner_of(os.getppid())
    written = record.Writer(str(tmp_path), owner, 1)
    written.open()
    written.put(record.Entry("orders", "primary", "a:1", 7, True, 0, Lease(1.0, 2.0, 3.0)))
    written.close()


UNTRIED = "there was no time to try it, as groups may run and no guard was there; zkelect reload takes it"


@pytest.mark.parametrize("edit", [("zk1", "zk2"), ("///right", "///wrong")])
def test_nothing_is_tried_while_a_group_may_run_that_nobody_ends(world, runs, tmp_path, edit):
    """It takes longer than a lease may last, and a listener that tries ends no group."""
    world.update({"zk2:2181"})
    settings, trouble = begun(tmp_path, FILE.replace(*edit))
    assert trouble.problems[0].endswith(UNTRIED) and world.tried == []
    assert (settings.servers, settings.serverurl) == (("zk1:2181",), "unix:///right")


def test_with_a_guard_or_without_such_a_change_it_is_as_ever(world, runs, tmp_path, monkeypatch):
    assert begun(tmp_path, FILE.replace("x:1", "x:2"))[1] is None
    monkeypatch.setattr(trial.locks, "is_there", lambda folder, whose: whose == trial.locks.GUARD)
    world.update({"zk2:2181"})
    settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk2"))
    assert trouble is None and settings.servers == ("zk2:2181",)


def test_a_trial_is_given_up_when_the_guard_ends_meanwhile(world, runs, tmp_path, monkeypatch):
    here, never = [True, True], threading.Event()
    monkeypatch.setattr(trial.locks, "is_there", lambda folder, whose: here.pop() if here else False)
    monkeypatch.setattr(trial.admission, "trouble", lambda settings, timeout: never.wait(60))
    try:
        settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk2"))
    finally:
        never.set()
    assert trouble.problems[0].endswith(UNTRIED) and settings.servers == ("zk1:2181",)


def test_where_no_thread_is_to_be_had_it_is_tried_all_the_same(world, tmp_path, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk2"))
    assert "no connection" in trouble.problems[0]


@pytest.mark.parametrize("owner", ["another boot", None])
def test_the_proposal_of_another_supervisords_session_is_nothing_to_go_on_with(world, tmp_path, owner):
    """Nobody goes on with that session, and whoever proposes anew there leads alone beside those who were moved."""
    saved = saved_session.load(str(tmp_path), None)
    saved_session.Store(str(tmp_path)).save(saved._replace(owner=saved.owner._replace(boot=owner) if owner else saved.owner))
    settings, trouble = begun(tmp_path, FILE.replace("zk1", "zk2"))
    assert (trouble is None) == bool(owner) and settings.servers == ("zk2:2181" if owner else "zk1:2181",)
