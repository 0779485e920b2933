"""Ways to a release that a listener has beside `role.py`: none gives a proposal up before its group is proven dead."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages
from supervisor_zkelect.core.state import State
from supervisor_zkelect.guard import saved_session
from supervisor_zkelect.listener.actions import Actions
from supervisor_zkelect.listener.leftovers import Leftovers
from tests.unit.listener.parts import Host, candidacies, candidacy, keepers, means


class Elector:
    """Of a session that owns a proposal behind one of another session, which bears the same node's name."""

    election_znode, session_id, proposal, token = "/service/e", 1, "n-0000000002", 8
    left, found = False, True

    def term_in_progress(self):
        return self.token

    def prepare(self):
        pass

    def create_proposal(self):
        pass

    def each_member(self):
        return [SimpleNamespace(node="a", session=2, name="n-0000000001", mine=False),
                SimpleNamespace(node="a", session=1, name="n-0000000002", mine=True, info={})]

    def withdraw(self):
        self.left = True


@pytest.fixture
def propose():
    """Has a candidacy propose beside leftovers; returns the event."""

    def propose(op, leftovers=(), **state):
        host = Host()
        one = candidacy(host, State(**state), Elector())
        left = Leftovers(means(host), candidacies(one), None)
        left.elections = [saved_session.SavedElection("former", "primary", znode, "n-", "/service/ack") for znode in leftovers]
        actions = Actions(means(host, post=one.posted.append), keepers(one, leftovers=left), None).actions()
        actions[messages.Propose](one, messages.Propose(op))
        if not one.posted:
            host.serials[0].do()
        return one.elector, one.posted[-1].event

    return propose


def test_nobody_proposes_by_what_an_earlier_configuration_has_in_the_election(propose):
    """The same session owns it, so it would be found and taken for this one's, and then be given up."""
    _, event = propose(5, ["/service/e"])
    assert isinstance(event, messages.RequestFailed) and (event.op, event.gone) == (5, False)
    _, event = propose(6, ["/service/another"], inherited=8)
    assert isinstance(event, messages.Proposed)


@pytest.mark.parametrize("inherited", [None, 8])
def test_a_twin_costs_a_proposal_only_when_no_group_runs_by_it(propose, inherited):
    elector, event = propose(5, inherited=inherited)
    assert elector.left == (inherited is None)
    assert isinstance(event, messages.Proposed if inherited else messages.DuplicateNodeName)
