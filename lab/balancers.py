"""HAProxy and nginx, with configurations of contrib/ in which a test's own addresses stand for those of the sample."""

from __future__ import annotations

import csv
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from lab.ending import end
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

CONTRIB = Path(__file__).resolve().parents[1] / "contrib"

#: Seconds in which a balancer must have begun, or ended.
LIMIT = 20.0


def sample(name: str, exchanged: Mapping[str, str]) -> str:
    """The text of a file of contrib/, with each of these texts, which it must have, exchanged for another."""
    text = (CONTRIB / name).read_text()
    for old, new in exchanged.items():
        if old not in text:
            raise ValueError(f"{name} has no {old!r}")
        text = text.replace(old, new)
    return text


class Balancer:
    """A balancer in the foreground, in a `with` statement. folder: for its files. text: its configuration. port: where it is to
    listen, on 127.0.0.1."""

    program = ""

    def __init__(self, folder: Path, text: str, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, port
        self.conf, self.log = folder / f"{self.program}.conf", folder / f"{self.program}.log"
        self.conf.write_text(text)
        self._process: Optional[subprocess.Popen[bytes]] = None

    def command(self) -> List[str]:
        raise NotImplementedError

    def __enter__(self) -> Balancer:
        self._process = child.start(self.command(), env=child.environment(child.new_marker()), output=str(self.log))
        until(lambda: self._ended or self._serves(), LIMIT, f"{self.program} to listen; {self.conf}")
        if self._ended:
            raise RuntimeError(f"{self.program} has ended: {self.log.read_text()}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process, LIMIT)

    @property
    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _serves(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            return True
        except OSError:
            return False


class HAProxy(Balancer):
    """`states` needs its socket, which this adds to the configuration."""

    program = "haproxy"

    def __init__(self, folder: Path, text: str, port: int) -> None:
        self._socket = folder / "haproxy.sock"
        super().__init__(folder, text.replace("global\n", f"global\n    stats socket {self._socket}\n", 1), port)

    def command(self) -> List[str]:
        return [found("haproxy"), "-db", "-f", str(self.conf)]

    def states(self) -> Dict[str, str]:
        """The state of each server by its name, such as UP, MAINT, DRAIN, or DOWN."""
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(self._socket))
            one.sendall(b"show stat -1 4 -1\n")
            with one.makefile("r") as file:
                lines = [line for line in file.read().lstrip("# ").splitlines() if line]
        return {row["svname"]: row["status"].partition(" ")[0] for row in csv.DictReader(lines)}


class Nginx(Balancer):
    """With its files in the folder, and without a log of accesses."""

    program = "nginx"

    def __init__(self, folder: Path, text: str, port: int) -> None:
        temporary = "".join(
            f"    {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        super().__init__(folder, re.sub(r"^http \{\n", f"http {{\n    access_log off;\n{temporary}", text, flags=re.M), port)

    def words(self) -> List[str]:
        """The command line of an nginx of this one's files, which it is told further words."""
        errors, pid = self.folder / "error.log", self.folder / "nginx.pid"
        return [found("nginx"), "-p", str(self.folder), "-c", str(self.conf), "-e", str(errors), "-g", f"pid {pid};"]

    def command(self) -> List[str]:
        *words, last = self.words()
        return [*words, f"{last} daemon off;"]


def found(program: str) -> str:
    """The path of a program, which need not be on a user's PATH. Raises FileNotFoundError."""
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))
    if path is None:
        raise FileNotFoundError(f"{program} not found; on Debian or Ubuntu: apt-get install {program}")
    return path
