"""Commands whose work is not done by the program itself."""

import pytest

from supervisor_zkelect.diagnosis import elsewhere


def told(command, group="primary", name="orders"):
    return elsewhere.notes("zkelect.conf", [{"group": group, "name": name, "command": command}], ["primary"])


@pytest.mark.parametrize("command, words", [
    ("zkelect run -- docker run --rm orders", "what docker has started by a daemon is no process of this program"),
    ("/opt/zkelect/bin/zkelect run -- /usr/bin/systemctl start --wait orders", "what systemctl has started by a daemon"),
    ("zkelect run -- su - app -c /opt/app/start", "su may begin a login session, whose processes leave the group's cgroup"),
    ("zkelect run -- /usr/bin/sudo -u app orders", "sudo may begin a login session"),
    ("docker run orders", "what docker has started by a daemon"), ("zkelect run -- service orders start", "what service has started"),
])
def test_they_are_told_with_the_section_and_what_to_do(command, words):
    [line] = told(command)
    assert line.startswith("zkelect.conf: [program:orders] command: ") and words in line
    assert "run the service itself" in line or "use user= in this section, or setpriv" in line


@pytest.mark.parametrize("command", [
    "zkelect run -- /usr/bin/orders-server", "zkelect run -- setpriv --reuid app orders", "zkelect run", "",
    "zkelect run -- /opt/app/service", "/opt/app/login",
    "zkelect run -- /usr/bin/orders --via docker",
])
def test_others_are_not(command):
    assert told(command) == []


def test_programs_of_other_groups_are_nobodys_business():
    assert told("zkelect run -- docker run x", group="other") == []


def test_many_programs_have_one_line():
    infos = [{"group": "primary", "name": name, "command": "zkelect run -- podman run x"} for name in "abc"]
    [line] = elsewhere.notes("zkelect.conf", infos, ["primary"])
    assert all(f"[program:{name}]" in line for name in "abc")
