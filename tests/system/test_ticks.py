"""A `tick_time` that is less than the servers' tickTime is told, as far as a client can find out."""

import pytest

from supervisor_zkelect.config import load
from supervisor_zkelect.diagnosis import ticks
from tests.system.conftest import TIME

FILE = """
[zkelect]
servers = {servers}
tick_time = {tick}
session_timeout = 20
[election:orders]
address = a:1
"""


def notes(folder, servers, tick):
    path = folder / "zkelect.conf"
    path.write_text(FILE.format(servers=servers, tick=tick))
    return ticks.notes(load.from_file(str(path)), TIME)


@pytest.mark.parametrize("tick", [0.01, 0.3, 0.999])
def test_one_that_is_less_is_told_with_what_to_set(patient, tmp_path, tick):
    [line] = notes(tmp_path, patient.hosts, tick)
    assert line.startswith(f"{tmp_path}/zkelect.conf: [zkelect] tick_time = {tick:g}: the servers grant no session that is shorter")
    assert "than 2 s, as with tickTime=1000" in line and "set tick_time = 1," in line


@pytest.mark.parametrize("tick", [1, 2, 5])
def test_one_that_is_not_is_not(patient, tmp_path, tick):
    assert notes(tmp_path, patient.hosts, tick) == []


def test_where_nobody_answers_nothing_is_told(tmp_path):
    path = tmp_path / "zkelect.conf"
    path.write_text(FILE.format(servers="127.0.0.1:1", tick=1))
    assert ticks.notes(load.from_file(str(path)), 0.2) == []


def test_check_tells_it(make_cluster, patient):
    cluster = make_cluster(patient.hosts, ("a",), timeout=20, tick=0.5, reached=patient.hosts).start()
    cluster.primary("a")
    for asked in (cluster["a"].ctl("zkelect", "check"), cluster["a"].zkelect("check", "-c", str(cluster["a"].zkelect_conf))):
        assert "tick_time = 0.5: the servers grant no session that is shorter than 2 s" in asked.stdout, asked.stdout
    cluster.verdict()
