"""One election of a listener."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.state import Resigning, State
from supervisor_zkelect.elector import ElectionError
from supervisor_zkelect.listener import candidacy as module
from supervisor_zkelect.listener import election_worker, events
from supervisor_zkelect.listener.candidacies import QUEUE_LOOKS
from supervisor_zkelect.listener.paced_log import REPEAT
from supervisor_zkelect.zookeeper.holder import Holder
from supervisor_zkelect.zookeeper.stepping import Stepped
from tests.unit.listener.parts import NOW, Host, candidacies, candidacy

PRIMARY = State(role=roles.PRIMARY, step="", token=5, proposal="n-1", up=True, alive=True, deadline=NOW + 60.0)
STANDBY = replace(PRIMARY, role=roles.STANDBY, step="watching")


@pytest.fixture
def host():
    return Host()


def test_a_history_that_cannot_be_written_is_tried_again_later(host):
    one = candidacy(host, PRIMARY)
    one.timeline.news = lambda: [{"token": 5}]
    one.timeline.written = lambda terms: None
    work = host.serials[0].given
    one.write_history()
    one.write_history()
    assert one.writing and len(work) == 1
    one.history_written(events.HistoryWritten("orders", [], "no answer"))
    one.write_history()
    assert not one.writing and len(work) == 1
    host.moment += REPEAT
    one.write_history()
    assert len(work) == 2


def test_a_place_counts_for_the_proposal_that_it_was_asked_for(host):
    one = candidacy(host, PRIMARY)
    one.look_at_queue()
    assert one.queue.asking
    one.queue_seen(events.QueueSeen("orders", "", "", 3, 4, "n-0", NOW))
    assert not one.queue.asking and one.facts.place is None
    one.queue_seen(events.QueueSeen("orders", "", "stranger", 1, 4, "n-1", NOW))
    assert (one.facts.place, one.facts.candidates, one.queue.foreign) == (1, 4, "stranger")


def test_the_sickness_of_a_service_is_told_with_the_ends_of_its_programs(host):
    one, heard = candidacy(host, PRIMARY, check=object()), []
    one.decide = heard.append
    one.group.ends.update(orders="it was killed by SIGKILL", other="")
    one.heard(messages.Probed(9, False, "no answer"))
    assert heard == [messages.Probed(9, False, "no answer; the program orders ended: it was killed by SIGKILL")]


def test_others_changes_of_ack_and_holder_are_read_at_a_pace(host):
    one = candidacy(host, PRIMARY)
    one.read_term()
    one.heard(messages.TermSeen("a", "x:1", 5))
    one.term_changed()
    assert one.term.due == NOW + module.SEE_PACE
    one.state = replace(PRIMARY, role=roles.STANDBY, step="watching")
    one.term.due = NOW + 99.0
    one.term_changed()
    assert one.term.due == NOW + 99.0


def test_whether_the_primary_is_gone_is_looked_at_but_while_somebody_resigns(host):
    looks = []
    elector = SimpleNamespace(holder=lambda: Holder("a", 5, "a:1"), read_ack=lambda: b"a:1", stands=looks.append, listable=True)
    one = candidacy(host, STANDBY, elector)
    one.read_term()
    host.serials[0].do()
    assert looks == [5] and one.posted[0].event.gone
    one.term.asking, one.state = False, replace(STANDBY, resigning=(Resigning("t", NOW, 4),))
    one.read_term()
    host.serials[0].do()
    assert looks == [5] and not one.posted[1].event.gone


def test_a_queue_that_is_led_is_glanced_at_as_often_as_all_queues_allow(host):
    glances = []
    one = candidacy(host, PRIMARY, SimpleNamespace(glance_at_queue=glances.append))
    ones = candidacies(one, timeout=10.0)
    one.queue.due, ones.due = NOW, NOW
    ones.keep_time(NOW)
    assert len(glances) == 1 and one.queue.due == NOW + 10.0 / QUEUE_LOOKS
    glances[0]()
    assert one.posted == [events.QueueMoved("orders")]


@pytest.mark.parametrize("error, failed", [
    (ElectionError("no permission"), messages.RequestFailed(7, False, "no permission", refused=True)),
    (election_worker.NotConnected("no answer"), messages.RequestFailed(7, False, "no answer")),
    (election_worker.ProposalGone("it is gone"), messages.RequestFailed(7, True, "it is gone")),
])
def test_a_request_that_fails_is_an_event(host, error, failed):
    def refuse(elector):
        raise error

    one = candidacy(host)
    one.ask(7, refuse)
    host.serials[0].do()
    assert one.posted == [events.ElectionEvent("orders", failed)]


def test_a_proposal_that_goes_with_its_session_before_it_is_told_of_is_gone(host):
    """A listener that was frozen meanwhile may hear of that on another thread first. It is no defect."""
    one = candidacy(host, elector=SimpleNamespace(
        step_behind=lambda better, node, healthy: Stepped("n-2", 0), proposal=None, token=None, data=b"", proposed=b"",
    ))
    one.ask(7, election_worker.step_behind, 7, "", "a", 60.0)
    host.serials[0].do()
    (told,) = one.posted
    assert told.event.gone and "session" in told.event.reason


@pytest.mark.parametrize("before, after, late", [
    ("lag 3 s", "lag 4 s", True), ("", "lag 4 s", False), ("lag 3 s", "", False),
])
def test_the_changing_numbers_of_a_check_that_fails_are_not_written_each_time(host, before, after, late):
    one = candidacy(host, replace(STANDBY, fit_trouble=before))
    one.state = replace(STANDBY, fit_trouble=after)
    one._tell_of(replace(STANDBY, fit_trouble=before), NOW)
    assert (one.entry.due > NOW + 30.0) is late and one.entry.due <= NOW + 60.0
