"""A node: a real supervisord with what it runs, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple, Union

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import cgroup, proc
from supervisor_zkelect.supervisord.client import Supervisord, SupervisordError

START_LIMIT = 60.0
"""Seconds after which a supervisord that does not answer counts as failed; 0.3 are usual."""

SERVICE = "-m supervisor_zkelect.demo.service"
"""The service that the samples' programs are, as words behind Python's name."""

LISTENER = "zkelect"
"""Name of the listener's program and group, as in the samples."""

LONGEST_SOCKET = 90
"""Characters. A Unix socket's path has at most 107 (unix(7)), and supervisord at first appends its pid."""


class NodeFailed(RuntimeError):
    """supervisord did not start; the message carries the end of its logs."""


class Node:
    """One supervisord and all that it starts.

    folder: for its configuration, socket and logs; made when missing.
    name: node name, ZKELECT_NODE to its programs.
    zk_hosts: "host:port,...", ZKELECT_SERVERS to its programs.
    addresses: election -> "host:port" of the service on this node; {"orders": ...} is ORDERS_ADDRESS to its
        programs.
    sample: a configuration file of the project, such as conf.d/zkelect.conf, that is included; None for none.
    overrides: section -> option -> value. A copy of the sample is included in which these are set, and in which log files lie
        in the node's folder; a section that it lacks is put at the end, and a value of None takes the option out.
    config: further text for supervisord.conf, such as [program:...] sections.
    """

    prepare: Optional[Callable[[], object]] = None
    """Called in each new process before it executes supervisord or a command (child.py)."""

    def __init__(
        self,
        folder: Union[str, os.PathLike[str]],
        name: str,
        zk_hosts: str = "",
        *,
        addresses: Optional[Mapping[str, str]] = None,
        sample: Union[str, os.PathLike[str], None] = None,
        overrides: Optional[Mapping[str, Mapping[str, Optional[str]]]] = None,
        config: str = "",
    ) -> None:
        self.folder = Path(folder).resolve()
        self.name = name
        self.zk_hosts = zk_hosts
        self.addresses = dict(addresses or {})
        self.overrides = {section: dict(options) for section, options in (overrides or {}).items()}
        self.config = config
        self.marker = child.new_marker()
        self.process: Optional[subprocess.Popen[bytes]] = None
        self._sample = Path(sample).resolve() if sample is not None else None
        self._short: Optional[tempfile.TemporaryDirectory[str]] = None
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "logs").mkdir(exist_ok=True)
        self.socket = self.folder / "supervisor.sock"
        if len(str(self.socket)) > LONGEST_SOCKET:
            self._short = tempfile.TemporaryDirectory(prefix="zkelect-")
            self.socket = Path(self._short.name) / "supervisor.sock"
        self.environment = self._environment()
        self.rpc = Supervisord(f"unix://{self.socket}")
        if self._sample is not None:
            # Commands read the copy of the sample of a node that does not run as well.
            self.write()

    @property
    def zkelect_conf(self) -> Optional[Path]:
        """The file that `zkelect -c` takes, a copy of the sample; None without one."""
        return self.folder / self._sample.name if self._sample is not None else None

    @property
    def supervisord_conf(self) -> Path:
        return self.folder / "supervisord.conf"

    @property
    def running(self) -> bool:
        """Whether the supervisord runs that was started last."""
        return self.process is not None and self.process.poll() is None

    @property
    def supervisord_pid(self) -> Optional[int]:
        """Of the running supervisord, as this process sees it; None when there is none."""
        return self.process.pid if self.process is not None and self.running else None

    def guard_pid(self) -> Optional[int]:
        """Of the living guard; None when there is none."""
        return self._running(b"supervisor_zkelect.guard.process")

    def keeper_pid(self) -> Optional[int]:
        """Of the guard's living keeper; None when there is none."""
        return self._running(b"supervisor_zkelect.guard.keeper")

    def _running(self, module: bytes) -> Optional[int]:
        found = {one.pid: one for one in self.processes() if module + b"\0" in proc.cmdline(one.pid)}
        # A fork has the same words until it executes something.
        return next((one.pid for one in found.values() if one.ppid not in found), None)

    def service_pids(self, group: Optional[str] = None) -> Set[int]:
        """Of all processes of a group, descendants and orphans too; None: of all groups but the listener."""
        return {
            process.pid
            for process, environ in self.programs()
            if environ["SUPERVISOR_GROUP_NAME"] == group
            or (group is None and environ["SUPERVISOR_GROUP_NAME"] != LISTENER)
        }

    def processes(self) -> Set[proc.Process]:
        """All living processes of the node."""
        return child.marked(self.marker)

    def start(self) -> Node:
        """Write the configuration, start supervisord in a session of its own, wait until it answers.

        Raises NodeFailed when it ends or does not answer within START_LIMIT seconds.
        """
        if self.running:
            raise RuntimeError(f"node {self.name} runs already")
        self.write()
        self.process = child.start(
            self.command(),
            env=self.environment,
            cwd=str(self.folder),
            output=str(self.folder / "output.log"),
            prepare=self.prepare,
            new_session=True,
        )
        try:
            until(lambda: not self.running or self._answers(), START_LIMIT, f"node {self.name} to answer", 0.01)
        except TimeoutError as problem:
            raise NodeFailed(f"{problem}\n{self.logs()}") from problem
        if not self.running:
            raise NodeFailed(f"supervisord of node {self.name} ended:\n{self.logs()}")
        return self

    def command(self) -> List[str]:
        """The command line with which supervisord is started."""
        return [sys.executable, "-m", "supervisor.supervisord", "-n", "-s", "-c", str(self.supervisord_conf)]

    def write(self) -> None:
        """Write the configuration, as `start` does."""
        self.supervisord_conf.write_text(self.configuration())
        self.supervisord_conf.chmod(0o600)
        if self._sample is not None and self.zkelect_conf is not None:
            self.zkelect_conf.write_text(self.sample(self._sample.read_text()))

    def sample(self, text: str) -> str:
        """The sample as this node has it."""
        return overridden(with_logs_in(text, f"{escaped(str(self.folder))}/logs"), self.overrides)

    def ctl(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run supervisorctl. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.supervisord_conf), *words]
        return self.run(command, timeout)

    def logs(self, most: int = 4000) -> str:
        """The last `most` characters of each of its logs, for the message of a failed test."""
        parts = []
        for path in [*self.folder.glob("output.log"), *sorted((self.folder / "logs").iterdir())]:
            text = path.read_text(errors="replace")
            if text.strip():
                parts.append(f"--- {self.name}: {path.name}\n{text[-most:].strip()}")
        return "\n".join(parts)

    def report(self, timeout: float = 5.0) -> Dict[str, Any]:
        """The listener's last report to supervisord; empty when it may not be believed.

        Raises SupervisordError when supervisord does not answer within `timeout` seconds.
        """
        document = json.loads(self.rpc.call("zkelect.getReport", timeout=timeout))
        report: Dict[str, Any] = document["report"] if document["known"] else {}
        return report

    def part(self, election: str, timeout: float = 5.0) -> Dict[str, Any]:
        """The facts that `report` has of one election: "role", "step", "token", "deadline", ...; empty when it has nothing."""
        found: Dict[str, Any] = self.report(timeout).get("elections", {}).get(election, {})
        return found

    def kill(self, *pids: int, sig: int = signal.SIGKILL) -> None:
        """Send a signal to processes of this node. Raises ValueError, and signals none, when one is not."""
        for process in self._own(pids):
            proc.kill(process, sig)

    def crash(self, *pids: int) -> None:
        """SIGKILL supervisord and these processes of the node, by default all, of which none acts on another's death."""
        self.freeze(*pids)
        # The kernel continues stopped processes whose group the death of a parent orphans (kill_orphaned_pgrp,
        # kernel/exit.c): a listener that outlived supervisord would start another guard. So supervisord comes last.
        own = {process.pid for process in self._own(pids)} - {self.supervisord_pid}
        self.kill(*own, *filter(None, [self.supervisord_pid]))
        self.reap()

    def terminate(self, timeout: float = 60.0) -> None:
        """SIGTERM to supervisord, as an orderly shutdown of the machine. Raises TimeoutError."""
        pid = self.supervisord_pid
        if pid is not None:
            self.kill(pid, sig=signal.SIGTERM)
            until(lambda: not self.running, timeout, f"supervisord of node {self.name} to end")

    def freeze(self, *pids: int) -> None:
        """SIGSTOP to these processes of the node, by default to all, and wait until they stand still."""

        def still() -> bool:
            # Asked again each time: one may have forked before it stood still.
            moving = {process for process in self._own(pids) if process.state not in "Tt"}
            for process in moving:
                proc.kill(process, signal.SIGSTOP)
            return not moving

        until(still, 30, f"processes of node {self.name} to stand still")

    def thaw(self, *pids: int) -> None:
        """SIGCONT to these processes of the node, by default to all."""
        for process in self._own(pids):
            proc.kill(process, signal.SIGCONT)

    def close(self) -> None:
        """End all processes of the node whatever happens, orphans too, and remove their cgroups; the folder stays."""
        ended = {process.pid for process in child.sweep(self.marker)}
        self.reap()
        _remove_cgroups(ended if self.process is None else ended | {self.process.pid})
        if self._short is not None:
            self._short.cleanup()

    def _own(self, pids: Iterable[int]) -> List[proc.Process]:
        own = {process.pid: process for process in self.processes()}
        # One that has just ended is a zombie until it is reaped, and no stranger.
        strangers = [pid for pid in pids if pid not in own and (seen := proc.read(pid)) is not None and not seen.gone]
        if strangers:
            raise ValueError(f"not processes of node {self.name}: {strangers}")
        return [own[pid] for pid in (pids or own) if pid in own]

    def programs(self) -> Iterator[Tuple[proc.Process, Dict[str, str]]]:
        """The living processes of supervisord's programs, each with its environment."""
        for process in self.processes():
            environ = proc.environ(process.pid)
            if "SUPERVISOR_GROUP_NAME" in environ:
                yield process, environ

    def _answers(self) -> bool:
        try:
            return bool(self.rpc.call("supervisor.getState")["statename"] == "RUNNING")
        except SupervisordError:
            return False

    def reap(self) -> None:
        """Wait until supervisord, which was killed or told to end, is gone."""
        if self.process is not None:
            self.process.wait(60)

    def run(self, command: List[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command with the environment of a program of this node. Raises subprocess.TimeoutExpired."""
        env = {**self.environment, "SUPERVISOR_SERVER_URL": f"unix://{self.socket}"}
        return child.run(command, env=env, cwd=str(self.folder), prepare=self.prepare, timeout=timeout)

    def _environment(self) -> Dict[str, str]:
        env = child.environment(self.marker, ZKELECT_NODE=self.name, ZKELECT_SERVERS=self.zk_hosts)
        for election, address in self.addresses.items():
            env[re.sub("[^A-Z0-9]", "_", election.upper()) + "_ADDRESS"] = address
        env[record.VARIABLE] = str(self.folder / "run")
        if not (Path(sys.executable).parent / "zkelect").exists():
            # A source tree that is not installed has no console script.
            programs = self.folder / "bin"
            programs.mkdir(exist_ok=True)
            script = programs / "zkelect"
            script.write_text(
                f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m supervisor_zkelect.command "$@"\n'
            )
            script.chmod(0o755)
            env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
        return env

    def configuration(self) -> str:
        """The text of supervisord.conf."""
        folder, path = escaped(str(self.folder)), escaped(str(self.socket))
        parts = [
            f"[supervisord]\nidentifier = {escaped(self.name)}\ndirectory = {folder}\n"
            f"logfile = {folder}/logs/supervisord.log\nchildlogdir = {folder}/logs\n"
            f"pidfile = {folder}/supervisord.pid\n",
            f"[unix_http_server]\nfile = {path}\nchmod = 0700\n",
            f"[supervisorctl]\nserverurl = unix://{path}\n",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
        ]
        if self.zkelect_conf is not None:
            # supervisorctl does not look for plugins in included files.
            parts.append(
                "[ctlplugin:zkelect]\n"
                "supervisor.ctl_factory = supervisor_zkelect.controllerplugin:make_zkelect_controllerplugin\n"
            )
            parts.append(f"[include]\nfiles = {escaped(str(self.zkelect_conf))}\n")
        return "\n".join([*parts, self.config])


def service_command(address: str, *words: str, service: str = SERVICE) -> str:
    """A `command =` for a service at "host:port" with further words of its command line."""
    return escaped(shlex.join([sys.executable, *shlex.split(service), "--listen", address, *words]))


def _remove_cgroups(pids: Set[int]) -> None:
    """Those of supervisords that were killed with all that would have removed them. One that is used stays."""
    own = {}
    for path, rest in cgroup.made("zkelect-").items():
        # The end of record.instance: pid and start time.
        name = re.search(r"-(\d+)-\d+$", rest)
        pid = int(name.group(1)) if name else 0
        left = proc.read(pid)
        if pid in pids and (left is None or left.gone):
            own[path] = rest
    cgroup.Former(own, lambda rest: False).remove()


def with_logs_in(text: str, folder: str) -> str:
    """A configuration file's text with its log files in another folder, as NAME-stdout.log and NAME-stderr.log."""
    return re.sub(
        r"^(stdout|stderr)_logfile = /(?:.*/)?(.+)\.log$",
        lambda found: f"{found[1]}_logfile = {folder}/{found[2]}-{found[1]}.log", text, flags=re.MULTILINE,
    )


def overridden(text: str, overrides: Mapping[str, Mapping[str, Optional[str]]]) -> str:
    """A configuration file's text with options set otherwise (see Node); everything else stays as it is."""
    left = {
        section: [f"{name} = {value}" for name, value in options.items() if value is not None]
        for section, options in overrides.items()
    }
    lines: List[str] = []
    section, dropping = "", False
    for line in text.splitlines():
        header = re.match(r"\[([^]]+)\]", line)
        option = re.match(r"([^\s#;=:][^=:]*?)\s*[=:]", line)
        if header:
            section, dropping = header.group(1), False
            lines += [line, *left.pop(section, [])]
        elif option and option.group(1) in overrides.get(section, ()):
            dropping = True
        elif not (dropping and line[:1] in (" ", "\t")):
            # Lines that begin with a blank belong to the option before them.
            dropping = False
            lines.append(line)
    for section, options in left.items():
        lines += ["", f"[{section}]", *options]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text as supervisord's configuration files have it, where a percent sign is doubled."""
    return text.replace("%", "%%")
