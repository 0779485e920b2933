"""What lets no program start is told before anybody starts one: by the user that it runs as."""

import os
import subprocess
import sys

import pytest

from supervisor_zkelect.diagnosis import starts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")

NOBODY = 65534
HERE = starts.ProgramStarter(os.getpid(), 0)


def program(command, uid=NOBODY, name="orders", **more):
    return {"group": "primary", "name": name, "command": command, "uid": uid, "directory": "none", **more}


def told(*infos, starter=HERE, function=starts.problems):
    lines = function("f.conf", [*infos, program("/none", group="other")], ["primary"], starter)
    assert all(line.isprintable() and line.startswith("f.conf: [") for line in lines)
    return [line[len("f.conf: "):] for line in lines]


@pytest.mark.parametrize("command", ["{}", "{} run -- /bin/sh", "/bin/zkelect run -- {} -x"])
def test_a_word_of_the_command_that_its_user_may_not_execute(tree, command):
    path = tree("zkelect", 0o700, "#!/bin/sh\n")
    [line] = told(program(command.format(path)))
    assert line.startswith(f"[program:orders] command: {path} cannot be executed by nobody, as whom it runs, who may not execute {path}; ")
    assert line.endswith("grant that, or set another user=")
    assert told(program(command.format(path), uid=0)) == told(program(command.format(path), uid=1000)) == []
    # Without `user=` it runs as supervisord does.
    assert told(program(command.format(path), uid="none")) == []
    assert told(program(command.format(path), uid="none"), starter=starts.ProgramStarter(os.getpid(), None)) == []
    assert len(told(program(command.format(path), uid="none"), starter=starts.ProgramStarter(os.getpid(), NOBODY))) == 1
    os.chmod(path, 0o755)
    assert told(program(command.format(path))) == []


def test_a_folder_on_the_way_is_named(tree):
    closed = tree("root", 0o700)
    path = tree("root/app", 0o755, "#!/bin/sh\n")
    [line] = told(program(f"/bin/zkelect run -- {path}"))
    assert f"{path} cannot be executed by nobody, as whom it runs, who may not enter {closed}; " in line


def test_an_interpreter_that_its_user_may_not_execute(tree):
    """As that of a virtual environment whose Python lies in root's home."""
    closed = tree("home", 0o700)
    python = tree("home/python", 0o755, "\x7fELF")
    os.symlink(python, f"{tree.top}/python")
    path = tree("zkelect", 0o755, f"#!{tree.top}/python -I\n")
    [line] = told(program(f"{path} run -- /bin/sh"))
    named = f"{path}: its first line names the interpreter {tree.top}/python, which cannot be executed by nobody, as whom it runs"
    assert f"command: {named}, who may not enter {closed}; " in line
    assert told(program(f"{path} run -- /bin/sh", uid=0)) == []


@pytest.mark.parametrize("text, piece", [("#!/no/such\n", "names the interpreter /no/such, which cannot be executed"), ("x\n", "is no program")])
def test_a_program_that_nobody_can_execute(tree, text, piece):
    [line] = told(program(f"/bin/zkelect run -- {tree('app', 0o755, text)}"))
    assert piece in line


def test_what_is_missing_is_for_others_to_tell(tree):
    assert told(program("/no/such run -- /none"), program(tree("app", 0o644, "")), program("zkelect run -- app"), program("")) == []


def test_a_program_of_the_path_is_noted_as_another_path_may_have_another(tree):
    tree("bin", 0o755)
    path = tree("bin/app", 0o700, "#!/bin/sh\n")
    starter = HERE._replace(path=f"{tree.top}/none:{tree.top}/bin")
    [line] = told(program("/bin/zkelect run -- app"), starter=starter, function=starts.notes)
    assert f"command: {path} cannot be executed by nobody" in line and line.endswith(", unless environment= sets another PATH")
    assert told(program("/bin/zkelect run -- app"), starter=starter) == []
    # The next one is taken.
    tree("other", 0o755)
    tree("other/app", 0o755, "#!/bin/sh\n")
    assert told(program("x run -- app"), starter=starter._replace(path=f"{starter.path}:{tree.top}/other"), function=starts.notes) == []
    assert told(program("/bin/zkelect run -- app"), function=starts.notes) == []


def test_a_group_of_supervisords_lets_a_program_in_that_runs_as_it_does(tree):
    path = tree("app", 0o710, "#!/bin/sh\n")
    waits = [sys.executable, "-c", "import os, sys; os.setgroups([100]); os.setuid(65534); print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervisord:
        supervisord.stdout.readline()
        assert 100 in starts.groups_of(supervisord.pid)
        for uid in ("none", NOBODY):
            assert told(program(path, uid=uid), starter=starts.ProgramStarter(supervisord.pid, NOBODY)) == []
        # Another one sets its groups anew.
        assert len(told(program(path), starter=starts.ProgramStarter(supervisord.pid, 0))) == 1
        supervisord.communicate()
    assert starts.groups_of(1 << 30) == frozenset()


def test_a_folder_that_a_program_cannot_begin_in(tree):
    closed = tree("closed", 0o700)
    [line] = told(program("/bin/sh", directory=closed))
    assert line.startswith(f"[program:orders] directory = {closed}: nobody, as whom it runs, may not enter {closed}; grant that")
    [line] = told(program("/bin/sh", directory=f"{tree.top}/none"))
    assert line == f"[program:orders] directory = {tree.top}/none: does not exist; make it, or correct its path"
    assert told(program("/bin/sh", directory=tree.top), program("/bin/sh", directory="x"), program("/bin/sh", uid=0, directory=closed)) == []


def test_a_runtime_folder_that_a_program_cannot_reach(tree):
    closed = tree("root", 0o700)
    folder = tree("root/zk", 0o755)
    starter = HERE._replace(runtime=folder)
    [line] = told(program("/bin/zkelect run -- /bin/sh"), starter=starter)
    assert line == (
        f"[program:orders] user = nobody: each start is refused, since that user may not enter {closed}, and the runtime folder is "
        f"{folder}; grant that, or set ZKELECT_RUNTIME_DIR to another folder in supervisord's environment"
    )
    # Without the loader none is refused; and root, or the folder's owner, comes in.
    assert told(program("/bin/sh"), starter=starter) == told(program("/bin/zkelect run -- /bin/sh", uid=0), starter=starter) == []
    assert told(program("/bin/zkelect run -- /bin/sh", uid=1000), starter=starter) == []
    assert told(program("/bin/zkelect run -- /bin/sh"), starter=HERE._replace(runtime="zk")) == []
    os.chmod(closed, 0o711)
    assert told(program("/bin/zkelect run -- /bin/sh"), starter=starter) == []


@pytest.mark.parametrize("name, mode, deed", [("record", 0o600, "read"), ("guard.sock", 0o600, "write to")])
def test_a_file_of_the_runtime_folder_that_a_program_cannot_use(tree, name, mode, deed):
    folder = tree("zk", 0o755)
    path = tree(f"zk/{name}", mode, "")
    [line] = told(program("/bin/zkelect run -- /bin/sh"), starter=HERE._replace(runtime=folder))
    assert f"since that user may not {deed} {path}, " in line
    os.chmod(path, 0o666)
    assert told(program("/bin/zkelect run -- /bin/sh"), starter=HERE._replace(runtime=folder)) == []


def test_the_listener_is_looked_at_as_well(tree):
    path = tree("zkelect", 0o700, "#!/bin/sh\n")
    [line] = told({"group": "zkelect", "name": "zkelect", "command": f"{path} listen -c x", "uid": NOBODY})
    assert line.startswith("[eventlistener:zkelect] command: ")


def test_many_programs_are_looked_at_once_and_told_in_one_line(tree, monkeypatch):
    path = tree("app", 0o700, "#!/bin/sh\n")
    asked = []
    monkeypatch.setattr(starts.commands, "head_of", lambda one: asked.append(one) or b"\x7fELF")
    infos = [program(f"/bin/sh run -- {path}", name=f"orders_{number}") for number in range(300)]
    infos += [program("/bin/sh", name=f"stock_{number}") for number in range(300)]
    [line] = told(*[{**info, "command": info["command"].replace("/bin/sh run", f"{tree.top}/zkelect run")} for info in infos])
    assert line.startswith("[program:orders_0], [program:orders_1], [program:orders_2] and 297 more command: ") and asked == ["/bin/sh"]
