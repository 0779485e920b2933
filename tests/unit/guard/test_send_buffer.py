"""The buffer of what a listener has for the guard: in order, whole, and without waiting."""

import socket
import threading

from supervisor_zkelect.guard.send_buffer import SendBuffer


def test_more_than_the_kernel_has_room_for_arrives_whole_and_in_order():
    here, there = socket.socketpair()
    with here, there:
        buffer = SendBuffer(here)
        messages = [b"%d %s\n" % (number, b"x" * (number % 5000)) for number in range(500)]
        left = [buffer.send(message) for message in messages]
        assert left[0] == 0 and left[-1] > 0
        received, wanted = b"", b"".join(messages)
        while len(received) < len(wanted):
            received += there.recv(65536)
        assert received == wanted


def test_a_peer_that_is_gone_holds_up_nobody():
    here, there = socket.socketpair()
    with here:
        buffer = SendBuffer(here)
        while not buffer.send(b"x" * 65536):
            continue
        there.close()
        for thread in threading.enumerate():
            if thread.name == "zkelect-send":
                thread.join(10)
        buffer.send(b"y")
        assert not any(thread.name == "zkelect-send" for thread in threading.enumerate())
