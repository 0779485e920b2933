"""Whether a runtime folder is another living supervisord's."""

import os

import pytest

from supervisor_zkelect.guard import occupant, record

HERE = record.owner_of(os.getpid())
OTHER = record.owner_of(os.getppid())


def written(folder, owner):
    writer = record.Writer(str(folder), owner, 1)
    writer.open()
    writer.close()


def test_it_is_while_that_one_lives(tmp_path):
    written(tmp_path, OTHER)
    told = occupant.of(str(tmp_path), HERE)
    assert told.startswith(f"{tmp_path} belongs to another supervisord, process {OTHER.pid}, which lives") and record.VARIABLE in told


@pytest.mark.parametrize("owner", [
    HERE, OTHER._replace(start=OTHER.start + 1), OTHER._replace(boot="another"), OTHER._replace(namespace="pid:[1]"),
], ids=["its own", "dead", "an earlier boot", "another pid namespace"])
def test_it_is_not_where_nobody_else_is_known_to_have_it(tmp_path, owner):
    written(tmp_path, owner)
    assert occupant.of(str(tmp_path), HERE) == ""


def test_without_a_record_it_is_free(tmp_path):
    assert occupant.of(str(tmp_path), HERE) == ""
    (tmp_path / record.RECORD).write_bytes(b"garbage")
    assert occupant.of(str(tmp_path), HERE) == ""
