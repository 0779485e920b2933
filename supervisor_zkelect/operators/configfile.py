"""The text of a configuration file for one election, as `zkelect init` writes it. Pure.

supervisord's parser takes ` ;` and ` #` for the beginning of a comment, has no escape for them, and expands `%`. `value` and
`command` write what a person means so that supervisord and `config` read just that, or refuse it.

conf.d/zkelect.conf is made of the same template.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import List, Sequence

from supervisor_zkelect.core.figures import STOPWAITSECS
from supervisor_zkelect.supervisord import program_info

LISTENER = "zkelect"
"""Name of the event listener, and so of its group."""

#: Between a blank and what would begin a comment there.
_COMMENT = re.compile(r"(?<=\s)(?=[;#])")

#: Inside %(here)s, which supervisord replaces even where the percent sign is doubled
#: (supervisor.options.UnhosedConfigParser.expand_here).
_HERE = re.compile(r"(?<=%\()(?=here\)s)")


@dataclass(frozen=True)
class Election:
    """The variable parts of a file. Each text can stand after an equals sign, so with percent signs doubled and words quoted.

    zkelect: the word that names this program. logs: the folder of the log files. conf: the file's name in its folder.
    stopwaitsecs: in seconds.
    """

    name: str
    program: str
    address: str
    servers: str
    node: str
    health: str
    group: str = "primary"
    zkelect: str = "zkelect"
    logs: str = "/var/log"
    conf: str = "zkelect.conf"
    stopwaitsecs: int = int(STOPWAITSECS)


_TEMPLATE = """\
; One node of several runs the group "{group}", the others stand by. The file is the same on every node, but for what is marked
; "each node its own". `zkelect check -c FILE` says what is wrong in it, `zkelect check --options` lists all options.
; supervisorctl reads no included files: [ctlplugin:zkelect] belongs into supervisord's main file (README.md).

[eventlistener:zkelect]
command = {zkelect} listen -c "%(here)s/{conf}"
events = PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE
buffer_size = 1000
autorestart = true
startretries = 100000
; At least 3 s longer than that of the programs below.
stopwaitsecs = {listener_stopwaitsecs}
priority = -10
; Without this, supervisord deletes the log each time supervisord starts.
stderr_logfile = {logs}/zkelect.log

[rpcinterface:zkelect]
supervisor.rpcinterface_factory = supervisor_zkelect.rpcinterface:make_zkelect_rpcinterface

[zkelect]
; The ZooKeeper servers, host:port,host:port,...: one ensemble, the same on every node.
servers = {servers}
; Each node its own: its name in the election.
node_name = {node}
; Seconds until another node leads when this one is silent.
session_timeout = 10
; In seconds, the servers' tickTime or more; less is unsafe.
tick_time = 2

[election:{name}]
group = {group}
; Each node its own: where clients find the service. It is written to the znode /zkelect/{name}/ack while this node is primary.
address = {address}
; Each node its own: is the service ready? tcp://host:port, http://..., https://..., exec:COMMAND, or none: all programs RUNNING.
health = {health}

[program:{name}]
; `zkelect run --` starts the program where this node is primary, and refuses elsewhere.
command = {zkelect} run -- {program}
; The listener starts it.
autostart = false
autorestart = true
startsecs = 1
; Seconds that the program has to end by itself before it is killed.
stopwaitsecs = {stopwaitsecs}
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/{name}.log

[group:{group}]
programs = {name}
"""


def text(election: Election) -> str:
    """The file."""
    fields = dict(vars(election), listener_stopwaitsecs=max(20, election.stopwaitsecs + 10))
    return _TEMPLATE.format(**fields)


def value(given: str) -> str:
    """A text as it stands behind an equals sign. Raises ValueError: what is wrong, and what would be right."""
    given = _one_line(given)
    if not given:
        raise ValueError("is empty; give it a value")
    if _COMMENT.search(f" {given}"):
        raise ValueError("has a blank before ; or #, which starts a comment in supervisord's files; leave it out")
    return given.replace("%", "%%")


def command(words: Sequence[str]) -> str:
    """The words of a command as they stand behind `command =`. Raises ValueError as `value` does."""
    for word in words:
        _one_line(word)
    # Quotation marks that close and begin again keep together what supervisord's parser would take for its own.
    return " ".join(_HERE.sub("''", _COMMENT.sub("''", shlex.quote(word))).replace("%", "%%") for word in words)


def program_words(given: str) -> List[str]:
    """The words of a program's command, without `zkelect run --`. Raises ValueError as `value` does."""
    given = _one_line(given)
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise ValueError(f"cannot be split into words ({error}); close the quotation") from None
    if program_info.is_loaded(words):
        words = list(program_info.loaded_command(words))
    if not words or not words[0] or words[0].startswith("-"):
        raise ValueError("names no program; write the command that starts the service in the foreground")
    return words


def file_path(given: str) -> str:
    """The path of the file, whose name stands inside the quotation marks of the listener's command, and whose folder
    supervisord puts there. Raises ValueError as `value` does."""
    if set(_one_line(given)) & set('"\\%') or _COMMENT.search(given):
        # It expands %(here)s by the folder as it is, and percent signs after that.
        raise ValueError("has a quotation mark, a backslash, a percent sign, or a blank before ; or #; choose another place")
    return given


def _one_line(given: str) -> str:
    if not given.isprintable():
        raise ValueError("contains a line break or another control character; write it in one line of plain text")
    return given.strip()
