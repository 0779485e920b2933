"""Ways to a release that a listener has beside `role.py`: none gives a proposal up before its group is proven dead."""

import queue
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import role
from supervisor_zkelect.guard import saved_session
from supervisor_zkelect.listener import events, listener


class Elector:
    """Of a session that owns a proposal behind one of another session, which bears the same node's name."""

    election_znode, session_id, proposal, token = "/service/e", 1, "n-0000000002", 8
    left = False

    def prepare(self):
        pass

    def create_proposal(self):
        pass

    def each_member(self):
        return [SimpleNamespace(node="a", session=2, name="n-0000000001", mine=False),
                SimpleNamespace(node="a", session=1, name="n-0000000002", mine=True)]

    def withdraw(self):
        self.left = True


@pytest.fixture
def deciding():
    """A listener that is nothing but its deciding thread; what it asks of ZooKeeper is done at once."""
    one = object.__new__(listener.Listener)
    one.queue, one.retiring = queue.SimpleQueue(), []
    one.settings = SimpleNamespace(node_name="a")
    one.ask = lambda contest, op, work: one.post(events.ElectionEvent(contest.settings.name, work()))
    return one


def contest(**state):
    return SimpleNamespace(elector=Elector(), settings=SimpleNamespace(name="orders"), state=role.State(**state))


def test_nobody_proposes_by_what_an_earlier_configuration_has_in_the_election(deciding):
    """The same session owns it, so it would be found and taken for this one's, and then be given up."""
    deciding.retiring = [saved_session.Election("former", "primary", "/service/e", "n-", "/service/ack")]
    deciding.do_Propose(contest(), role.Propose(5))
    event = deciding.queue.get_nowait().event
    assert isinstance(event, role.Failed) and (event.op, event.gone) == (5, False)
    deciding.retiring = [saved_session.Election("former", "primary", "/service/another", "n-", "/service/ack")]
    deciding.do_Propose(contest(inherited=8), role.Propose(6))
    assert isinstance(deciding.queue.get_nowait().event, role.Proposed)


@pytest.mark.parametrize("inherited", [None, 8])
def test_a_twin_costs_a_proposal_only_when_no_group_runs_by_it(deciding, inherited):
    one = contest(inherited=inherited)
    deciding.do_Propose(one, role.Propose(5))
    event = deciding.queue.get_nowait().event
    assert one.elector.left == (inherited is None) and isinstance(event, role.Proposed if inherited else role.Twin)
