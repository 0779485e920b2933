"""Certificates for a ZooKeeper that speaks TLS, made by openssl."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple, Sequence, Union


class Certificates(NamedTuple):
    """Paths of PEM files. Each certificate is signed by `ca`; `stranger` is signed by another authority."""

    ca: str
    server_cert: str
    server_key: str
    client_cert: str
    client_key: str
    stranger_cert: str
    stranger_key: str


def certificates(
    folder: Union[str, os.PathLike[str]],
    names: Sequence[str] = ("localhost",),
    addresses: Sequence[str] = ("127.0.0.1",),
) -> Certificates:
    """A certificate authority, a server's and a client's certificate, and a client certificate of another
    authority.

    folder: where the PEM files go; made when missing.
    names, addresses: host names and IP addresses for which the server's certificate is valid.

    Raises RuntimeError when the program openssl is not installed or fails.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    alternatives = ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])
    _authority(folder, "ca")
    _authority(folder, "other-ca")
    _signed(folder, "server", "ca", f"extendedKeyUsage=serverAuth\nsubjectAltName={alternatives}\n")
    _signed(folder, "client", "ca", "extendedKeyUsage=clientAuth\n")
    _signed(folder, "stranger", "other-ca", "extendedKeyUsage=clientAuth\n")
    paths = ["ca.pem", "server.pem", "server.key", "client.pem", "client.key", "stranger.pem", "stranger.key"]
    return Certificates(*(str(folder / path) for path in paths))


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
"""Unlike an RSA key, made in no time."""


def _authority(folder: Path, name: str) -> None:
    # Extensions that Python's strict checking asks for (VERIFY_X509_STRICT, on by default since 3.13).
    config = folder / f"{name}.cnf"
    config.write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=authority\n[name]\n[authority]\n"
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n"
    )
    subject = ["-days", "2", "-subj", f"/CN=lab {name}"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    _openssl(folder, "req", "-x509", "-config", config.name, *_NEW_KEY, *subject, *files)


def _signed(folder: Path, name: str, authority: str, extensions: str) -> None:
    extra = folder / f"{name}.ext"
    extra.write_text(
        "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n"
        f"authorityKeyIdentifier=keyid\n{extensions}"
    )
    new = ["-subj", f"/CN=lab {name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
    _openssl(folder, "req", "-config", f"{authority}.cnf", *_NEW_KEY, *new)
    signer = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2"]
    files = ["-in", f"{name}.csr", "-extfile", extra.name, "-out", f"{name}.pem"]
    _openssl(folder, "x509", "-req", *signer, *files)


def _openssl(folder: Path, *words: str) -> None:
    try:
        done = subprocess.run(
            ["openssl", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
    except FileNotFoundError:
        raise RuntimeError("openssl not found; on Debian or Ubuntu: apt-get install openssl") from None
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]} failed: {done.stdout.strip()}")
