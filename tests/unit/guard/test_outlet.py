"""The listener's outlet to the guard: in order, whole, and without waiting."""

import socket
import threading

from supervisor_zkelect.guard.link import _Outlet


def test_more_than_the_kernel_has_room_for_arrives_whole_and_in_order():
    here, there = socket.socketpair()
    with here, there:
        outlet = _Outlet(here)
        messages = [b"%d %s\n" % (number, b"x" * (number % 5000)) for number in range(500)]
        left = [outlet.send(message) for message in messages]
        assert left[0] == 0 and left[-1] > 0
        received, wanted = b"", b"".join(messages)
        while len(received) < len(wanted):
            received += there.recv(65536)
        assert received == wanted


def test_a_peer_that_is_gone_holds_up_nobody():
    here, there = socket.socketpair()
    with here:
        outlet = _Outlet(here)
        while not outlet.send(b"x" * 65536):
            continue
        there.close()
        for thread in threading.enumerate():
            if thread.name == "zkelect-outlet":
                thread.join(10)
        outlet.send(b"y")
        assert not any(thread.name == "zkelect-outlet" for thread in threading.enumerate())
