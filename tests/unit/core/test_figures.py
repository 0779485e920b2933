"""The times of a node as others take them, whatever it says of itself."""

import pytest
from supervisor.options import ServerOptions, UnhosedConfigParser

from supervisor_zkelect.core import figures
from supervisor_zkelect.core.figures import Figures


def test_what_is_told_is_taken_and_the_rest_is_as_the_options_have_it():
    assert figures.of({"timeout": 4.0, "fences": 1.0, "strange": 7.0}) == Figures(timeout=4.0, fences=1.0)
    assert figures.of({}) == Figures() and figures.of({"timeout": 0.5, "rise": 3.0, "fall": 5.0}) == Figures(0.5, rise=3.0, fall=5.0)


@pytest.mark.parametrize("name", ["timeout", "interval", "health_interval", "backoff_min"])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_times_that_cannot_be_make_none_of_them_count(name, value):
    assert figures.of({"kill_time": 9.0, name: value}) == Figures()


@pytest.mark.parametrize("name", ["interval", "health_interval"])
def test_no_more_beats_and_checks_are_played_than_anybody_can_wait_for(name):
    assert figures.of({"timeout": 10.0, name: 1e-9}) == Figures()._replace(**{name: 0.01})
    assert figures.of({"timeout": 10.0, name: 0.02}) == Figures()._replace(**{name: 0.02})


def test_a_check_counts_once_at_least():
    assert figures.of({"rise": 0.0, "fall": -3.0}) == Figures(rise=1.0, fall=1.0)
    assert figures.of({"rise": 1.0, "fall": 1.0}) == Figures(rise=1.0, fall=1.0)


def test_the_time_to_stop_is_supervisords_default():
    parser = UnhosedConfigParser()
    parser.read_string("[program:x]\ncommand = /bin/true\n")
    [program] = ServerOptions().processes_from_section(parser, "program:x", "x")
    assert program.stopwaitsecs == figures.STOPWAITSECS == Figures().stopwaitsecs
