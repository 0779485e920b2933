"""How monitors get what they are told."""

import sys
import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard.record import Entry, Record
from supervisor_zkelect.operators.view import View
from supervisor_zkelect.system import clock
from supervisor_zkelect.web import here, passwords
from supervisor_zkelect.web.picture import Taken
from supervisor_zkelect.web.report import STALE, Report
from supervisor_zkelect.web.verdict import RecordRead
from tests.unit.web.parts import Node, Served

#: Seconds that something may take.
TIME = 10.0


class Monitored(Node):
    def metrics(self):
        return lambda: b"zkelect_build_info 1.0\n"


class Bare(Node):
    def metrics(self):
        def made():
            raise ModuleNotFoundError("No module named 'prometheus_client'")

        return made


class Slow(Node):
    """Its metrics take until they may be told."""

    def __init__(self):
        super().__init__("orders")
        self.begun, self.may = threading.Event(), threading.Event()

    def metrics(self):
        def made():
            self.begun.set()
            return b"late" if self.may.wait(TIME) else b"never"

        return made


def test_the_text_goes_by_its_own_media_type():
    with Served(Monitored()) as served:
        status, headers, body = served.ask("/metrics")
        assert (status, body) == (200, b"zkelect_build_info 1.0\n")
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8" and headers["Cache-Control"] == "no-store"
        assert served.ask("/metrics", "POST")[0] == 405 and served.ask("/metrics/orders")[0] == 404
        assert served.ask("/metrics", headers={"Host": "evil.example"})[0] == 421


def test_it_waits_for_a_fresh_picture_and_a_fresh_report():
    waited = []
    with Served(Monitored(), prepare=waited.append) as served:
        served.ask("/metrics")
    assert [(route.waits, route.reports, route.probe) for route in waited] == [(True, True, False)]


def test_the_password_covers_it(tmp_path):
    file = tmp_path / "passwords"
    file.write_text(passwords.line("ann", "secret") + "\n")
    with Served(Monitored(), str(file)) as served:
        assert served.ask("/metrics")[0] == 401


def test_what_is_to_be_installed_is_said():
    with Served(Bare()) as served:
        status, _, body = served.ask("/metrics")
        assert status == 501 and f"{sys.prefix}/bin/pip install '.[http]' in the clone" in body["error"]


def test_while_they_are_made_load_balancers_are_answered():
    """Those of hundreds of elections take a good part of a second."""
    node, told = Slow(), []
    with Served(node) as served:
        asks = threading.Thread(target=lambda: told.append(served.ask("/metrics")[2]))
        asks.start()
        assert node.begun.wait(TIME) and served.ask("/primary/orders")[0] == 200 and served.ask("/live")[0] == 200 and not told
        node.may.set()
        asks.join(TIME)
    assert told == [b"late"]


def test_a_defect_in_them_is_an_answer_as_well(caplog):
    node = Monitored()
    node.metrics = lambda: lambda: 1 / 0
    with Served(node) as served:
        status, _, body = served.ask("/metrics")
    assert status == 500 and "ZeroDivisionError" not in body["error"] and "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("trouble", ["", "no record"])
def test_it_is_made_of_record_report_and_picture(trouble, monkeypatch):
    now = clock.now()
    monkeypatch.setattr(here.clock, "now", lambda: now)
    entry = Entry("orders", "primary", "x:1", 7, True, 0, Lease.until(now + 60.0, 0.5), True)
    seen = RecordRead(trouble, None if trouble else Record(now, [entry]), now)
    settings = SimpleNamespace(node_name="a", elections=[SimpleNamespace(name="orders")])
    taken = Taken({"orders": {"nodes": [{"role": "standby"}], "address": "", "paused": None}}, now, True)
    node = here.Here(
        lambda: settings, lambda: seen, SimpleNamespace(latest=taken), SimpleNamespace(latest=Report())
    )
    text = node.metrics()().decode()
    assert f'zkelect_election_primary{{election="orders"}} {0.0 if trouble else 1.0}\n' in text
    assert ('zkelect_election_token{election="orders"} 7.0\n' in text) is not bool(trouble)
    assert "\nzkelect_listener_up 0.0\n" in text and 'zkelect_election_acked{election="orders"} 0.0\n' in text


@pytest.mark.parametrize("age, up", [(STALE - 0.1, 1), (STALE + 0.1, 0)])
def test_a_report_counts_while_it_is_not_old(age, up, monkeypatch):
    """A supervisord that hangs is asked for longer than whoever scrapes waits."""
    now = clock.now()
    monkeypatch.setattr(here.clock, "now", lambda: now)
    node = here.Here(
        lambda: SimpleNamespace(node_name="a", elections=[]), lambda: RecordRead("none"), SimpleNamespace(latest=Taken()),
        SimpleNamespace(latest=Report(View(True, "", 0.5, now - age, {}), "", now - age)),
    )
    assert f"\nzkelect_listener_up {up}.0\n" in node.metrics()().decode()


@pytest.fixture
def counted(monkeypatch):
    """A node whose metrics take `takes` seconds to make, and are numbered. moment: what the clock shows."""
    from supervisor_zkelect.web import metrics

    clock = SimpleNamespace(moment=1000.0, now=lambda: clock.moment)
    node = here.Here(
        lambda: SimpleNamespace(node_name="a", elections=[]), lambda: RecordRead("none"), SimpleNamespace(latest=Taken()),
        SimpleNamespace(latest=Report()),
    )
    node.clock, node.takes, node.made = clock, 0.0, []

    def render(entries, view, picture, moment):
        clock.moment += node.takes
        node.made.append(moment)
        return b"%d" % len(node.made)

    monkeypatch.setattr(here, "clock", clock)
    monkeypatch.setattr(metrics, "render", render)
    return node


def test_they_are_made_once_a_second_however_many_ask(counted):
    makers = [counted.metrics() for _ in range(5)]
    assert [made() for made in makers] == 5 * [b"1"]
    counted.clock.moment += here.PACE - 0.1
    assert counted.metrics()() == b"1"
    counted.clock.moment += 0.2
    assert counted.metrics()() == b"2" and counted.made == [1000.0, 1001.1]


def test_what_takes_long_is_made_less_often(counted):
    counted.takes = 0.7
    assert counted.metrics()() == b"1"
    counted.clock.moment = 1000.0 + here.SHARE * 0.7 - 0.1
    assert counted.metrics()() == b"1"
    counted.clock.moment += 0.2
    assert counted.metrics()() == b"2"


def test_a_record_that_took_too_long_to_read_is_read_again(monkeypatch):
    """On a busy machine a monitor would be told that nobody is primary."""
    now, looks = 1000.0, []
    monkeypatch.setattr(here.clock, "now", lambda: now)
    given = Record(now, [Entry("orders", "primary", "x:1", 7, True, 0, Lease.until(now + 60.0, 0.5), True)])

    def look():
        looks.append(now)
        return RecordRead("", given, now - 0.5 if len(looks) < 3 else now)

    settings = SimpleNamespace(node_name="a", elections=[SimpleNamespace(name="orders")])
    node = here.Here(lambda: settings, look, SimpleNamespace(look=Taken), SimpleNamespace(latest=Report()))
    assert node.status()["elections"]["orders"]["here"]["primary"] is True and len(looks) == 3
