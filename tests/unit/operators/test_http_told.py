"""That `zkelect http` does not answer is told, where it is configured."""

import pytest

from supervisor_zkelect.operators import check_listener, show
from supervisor_zkelect.operators.view import View

SILENT = "zkelect http does not answer at 127.0.0.1:8787 (Connection refused); a load balancer sees no primary here"


def view(http, known=True):
    facts = {"role": "standby", "step": "watching", "trouble": "", "since": 1.0}
    session = {"state": "connected", "since": 1.0, "trouble": ""}
    return View(known, "" if known else "dead", 0.1, 9.0, {"node": "a", "session": session, "elections": {"orders": facts}, "http": http})


@pytest.mark.parametrize("http, told", [
    (None, False), ({"at": "127.0.0.1:8787", "trouble": ""}, False), ({"at": "127.0.0.1:8787", "trouble": SILENT}, True), ("odd", False),
])
def test_role_status_and_check_tell(http, told):
    for outcome in (show.role(view(http)), show.status(view(http))):
        assert (SILENT in outcome.lines) is told and outcome.exit == 3 and outcome.document["http"] == http
    assert (SILENT in check_listener.of_view(view(http)).troubles) is told


def test_of_a_listener_that_is_not_believed_nothing_is():
    assert SILENT not in show.role(view({"at": "x", "trouble": SILENT}, known=False)).lines


def test_what_the_listener_says_is_shown_in_one_printable_line():
    found = view({"at": "x", "trouble": "a\x1bb\n"})
    assert "a\\x1bb\\n" in show.role(found).lines and "a\\x1bb\\n" in check_listener.of_view(found).troubles
