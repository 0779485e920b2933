"""Changes between two configurations, and their effects."""

import pytest

from supervisor_zkelect.config import diff
from supervisor_zkelect.config.options import LIVE, RESTART, SESSION, TERM
from tests.unit.config.files import second, text

CHANGES = {
    "nothing": ("", "", []),
    "comment": ("# rise = 2", "", []),
    "servers": ("", "", [("zkelect", "servers", LIVE)]),
    "priorities": ("", "priority = 7\nfailback = 60\nfit = tcp://h:1\nfit_interval = 5", [
        ("election:orders", name, LIVE) for name in ("priority", "failback", "fit", "fit_interval")]),
    "health and hooks": ("", "health = tcp://h:1\nrise = 2\nfence = /bin/true\nhook_timeout = 5", [
        ("election:orders", name, LIVE) for name in ("health", "rise", "fence", "hook_timeout")]),
    "times": ("tick_time = 1\nkill_time = 0.2\nride_through = 1", "", [
        ("zkelect", name, LIVE) for name in ("tick_time", "ride_through", "kill_time")]),
    "session": ("session_timeout = 8\nchroot = /a", "", [
        ("zkelect", name, SESSION) for name in ("session_timeout", "chroot")]),
    "credentials": ("digest = u:other\nacl = creator", "", [
        ("zkelect", name, SESSION) for name in ("digest", "acl")]),
    "term": ("", "group = other\nelection_znode = /b/c", [
        ("election:orders", name, TERM) for name in ("group", "election_znode")]),
    "ack": ("", "election_ack = /b/ack", [("election:orders", "election_ack", TERM)]),
    "state": ("", "election_state = /b/state", [("election:orders", "election_state", TERM)]),
    "supervisord": ("username = u\npassword = p", "", [
        ("zkelect", name, RESTART) for name in ("username", "password")]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_is_told_with_what_it_takes(load, what):
    main, election, expected = CHANGES[what]
    changed = text(main, election)
    if what == "servers":
        changed = changed.replace("zk2:2181", "zk3:2181")
    assert diff.changes(load(text()), load(changed)) == expected


def test_an_election_that_comes_or_goes_is_a_change_of_its_own(load):
    one, two = load(text()), load(text(more=second("")))
    assert diff.changes(one, two) == diff.changes(two, one) == [("election:billing", "", TERM)]


def test_a_secret_that_moves_to_another_file_is_no_change(load, tmp_path):
    (tmp_path / "one").write_text("u:p\n")
    (tmp_path / "two").write_text("u:p\n")
    one, two = (load(text(main=f"digest_file = {tmp_path}/{name}")) for name in ("one", "two"))
    assert diff.changes(one, two) == [("zkelect", "digest_file", LIVE)]
    (tmp_path / "two").write_text("u:other\n")
    two = load(text(main=f"digest_file = {tmp_path}/two"))
    assert {effect for _, _, effect in diff.changes(one, two)} == {SESSION}
