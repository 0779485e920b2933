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
