"""A consumer of the Elector under mypy --strict: what it does rightly passes without an Any, what it does wrongly is found."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import kazoo
import pytest

import supervisor_zkelect

CONSUMER = Path(__file__).with_name("consumer.py")


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Has mypy read a program as it does where the package is installed. Kazoo comes without types, as it does."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv")
    packages = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    for package in (supervisor_zkelect, kazoo):
        place = Path(package.__file__).parent
        (packages / place.name).symlink_to(place)

    def run(program, *options):
        file = folder / "program.py"
        file.write_text(program)
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder / "cache", "--python-executable",
                   folder / "venv" / "bin" / "python", *options, file]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        # Without mypy, which the tests require, there is no such line.
        assert "Success" in done.stdout or "Found" in done.stdout, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_consumer_passes_without_an_any(check):
    told = check(CONSUMER.read_text(), "--disallow-any-expr", "--disallow-any-explicit", "--disallow-any-unimported")
    assert "Success" in told, told


@pytest.mark.parametrize("wrong, told", [
    ('Elector.connect("h:1", 4.0, "/e", "n", "/a", seperator="")', "expected .*Never|expected .*NoReturn"),
    ('Elector.connect(5, 4.0, "/e", "n", "/a")', "int"),
    ('Elector.connect("h:1", "4", "/e", "n", "/a")', "expected .float"),
    ('Elector.connect("h:1", 4.0, "/e", "n", "/a").ack_leader(5)', "int"),
    ('Elector.connect("h:1", 4.0, "/e", "n", "/a").token + 1', "None"),
    ('Elector.connect("h:1", 4.0, "/e", "n", "/a").leads', "no attribute"),
    ('Elector.connect("h:1", 4.0, "/e", "n", "/a").run(5)', "int"),
    ("from supervisor_zkelect import Electro", "Electro"),
    ('from supervisor_zkelect.discovery import Primary\n\nPrimary("h:1", "o").wait("5")', "int|float"),
    ('from supervisor_zkelect.discovery import Primary\n\nPrimary("h:1", "o").token + 1', "None"),
    ('from supervisor_zkelect.discovery import Primary\n\nPrimary("h:1", "o", rot="/")', "rot"),
])
def test_what_is_wrong_is_found(check, wrong, told):
    out = check(f"from supervisor_zkelect import Elector\n\n{wrong}\n")
    assert re.search(told, out) and "Found 1 error" in out, out


def test_who_imports_kazoo_names_its_missing_types(check, tmp_path):
    """As docs/elector.md says."""
    program = (
        "from kazoo.client import KazooClient\n\nfrom supervisor_zkelect import Elector\n\n"
        'client = KazooClient("h:1")\nprint(Elector(client, "/e", "n", "/a", granted=4.0).create_proposal())\n'
    )
    assert "kazoo" in check(program) and "import-untyped" in check(program)
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-kazoo.*]\nignore_missing_imports = True\n")
    # Some versions keep what they said of a module in their cache, whatever the options.
    told = check(program, "--config-file", tmp_path / "mypy.ini", "--cache-dir", tmp_path / "cache")
    assert "Success" in told, told
