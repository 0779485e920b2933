"""Whether a runtime folder is another living supervisord's."""

import errno
import os

import pytest

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard import occupant, record

HERE = record.owner_of(os.getpid())
OTHER = record.owner_of(os.getppid())


LEASE = Lease(1.0, 2.0, 3.0)


def written(folder, owner, lease=LEASE):
    writer = record.Writer(str(folder), owner, 1)
    writer.open()
    writer.put(record.Entry("orders", "primary", "a:1", 7, True, 0, lease))
    writer.close()


def test_it_is_while_that_one_lives(tmp_path):
    written(tmp_path, OTHER)
    told = occupant.of(str(tmp_path), HERE)
    assert told.startswith(f"{tmp_path} belongs to another supervisord, process {OTHER.pid}, which lives") and record.VARIABLE in told


@pytest.mark.parametrize("guarded", [True, False])
def test_one_that_lives_and_has_no_listener_any_more_has_left_it(tmp_path, monkeypatch, guarded):
    written(tmp_path, OTHER, NO_LEASE)
    monkeypatch.setattr(occupant.locks, "is_there", lambda folder, whose: guarded and whose == occupant.locks.GUARD)
    assert bool(occupant.of(str(tmp_path), HERE)) == guarded


def test_what_cannot_be_read_just_now_is_not_taken_for_free(tmp_path, monkeypatch):
    written(tmp_path, OTHER)

    def opened(path, *words, **more):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(record, "open", opened, raising=False)
    with pytest.raises(OSError):
        occupant.of(str(tmp_path), HERE)


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
