"""The table of options."""

from supervisor_zkelect.config.options import LIVE, OPTIONS, RESTART, SESSION, TERM


def test_every_option_says_what_a_change_takes():
    assert {option.change for option in OPTIONS} == {LIVE, RESTART, TERM, SESSION}
