"""A certificate that is renewed, and options that are tried before they are taken."""

import shutil
import socket
import ssl
import time
from types import SimpleNamespace

import pytest

from lab.certificates import certificates
from supervisor_zkelect.config import http_files
from supervisor_zkelect.web import places
from supervisor_zkelect.web.certificate import Certificate


@pytest.fixture
def made(tmp_path):
    return [certificates(tmp_path / name) for name in ("first", "second")]


def shown(context):
    """The certificate that a client is shown."""
    incoming, outgoing, out = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    out.check_hostname, out.verify_mode = False, ssl.CERT_NONE
    client, server = out.wrap_bio(incoming, outgoing), context.wrap_bio(outgoing, incoming, server_side=True)
    for _ in range(4):
        for one in (client, server):
            try:
                one.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(True))


def test_a_renewed_certificate_at_the_same_place_is_loaded_and_a_wrong_one_is_not(made, tmp_path, caplog):
    certificate, key = str(tmp_path / "cert"), str(tmp_path / "key")
    shutil.copy(made[0].server_cert, certificate)
    shutil.copy(made[0].server_key, key)
    one = Certificate(certificate, key)
    first = shown(one.context)
    shutil.copy(made[1].server_cert, certificate)
    one.refresh()
    assert shown(one.context) == first and "former one still is" in caplog.text
    shutil.copy(made[1].server_key, key)
    one.refresh()
    assert shown(one.context) != first and shown(one.context).strip() in open(made[1].server_cert).read()


def settings(**given):
    names = ("http_password_file", "http_tls_cert", "http_tls_key", "http_agent")
    return SimpleNamespace(**{**dict.fromkeys(names), "http_at": "127.0.0.1:1", **given})


def test_a_certificate_that_ends_soon_or_has_and_keys_that_others_read_are_told(made, tmp_path):
    given = settings(http_tls_cert=made[0].server_cert, http_tls_key=made[0].server_key)
    (tmp_path / "first" / "server.key").chmod(0o600)
    ends = http_files.not_after(open(made[0].server_cert, "rb").read())
    assert abs(ends - time.time() - 2 * 86400) < 3600

    def told(now):
        return [f"{option}: {what}" for option, _, what in http_files.troubles(given, now)]

    assert told(ends - http_files.SOON - 1) == []
    assert told(ends - 86400) == ["http_tls_cert: expires in 1.0 days; renew it"]
    assert told(ends) == ["http_tls_cert: has expired; renew it"]
    (tmp_path / "first" / "server.key").chmod(0o644)
    assert "http_tls_key: every user may read this file" in told(0)[0]
    given.http_tls_key = made[1].server_key
    assert "cannot be used with its key" in told(0)[0]


def test_a_password_file_with_a_mistake_or_for_all_to_read_is_told(tmp_path):
    path = tmp_path / "users"
    path.write_text("nonsense")
    path.chmod(0o644)
    told = [what for _, _, what in http_files.troubles(settings(http_password_file=str(path)), 0)]
    assert "nobody is let in" in told[0] and "chmod o-r" in told[1] and len(told) == 2


@pytest.mark.parametrize("data", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", b"x" * 9])
def test_what_is_no_certificate(data):
    with pytest.raises(ValueError):
        http_files.not_after(data)


def test_options_are_tried_before_they_are_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as mine:
        busy, own = taken.getsockname()[1], mine.getsockname()[1]
        former = settings(http_at=f"127.0.0.1:{own}")
        assert "in use" in places.trouble(former, settings(http_at=f"127.0.0.1:{busy}"))
        assert "in use" in places.trouble(former, settings(http_at=former.http_at, http_agent=f"127.0.0.1:{busy}"))
        assert places.trouble(former, settings(http_at=f"192.0.2.1:{own}")) != ""
        # The port of its own is free once it restarts.
        assert places.trouble(former, settings(http_at=f"0.0.0.0:{own}")) == ""
        assert "No such file" in places.trouble(former, settings(http_at=former.http_at, http_tls_cert=str(tmp_path / "none")))


@pytest.mark.parametrize("http", ["127.0.0.2:{own}", "127.2:{own}"])
@pytest.mark.parametrize("held", ["127.0.0.1", "localhost", "no..name"])
def test_the_port_of_ones_own_at_an_address_that_another_program_has_is_not_taken(held, http):
    with socket.create_server(("127.0.0.1", 0)) as mine:
        own = mine.getsockname()[1]
        with socket.create_server(("127.0.0.2", own)):
            former = settings(http_at=f"{held}:{own}")
            assert "in use" in places.trouble(former, settings(http_at=http.format(own=own)))
        assert places.trouble(former, settings(http_at=http.format(own=own))) == ""


@pytest.mark.parametrize("http, agent", [
    ("127.0.0.1:{own}", "localhost:{own}"), ("localhost:{own}", "127.0.0.1:{own}"), ("127.0.0.1:{new}", "127.1:{new}"),
    ("0.0.0.0:{new}", "127.1:{new}"), ("127.0.0.1:{agent}", "127.0.0.1:{agent}"),
])
def test_two_ports_that_cannot_be_had_together_are_not_taken(http, agent):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        with socket.create_server(("127.0.0.1", 0)) as free:
            new = free.getsockname()[1]
        ports = {"own": one.getsockname()[1], "agent": other.getsockname()[1], "new": new}
        former = settings(http_at=f"127.0.0.1:{ports['own']}", http_agent=f"127.0.0.1:{ports['agent']}")
        fresh = settings(http_at=http.format(**ports), http_agent=agent.format(**ports))
        assert "in use" in places.trouble(former, fresh)
        # Either may have the other's.
        assert places.trouble(former, settings(http_at=former.http_agent, http_agent=former.http_at)) == ""
