"""When a guard stands still."""

from supervisor_zkelect.core.silence import HASTE, LONGEST, STOOD_STILL, Silence


def after(silence, seconds, awaited=True):
    """After so long in which the listener ran, turn by turn."""
    for _ in range(round(seconds / 0.01)):
        silence = silence.turned(silence.turned_at + 0.01, awaited)
    return silence


def test_a_lease_is_extended_while_the_guard_echoes_at_once():
    one = after(Silence(100.0), HASTE - 0.01)
    assert one.short and not after(one, 0.03).short
    assert after(one, 0.03).echoed().short and after(one, 1.0, awaited=False).short


def test_one_that_stands_still_is_replaced_sooner_where_a_group_should_be_dead():
    one = after(Silence(100.0), HASTE + 0.02)
    assert one.too_long(one.turned_at, late=True) and not one.too_long(one.turned_at, late=False)
    one = after(one, LONGEST)
    assert one.too_long(one.turned_at, late=False)


def test_only_time_in_which_the_listener_ran_counts():
    one = Silence(100.0).turned(100.0 + STOOD_STILL, awaited=True)
    assert one.short and not one.excuses(one.turned_at)


def test_after_the_whole_node_stood_still_nobody_is_replaced_at_once():
    one = Silence(100.0)
    assert one.excuses(103.0)
    one = one.turned(103.0, awaited=True)
    assert one.excuses(103.0 + LONGEST - 0.01) and not one.excuses(103.0 + LONGEST)
    one = after(one, HASTE + 0.02)
    assert not one.too_long(one.turned_at, late=True) and one.too_long(103.0 + LONGEST, late=True)


def test_a_long_turn_of_the_listener_counts_as_a_short_one():
    one = Silence(100.0)
    for second in range(1, 4):
        one = one.turned(100.0 + second, awaited=True)
    assert one.quiet <= HASTE + 1e-9
    assert not one.turned(104.0, awaited=True).short


def test_what_a_guard_has_it_has_to_the_end():
    assert Silence(100.0, HASTE).short and not Silence(100.0, LONGEST).too_long(100.0, late=False)
    assert Silence(100.0, LONGEST + 0.01).too_long(100.0, late=False)
