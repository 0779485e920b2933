"""The names of ZooKeeper's servers, where no thread is to be had to resolve them."""

import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import attached
from supervisor_zkelect.zookeeper.errors import NotConnected

BY_NUMBER = ("127.0.0.1", 2181)


class Names:
    """A name service that knows all names. asked: which it was asked for; while `hangs` is set, it does not answer."""

    def __init__(self, monkeypatch):
        self.asked, self.hangs, self.goes_on = [], False, threading.Event()
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, name, port, flags=0, **options):
        if name != BY_NUMBER[0]:
            if flags:
                raise socket.gaierror("not numeric")
            self.asked.append(name)
            if self.hangs:
                self.goes_on.wait()
        return self._resolve(BY_NUMBER[0], port, flags=flags, **options)


@pytest.fixture
def names(monkeypatch):
    made = Names(monkeypatch)
    yield made
    made.goes_on.set()


@pytest.fixture
def no_threads(monkeypatch):
    """Let there be no further thread; called with True, the keeper has kept one."""
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    def no_threads(kept):
        monkeypatch.setattr(attached, "_spare", queue.SimpleQueue())
        monkeypatch.setattr(attached, "_spare_threads", [])
        if kept:
            attached.keep_thread()
        monkeypatch.setattr(threading.Thread, "start", refuse)

    return no_threads


def resolved(*hosts, seconds=30.0):
    return {name for _, _, name in attached._addresses([(one, 2181) for one in hosts], now() + seconds)}


@pytest.mark.parametrize("hosts, kept, found", [
    (("zk1", "127.0.0.1"), True, {"zk1", "127.0.0.1"}), (("zk1", "zk2"), True, {"zk1", "zk2"}),
    (("zk1", "127.0.0.1"), False, {"127.0.0.1"}), (("zk1", "zk2"), False, set()),
])
def test_names_are_resolved_by_the_thread_that_was_kept(names, no_threads, hosts, kept, found):
    no_threads(kept)
    # Nobody is to wait for what nobody does.
    assert attached._begin(lambda: None) is kept
    assert resolved(*hosts) == found
    assert names.asked == ["zk1", "zk2"][:len(found - {"127.0.0.1"})]


def test_without_any_thread_a_name_cannot_be_reached_and_is_tried_again(names, no_threads):
    """Whoever attaches lives on."""
    no_threads(False)
    attached.keep_thread()
    with pytest.raises(NotConnected):
        attached.AttachedClient("zk1:2181", (7, b""), 10.0).start(5.0)


def test_what_nobody_waits_for_any_more_is_not_resolved(names, no_threads):
    """A name service that hangs has one thread, and would have all that came meanwhile to do."""
    with ThreadPoolExecutor(1) as other:
        # A thread of its own, which begins before there are no more.
        other.submit(int).result()
        no_threads(True)
        names.hangs = True
        first = other.submit(resolved, "zk1")
        until(lambda: names.asked == ["zk1"], 30, "the first to be asked for")
        assert resolved("zk2", seconds=0.01) == set()
        names.hangs = False
        names.goes_on.set()
        assert first.result() == {"zk1"}
    assert resolved("zk3") == {"zk3"} and names.asked == ["zk1", "zk3"]
