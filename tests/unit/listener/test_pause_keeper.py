"""The guard is told of a pause, and what it echoes is given to whom it concerns."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, pause_messages
from supervisor_zkelect.core.control import Life, Unusable
from supervisor_zkelect.elector import NotConnected, NotLeader
from supervisor_zkelect.guard import protocol
from supervisor_zkelect.listener import events, pause_worker
from supervisor_zkelect.listener.pause_keeper import PauseKeeper
from supervisor_zkelect.zookeeper.pausing import Consented, NotPaused, PauseOver
from tests.unit.listener.parts import Host, means


class Place:
    def __init__(self):
        self.sent, self.heard = 4, []
        self.asked, self.posted = [], []
        self.one = SimpleNamespace(
            name="orders", settings=SimpleNamespace(group="primary"), decide=self.heard.append, ask=lambda *words: self.asked.append(words),
        )
        self.guard = SimpleNamespace(extend=self.extend, sent=4, can_enforce=lambda: True, unenforced=lambda: "")
        host = Host()
        host.settings, host.life = SimpleNamespace(node_name="a"), Life()
        self.keeper = PauseKeeper(means(host)._replace(post=self.posted.append), {"orders": self.one}, self.guard)

    def extend(self, candidacies):
        assert list(candidacies) == [self.one]
        self.guard.sent += 1

    def tell(self):
        self.keeper.actions()[pause_messages.TellPause](self.one, pause_messages.TellPause())

    def echo(self, number, paused=(), doubtful=()):
        self.keeper.echoed(protocol.LeaseEcho(number, 0.0, "", list(paused), list(doubtful)))


def test_only_the_echo_of_that_order_or_of_a_later_one_counts():
    place = Place()
    place.tell()
    place.echo(4, ["primary"])
    assert not place.heard, "it was sent before"
    place.echo(6, ["primary"])
    assert place.heard == [pause_messages.PauseEchoed(True, True)]
    place.echo(7)
    assert len(place.heard) == 1, "nobody asked"


@pytest.mark.parametrize("paused, doubtful, heard", [
    ([], [], (False, True)), (["other"], ["other"], (False, True)), ([], ["primary"], (False, False)), (["primary"], [], (True, True)),
])
def test_what_is_heard(paused, doubtful, heard):
    place = Place()
    place.tell()
    place.echo(5, paused, doubtful)
    assert place.heard == [pause_messages.PauseEchoed(*heard)]


def test_another_guard_counts_anew():
    place = Place()
    place.tell()
    place.keeper.guard_came()
    place.echo(1)
    assert place.heard == [pause_messages.PauseEchoed(False, True)]


def test_the_primary_consents_while_its_lease_would_be_extended():
    place, action = Place(), pause_messages.Consent(3, "p")
    place.keeper.actions()[pause_messages.Consent](place.one, action)
    assert place.asked == [(0, pause_worker.consent, action, "a", Life())] and not place.posted


@pytest.mark.parametrize("missing, why", [
    ("the lease is not extended, as there is no guard: no thread", "the lease is not extended, as there is no guard: no thread"),
    ("", "the guard does not answer at this moment"),
])
def test_nobody_consents_whose_lease_nobody_would_end(missing, why):
    """In a pause for a time it would end by the listener alone, and others lead by their clocks."""
    place = Place()
    place.guard.can_enforce, place.guard.unenforced = lambda: False, lambda: missing
    place.keeper.actions()[pause_messages.Consent](place.one, pause_messages.Consent(3, "p"))
    assert place.posted == [events.ElectionEvent("orders", pause_messages.PauseWritten(3, why))] and not place.asked


def elector(**calls):
    def failing(error):
        def call(*arguments):
            raise error

        return call

    return SimpleNamespace(**{name: failing(one) if isinstance(one, Exception) else lambda *arguments, one=one: one for name, one in calls.items()})


@pytest.mark.parametrize("came, event", [
    (Consented(7.0, 2500), pause_messages.PauseWritten(3, sent=7.0, lasts=2.5)),
    (Consented(7.0, None), pause_messages.PauseWritten(3, sent=7.0)),
    (NotPaused("taken back"), pause_messages.PauseWritten(3, "taken back")),
    (PauseOver("its time is over"), pause_messages.PauseWritten(3, "its time is over", True)),
    (Unusable("garbage"), pause_messages.PauseWritten(3, "garbage")),
    (NotConnected("lost"), pause_messages.PauseWritten(3, "ZooKeeper does not do it: lost")),
    (NotLeader("gone"), messages.ProposalLost("gone")),
    (ValueError("x"), pause_messages.PauseWritten(3, "a defect: ValueError('x')")),
])
def test_what_comes_of_a_consent(came, event):
    assert pause_worker.consent(elector(consent=came), pause_messages.Consent(3, "p"), "a", Life()) == event


@pytest.mark.parametrize("came, event", [
    (None, pause_messages.PauseWritten(3)), (NotLeader("gone"), messages.ProposalLost("gone")),
    (NotConnected("lost"), pause_messages.PauseWritten(3, "lost")), (ValueError("x"), pause_messages.PauseWritten(3, "a defect: ValueError('x')")),
])
def test_what_comes_of_its_end(came, event):
    assert pause_worker.end(elector(resume=came), 3) == event


@pytest.mark.parametrize("error", [NotConnected("lost"), ValueError("x")])
def test_a_control_that_cannot_be_read_behind_a_sync_is_not_known(error):
    assert pause_worker.see_consent(elector(read_control=error), 3, "a", Life()) == pause_messages.ConsentRead(3, None)
