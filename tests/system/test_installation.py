"""What `installation` tells is what a real supervisord does with the same sections."""

from lab.node import Node
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.diagnosis import exposure, installation

CONFIG = """
[eventlistener:zkelect]
command = zkelect listen -c /none
events = TICK_60
autostart = false

[program:absent]
command = no-such-program
startretries = 0

[program:broken]
command = /no/such/program
startretries = 0
stderr_logfile = NONE
stdout_logfile = NONE

[program:sound]
command = sleep 600
redirect_stderr = true
stdout_logfile = %(here)s/sound.log

[group:primary]
programs = absent,broken,sound
"""


def test_what_is_told_is_what_supervisord_does(tmp_path):
    with Node(tmp_path, "a", config=CONFIG) as node:
        infos = node.rpc.call("supervisor.getAllConfigInfo")
        path = installation.path_of(exposure.environment(node.supervisord_pid))
        assert path == node.environment["PATH"]
        problems = installation.problems("f", infos, ["primary"])
        notes = installation.notes("f", infos, ["primary"], path)
        logs = set((node.folder / "logs").iterdir())
        until(lambda: states(node) == {"absent": "FATAL", "broken": "FATAL", "sound": "RUNNING"}, 30, "the programs to start or not")
    assert [line.partition(":")[2].split(" command")[0].strip() for line in problems] == ["[program:broken]"]
    [line] = [line for line in notes if "PATH" in line]
    assert line.startswith("f: [program:absent] command: ") and "has no no-such-program" in line
    told = {line.partition(": ")[2].partition(" = AUTO")[0] for line in notes if "AUTO" in line}
    assert told == {"[program:absent] stdout_logfile", "[program:absent], [eventlistener:zkelect] stderr_logfile"}
    automatic = {path.name for path in logs if "---" in path.name}
    with Node(tmp_path, "a", config=CONFIG):
        left = {path.name for path in (tmp_path / "logs").iterdir()}
    assert automatic and not automatic & left


def states(node):
    return {info["name"]: info["statename"] for info in node.rpc.call("supervisor.getAllProcessInfo") if info["group"] == "primary"}
