"""Lines of one kind do not fill a log."""

from supervisor_zkelect.core import paced


def test_the_same_is_said_once_in_a_while():
    pace = paced.Paced(1, 60.0)
    said = [pace.line("x", "k", 100.0 + second) for second in range(0, 180, 2)]
    assert [line for line in said if line] == ["x", *["x (29 more of this kind were left out)"] * 2]


def test_some_may_come_together():
    pace = paced.Paced(3, 10.0)
    said = [bool(pace.line("x", "k", 100.0 + second / 10)) for second in range(300)]
    assert sum(said) == 5 and said[:4] == [True, True, True, False]


def test_kinds_are_apart():
    pace = paced.Paced(1, 60.0)
    assert pace.line("x", "x", 1.0) == "x" and pace.line("y", "y", 1.0) == "y" and pace.line("x", "x", 2.0) == ""


def test_what_is_known_of_kinds_is_bounded():
    pace = paced.Paced(1, 60.0)
    for number in range(10_000):
        assert pace.line("x", str(number), 1.0) == "x"
    assert len(pace._said) <= paced.MOST
