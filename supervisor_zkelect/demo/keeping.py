"""Commands to try after the demo, and its two nodes left running for them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, TextIO

from supervisor_zkelect.demo.node import Node
from supervisor_zkelect.demo.telling import Telling

NEXT = (
    "Try next:",
    "  script/demo --keep   the same (also: zkelect demo --keep), then leaves the nodes running, and",
    "                       shows commands to try on them, such as to kill things yourself",
    "  zkelect --help       all commands",
    "  README.md            how to add zkelect to a supervisord that you have",
)


def commands(folder: Path, programs: Sequence[str], primary: str, standby: str) -> List[str]:
    """Lines to be typed into a shell, each with what it is for. Pure.

    folder: that of the demo. programs: folders in which supervisorctl and zkelect are. primary, standby: nodes' names.
    """
    path = ":".join(map(shlex.quote, programs))
    rows = [
        (f"cd {shlex.quote(str(folder))}", ""),
        (f"PATH={path}:$PATH", ""),
        ("", ""),
        (f"supervisorctl -c {primary}/supervisord.conf role", "who is primary"),
        (f"supervisorctl -c {standby}/supervisord.conf role", "asked on the standby"),
        (f"supervisorctl -c {primary}/supervisord.conf zkelect members", "the nodes, in order"),
        (f"supervisorctl -c {primary}/supervisord.conf zkelect history", "the terms so far"),
        (f"zkelect primary orders --watch -c {primary}/zkelect.conf", "where clients are sent"),
        (f"kill -9 $(supervisorctl -c {primary}/supervisord.conf pid primary:orders)", "kill the service"),
        (f"kill -9 $(supervisorctl -c {primary}/supervisord.conf pid)", "kill supervisord"),
        (f"sh {primary}/start", "start the node again"),
        (f"supervisorctl -c {primary}/supervisord.conf zkelect resign", "hand over"),
        (f"supervisorctl -c {primary}/supervisord.conf tail -f zkelect stderr", "zkelect's log"),
    ]
    widest = max(len(words) for words, _ in rows[3:])
    # Comments of the shell, so that whole lines can be pasted.
    return [f"  {words:{widest}}  # {what}" if what else f"  {words}".rstrip() for words, what in rows]


def starter(node: Node, inherited: Mapping[str, str]) -> str:
    """A shell script that starts the node's supervisord again, so that it ends with the demo. Pure.

    inherited: the environment without the node's own variables.
    """
    own = {name: value for name, value in node.environment.items() if inherited.get(name) != value}
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(own.items())]
    command = shlex.join([sys.executable, "-m", "supervisor.supervisord", "-c", str(node.supervisord_conf)])
    return "".join(["#!/bin/sh\n", *exports, f"exec {command}\n"])


def keep(telling: Telling, folder: Path, primary: Node, standby: Node, enter: Optional[TextIO]) -> None:
    """Tell the commands, and come back at a line or the end of file from `enter`, at once without it, or at Ctrl-C."""
    for node in (primary, standby):
        (node.folder / "start").write_text(starter(node, os.environ))
    telling.line(f"The two nodes go on running, and {primary.name} is primary. In another terminal:")
    telling.line()
    for line in commands(folder, _programs(primary.environment["PATH"]), primary.name, standby.name):
        telling.line(line)
    telling.line()
    try:
        telling.line("Press Enter here to end both nodes and ZooKeeper and to remove the folder.")
        if enter is not None:
            enter.readline()
    except BrokenPipeError:
        raise
    except (OSError, ValueError):
        # No line can come from there: it is closed, or what comes is no text.
        pass
    except KeyboardInterrupt:
        telling.came.taken()
        telling.line()


def _programs(path: str) -> List[str]:
    """The folders of the commands, each once."""
    found = [shutil.which(name, path=path) for name in ("supervisorctl", "zkelect")]
    return list(dict.fromkeys(os.path.dirname(each) for each in found if each))
