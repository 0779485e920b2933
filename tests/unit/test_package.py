"""The package itself: what can be had from it, and what importing it costs."""

import subprocess
import sys

import pytest

import supervisor_zkelect
from supervisor_zkelect import elector


def loaded(statement):
    """The modules that a Python has by a statement."""
    told = "import sys; before = set(sys.modules); exec({!r}); print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", told.format(statement)], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def test_importing_the_package_imports_nothing_else():
    assert loaded("import supervisor_zkelect") == ["supervisor_zkelect"]


#: Each takes some MiB, or imports what does, of the 65 that all processes of a node may take.
HEAVY = {"http.client", "hashlib", "random", "secrets", "psutil", "supervisor", "asyncio", "importlib.metadata"}


@pytest.mark.parametrize("module, more", [
    # kazoo takes some of these; a guard and a chain loader do without it.
    ("listener.listener", {"hashlib", "random"}), ("guard.process", set()), ("loader.run", set()), ("operators.cli", set()),
])
def test_what_runs_all_the_time_or_starts_often_imports_nothing_heavy(module, more):
    assert HEAVY & set(loaded(f"import supervisor_zkelect.{module}")) <= more


def test_the_chain_loader_imports_none_of_what_takes_longer_than_itself():
    assert not {"dataclasses", "typing", "json", "socket", "hashlib", "re"} & set(loaded("import supervisor_zkelect.loader.run"))


def test_what_an_elector_is_used_with_is_had_from_the_package():
    assert sorted(supervisor_zkelect.__all__) == sorted(elector.__all__)
    for name in elector.__all__:
        assert getattr(supervisor_zkelect, name) is getattr(elector, name) and name in dir(supervisor_zkelect)
    assert "__version__" in dir(supervisor_zkelect)


def test_what_is_not_there_is_no_attribute():
    with pytest.raises(AttributeError, match="electro"):
        supervisor_zkelect.electro
    with pytest.raises(ImportError):
        from supervisor_zkelect import Electro  # noqa: F401


@pytest.mark.parametrize("statement", ["import supervisor_zkelect.guard.release", "from supervisor_zkelect import Elector"])
def test_a_release_needs_no_client_of_kazoos(statement):
    names = loaded(statement)
    assert "supervisor_zkelect.elector" in names
    assert not {"kazoo.client", "supervisor_zkelect.zookeeper.connect", "supervisor_zkelect.core.heartbeat", "dataclasses"} & set(names)
