"""Where the last good configuration is found, by a listener and by `zkelect http`, when the file has a mistake."""

import argparse
import dataclasses
import logging
import os

import pytest

from supervisor_zkelect.config import load
from supervisor_zkelect.guard import kept_config, record
from supervisor_zkelect.listener import listener, trial
from supervisor_zkelect.operators.outcome import Trouble
from supervisor_zkelect.web import program

GOOD = "[zkelect]\nservers = zk:2181\nnode_name = a\n[election:orders]\naddress = a:1\n"


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Two runtime folders, as of a listener that was root's once; the file, with a mistake; the settings before it was made."""
    folders = [tmp_path / "run", tmp_path / "tmp"]
    for one in folders:
        one.mkdir(mode=0o755)
    path = tmp_path / "zkelect.conf"
    path.write_text(GOOD)
    settings = load.from_file(str(path), environ={})
    path.write_text(f"{GOOD}colour = red\n")
    monkeypatch.setattr(record, "find_folders", lambda *_: list(map(str, folders)))
    monkeypatch.setenv("SUPERVISOR_SERVER_URL", "unix:///none")
    monkeypatch.setenv("SUPERVISOR_ENABLED", "1")
    return argparse.Namespace(first=str(folders[0]), second=str(folders[1]), path=str(path), settings=settings)


def listeners(node):
    settings, trouble = trial.last_good(node.path, iter(["a mistake"]))
    assert trouble.problems == ("a mistake",)
    return settings


def webs(node):
    return program._settings(argparse.Namespace(configuration=node.path, asks=False))


def unreadable(path, monkeypatch):
    """Root reads everything, so the kernel's word is another's here."""
    opened = open

    def refuse(name, *arguments, **options):
        if name == path:
            raise PermissionError(13, "Permission denied", name)
        return opened(name, *arguments, **options)

    monkeypatch.setattr(kept_config, "open", refuse, raising=False)


def torn(path, monkeypatch):
    with open(path, "r+b") as file:
        file.truncate(20)


def foreign(path, monkeypatch):
    os.unlink(path)
    os.mkdir(path)


@pytest.mark.parametrize("find", [listeners, webs])
@pytest.mark.parametrize("spoil", [unreadable, torn, foreign, lambda path, monkeypatch: os.unlink(path)])
def test_a_copy_that_cannot_be_used_hides_none_behind_it(node, monkeypatch, find, spoil):
    kept_config.save(node.first, node.settings)
    kept_config.save(node.second, node.settings)
    spoil(os.path.join(node.first, kept_config.NAME), monkeypatch)
    assert find(node) == node.settings


@pytest.mark.parametrize("find", [listeners, webs])
def test_the_first_that_can_be_used_counts(node, find):
    kept_config.save(node.first, node.settings)
    kept_config.save(node.second, dataclasses.replace(node.settings, node_name="b"))
    assert find(node) == node.settings


def test_without_any_the_reason_of_each_is_told(node, capsys, monkeypatch):
    kept_config.save(node.second, node.settings)
    torn(os.path.join(node.second, kept_config.NAME), None)
    with pytest.raises(kept_config.NoCopy) as caught:
        listeners(node)
    with pytest.raises(Trouble, match="colour"):
        webs(node)
    told = [str(caught.value), capsys.readouterr().err]
    # What else it begins with is for the whole process.
    monkeypatch.setattr(listener.logs, "begin", lambda: None)
    monkeypatch.setattr(listener.reserve, "begin", lambda: None)
    monkeypatch.setattr(logging.getLogger("supervisor_zkelect.kazoo"), "propagate", True)
    assert listener.main(node.path) == 2
    told.append(capsys.readouterr().err)
    assert all(f"{node.first}/kept: No such file or directory; {node.second}/kept is torn" in one for one in told)


def test_a_program_that_supervisord_has_not_started_has_none(node, monkeypatch):
    kept_config.save(node.first, node.settings)
    monkeypatch.delenv("SUPERVISOR_SERVER_URL")
    with pytest.raises(kept_config.NoCopy, match="supervisord has not started this listener"):
        listeners(node)
    with pytest.raises(Trouble, match="colour"):
        webs(node)
