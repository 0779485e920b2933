"""Rules between the options of a file, and the defaults that follow from other options.

A value that was refused is missing from a section's values: whether it was set to anything remains unknown.
"""

from __future__ import annotations

import importlib.util
import math
import re
import ssl
import sys
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from supervisor_zkelect.checks.parse import parse
from supervisor_zkelect.config import listening, shellwords, values
from supervisor_zkelect.config.options import CHECKS, ELECTION, Option
from supervisor_zkelect.config.settings import HTTP
from supervisor_zkelect.config.source import Section
from supervisor_zkelect.config.values import Secret
from supervisor_zkelect.core import lease, places, room, untrusted


def check_main(main: Section) -> None:
    """Check [zkelect], and complete its values."""
    for option in main.options.values():
        if option.secret:
            _take_secret(main, option)
    _check_backoff(main)
    _check_lease(main)
    _complete_tls(main)
    _try_tls(main)
    _check_sasl(main)
    _check_login(main)
    _check_acl(main)
    _check_http(main)
    _doubt_http(main)


def check_election(section: Section) -> None:
    """Check one [election:NAME], and complete its values."""
    _check_health(section)
    _check_fit(section)
    _check_commands(section)


def check_elections(sections: Sequence[Section], chroot: str) -> None:
    """Check that each election has its group and its znodes for itself. chroot: that of all paths, "" without one."""
    groups: Dict[str, str] = {}
    for section in sections:
        group = section.values.get("group")
        if group is not None and groups.setdefault(group, section.name) != section.name:
            what = f"is the group of [{groups[group]}] as well; give each election a group of its own"
            section.wrong("group", what)
    _check_znodes(sections, chroot)
    for section in sections:
        _check_room(section, chroot)


# Secrets


def _take_secret(main: Section, option: Option) -> None:
    """Put the secret of an option or of its file in its place, wrapped."""
    name, by_file, found = option.name, f"{option.name}_file", main.values
    in_file, in_line = by_file in main.written, name in main.written
    if in_file and in_line:
        found.pop(name, None)
        main.wrong(by_file, f"is set together with {name}; keep one of the two")
    elif in_file and found.get(by_file) is None:
        found.pop(name, None)  # the path was refused: nobody knows that there is no secret
    elif in_file:
        try:
            data, exposed = values.contents(found[by_file], 65536)
            found[name] = Secret(option.read(values.secret_of(data)))
        except ValueError as error:
            found.pop(name, None)
            main.wrong(by_file, str(error))
        else:
            if exposed:
                main.note(by_file, f"every user may read this file; chmod o-r {found[by_file]}")
    elif found.get(name) is not None:
        found[name] = Secret(found[name])
        if in_line and main.source.exposed and "%(ENV_" not in main.written[name]:
            file = main.source.file
            main.note(name, f"stands in a file that every user may read; use {by_file}, or chmod o-r {file}")


# Times


def shortest_timeout(
    tick: float, interval: Optional[float], ride_through: Optional[float], kill_time: float, grace: float
) -> Optional[float]:
    """As `lease.shortest_timeout`; None where that is longer than may be configured."""
    timeout = lease.shortest_timeout(tick, interval, ride_through, kill_time, grace)
    return timeout if timeout <= values.LONGEST else None


def _check_backoff(main: Section) -> None:
    least, most = main.values.get("backoff_min"), main.values.get("backoff_max")
    if least is not None and most is not None and least > most:
        name = "backoff_max" if "backoff_max" in main.written else "backoff_min"
        main.wrong(name, f"backoff_min ({least:g}) is more than backoff_max ({most:g}); give them the other way round")


def _check_lease(main: Section) -> None:
    """Complete the times that go with the session timeout, and check that a lease has room for them."""
    found = main.values
    asked = ("session_timeout", "tick_time", "heartbeat_interval", "ride_through", "kill_time")
    if any(name not in found for name in asked):
        return
    timeout, tick, interval, ride_through, kill_time = (found[name] for name in asked)
    found["interval_configured"] = interval is not None
    found["ride_through_configured"] = ride_through is not None
    if interval is None:
        found["heartbeat_interval"] = lease.heartbeat_interval(timeout)
    if ride_through is None:
        found["ride_through"] = lease.ride_through(timeout, tick, found["heartbeat_interval"], kill_time)
    grace = lease.stop_grace(timeout, tick, found["heartbeat_interval"], found["ride_through"], kill_time, math.inf)
    if grace < 0:
        shortest = shortest_timeout(tick, interval, ride_through, kill_time, 0)
        remedy = f"use {shortest:g} or more, or a" if shortest else "a"
        what = f"leaves no room for kill_time ({kill_time:g} s): {-grace:.3g} s are missing"
        others = "kill_time, ride_through, heartbeat_interval or, if the servers have it, tick_time"
        main.wrong("session_timeout", f"{what}; {remedy} smaller {others}")
    elif tick > timeout / 2:
        name = "tick_time" if "tick_time" in main.written else "session_timeout"
        what = f"session_timeout ({timeout:g} s) is less than two ticks of {tick:g} s, which ZooKeeper does not grant"
        main.wrong(name, f"{what}; use session_timeout = {2 * tick:g} or more, or the servers' real tickTime")


# Credentials


def _complete_tls(main: Section) -> None:
    found = main.values
    given = [name for name in main.options if name.startswith("tls_") and name in main.written]
    if "tls" in found and found["tls"] is None:
        found["tls"] = bool({"tls_ca", "tls_cert", "tls_key"} & set(given))
    for name in given:
        if found.get("tls") is False:
            missing = "tls = true"
        elif name.startswith("tls_key") and "tls_cert" not in given:
            missing = "tls_cert"
        else:
            continue
        main.wrong(name, f"has no effect without {missing}; set that too, or remove the line")
    if found.get("tls_key", "") is None:
        found["tls_key"] = found.get("tls_cert")


def _try_tls(main: Section) -> None:
    """kazoo would meet a file that cannot be used on its connection thread only, and end it."""
    ca, cert, key = (main.values.get(name) for name in ("tls_ca", "tls_cert", "tls_key"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca:
            context.load_verify_locations(ca)
    except (ssl.SSLError, OSError):
        main.wrong("tls_ca", "contains no certificate; name a PEM file")
    try:
        if cert and key and "tls_key_password" in main.values:
            password = main.values["tls_key_password"]
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(cert, key, password=lambda: password.reveal() if password else "")
    except (ssl.SSLError, OSError, ValueError):
        what = "certificate and key cannot be used: not PEM, not a pair, or a wrong tls_key_password"
        main.wrong("tls_cert", f"{what}; correct tls_cert, tls_key or tls_key_password")


def _check_sasl(main: Section) -> None:
    if "sasl_mechanism" not in main.values:
        return
    mechanism = main.values["sasl_mechanism"]
    by_password = ("sasl_username", "sasl_password", "sasl_password_file")
    foreign = {
        None: (*by_password, "sasl_service", "sasl_principal"),
        "DIGEST-MD5": ("sasl_principal",),
        "GSSAPI": by_password,
    }
    for name in foreign[mechanism]:
        if name in main.written:
            why = f"with sasl_mechanism = {mechanism}" if mechanism else "without sasl_mechanism"
            main.wrong(name, f"has no effect {why}; remove the line, or set the mechanism that uses it")
    if mechanism == "DIGEST-MD5":
        for name in ("sasl_username", "sasl_password"):
            if main.values.get(name, "") is None:
                main.wrong("sasl_mechanism", f"needs {name}, which is not set; set it")
    if mechanism is not None and importlib.util.find_spec("puresasl") is None:
        what = "needs the Python package pure-sasl, which is not installed"
        main.wrong("sasl_mechanism", f"{what}; run {sys.prefix}/bin/pip install pure-sasl")


def _check_login(main: Section) -> None:
    """Check the login to supervisord's server."""
    found = main.values
    if "username" in found and "password" in found and bool(found["username"]) != bool(found["password"]):
        given, missing = ("username", "password") if found["username"] else ("password", "username")
        if given == "password" and "password_file" in main.written:
            given = "password_file"
        main.wrong(given, f"is set, but {missing} is not; set both or neither")


def _check_acl(main: Section) -> None:
    credentials = [main.values.get(name, "?") for name in ("digest", "sasl_mechanism", "tls_cert")]
    if main.values.get("acl", "open") != "open" and not any(credentials):
        what = "this node has no credentials that the ACL could name"
        main.wrong("acl", f"{what}; set digest or digest_file, or use acl = open")


def _check_http(main: Section) -> None:
    agent, http = main.values.get("http_agent"), main.values.get("http", "")
    if agent and http != "":
        told, http = ("" if http else " (the default)"), http or HTTP
        if listening.overlap(listening.split(agent), listening.split(http)):
            main.wrong("http_agent", f"takes the place of http = {http}{told}; give each a port of its own")


def _doubt_http(main: Section) -> None:
    """What `zkelect http` cannot use keeps no listener from anything."""
    if main.values.get("http_tls_key") and not main.values.get("http_tls_cert"):
        main.doubt("http_tls_key", "has no effect without http_tls_cert; set that too, or remove the line")
    if not main.values.get("http"):
        for name in ("http_tls_cert", "http_password_file", "http_names", "http_agent"):
            if main.values.get(name):
                main.doubt(name, "nobody notices when zkelect http does not answer, as http is not set; set that too")


# Elections


def _check_health(section: Section) -> None:
    """Try the URL alone, then with each of its companions, so that the right option is blamed."""
    found = section.values
    if "health" not in found:
        return
    found["health"] = found["health"] or "none"
    for name in ("health", "health_status", "health_body", "health_ca"):
        if not found.get(name):
            continue
        short = name.partition("_")[2]
        try:
            parse(found["health"], **({short: found[name]} if short else {}))
        except ValueError as error:
            what = untrusted.printable(str(error))
            # The line names the option already.
            section.wrong(name, what[len(short) + 1:] if what.startswith(f"{short} has ") else what)
            if name == "health":
                return


def _check_fit(section: Section) -> None:
    found = section.values
    if "fit" not in found:
        return
    found["fit"] = found["fit"] or "none"
    try:
        parse(found["fit"])
    except ValueError as error:
        # The parser knows its text as a health check.
        section.wrong("fit", untrusted.printable(str(error)).replace("health check", "check"))


def _check_commands(section: Section) -> None:
    """Doubt commands with what only a shell understands. They may be right all the same, so none is refused."""
    for name, option in section.options.items():
        try:
            text = section.source.expanded(section.written.get(name, ""))
        except ValueError:
            continue
        kind, _, rest = text.partition(":")
        if kind.lower() == "exec" and name in CHECKS:
            text = rest
        elif option.type != "command":
            continue
        word = shellwords.first(text)
        if word:
            what = f"{word} needs a shell, but this command runs without one and gets it literally"
            remedy = "write the command as sh -c '…', or put literal text into single quotes"
            section.doubt(name, f"{what}; {remedy}")


# Znodes


class _Znode(NamedTuple):
    """A znode of an election. option: the one that it is configured by. role: one of the names below."""

    path: str
    section: Section
    option: str
    role: str


_ZNODE, _ACK, _STATE = "the election znode", "the ack", "the state"

#: What may not stand inside of it, and why.
_FULL = {_ZNODE: "where nothing but proposals may live", _STATE: "which is that election's alone"}


def _check_znodes(sections: Sequence[Section], chroot: str) -> None:
    told: Set[Tuple[str, str]] = set()  # one problem for an option is enough

    def wrong(znode: _Znode, what: str) -> None:
        if (znode.section.name, znode.option) not in told:
            told.add((znode.section.name, znode.option))
            znode.section.wrong(znode.option, what)

    znodes: List[_Znode] = []
    for section in sections:
        znodes += _znodes(section)
    for number, znode in enumerate(znodes):
        for other in znodes[:number]:
            blamed, what = _collision(znode, other)
            if what:
                wrong(blamed, what)
        if re.match(r"/zookeeper(/|$)", chroot + znode.path):
            wrong(znode, "is inside /zookeeper, which ZooKeeper reserves; choose another path")
        if len(chroot + znode.path) > places.LONGEST_PATH:
            most = f"{places.LONGEST_PATH} characters"
            wrong(znode, f"{znode.role} has more than {most} with its chroot; shorten one of them")


def _znodes(section: Section) -> Iterator[_Znode]:
    """The znodes of an election, of which that of its state may follow from the ack's."""
    found = section.values
    if "election_znode" in found:
        yield _Znode(found["election_znode"], section, "election_znode", _ZNODE)
    if "election_ack" in found:
        yield _Znode(found["election_ack"], section, "election_ack", _ACK)
    option = "election_state"
    if "election_ack" in found and found.get("election_state", "") is None:
        found["election_state"], option = places.state_of(found["election_ack"]), "election_ack"
    if found.get("election_state") is not None:
        yield _Znode(found["election_state"], section, option, _STATE)


def _check_room(section: Section, chroot: str) -> None:
    """Check that there is room for the election in the record and in the saved session."""
    found, name = section.values, section.name[len(ELECTION):]
    if not found.get("group"):
        return
    if found.get("address"):
        over = room.granted(name, found["group"], found["address"]) - room.ROOM
        if over > 0:
            what = f"is too long by {over} bytes for the record of the leases"
            section.wrong("address", f"{what}; shorten it, or the names of election and group")
    options = ("election_znode", "election_ack", "election_state")
    if not all(found.get(option) for option in options) or not {"election_prefix", "sequence_separator"} <= found.keys():
        return
    paths = {option: chroot + found[option] for option in options}
    if max(map(len, paths.values())) > places.LONGEST_PATH:
        return  # which is told
    if paths["election_state"] == places.state_of(paths["election_ack"]):
        paths["election_state"] = ""
    znode, ack, state = paths.values()
    over = room.saved(name, found["group"], znode, found["election_prefix"] + found["sequence_separator"], ack, state) - room.ROOM
    if over > 0:
        what = f"the paths of this election, each with its chroot, are too long by {over} bytes for the file of the saved session"
        section.wrong(max(paths, key=lambda option: len(paths[option])), f"{what}; shorten them, or the chroot")


def _collision(one: _Znode, other: _Znode) -> Tuple[_Znode, str]:
    """Which of two znodes is to blame for being in the other's way, and why; no text when they agree."""
    if one.path == other.path:
        return one, f"{one.role}, {one.path}, is {other.role} of [{other.section.name}] as well; choose another path"
    for outer, inner in ((one, other), (other, one)):
        same = outer.section is inner.section
        own_ack = same and (outer.role, inner.role) == (_ACK, _STATE)
        if places.inside(inner.path, outer.path) and (outer.role in _FULL or own_ack):
            blamed = outer if outer.role == _STATE and same else inner
            why = f", {_FULL[outer.role]}" if outer.role in _FULL else ""
            what = f"{inner.role}, {inner.path}, is inside {outer.role} of [{outer.section.name}], {outer.path}{why}"
            return blamed, f"{what}; choose another path"
    return one, ""
