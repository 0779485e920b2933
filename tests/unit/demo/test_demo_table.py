"""The demo's closing table says what was measured, and nothing else."""

import re

import pytest

from supervisor_zkelect.demo import table
from supervisor_zkelect.demo.observer import Overlap, judge
from supervisor_zkelect.demo.table import EventRow, Figure, Measured, never

ROWS = [
    EventRow("1 service killed", Figure(0.0312), Figure(1.0341), Figure(4.2134)),
    EventRow("4 whole node lost", Figure(4.4601), never("nobody: the other machine is not its business"), Figure(4.4442)),
    EventRow("5 orderly hand-over", Figure(0.0411), Figure(0.0337, "each step done by hand"), never("not needed")),
    EventRow("6 zkelect restarted", Figure(0.0), never("-"), never("-")),
]
MEASURED = Measured(ROWS, Overlap(0.0, 0), 12345, 0.005, 0.0068, 0.0273, 4.0)


def line(measured, beginning):
    return next(line for line in table.lines(measured) if line.startswith(beginning))


def test_each_figure_is_the_one_that_was_measured():
    assert re.split(" {2,}", line(MEASURED, "1 ")) == ["1 service killed", "31 ms", "1,034 ms", "4,213 ms"]
    assert re.split(" {2,}", line(MEASURED, "4 "))[1:] == [
        "4,460 ms", "nobody: the other machine is not its business", "4,444 ms",
    ]
    assert re.split(" {2,}", line(MEASURED, "5 "))[1:] == ["41 ms", "34 ms, each step done by hand", "not needed"]
    assert re.split(" {2,}", line(MEASURED, "6 "))[1:] == ["none", "-", "-"]
    text = " ".join(" ".join(table.lines(MEASURED)).split())
    for figure in ("every 5 ms; 7 ms while nothing happened", "first answer 27 ms", "session timeout is 4 s"):
        assert figure in text


def test_no_number_stands_in_it_that_was_not_measured():
    """With other figures every number is another one."""
    others = [
        EventRow(row.event, *(Figure(cell.seconds + 70, "") if cell.seconds else cell for cell in row[1:])) for row in ROWS
    ]
    other = Measured(others, Overlap(70.0, 0), 77777, 0.07, 0.7, 0.77, 9.0)

    def numbers(measured):
        return set(re.findall(r"(?<=[ (])\d[\d,.]*", "\n".join(table.lines(measured))))

    assert not numbers(MEASURED) & numbers(other)


def test_two_at_once_is_what_the_client_heard():
    assert "  0.0 ms  " in line(MEASURED, "two at once") and "12,345 questions" in line(MEASURED, "two at once")
    assert "  12.3 ms  " in line(MEASURED._replace(overlap=Overlap(0.01234, 1)), "two at once")


@pytest.mark.parametrize("factor", [1, 20, 2000])
def test_it_is_narrow_and_its_columns_stand_below_each_other(factor):
    rows = [EventRow(row.event, *(cell._replace(seconds=cell.seconds and cell.seconds * factor) for cell in row[1:])) for row in ROWS]
    shown = table.lines(MEASURED._replace(rows=rows, questions=12345 * factor))
    assert max(map(len, shown)) <= table.WIDTH
    if factor < 2000:
        (rule,) = [line for line in shown if line.startswith("---")]
        gaps = [number for number, character in enumerate(rule) if character == " "]
        body = shown[: shown.index("")]
        assert all(line.ljust(len(rule))[gap] == " " for line in body if not line.startswith("two") for gap in gaps)


def heard(*answers):
    """Of one second: (name, pid or 0) for each question in turn, 10 ms apart."""
    return judge(
        {"name": name, "asked": number / 100, "received": number / 100 + 0.001, **({"pid": pid} if pid else {"error": "no"})}
        for number, (name, pid) in enumerate(answers)
    )


def test_no_silence_is_one_process_that_answered_every_question():
    assert table.silence(heard(("a", 1), ("b", 0), ("a", 1), ("b", 0), ("a", 1))) == 0.0
    assert table.silence(heard(("a", 1), ("a", 0), ("a", 1))) == pytest.approx(0.02)
    # Another process of the same node is no longer the one that served.
    assert table.silence(heard(("a", 1), ("a", 2))) == pytest.approx(0.01)
    assert table.silence(heard(("a", 1), ("b", 0), ("a", 0), ("b", 2))) == pytest.approx(0.03)
    assert table.silence(heard()) == 0.0
