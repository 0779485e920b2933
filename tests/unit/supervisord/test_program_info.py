"""Which program is the listener, and which the chain loader starts."""

import pytest

from supervisor_zkelect.supervisord import program_info


def test_the_loader_is_known_in_a_path_with_a_space():
    assert not program_info.unguarded({"command": "'/opt/a b/bin/zkelect' run -- app"})
    assert not program_info.unguarded({"command": '"/opt/a b/bin/zkelect" run -- app'})
    assert program_info.unguarded({"command": "'/opt/a b/bin/zkelect run' -- app"})
    assert program_info.unguarded({"command": "'"})


@pytest.mark.parametrize("command, listens", [
    ("zkelect listen -c x", True), ("'/a b/zkelect' listen -c x", True), ("python3 -m supervisor_zkelect.command listen -c x", True),
    ("zkelect run -- listen", False), ("other listen", False), ("'", False),
])
def test_the_listener_is_known(command, listens):
    assert program_info.is_listener({"command": command}) is listens


@pytest.mark.parametrize("infos, name", [
    ([("zkelect", "zkelekt listen -c x")], "zkelect"), ([("elect", "/opt/zkelekt listen -c x")], "elect"), ([("zkelect", "'")], "zkelect"),
    # What is one goes before what may be meant to be one.
    ([("zkelect", "zkelekt"), ("other", "zkelect listen -c x")], "other"), ([("cast", "cast listen -c y"), ("elect", "zkelect listen")], "elect"),
    ([("zkelect", "zkelect run -- listen")], None), ([("app", "app listen")], None), ([], None),
])
def test_the_listener_is_found_though_its_command_is_mistyped(infos, name):
    assert program_info.listener_of([{"group": one, "name": one, "command": command} for one, command in infos]).get("name") == name
