"""A file is replaced as a whole or not at all."""

import os

import pytest

from supervisor_zkelect.system import files


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "file")
    files.replace(path, b"former")
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_it_takes_the_place_of_the_former_one_and_is_its_owners_alone(path):
    files.replace(path, b"new")
    assert read(path) == b"new" and os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(os.path.dirname(path)) == ["file"]


def test_what_was_left_half_written_is_in_nobodys_way(path):
    aside = os.path.join(os.path.dirname(path), "new-file")
    with open(aside, "wb") as file:
        file.write(b"ha")
    files.replace(path, b"new")
    assert read(path) == b"new" and not os.path.lexists(aside)


def test_a_link_that_somebody_laid_is_not_followed(path, tmp_path):
    target = tmp_path / "target"
    target.write_text("theirs")
    os.symlink(target, tmp_path / "new-file")
    files.replace(path, b"new")
    assert read(path) == b"new" and target.read_text() == "theirs" and not os.path.islink(path)
    os.symlink(target, tmp_path / "other")
    with pytest.raises(FileExistsError):
        files.create(str(tmp_path / "other"), b"new")


def test_where_it_cannot_be_put_the_former_one_stays_and_nothing_is_left(path, monkeypatch):
    def refuse(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError):
        files.replace(path, b"new")
    monkeypatch.undo()
    assert read(path) == b"former" and os.listdir(os.path.dirname(path)) == ["file"]


def test_removing_what_is_gone_is_done_already(path):
    files.remove(path)
    files.remove(path)
    assert not os.path.lexists(path)
