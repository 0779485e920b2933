"""Where an address leads."""

import socket

import pytest

from supervisor_zkelect.diagnosis import addresses
from supervisor_zkelect.system import resolve


@pytest.mark.parametrize("text, place", [
    ("10.0.0.5:8080", ("10.0.0.5", 8080)), ("db.example:5432", ("db.example", 5432)), ("[::1]:80", ("::1", 80)),
    ("http://db:8080/x?y", ("db", 8080)), ("postgres://user:secret@db:5432/x", ("db", 5432)), ("db:5432/app", ("db", 5432)),
    ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ("db", None), ("", None), ("db:", None), ("db:x", None), ("db:0", None), ("db:70000", None), (":80", None), ("[::1:80", None),
    ("a b:80", None), ("a,b:80", None), ("x" * 5000, None), ("größe:80", None), ("http://[", None),
])
def test_the_place_of_an_address(text, place):
    assert addresses.place_of(text) == place


MINE = {"10.0.0.5", "fe80::1"}


@pytest.mark.parametrize("found, pieces", [
    (["10.0.0.5"], []), (["127.0.0.1"], []), (["127.9.9.9"], []), (["::1"], []), (["fe80::1%eth0"], []), (["::ffff:10.0.0.5"], []),
    (["0.0.0.0"], []),
    (["10.0.0.6"], ["10.0.0.6 is no address of this machine"]),
    (["127.0.0.1", "::1"], ["h has several addresses, 127.0.0.1, ::1, and each client takes one of them"]),
    (["10.0.0.5", "10.0.0.6"], ["h has several addresses", "of these, not on this machine: 10.0.0.6"]),
    ([f"10.1.0.{number}" for number in range(9)], ["10.1.0.3 and 5 more", "not on this machine: 10.1.0.0"]),
    ([], []),
])
def test_what_speaks_against_a_host(found, pieces):
    said = addresses.doubts("h", found, MINE)
    assert len(said) == len(pieces) and all(piece in line for piece, line in zip(pieces, said))


def test_a_name_is_looked_up_and_an_address_is_itself():
    assert resolve.addresses_of("10.9.8.7", 1) == ["10.9.8.7"] and resolve.addresses_of("::1", 1) == ["::1"]
    assert "127.0.0.1" in resolve.addresses_of("localhost", 10) or "::1" in resolve.addresses_of("localhost", 10)
    with pytest.raises(ValueError):
        resolve.addresses_of("no-such-name.invalid", 10)


def test_one_that_does_not_answer_costs_no_more_than_its_time(monkeypatch):
    import threading

    free = threading.Event()
    look_up = socket.getaddrinfo

    def hang(host, *arguments, **options):
        if options.get("flags"):
            raise socket.gaierror()
        free.wait(60)
        return look_up("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(ValueError, match="time limit of 0.05 s"):
            resolve.addresses_of("slow.example", 0.05)
    finally:
        free.set()
