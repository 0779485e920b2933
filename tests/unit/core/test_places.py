"""How servers, znodes and names may be written."""

import pytest

from supervisor_zkelect.core import places


@pytest.mark.parametrize("path", ["/a", "/zkelect/orders/election", "/a.b/..c", "/ä/名"])
def test_paths(path):
    assert places.znode(path) == path


@pytest.mark.parametrize("path", [
    "", "a", "/", "//", "/a/", "/a//b", "/a/../b", "/./a", "/a\0", "/a\n", "/a\x9b", "/a\ud800", "/a\uf8ff", "/a\ufffd", "/a\U0001f600",
    "/" + "a" * 1024,
])
def test_what_zookeeper_refuses_is_no_path(path):
    with pytest.raises(ValueError):
        places.znode(path)


@pytest.mark.parametrize("part", ["", "n", "n1", "0000000000", "__lock__", "latch-"])
def test_parts_of_names(part):
    assert places.name_part(part) == part


@pytest.mark.parametrize("part", ["/", "a/b", "\0", "\x1b", "\U0001f600", "a" * 101])
def test_what_is_no_part_of_a_name(part):
    with pytest.raises(ValueError):
        places.name_part(part)


@pytest.mark.parametrize("text, told", [
    ("a", "is a relative path; begin it with a slash: /a"), ("", "is a relative path; begin it with a slash: /"),
    ("/", "is the root; name a znode below it, such as /zkelect/orders"),
    ("//", "has an empty part; write /NAME"), ("/a//b///X/", "has an empty part; write /a/b/X"), ("/a/", "has an empty part; write /a"),
    ("/a/../b", "has a part . or .., which ZooKeeper refuses; write the full path"),
    ("/./b", "has a part . or .., which ZooKeeper refuses; write the full path"),
    ("/" + 1024 * "a", "has 1025 characters; shorten it to 1024, a chroot counted in"),
    ("/a\n", "contains a control character, or another that ZooKeeper refuses; remove it"),
    ("/\ufff0", "contains a control character, or another that ZooKeeper refuses; remove it"),
    ("/\U0001f600", "contains a control character, or another that ZooKeeper refuses; remove it"),
])
def test_what_is_wrong_with_a_path_is_told_with_what_would_be_right(text, told):
    with pytest.raises(ValueError) as refused:
        places.znode(text)
    assert str(refused.value) == told


def test_a_path_may_be_as_long_as_zookeeper_takes_it():
    assert places.znode("/" + 1023 * "a")
    with pytest.raises(ValueError) as refused:
        places.znode("x" * 200 + "\n")
    assert str(refused.value) == f"is a relative path; begin it with a slash: /{'x' * 120}…"


def test_what_is_wrong_with_a_part_of_a_name_is_told():
    assert places.name_part("a" * 100) == "a" * 100 and places.name_part("a" * 5, 5) == "a" * 5
    for part, longest in (("a" * 6, 5), ("a/b", 5), ("a\n", 5)):
        with pytest.raises(ValueError) as refused:
            places.name_part(part, longest)
        assert str(refused.value) == "cannot be part of a znode's name; use at most 5 characters, no slash and no control character"


@pytest.mark.parametrize("text, found", [
    ("a", ("a:2181",)), (" a:1 , b.example.:65535,[::1]:2,[fe80::1%eth0.7-x] ", ("a:1", "b.example.:65535", "[::1]:2", "[fe80::1%eth0.7-x]:2181")),
    ("a:1,a:2", ("a:1", "a:2")), ("[FE80::aB]:1", ("[FE80::aB]:1",)), (f"[::1%{'x' * 70}]", (f"[::1%{'x' * 70}]:2181",)),
    ("x" * 63 + ".", ("x" * 63 + ".:2181",)), ("x" * 63 + ".y", ("x" * 63 + ".y:2181",)),
])
def test_servers(text, found):
    assert places.servers(text) == found


NO_SERVER = "is not host:port; write host:port, several separated by commas, an IPv6 address in brackets"


@pytest.mark.parametrize("text, told", [
    ("", f"'' {NO_SERVER}"), ("a,,b", f"'' {NO_SERVER}"), ("::1", f"'::1' {NO_SERVER}"), ("a:b", f"'a:b' {NO_SERVER}"), ("ä", f"'ä' {NO_SERVER}"),
    ("a:123456", f"'a:123456' {NO_SERVER}"), ("a:1/b", f"'a:1/b' {NO_SERVER}, and set the path as chroot"),
    ("zk://a/b", f"'zk://a/b' {NO_SERVER}"),
    ("x" * 64, f"'{'x' * 64}' is no host name; each part between dots has 1 to 63 characters"),
    ("a..b:1", "'a..b:1' is no host name; each part between dots has 1 to 63 characters"),
    ("a:0", "'a:0' has a bad port; a port is a number from 1 to 65535"), ("a:65536", "'a:65536' has a bad port; a port is a number from 1 to 65535"),
    ("a:2181,b,a", "names a:2181 twice; name each server once"),
])
def test_what_is_wrong_with_a_list_of_servers_is_told(text, told):
    with pytest.raises(ValueError) as refused:
        places.servers(text)
    assert str(refused.value) == told


def test_where_the_znodes_of_an_election_are():
    assert places.state_of("/a/ack") == "/a/ack-state"
    assert (places.holder_of("/s"), places.history_of("/s")) == ("/s/holder", "/s/history")


def test_paths_that_meet():
    assert places.inside("/a/b", "/a") and not places.inside("/a", "/a") and not places.inside("/ab", "/a") and not places.inside("/a", "/a/b")
    assert places.meet("/a", "/a") and places.meet("/a/b", "/a") and places.meet("/a", "/a/b") and not places.meet("/a", "/ab")


@pytest.mark.parametrize("path, is_one", [
    ("/a", True), ("/a/b", True), ("/" + 1023 * "a", True), ("/" + 1024 * "a", False), ("/a\n", False), ("a", False), ("/", False), ("/a//b", False),
    ("/a/", False), ("/./a", False), ("/a/..", False), (b"/a", False), (None, False), ("/a/.b", True),
])
def test_what_a_stranger_may_write_as_a_path(path, is_one):
    assert places.is_path(path) is is_one


@pytest.mark.parametrize("proposal, barrier", [
    ("n-0000000003", "n-00000000030000000003"),
    # kazoo looks for its mark right before the last ten digits, and sees nothing else.
    ("a__lock__0000000003", "a__lock__0000000003__lock__0000000003"),
])
def test_a_barrier_stands_behind_its_proposal_for_all_who_sort_them(proposal, barrier):
    assert places.barrier_of(proposal) == barrier and places.barred_by(barrier) == proposal and places.is_barrier(barrier)
    assert sorted([barrier, proposal]) == sorted([barrier, proposal], key=lambda name: (name[-10:], name)) == [proposal, barrier]
