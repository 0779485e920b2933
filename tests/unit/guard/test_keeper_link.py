"""A guard's side of its keeper, where one cannot be had, or does not do what it is told."""

import selectors
import socket
import subprocess
import sys

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import keeper_link
from supervisor_zkelect.guard.keeper_protocol import KeeperEnded
from tests.unit.guard.test_record import OWNER


class Link(keeper_link.KeeperLink):
    """One whose keeper is another program. now: the time, which passes by hand."""

    def __init__(self, monkeypatch, tmp_path, program):
        self.now = 100.0
        monkeypatch.setattr(keeper_link, "now", lambda: self.now)
        (tmp_path / "sitecustomize.py").write_text(program)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        self.heard, self.children = [], []
        popen = subprocess.Popen

        def start(*arguments, **options):
            self.children.append(popen(*arguments, **options))
            return self.children[-1]

        monkeypatch.setattr(subprocess, "Popen", start)
        self.selector = selectors.DefaultSelector()
        super().__init__(str(tmp_path), "none", False, OWNER, self.selector, self.heard.append)

    def turn(self):
        for key, mask in self.selector.select(0.05):
            key.data(key.fileobj, mask)
        self.keep_time()


@pytest.fixture
def link(monkeypatch, tmp_path):
    made = []

    def make(program):
        made.append(Link(monkeypatch, tmp_path, program))
        return made[-1]

    yield make
    for one in made:
        one.close()
        for child in one.children:
            child.kill()
            child.wait(60)
        one.selector.close()


#: Does nothing for ever, as one that stands still.
STUCK = "import sys\nif 'supervisor_zkelect.guard.keeper' in ' '.join(sys.orig_argv if hasattr(sys, 'orig_argv') else []):\n" \
        "    import signal\n    while True:\n        signal.pause()\n"
ENDS = STUCK.replace("    import signal\n    while True:\n        signal.pause()\n", "    import os\n    os._exit(3)\n")

needs_words = pytest.mark.skipif(sys.version_info < (3, 10), reason="a Python's own words are told from 3.10 on")


def test_one_that_cannot_be_started_for_want_of_a_descriptor_is_tried_again(link, monkeypatch):
    one = link("")

    def refuse(*arguments):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as scarce:
        scarce.setattr(socket, "socketpair", refuse)
        with pytest.raises(OSError):
            one.start()
    assert one.now < one.start_at < keeper_link.NEVER


@needs_words
def test_one_that_ends_is_started_again_less_and_less_often(link):
    one = link(ENDS)
    one.start_at, waits = one.now, []
    for number in range(1, 5):
        one.keep_time()

        def ended():
            one.turn()
            return len(one.heard) == number

        until(ended, 60, "it to end")
        waits.append(one.start_at - one.now)
        one.now = one.start_at
    assert waits == sorted(waits) and waits[-1] > 4 * waits[0]


@needs_words
def test_a_release_that_does_not_end_is_ended(link, tmp_path):
    """The keeper holds the session's lock, for which listeners wait."""
    one = link(STUCK)
    with open(tmp_path / "lock", "w") as lock:
        one.release({}, lock.fileno())
    (stuck,) = one.children
    one.now += keeper_link.RELEASE_TIME - 0.1
    one.keep_time()
    assert one.heard == []
    one.now += 0.2
    assert one.next_wakeup() <= one.now
    one.keep_time()
    assert one.heard == [KeeperEnded()] and stuck.wait(60) == -9
