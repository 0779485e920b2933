"""The program `zkelect` as pip installs it, in folders whose names a `#!` line cannot have."""

import configparser
import os
import shlex
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from supervisor_zkelect import __version__
from supervisor_zkelect.demo import child

ROOT = Path(child.ROOT)
FOLDERS = {"spaces": ("a path; with spaces", "100% of 'em #1"), "long": ("long" * 25, "path" * 25, "name" * 25)}


def make_wheel(folder):
    """A package of this tree's entry points alone, which needs no index to be installed."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = ["[console_scripts]", setup["options.entry_points"]["console_scripts"].strip()]
    info = "zkelect_entry-1.dist-info"
    # What is imported is this tree, and what this Python has installed.
    paths = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    files = {
        "zkelect_entry.pth": "".join(f"{path}\n" for path in dict.fromkeys(paths)),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: zkelect-entry\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "\n".join(lines) + "\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = folder / "zkelect_entry-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.fixture(params=FOLDERS)
def installed(request, tmp_path):
    """The folder of an environment with the program, made by pip."""
    folder = tmp_path.joinpath(*FOLDERS[request.param])
    venv.create(folder, symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q", "--no-index", "--no-deps"]
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run([*command, str(make_wheel(tmp_path))], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(installed, *words):
    env = {name: text for name, text in os.environ.items() if not name.startswith("SUPERVISOR_")}
    return subprocess.run([installed / "bin" / "zkelect", *words], env=env, capture_output=True, text=True, timeout=60)


def test_it_starts(installed):
    assert run(installed, "--version").stdout == f"zkelect {__version__}\n"
    refused = run(installed, "run", "--", "true")
    assert refused.returncode == 75 and "it was not started by supervisord" in refused.stderr
    assert run(installed, "listen").returncode == 2


def test_a_file_of_init_names_it(installed, tmp_path):
    words = ("init", "orders", "--program", "app", "--address", "h:1", "--servers", "zk1", "--output", str(tmp_path / "z.conf"))
    done = run(installed, *words)
    assert done.returncode == 0, done.stderr
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read(tmp_path / "z.conf")
    for section in ("eventlistener:zkelect", "program:orders"):
        command = shlex.split(parser.get(section, "command") % {"here": "/x"})
        assert command[0] == str(installed / "bin" / "zkelect")
    checked = run(installed, "check", "-c", str(tmp_path / "z.conf"), "-s", "unix:///none")
    assert "does not exist or is not executable" not in checked.stdout and "[zkelect]" not in checked.stderr


def test_supervisord_runs_a_service_by_it(installed, make_cluster, zk_server, pythons, tmp_path):
    """From that environment, so that its fork knows the loader in the command and becomes the program by itself."""
    zkelect = shlex.quote(str(installed / "bin" / "zkelect")).replace("%", "%%").replace(" #", " ''#")
    cluster = make_cluster(zk_server.hosts, ("a",), overrides={"eventlistener:zkelect": {
        "command": f'{zkelect} listen -c "%(here)s/zkelect.conf"',
    }})
    node = cluster["a"]
    # `zkelect run` takes over where the guard does not answer within a time, which is the machine's.
    (tmp_path / "sitecustomize.py").write_text("from supervisor_zkelect.loader import fork\nfork.PATIENCE = 60.0\n")
    node.environment["PYTHONPATH"] = str(tmp_path)
    node.wrapper = ["sh", "-c", 'shift; exec "$0" "$@"', str(installed / "bin" / "python")]
    lines = pythons(node)
    node.overrides["program:orders"]["command"] = (
        f"{zkelect} run -- {shlex.quote(sys.executable)} -m supervisor_zkelect.demo.service --listen %(ENV_ORDERS_ADDRESS)s"
    )
    cluster.start()
    pid = cluster.primary("a")
    node.kill(pid)
    cluster.primary("a", other=pid)
    assert "demo.service" in lines.read_text() and "zkelect run" not in lines.read_text()
    assert "unguarded" not in node.ctl("role").stdout
