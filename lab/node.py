"""A node for tests: in a network that can be cut, behind a wrapper, with a password, and with each process within reach."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Union

from lab import service
from lab.netns import Place
from supervisor_zkelect.demo import child, node
from supervisor_zkelect.demo.node import LISTENER, escaped, overridden
from supervisor_zkelect.processes import proc
from supervisor_zkelect.supervisord.client import Supervisord

WITHOUT_CGROUPS = (
    "unshare", "--mount", "sh", "-c",
    'findmnt -n -l -t cgroup2 -o TARGET | while read -r mount; do umount -l "$mount" || exit 1; done; exec "$@"', "sh",
)
"""A wrapper: the node sees no cgroup2 file system. Takes root."""

OWN_PIDS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A wrapper: the node has a pid namespace of its own, as in a container. Takes root."""


SERVICE = shlex.quote(service.__file__)
"""As that of the demo: by its path, so that it is found with any PYTHONPATH."""

service_command = functools.partial(node.service_command, service=SERVICE)


class Node(node.Node):
    """A node of the demo, and beside what that takes:

    username, password: of supervisord's servers, both of them. Then the programs get them as
        SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD too.
    inet: listen on a TCP port too; then `inet_url` is its address.
    env: further environment variables for supervisord, and so for all programs.
    place: where to run in a network that can be cut (netns.py).
    journals: folder in which the services keep their journals, a file per program group.
    wrapper: words before supervisord's command line, of a program that executes it, such as WITHOUT_CGROUPS.

    The programs of a sample run service.py of this folder. While `health_file` exists, they say that they are sick.
    """

    def __init__(
        self,
        folder: Union[str, os.PathLike[str]],
        name: str,
        zk_hosts: str = "",
        *,
        username: str = "",
        password: str = "",
        inet: bool = False,
        env: Optional[Mapping[str, str]] = None,
        place: Optional[Place] = None,
        journals: Optional[Path] = None,
        wrapper: Sequence[str] = (),
        **more: Any,
    ) -> None:
        self.username = username
        self.password = password
        self.place = place
        self.wrapper = list(wrapper)
        self._inet_port = child.free_port() if inet else 0
        login = {"SUPERVISOR_USERNAME": username, "SUPERVISOR_PASSWORD": password} if username else {}
        self.health_file = Path(folder).resolve() / "sick"
        super().__init__(folder, name, zk_hosts, **more)
        self.prepare = place.enter if place else None
        self.environment.update({service.HEALTH_FILE: str(self.health_file), **login, **(env or {})})
        if journals is not None:
            journals.mkdir(parents=True, exist_ok=True)
            self.environment[service.JOURNALS] = str(journals.resolve())
        self.rpc = Supervisord(f"unix://{self.socket}", username or None, password or None)

    @property
    def inet_url(self) -> str:
        """Address of the TCP server, "" without one."""
        return f"http://127.0.0.1:{self._inet_port}" if self._inet_port else ""

    @property
    def supervisord_pid(self) -> Optional[int]:
        if not self.wrapper:
            return super().supervisord_pid
        if not self.running:
            return None
        # A wrapper that forks has the same words further behind; a child that has not executed its program yet has
        # them too.
        words = b"-m\0supervisor.supervisord\0"
        found = [one for one in self.processes() if proc.cmdline(one.pid).partition(b"\0")[2].startswith(words)]
        return min(found, key=lambda one: (one.start, one.pid)).pid if found else None

    def listener_pid(self) -> Optional[int]:
        """Of the living listener, whoever is its parent; None when there is none."""
        own = [process for process, environ in self.programs() if environ["SUPERVISOR_GROUP_NAME"] == LISTENER]
        # What a listener has started carries the same environment, and is younger.
        return min(own, key=lambda process: process.start).pid if own else None

    def command(self) -> List[str]:
        return [*self.wrapper, *super().command()]

    def sample(self, text: str) -> str:
        return super().sample(text.replace(node.SERVICE, SERVICE))

    def configuration(self) -> str:
        text, login = super().configuration(), {}
        if self.username:
            login = {"username": escaped(self.username), "password": escaped(self.password)}
            text = overridden(text, {"unix_http_server": login, "supervisorctl": login})
        if self._inet_port:
            text = overridden(text, {"inet_http_server": {"port": f"127.0.0.1:{self._inet_port}", **login}})
        return text

    def zkelect(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run zkelect with the environment of a program of this node. Raises subprocess.TimeoutExpired."""
        found = shutil.which("zkelect", path=self.environment["PATH"])
        return self.run([found or "zkelect", *words], timeout)

    def kill_all(self) -> None:
        """SIGKILL supervisord, then the listener and the services, at once."""
        pids = [self.supervisord_pid, self.listener_pid(), *sorted(self.service_pids())]
        self.kill(*[pid for pid in pids if pid is not None])
        self.reap()

    def __enter__(self) -> Node:
        if not self.running:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        super().close()
        if self._inet_port:
            child.give_back(self._inet_port)
