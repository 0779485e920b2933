"""The sections [zkelect] and [election:NAME] of a supervisord configuration file, read into settings.

The file is read by supervisord's own rules: its parser (inline comments, option names in any case, continued
lines) and its expansions %(here)s, %(host_node_name)s and %(ENV_X)s, where a percent sign of one's own is
doubled. Every other section belongs to supervisord or to another plugin and is not looked at.

`OPTIONS` is the one table of what may stand there; defaults are written nowhere else, and docs/options.md is
printed from it. All problems of a file are collected, each in one line:

    FILE: [section] option = value: what is wrong; what would be right

A value that is secret, or may be, is shown as ***.
"""

from __future__ import annotations

import configparser
import difflib
import functools
import importlib.util
import math
import os
import platform
import re
import shlex
import shutil
import ssl
import stat
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.checks import health
from supervisor_zkelect.config import shellwords
from supervisor_zkelect.core import lease, places, untrusted
from supervisor_zkelect.supervisord import program_info
from supervisor_zkelect.system import accounts

MAIN = "zkelect"
ELECTION = "election:"

#: What stands for an election's name in a default and in the reference.
NAME = "NAME"

NAME_RULE = "letters, digits and . _ - in NAME, at most 100, beginning with a letter or digit"
"""Of an election's name; what `is_election_name` looks at."""

#: Longest time that may be configured, in seconds. ZooKeeper packs a session timeout into 32 bits of
#: milliseconds; an hour is far beyond any use and far below that.
_LONGEST = 3600.0

#: After so many lines that cannot be parsed, the rest is not worth telling: it is no configuration file.
_MOST_LINE_PROBLEMS = 20

#: Longest piece of a value that is repeated in a message, in characters.
_SHOWN_LENGTH = 120

#: Seconds that the listener needs, beside what its groups take, to hand over before supervisord kills it.
_HANDOVER = 2.0


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds all that is wrong, one line each."""

    def __init__(self, problems: Iterable[str]):
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Secret:
    """A text that shows itself as *** wherever it is printed; `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str):
        self._text = text

    def reveal(self) -> str:
        """The text itself, to be handed to what needs it and nowhere else."""
        return self._text

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self):
        raise TypeError("a secret is not pickled")

    def __deepcopy__(self, memo: object) -> "Secret":
        return self


# What the settings are


@dataclass(frozen=True)
class ElectionSettings:
    """One [election:NAME]. Times are seconds; the fields are the options of the table."""

    name: str
    group: str
    address: str
    election_znode: str
    election_prefix: str
    election_ack: str
    election_state: str
    sequence_separator: str
    health: str = field(repr=False)  # its URL may carry a password
    health_status: Optional[str]
    health_body: Optional[str] = field(repr=False)
    health_ca: Optional[str]
    health_interval: float
    health_timeout: float
    rise: int
    fall: int
    promote_timeout: float
    fence: Optional[Tuple[str, ...]] = field(repr=False)  # commands may carry passwords
    fence_failed: str
    stop_failed: Optional[Tuple[str, ...]] = field(repr=False)
    hook_timeout: float

    def health_check(self) -> health.Check:
        """What the health options ask for. Raises ValueError when `health_ca` cannot be read any more."""
        return health.parse(self.health, status=self.health_status, body=self.health_body, ca=self.health_ca)


@dataclass(frozen=True)
class Settings:
    """One file. Times are seconds; paths are absolute; what was not configured and has no default is None.

    `heartbeat_interval` and `ride_through` are for the session timeout that is asked for; where the server
    grants another one, `interval_at` and `ride_through_at` give what counts. `doubts` and `notes` are lines
    that keep nothing from starting: what will not do what it says, and what is worth telling.
    """

    file: str
    node_name: str
    servers: Tuple[str, ...]
    session_timeout: float
    tick_time: float
    heartbeat_interval: float
    ride_through: float
    kill_time: float
    reply_max: int
    chroot: str
    digest: Optional[Secret]
    digest_file: Optional[str]
    acl: str
    tls: bool
    tls_ca: Optional[str]
    tls_cert: Optional[str]
    tls_key: Optional[str]
    tls_key_password: Optional[Secret]
    tls_key_password_file: Optional[str]
    tls_verify_hostname: bool
    sasl_mechanism: Optional[str]
    sasl_username: Optional[str]
    sasl_password: Optional[Secret]
    sasl_password_file: Optional[str]
    sasl_service: str
    sasl_principal: Optional[str]
    backoff_min: float
    backoff_max: float
    reattach_grace: float
    serverurl: Optional[str]
    username: Optional[str]
    password: Optional[Secret]
    password_file: Optional[str]
    elections: Tuple[ElectionSettings, ...]
    interval_configured: bool = False
    ride_through_configured: bool = False
    notes: Tuple[str, ...] = ()
    doubts: Tuple[str, ...] = ()

    @property
    def hosts(self) -> str:
        """Servers and chroot as one connection string: "zk1:2181,zk2:2181/app"."""
        return ",".join(self.servers) + self.chroot

    def election(self, name: str) -> Optional[ElectionSettings]:
        """The election of this name, or None."""
        return next((election for election in self.elections if election.name == name), None)

    @property
    def has_credentials(self) -> bool:
        """Whether ZooKeeper is told who this node is, or is spoken to in secret."""
        return bool(self.tls or self.digest or self.sasl_mechanism or self.acl != "open")

    @property
    def plain(self) -> bool:
        """Whether the servers' addresses are all that is needed to attach to the session."""
        return not self.has_credentials and self.reply_max == int(_MAIN_OPTIONS["reply_max"].default or 0)

    def sasl_options(self) -> Optional[Dict[str, str]]:
        """What kazoo's `sasl_options` takes, the password in clear, or None without SASL."""
        if self.sasl_mechanism is None:
            return None
        options = {
            "mechanism": self.sasl_mechanism,
            "service": self.sasl_service,
            "username": self.sasl_username,
            "password": self.sasl_password and self.sasl_password.reveal(),
            "principal": self.sasl_principal,
        }
        return {name: value for name, value in options.items() if value is not None}

    def interval_at(self, timeout: float) -> float:
        """Seconds between two heartbeats in a session whose timeout is `timeout` seconds."""
        return self.heartbeat_interval if self.interval_configured else timeout * lease.INTERVAL_SHARE

    def ride_through_at(self, timeout: float) -> float:
        """For how many seconds ZooKeeper may be silent in a session whose timeout is `timeout` seconds."""
        if self.ride_through_configured:
            return self.ride_through
        return lease.ride_through(timeout, self.tick_time, self.interval_at(timeout), self.kill_time)

    def stop_grace(self, stopwaitsecs: float, timeout: Optional[float] = None) -> float:
        """Seconds that a group has to stop when its lease runs out (see `lease.stop_grace`).

        stopwaitsecs: the longest stopwaitsecs of its programs. timeout: the session timeout that was granted,
        by default the one that is asked for.
        """
        timeout = self.session_timeout if timeout is None else timeout
        interval, ride_through = self.interval_at(timeout), self.ride_through_at(timeout)
        return lease.stop_grace(
            timeout, self.tick_time, interval, ride_through, self.kill_time, stopwaitsecs
        )


# Values. Each reader takes the expanded text and gives the value, or raises
# ValueError("what is wrong; what would be right").


def _text(text: str) -> str:
    if not text.isprintable():
        raise ValueError(
            "contains a line break or another control character; write it in one line of plain text"
        )
    return text


def _seconds(low: float, high: float = _LONGEST) -> Callable[[str], float]:
    def read(text: str) -> float:
        # float() takes more than a person means: 1_0, infinity, nan, digits of other scripts.
        if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text, re.ASCII):
            raise ValueError("is not a number of seconds; write one such as 10 or 0.5")
        return _ranged(float(text), low, high, " seconds")

    return read


def _count(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            raise ValueError(f"is not a whole number; write one such as {low}")
        return _ranged(int(text), low, high, "")

    return read


def _ranged(number: Any, low: float, high: float, unit: str) -> Any:
    if not low <= number <= high:
        side = "small" if number < low else "large"
        raise ValueError(f"is too {side}; allowed is {_plain(low)} to {_plain(high)}{unit}")
    return number


def _plain(number: float) -> str:
    """Without an exponent, which `:g` writes for millions."""
    return str(int(number)) if number == int(number) else f"{number:g}"


#: What supervisord takes for true and for false (supervisor.datatypes.boolean).
_TRUE, _FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError("is neither true nor false; write true or false")
    return word in _TRUE


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"is unknown; use one of: {', '.join(choices)}")

    return read


#: supervisor 4 announces the length of what it sends in characters, and sends bytes.
_NOT_ASCII = "has other letters than ASCII, for which supervisord's answers break off; rename it with plain letters"


def is_election_name(text: str) -> bool:
    """Whether [election:TEXT] may be written."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", text) is not None


def _group_name(text: str) -> str:
    # What supervisord itself refuses (supervisor.datatypes.process_or_group_name), and control characters.
    if re.search(r"[ :/]", text) or not text.isprintable():
        raise ValueError("is no name of a group; a group's name has no blank, colon or slash")
    if not text.isascii():
        raise ValueError(_NOT_ASCII)
    return text


def _chroot(text: str) -> str:
    return places.znode(text) if text not in ("", "/") else ""


def _path(text: str) -> str:
    if not _text(text).startswith("/"):
        raise ValueError(
            f"is a relative path; write the full path, or %(here)s/{_shown(text)} for this file's folder"
        )
    return text


def _readable(text: str) -> str:
    _contents(_path(text), 1)
    return text


def _contents(path: str, limit: int = -1) -> Tuple[bytes, bool]:
    """What a regular file holds, and whether every user may read it."""
    try:
        status = os.stat(path)
        # Another kind could block for ever when opened, or never end when read.
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a regular file; name one")
        with open(path, "rb") as file:
            return file.read(limit), bool(status.st_mode & stat.S_IROTH)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("does not exist; make it, or correct the path") from None
    except PermissionError:
        raise ValueError(
            f"cannot be read by this user (uid {os.geteuid()}); give it the right to"
        ) from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}); correct the path") from None


def _command(text: str) -> Tuple[str, ...]:
    try:
        words = shlex.split(_text(text))
    except ValueError as error:
        raise ValueError(f"cannot be split into words ({error}); close the quotation") from None
    if not words:
        raise ValueError("has no word; name a program")
    if shutil.which(words[0]) is None:
        raise ValueError("names no program that can be executed; correct its path, or make it executable")
    return tuple(words)


def _digest(text: str) -> str:
    user, _, password = text.partition(":")
    if not (user and password):
        raise ValueError("is not USER:PASSWORD; write both with a colon between them")
    return _text(text)


def _serverurl(text: str) -> str:
    forms = "use unix:///path/of/supervisor.sock or http://host:port"
    if "@" in text and not text.startswith("unix:"):
        raise ValueError("carries a user or password; set username and password instead")
    # supervisord itself writes unix://PATH for a relative path, too.
    match = re.fullmatch(r"unix://.+|http://(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})/?", _text(text))
    if match is None or not 1 <= int(match[1] or 1) <= 65535:
        raise ValueError(f"is not a URL of supervisord; {forms}")
    return text if text.startswith("unix:") else text.rstrip("/")


# The table

#: What another value of an option takes: nothing, the listener goes on with it; another listener, in the same term; a new
#: term of its election; a new session, and so new terms of all elections.
LIVE, RESTART, TERM, SESSION = "at once", "restart", "new term", "new session"


@dataclass(frozen=True)
class Option:
    """One option.

    section: "zkelect" or "election:NAME". default: as it would be written, None for none. computed: in words,
    a default that is not a fixed text. variable: the environment variable that is the default. empty: whether
    an empty value means something. secret: never shown, and may come from the option NAME_file instead. change: what
    another value takes while the listener runs.
    """

    section: str
    name: str
    meaning: str
    type: str
    read: Callable[[str], Any] = _text
    unit: str = ""
    default: Optional[str] = None
    computed: str = ""
    variable: str = ""
    required: bool = False
    empty: bool = False
    secret: bool = False
    change: str = LIVE

    def default_for(self, section: str) -> Optional[str]:
        """The default in this section, before expansion."""
        return self.default and self.default.replace(NAME, section.partition(":")[2])


_ACLS = ("open", "creator", "creator+read")
_MECHANISMS = ("DIGEST-MD5", "GSSAPI")

_M = MAIN
_E = ELECTION + NAME

OPTIONS: Tuple[Option, ...] = (
    Option(_M, "servers",
           "The ZooKeeper servers, separated by commas. An IPv6 address stands in brackets. Without a port: "
           "2181.",
           "list of host:port", places.servers, required=True),
    Option(_M, "node_name", "This node's name, unique among the nodes of an election.",
           "name", untrusted.node_name, default="%(host_node_name)s", change=SESSION),
    Option(_M, "session_timeout",
           "T: how long ZooKeeper waits for a silent node before another one leads. The servers grant what "
           "they allow, by default 2 to 20 of their ticks; what they grant counts. When its lease runs out, a "
           "group has at most T·0.99 − tick_time − 2·heartbeat_interval − ride_through − kill_time to stop, "
           "which may not be negative.",
           "number", _seconds(0.5), "seconds", "10", change=SESSION),
    Option(_M, "tick_time",
           "The servers' tickTime. At most half of session_timeout. A value too small makes the lease too "
           "long, and so unsafe.",
           "number", _seconds(0.01), "seconds", "2"),
    Option(_M, "heartbeat_interval", "How often the lease is renewed. A node that holds none is heard of half as often.",
           "number", _seconds(0.01), "seconds", computed=f"session_timeout · {lease.INTERVAL_SHARE:g}"),
    Option(_M, "ride_through", "How long ZooKeeper may be silent without any consequence.",
           "number", _seconds(0), "seconds",
           computed=f"session_timeout · {lease.RIDE_THROUGH_SHARE:g}, or what kill_time leaves of the lease"),
    Option(_M, "kill_time",
           "How long before the end of the lease the group is killed: the time it takes to die.",
           "number", _seconds(0.01), "seconds", "0.3"),
    Option(_M, "reply_max",
           "The longest reply of a ZooKeeper server that is read, in bytes; where a longer one is announced, the connection is "
           "closed. It is what `jute.maxbuffer` is for ZooKeeper's own clients, and by default 64 KiB more than that is for "
           "servers: what a server takes in a write is read back with some bytes more. Raise it with the servers' "
           "`jute.maxbuffer`, or where an election has tens of thousands of candidates.",
           "number", _count(1 << 16, 1 << 30), "bytes", str((1 << 20) + (64 << 10))),
    Option(_M, "chroot",
           "Znode below which all paths of this file begin. It has to exist, or this node must be allowed "
           "to make it.",
           "znode path", _chroot, default="", empty=True, change=SESSION),
    Option(_M, "digest", "Credentials of ZooKeeper's digest scheme.",
           "USER:PASSWORD", _digest, secret=True, change=SESSION),
    Option(_M, "digest_file", "File that holds `digest`, in one line. Not together with it.",
           "file", _path, change=SESSION),
    Option(_M, "acl",
           "Who may do what with the znodes that this node makes. `open`: everybody everything. `creator`: "
           "who has this node's credentials everything, others nothing. `creator+read`: the same, and "
           "everybody may read, so that clients find the address in the ack without credentials. All nodes "
           "of an election need the same credentials. Znodes that exist keep their ACL.",
           "`open`, `creator`, `creator+read`", _one_of(*_ACLS), default="open", change=SESSION),
    Option(_M, "tls", "Whether to speak TLS with ZooKeeper.",
           "boolean", _boolean, computed="true when one of tls_ca, tls_cert, tls_key is set, else false", change=SESSION),
    Option(_M, "tls_ca",
           "PEM file with the authorities that sign the servers' certificates. Those of the system are "
           "trusted as well.",
           "file", _readable, change=SESSION),
    Option(_M, "tls_cert", "PEM file with this node's certificate.",
           "file", _readable, change=SESSION),
    Option(_M, "tls_key", "PEM file with the key of tls_cert.",
           "file", _readable, computed="tls_cert", change=SESSION),
    Option(_M, "tls_key_password", "Password of tls_key.",
           "text", secret=True, change=SESSION),
    Option(_M, "tls_key_password_file", "File that holds `tls_key_password`. Not together with it.",
           "file", _path, change=SESSION),
    Option(_M, "tls_verify_hostname",
           "Whether the host name in `servers` must be in the server's certificate.",
           "boolean", _boolean, default="true", change=SESSION),
    Option(_M, "sasl_mechanism",
           "SASL towards ZooKeeper; needs the package pure-sasl, and GSSAPI a ticket in the cache as well.",
           "`DIGEST-MD5`, `GSSAPI`", _one_of(*_MECHANISMS), change=SESSION),
    Option(_M, "sasl_username", "User, for DIGEST-MD5.",
           "text", change=SESSION),
    Option(_M, "sasl_password", "Password, for DIGEST-MD5.",
           "text", secret=True, change=SESSION),
    Option(_M, "sasl_password_file", "File that holds `sasl_password`. Not together with it.",
           "file", _path, change=SESSION),
    Option(_M, "sasl_service", "First part of the servers' principal.",
           "text", default="zookeeper", change=SESSION),
    Option(_M, "sasl_principal", "This node's principal, for GSSAPI.",
           "text", computed="the one of the credential cache", change=SESSION),
    Option(_M, "backoff_min",
           "How long a node that stepped down for a sick service waits, at first, before it joins again. A "
           "sole candidate always waits this long, and 1.5 s after a stop by hand.",
           "number", _seconds(0.05), "seconds", "1"),
    Option(_M, "backoff_max", "What that wait grows to, doubled each time, while the service stays sick.",
           "number", _seconds(0.05), "seconds", "60"),
    Option(_M, "reattach_grace",
           "How long the service runs on after supervisord says that the listener is STOPPED or FATAL. Without another "
           "listener in that time, the group is stopped and the election released. In a restart it runs on for as long as "
           "that takes.",
           "number", _seconds(0), "seconds", "2"),
    Option(_M, "serverurl",
           "Where supervisord is reached: `unix:///path` or `http://host:port`. supervisord tells its programs.",
           "URL", _serverurl, variable="SUPERVISOR_SERVER_URL", change=RESTART),
    Option(_M, "username", "User of supervisord's server, when it has one.",
           "text", variable="SUPERVISOR_USERNAME", change=RESTART),
    Option(_M, "password", "Password of supervisord's server, when it has one.",
           "text", variable="SUPERVISOR_PASSWORD", secret=True, change=RESTART),
    Option(_M, "password_file", "File that holds `password`. Not together with it.",
           "file", _path, change=RESTART),
    Option(_E, "group",
           "The program group that runs on the primary. Each election has its own. Its programs need "
           "`autostart = false`.",
           "name of a group", _group_name, default="primary", change=TERM),
    Option(_E, "address",
           "What is written to the ack znode while this node is primary: where clients find the service. "
           "Any text of one line that does not begin with a dash.",
           "text", untrusted.address, required=True),
    Option(_E, "election_znode",
           "The znode whose children are the proposals. Nothing else may live below it. All members are to have names of one "
           "beginning (docs/elections.md).",
           "znode path", places.znode, default=f"/zkelect/{NAME}/election", change=TERM),
    Option(_E, "election_prefix", "Beginning of a proposal's name; the same on all nodes.",
           "text", places.name_part, default="n", change=TERM),
    Option(_E, "election_ack",
           "The znode that holds the primary's address. Each election has its own.",
           "znode path", places.znode, default=f"/zkelect/{NAME}/ack", change=TERM),
    Option(_E, "election_state",
           "The znode below which everything else stands that is kept of the election: who may have left something running "
           "(`holder`), and `history`. The same on all nodes, and of this election alone; neither in, nor above, nor the same "
           "as its election znode or its ack.",
           "znode path", places.znode, computed=f"election_ack with `{places.SUFFIX}` behind it", change=TERM),
    Option(_E, "sequence_separator",
           "What stands between prefix and number in a proposal's name. For an election shared with the Go elector, kazoo or "
           "Curator: docs/elections.md.",
           "text", places.name_part, default="-", empty=True, change=TERM),
    Option(_E, "health",
           "How to ask whether the service is ready: `tcp://host:port`, `http://…`, `https://…`, "
           "`exec:COMMAND` (no shell), or `none`: then every program RUNNING.",
           "URL", str, default="none", empty=True),
    Option(_E, "health_status",
           "HTTP statuses that are healthy, such as `200,204,301-302`. For http and https.",
           "list of numbers and ranges", computed="200-299"),
    Option(_E, "health_body", "Text that must occur in the first 64 KiB of the body. For http and https.",
           "text", empty=True),
    Option(_E, "health_ca", "PEM file with the only authorities trusted. For https.",
           "file", _readable, computed="those of the system"),
    Option(_E, "health_interval",
           "How often the service is asked while primary. While promoting it is asked sooner. With `health = none`: how "
           "often supervisord is asked while a program is not RUNNING; while all are, after each change and every 20 s.",
           "number", _seconds(0.01), "seconds", "1"),
    Option(_E, "health_timeout", "How long one check may take.",
           "number", _seconds(0.01), "seconds", "1"),
    Option(_E, "rise", "How many checks in a row must pass before the ack is written.",
           "number", _count(1, 1000), default="1"),
    Option(_E, "fall", "How many checks in a row must fail before a primary steps down.",
           "number", _count(1, 1000), default="3"),
    Option(_E, "promote_timeout",
           "How long a started service may take to become healthy, before this node steps down.",
           "number", _seconds(0.1), "seconds", "60"),
    Option(_E, "fence",
           "Command that a winner runs, before it starts anything, when its predecessor has not released: something "
           "of it may still run. No shell. It is given ZKELECT_OLD_NODE and ZKELECT_OLD_ADDRESS, empty where they are "
           "unknown, ZKELECT_OLD_TOKEN, 0 where it is unknown, and its own ZKELECT_ELECTION, ZKELECT_NODE, ZKELECT_TOKEN. Exit status 0: the predecessor is harmless. It may "
           "be run again for the same predecessor.",
           "command", _command),
    Option(_E, "fence_failed",
           "What follows when `fence` ends with another status, or not in time. `wait`: it is run again, and nothing "
           "is started. `continue`: the term begins all the same.",
           "`wait`, `continue`", _one_of("wait", "continue"), default="wait"),
    Option(_E, "stop_failed",
           "Command that is run, once for each stop, when the group is killed and cannot be proven dead, such as a "
           "process that waits for a disk. No shell. It is given ZKELECT_ELECTION, ZKELECT_GROUP, ZKELECT_TOKEN, "
           "ZKELECT_PIDS, ZKELECT_REASON.",
           "command", _command),
    Option(_E, "hook_timeout",
           "How long `fence` and `stop_failed` may take; then they are killed with all their descendants.",
           "number", _seconds(0.1), "seconds", "30"),
)

_MAIN_OPTIONS = {option.name: option for option in OPTIONS if option.section == _M}
_ELECTION_OPTIONS = {option.name: option for option in OPTIONS if option.section == _E}


_CHANGES = """\
`zkelect init NAME --program COMMAND --address HOST:PORT --servers HOST:PORT,…` writes a file with what most services need; every
option may be added to it. `zkelect check -c FILE` tells what is wrong in one.

`zkelect reload` takes a changed file while the service runs. What a change of an option takes stands in the last column:
**at once**: it counts from then on, in the same term; **restart**: the listener ends and another begins, in the same term;
**new term**: the election's group is stopped and the term released, as when an election is added or taken out; **new
session**: that of all elections of the node. The last two are done with `--yes` only.
"""


def options_reference() -> str:
    """The table of options in Markdown, one part per section."""
    parts = [_CHANGES]
    for section, table in ((_M, _MAIN_OPTIONS), (_E, _ELECTION_OPTIONS)):
        lines = [
            f"## [{section}]",
            "",
            "| option | meaning | type | unit | default | required | a change takes |",
            "|---|---|---|---|---|---|---|",
        ]
        for option in table.values():
            default = option.computed or option.variable or option.default
            if default and not option.computed:
                default = f"`{default}`"
            required = "yes" if option.required else "no"
            cells = (f"`{option.name}`", option.meaning, option.type, option.unit, default or "", required, option.change)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


class Change(NamedTuple):
    """What differs between two configurations. option: "" for a whole section. effect: one of LIVE, RESTART, TERM, SESSION."""

    section: str
    option: str
    effect: str

    def __str__(self) -> str:
        return f"[{self.section}] {self.option}".rstrip()


def diff(old: Settings, new: Settings) -> List[Change]:
    """What differs in `new`, in the order of the table."""
    changes = [
        Change(MAIN, name, LIVE if _same_secret(name, old, new) else option.change)
        for name, option in _MAIN_OPTIONS.items() if _told(old, name) != _told(new, name)
    ]
    for one in old.elections:
        other, section = new.election(one.name), ELECTION + one.name
        if other is None:
            changes.append(Change(section, "", TERM))
        else:
            changes += [
                Change(section, name, option.change)
                for name, option in _ELECTION_OPTIONS.items() if _placed(one, name) != _placed(other, name)
            ]
    return changes + [Change(ELECTION + one.name, "", TERM) for one in new.elections if old.election(one.name) is None]


def _told(settings: Settings, name: str) -> Any:
    """The value of an option; that of a share of the session timeout changes with the option that sets it."""
    configured = {"heartbeat_interval": settings.interval_configured, "ride_through": settings.ride_through_configured}
    return getattr(settings, name) if configured.get(name, True) else None


def _placed(election: ElectionSettings, name: str) -> Any:
    """The value of an option; a state that goes with the ack changes with that option."""
    value = getattr(election, name)
    return None if name == "election_state" and value == places.state_of(election.election_ack) else value


def _same_secret(name: str, old: Settings, new: Settings) -> bool:
    """Whether the option names a file, and what it holds is what was used before."""
    secret = _MAIN_OPTIONS.get(name[:-len("_file")]) if name.endswith("_file") else None
    return secret is not None and getattr(old, secret.name) == getattr(new, secret.name)


# Reading a file


def load(path: str, environ: Optional[Mapping[str, str]] = None, host: Optional[str] = None) -> Settings:
    """Read and check one file.

    path: the file. environ: where %(ENV_X)s and the SUPERVISOR_… defaults come from, by default this
    process's environment. host: what %(host_node_name)s means, by default this machine's name.

    Raises ConfigError with every problem that can be seen without ZooKeeper and supervisord.
    """
    return _loaded(_Loader(os.fspath(path), os.environ if environ is None else environ, host))


def parse(text: str, name: str) -> Settings:
    """Read and check a text as `load` does a file. name: what stands for the file in messages. Nothing comes from the
    environment. Raises ConfigError."""
    return _loaded(_Loader(name, {}, None, text))


def _loaded(loader: "_Loader") -> Settings:
    settings = loader.settings()
    if settings is None:
        raise ConfigError(loader.problems)
    return settings


class _Parser(configparser.RawConfigParser):
    """Reads as supervisord does (supervisor.options.UnhosedConfigParser), but is strict. Importing supervisor.options for
    it would double the time that a release takes to begin, and cost the listener some MiB."""

    def __init__(self) -> None:
        super().__init__(strict=True, inline_comment_prefixes=(";", "#"))


class _Loader:
    """Collects the problems of one file. An option that cannot be read is missing in the values."""

    def __init__(self, path: str, environ: Mapping[str, str], host: Optional[str], text: Optional[str] = None):
        self.path = path
        self.given = text
        self.environ = environ
        self.problems: List[str] = []
        self.notes: List[str] = []
        self.doubts: List[str] = []
        self.expansions = {f"ENV_{name}": value for name, value in environ.items()}
        self.expansions["here"] = os.path.dirname(os.path.abspath(path))
        self.expansions["host_node_name"] = platform.node() if host is None else host
        self.exposed = False  # every user may read the file
        #: (section, option) -> the text in the file; absent where the default holds.
        self.raw: Dict[Tuple[str, str], str] = {}

    def settings(self) -> Optional[Settings]:
        text = self.read() if self.given is None else self.given
        parser = None if text is None else self.parse(text)
        if parser is None:
            return None
        sections = self.sections(parser)
        values = self.values(parser, MAIN, _MAIN_OPTIONS) if parser.has_section(MAIN) else {}
        if values:
            self.check_main(values)
        elections = {section: self.values(parser, section, _ELECTION_OPTIONS) for section in sections}
        for section, found in elections.items():
            self.check_health(section, found)
            self.check_words(section)
        self.check_elections(elections, values.get("chroot", ""))
        if self.problems:
            return None
        named = [ElectionSettings(name=key[len(ELECTION) :], **found) for key, found in elections.items()]
        return Settings(
            file=self.path, elections=tuple(named), notes=tuple(self.notes), doubts=tuple(self.doubts), **values
        )

    # messages

    def problem(self, what: str, section: str = "", option: str = "", value: Optional[str] = None) -> None:
        self.problems.append(_line(self.path, what, section, option, value))

    def wrong(self, section: str, name: str, what: str) -> None:
        """A problem with an option of the table, together with its value as far as that may be shown."""
        self.problem(what, section, name, self.shown(section, name))

    def shown(self, section: str, name: str) -> Optional[str]:
        option = (_MAIN_OPTIONS if section == MAIN else _ELECTION_OPTIONS)[name]
        text, source = self.raw.get((section, name)), ""
        if text is None and self.environ.get(option.variable):
            return f"{_masked(name, self.environ[option.variable])} (from {option.variable})"
        if text is None:
            text, source = option.default_for(section), " (the default)"
        if text is None:
            return None
        try:
            text = self.expanded(text)
        except ValueError:
            pass  # what cannot be expanded is shown as it was written
        return _masked(name, text) + source

    # the file

    def read(self) -> Optional[str]:
        try:
            data, self.exposed = _contents(self.path)
        except ValueError as error:
            self.problem(str(error))
            return None
        if data.startswith(b"\xef\xbb\xbf"):
            self.problem("begins with a byte order mark, which supervisord cannot read; save it without one")
            return None
        try:
            return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            number = data.count(b"\n", 0, error.start) + 1
            self.problem(
                f"is not UTF-8: line {number} has the byte 0x{data[error.start]:02x}; save it as UTF-8"
            )
            return None

    def parse(self, text: str) -> Optional[_Parser]:
        """Parse by supervisord's rules, but say what they pass over in silence: a second section or option.

        A strict parser raises at the first of these. So each is said, taken out, and the rest parsed again.
        """
        lines = text.split("\n")
        while len(self.problems) < _MOST_LINE_PROBLEMS:
            parser = _Parser()
            try:
                parser.read_string("\n".join(lines), self.path)
                return parser
            except configparser.DuplicateSectionError as error:
                if _is_ours(error.section):
                    what = "put all its options under one header, or give it another name"
                    self.problem(f"appears a second time in line {error.lineno}; {what}", error.section)
                # supervisord merges its own sections. The name of the replacement is nobody's.
                lines[error.lineno - 1] = f"[:{error.lineno}]"
            except configparser.DuplicateOptionError as error:
                if _is_ours(error.section):
                    value = re.split("[=:]", lines[error.lineno - 1], maxsplit=1)[-1].strip()
                    what = f"is a second value of this option, in line {error.lineno}; keep one of the two"
                    self.problem(what, error.section, error.option, _masked(error.option, value))
                _blank(lines, error.lineno)
            except configparser.MissingSectionHeaderError as error:
                self.problem(f"line {error.lineno} stands before the first [section]; put it under one")
                first = error.lineno - 1
                for number in range(first, len(lines)):
                    # The first line is no header even where it begins like one.
                    if number > first and lines[number].startswith("["):
                        break
                    lines[number] = ""
            except configparser.ParsingError as error:
                for number, _ in error.errors:
                    # The line itself is not repeated: it may be a piece of a secret.
                    self.problem(
                        f"line {number} is neither a [section] nor option = value; correct or remove it"
                    )
                    _blank(lines, number)
        return None

    def sections(self, parser: _Parser) -> List[str]:
        """The sections of the elections. A section that only resembles one of ours is a problem."""
        elections, misnamed = [], set()
        for section in parser.sections():
            kind, _, name = section.partition(":")
            if section.startswith(ELECTION):
                if is_election_name(name):
                    elections.append(section)
                else:
                    misnamed.add(ELECTION)
                    self.problem(f"has no fit name; write [election:NAME] with {NAME_RULE}", section)
            elif section != MAIN and _closest(kind.strip().lower(), [MAIN, "election"], 0.8):
                ours = _closest(kind.strip().lower(), [MAIN, "election"], 0.8)
                of_election = ours != MAIN or bool(name)
                misnamed.add(ELECTION if of_election else MAIN)
                right = f"[election:{name.strip() or NAME}]" if of_election else "[zkelect]"
                self.problem(f"is no section of this program; write {right}", section)
        if not parser.has_section(MAIN) and MAIN not in misnamed:
            self.problem("is missing; add it, with servers = zk1:2181,zk2:2181,zk3:2181", MAIN)
        if not elections and ELECTION not in misnamed:
            what = "add this section, with address = HOST:PORT of the service"
            self.problem(f"no election is configured; {what}", ELECTION + NAME)
        return elections

    # one section

    def values(
        self, parser: _Parser, section: str, table: Mapping[str, Option]
    ) -> Dict[str, Any]:
        """The values of a section; what has a problem is missing, what is not set has its default or None."""
        for key in parser.options(section):
            if key in table:
                self.raw[section, key] = parser.get(section, key)
            elif key not in parser.defaults():
                self.unknown(section, key, parser.get(section, key), table)
        values: Dict[str, Any] = {}
        for name, option in table.items():
            try:
                text = self.text(section, option)
                values[name] = None if text is None else option.read(text)
            except ValueError as error:
                self.wrong(section, name, str(error))
        return values

    def text(self, section: str, option: Option) -> Optional[str]:
        raw = self.raw.get((section, option.name))
        if raw is None and not option.required:
            default = option.default_for(section)
            return self.environ.get(option.variable) or (None if default is None else self.expanded(default))
        text = "" if raw is None else self.expanded(raw)
        if not text and not option.empty:
            state = "is missing" if raw is None else "is empty"
            remedy = "set it" if option.required else "give it a value or remove the line"
            meaning = option.meaning.partition(".")[0]
            raise ValueError(f"{state}; {remedy}: {meaning[0].lower()}{meaning[1:]}")
        return text

    def expanded(self, raw: str) -> str:
        """The text with supervisord's expansions.

        Only `%%` and `%(NAME)s` are let through: a bare %s would be replaced by the whole environment.
        """

        def replacement(match: "re.Match[str]") -> str:
            name = match[1]
            if match[0] == "%%":
                return "%"
            if name is None:
                raise ValueError("has a percent sign that begins no %(NAME)s; double one of your own: %%")
            if name in self.expansions:
                return self.expansions[name]
            if name.startswith("ENV_"):
                raise ValueError(
                    f"the environment variable {_shown(name[4:])} is not set; set it for supervisord and "
                    "for the commands you type, or write the value itself"
                )
            raise ValueError(
                f"%({_shown(name)})s is unknown here; use %(here)s, %(host_node_name)s or %(ENV_X)s"
            )

        return re.sub(r"%(?:%|\(([^()%]*)\)s)?", replacement, raw).strip()

    def unknown(self, section: str, key: str, value: str, table: Mapping[str, Option]) -> None:
        other, where = (_ELECTION_OPTIONS, _E) if table is _MAIN_OPTIONS else (_MAIN_OPTIONS, _M)
        close = _closest(key, list(table))
        if key in other:
            what = f"does not belong here; move it to [{where}]"
        elif close is not None:
            what = f"is an unknown option; did you mean {close}?"
        else:
            what = "is an unknown option; remove it (`zkelect check --options` lists all there are)"
        self.problem(what, section, key, _masked(key, value))

    # [zkelect]

    def check_main(self, values: Dict[str, Any]) -> None:
        for option in _MAIN_OPTIONS.values():
            if option.secret:
                self.take_secret(option, values)
        self.check_times(values)
        self.check_tls(values)
        self.check_sasl(values)
        if "username" in values and "password" in values:
            if bool(values["username"]) != bool(values["password"]):
                missing, given = sorted(("username", "password"), key=lambda name: bool(values[name]))
                if given == "password" and (MAIN, "password_file") in self.raw:
                    given = "password_file"
                self.wrong(MAIN, given, f"is set, but {missing} is not; set both or neither")
        # What is missing in the values was refused and is no proof that there are no credentials.
        credentials = [values.get(name, "?") for name in ("digest", "sasl_mechanism", "tls_cert")]
        if values.get("acl", "open") != "open" and not any(credentials):
            what = "this node has no credentials that the ACL could name"
            self.wrong(MAIN, "acl", f"{what}; set digest or digest_file, or use acl = open")

    def take_secret(self, option: Option, values: Dict[str, Any]) -> None:
        """Put the secret of an option or of its file in its place, wrapped."""
        name, by_file = option.name, f"{option.name}_file"
        in_file, in_line = (MAIN, by_file) in self.raw, (MAIN, name) in self.raw
        advice = ""
        if in_file and in_line:
            values.pop(name, None)
            self.wrong(MAIN, by_file, f"is set together with {name}; keep one of the two")
        elif in_file and values.get(by_file) is None:
            values.pop(name, None)  # the path was refused: nobody knows that there is no secret
        elif in_file:
            try:
                data, exposed = _contents(values[by_file], 65536)
                values[name] = Secret(option.read(_one_secret(data)))
                advice = f"every user may read this file; chmod o-r {values[by_file]}" if exposed else ""
            except ValueError as error:
                values.pop(name, None)
                self.wrong(MAIN, by_file, str(error))
        elif values.get(name) is not None:
            values[name] = Secret(values[name])
            if in_line and self.exposed and "%(ENV_" not in self.raw[MAIN, name]:
                advice = f"stands in a file that every user may read; use {by_file}, or chmod o-r {self.path}"
        if advice:
            self.notes.append(_line(self.path, advice, MAIN, by_file if in_file else name))

    def check_times(self, values: Dict[str, Any]) -> None:
        least, most = values.get("backoff_min"), values.get("backoff_max")
        if least is not None and most is not None and least > most:
            name = "backoff_max" if (MAIN, "backoff_max") in self.raw else "backoff_min"
            what = f"backoff_min ({least:g}) is more than backoff_max ({most:g})"
            self.wrong(MAIN, name, f"{what}; give them the other way round")
        asked = ("session_timeout", "tick_time", "heartbeat_interval", "ride_through", "kill_time")
        if any(name not in values for name in asked):
            return
        timeout, tick, interval, ride_through, kill_time = (values[name] for name in asked)
        values["interval_configured"] = interval is not None
        values["ride_through_configured"] = ride_through is not None
        if interval is None:
            values["heartbeat_interval"] = timeout * lease.INTERVAL_SHARE
        if ride_through is None:
            values["ride_through"] = lease.ride_through(timeout, tick, values["heartbeat_interval"], kill_time)
        times = (values["heartbeat_interval"], values["ride_through"], kill_time)
        grace = lease.stop_grace(timeout, tick, *times, math.inf)
        shortest = _shortest_timeout(tick, interval, ride_through, kill_time, 0)
        if grace < 0:
            remedy = f"use {shortest:g} or more, or a" if shortest else "a"
            self.wrong(
                MAIN,
                "session_timeout",
                f"kill_time ({kill_time:g} s) does not fit, {-grace:.3g} s are missing; {remedy} smaller "
                "kill_time, ride_through, heartbeat_interval or, if the servers have it, tick_time",
            )
        elif tick > timeout / 2:
            self.wrong(
                MAIN,
                "tick_time" if (MAIN, "tick_time") in self.raw else "session_timeout",
                f"session_timeout ({timeout:g} s) is less than two ticks of {tick:g} s, which ZooKeeper does "
                f"not grant; use session_timeout = {2 * tick:g} or more, or the servers' real tickTime",
            )

    def check_tls(self, values: Dict[str, Any]) -> None:
        given = [name for name in _MAIN_OPTIONS if name.startswith("tls_") and (MAIN, name) in self.raw]
        if "tls" in values and values["tls"] is None:
            values["tls"] = bool({"tls_ca", "tls_cert", "tls_key"} & set(given))
        missing = "tls = true" if values.get("tls") is False else "tls_cert" not in given and "tls_cert"
        for name in given:
            if missing == "tls = true" or missing and name.startswith("tls_key"):
                self.wrong(MAIN, name, f"has no meaning without {missing}; set that too, or remove the line")
        if values.get("tls_key", "") is None:
            values["tls_key"] = values.get("tls_cert")
        ca, cert, key = (values.get(name) for name in ("tls_ca", "tls_cert", "tls_key"))
        # kazoo would meet such a file on its connection thread only, and end it.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if ca:
                context.load_verify_locations(ca)
        except (ssl.SSLError, OSError):
            self.wrong(MAIN, "tls_ca", "holds no certificate; name a file in PEM format")
        try:
            if cert and key and "tls_key_password" in values:
                password = values["tls_key_password"]
                # Without a password OpenSSL would ask for one on the terminal.
                context.load_cert_chain(cert, key, password=lambda: password.reveal() if password else "")
        except (ssl.SSLError, OSError, ValueError):
            what = "certificate and key cannot be used: not PEM, not a pair, or a wrong tls_key_password"
            self.wrong(MAIN, "tls_cert", f"{what}; correct tls_cert, tls_key or tls_key_password")

    def check_sasl(self, values: Dict[str, Any]) -> None:
        if "sasl_mechanism" not in values:
            return
        mechanism = values["sasl_mechanism"]
        by_password = ("sasl_username", "sasl_password", "sasl_password_file")
        foreign = {
            None: (*by_password, "sasl_service", "sasl_principal"),
            "DIGEST-MD5": ("sasl_principal",),
            "GSSAPI": by_password,
        }
        for name in foreign[mechanism]:
            if (MAIN, name) in self.raw:
                why = f"with sasl_mechanism = {mechanism}" if mechanism else "without sasl_mechanism"
                self.wrong(MAIN, name, f"has no meaning {why}; remove the line, or set the mechanism for it")
        if mechanism == "DIGEST-MD5":
            for name in ("sasl_username", "sasl_password"):
                if values.get(name, "") is None:
                    self.wrong(MAIN, "sasl_mechanism", f"needs {name}, which is not set; set it")
        if mechanism is not None and importlib.util.find_spec("puresasl") is None:
            what = "needs the Python package pure-sasl, which is not installed; pip install pure-sasl"
            self.wrong(MAIN, "sasl_mechanism", what)

    # [election:NAME]

    def check_health(self, section: str, values: Dict[str, Any]) -> None:
        """Try the URL alone, then with each of its companions, so that the right option is blamed."""
        if "health" not in values:
            return
        values["health"] = url = values["health"] or "none"
        tried = ["health"]
        tried += [name for name in ("health_status", "health_body", "health_ca") if values.get(name)]
        for name in tried:
            extra = {} if name == "health" else {name.partition("_")[2]: values[name]}
            try:
                health.parse(url, **extra)
            except ValueError as error:
                what, short = untrusted.printable(str(error)), name.partition("_")[2]
                # The line names the option already.
                self.wrong(section, name, what[len(short) + 1:] if what.startswith(f"{short} has ") else what)
                if name == "health":
                    return

    def check_words(self, section: str) -> None:
        """Commands with what only a shell understands. They may be right all the same, so none is refused."""
        for name, option in _ELECTION_OPTIONS.items():
            try:
                text = self.expanded(self.raw.get((section, name), ""))
            except ValueError:
                continue
            kind, _, rest = text.partition(":")
            if kind.lower() == "exec" and name == "health":
                text = rest
            elif option.type != "command":
                continue
            word = shellwords.first(text)
            if word:
                what = f"{word} is for a shell, and no shell runs this command, which is given it as it stands"
                remedy = "write the command as sh -c '…', or put what is meant as it stands into single quotes"
                self.doubts.append(_line(self.path, f"{what}; {remedy}", section, name, self.shown(section, name)))

    def check_elections(self, elections: Mapping[str, Dict[str, Any]], chroot: str) -> None:
        """Whether each election has its group and its znodes for itself."""
        groups: Dict[str, str] = {}
        znodes: List[Tuple[str, str, str, str]] = []  # path, section, option, what it is
        for section, values in elections.items():
            group = values.get("group")
            if group is not None and groups.setdefault(group, section) != section:
                what = f"is the group of [{groups[group]}] as well; give each election a group of its own"
                self.wrong(section, "group", what)
            if "election_znode" in values:
                znodes.append((values["election_znode"], section, "election_znode", _ZNODE))
            if "election_ack" in values:
                ack = values["election_ack"]
                znodes.append((ack, section, "election_ack", _ACK))
            if "election_state" in values:
                configured = values["election_state"] is not None
                if not configured and "election_ack" in values:
                    values["election_state"] = places.state_of(values["election_ack"])
                if values["election_state"] is not None:
                    option = "election_state" if configured else "election_ack"
                    znodes.append((values["election_state"], section, option, _STATE))
        told = set()  # one problem for an option is enough
        for number, znode in enumerate(znodes):
            for other in znodes[:number]:
                blamed, what = _collision(znode, other)
                if what and blamed[1:3] not in told:
                    told.add(blamed[1:3])
                    self.wrong(*blamed[1:3], what)
            if re.match(r"/zookeeper(/|$)", chroot + znode[0]) and znode[1:3] not in told:
                told.add(znode[1:3])
                what = "lies in /zookeeper, which ZooKeeper keeps for itself; choose another path"
                self.wrong(*znode[1:3], what)
            if len(chroot + znode[0]) > places.LONGEST_PATH and znode[1:3] not in told:
                told.add(znode[1:3])
                what = f"{znode[3]} has more than {places.LONGEST_PATH} characters with its chroot; shorten one of them"
                self.wrong(*znode[1:3], what)


_ZNODE, _ACK, _STATE = "the election znode", "the ack", "the state"

#: What may not stand inside of it, and why.
_FULL = {_ZNODE: "where nothing but proposals may live", _STATE: "which is that election's alone"}


def _collision(one: Tuple[str, str, str, str], other: Tuple[str, str, str, str]):
    """Which of two znodes is to blame for being in the other's way, and why; no text when they agree."""
    if one[0] == other[0]:
        return one, f"{one[3]}, {one[0]}, is {other[3]} of [{other[1]}] as well; choose another path"
    for outer, inner in ((one, other), (other, one)):
        own_ack = (outer[3], inner[3], outer[1]) == (_ACK, _STATE, inner[1])
        if places.inside(inner[0], outer[0]) and (outer[3] in _FULL or own_ack):
            blamed = outer if outer[3] == _STATE and outer[1] == inner[1] else inner
            why = f", {_FULL[outer[3]]}" if outer[3] in _FULL else ""
            what = f"{inner[3]}, {inner[0]}, lies inside {outer[3]} of [{outer[1]}], {outer[0]}{why}"
            return blamed, f"{what}; choose another path"
    return one, ""


def _shortest_timeout(
    tick: float, interval: Optional[float], ride_through: Optional[float], kill_time: float, grace: float
) -> Optional[float]:
    """The shortest session timeout, in whole tenths of a second, that leaves `grace` seconds, or None.

    interval, ride_through: None where they are a share of the timeout. This is `lease.stop_grace` solved for
    its timeout.
    """
    share = 1 - lease.DRIFT
    share -= 2 * lease.INTERVAL_SHARE if interval is None else 0
    # Without a stop to wait for, the ride-through takes only what is left (`lease.ride_through`).
    share -= lease.RIDE_THROUGH_SHARE if ride_through is None and grace else 0
    fixed = grace + tick + 2 * (interval or 0) + (ride_through or 0) + kill_time
    timeout = math.ceil(max(fixed / share, 2 * tick) * 10 - 1e-6) / 10
    return timeout if timeout <= _LONGEST else None


# supervisord's side


class GroupCheck(NamedTuple):
    """One line each. problems: what is wrong with the groups, so that nothing may be started. notes: what is worth telling.
    troubles: what keeps nothing from starting, and a promise from being kept."""

    problems: List[str]
    notes: List[str]
    troubles: Tuple[str, ...] = ()


def check_group(
    settings: Settings,
    infos: Iterable[Mapping[str, Any]],
    uid: int,
    supervisord_uid: Optional[int] = None,
    own_group: Optional[str] = None,
    timeout: Optional[float] = None,
) -> GroupCheck:
    """Compare the settings with what supervisord says of its programs.

    infos: the items of supervisord's getAllConfigInfo, with "autorestart" where that is known.
    uid: the effective user id of the listener.
    supervisord_uid: that of supervisord, under which programs without `user=` run; None when not known.
    own_group: the listener's own group, its SUPERVISOR_GROUP_NAME; None when asked from elsewhere.
    timeout: the session timeout that was granted, in seconds, by default the one that is asked for.

    Pure: nothing is asked of the system.
    """
    problems: List[str] = []
    notes: List[str] = []
    troubles: List[str] = []
    members: Dict[str, List[Mapping[str, Any]]] = {}
    for info in infos:
        members.setdefault(str(info["group"]), []).append(info)
    longest = 0.0
    for election in settings.elections:
        programs = members.get(election.group, [])
        section = ELECTION + election.name
        say = functools.partial(_line, settings.file, section=section, option="group", value=election.group)
        if own_group is not None and election.group == own_group:
            problems.append(say("is the group of this listener itself; name the group of the service"))
            continue
        if not programs:
            problems.append(say(_missing_group(election.group, sorted(set(members) - {own_group or ""}))))
            continue
        foreign_letters = [program["name"] for program in programs if not program["name"].isascii()]
        if foreign_letters:
            problems.append(say(f"program {_listed(foreign_letters)} {_NOT_ASCII}"))
        if not all(program.get("inuse", True) for program in programs):
            problems.append(say("is in supervisord's configuration but not active; run supervisorctl update"))
        eager = [program["name"] for program in programs if program.get("autostart")]
        if eager:
            what = f"program {_listed(eager)} has autostart = true, so every node would run it at once"
            remedy = "set autostart = false in its section and run supervisorctl update"
            problems.append(say(f"{what}; {remedy}"))
        foreign: Dict[int, List[str]] = {}
        for program in programs:
            user = accounts.of_program(program, supervisord_uid)
            if uid != 0 and user is not None and user != uid:
                foreign.setdefault(user, []).append(program["name"])
        for user, names in foreign.items():
            what = f"program {_listed(names)} runs as uid {user}, which the listener, uid {uid}, may not signal"
            problems.append(say(f"{what}; give both sections the same user=, or run the listener as root"))
        slow = max(float(program.get("startsecs", 0)) for program in programs)
        if slow >= election.promote_timeout and not election.health_check():
            what = f"is not RUNNING before its startsecs of {slow:g} s have passed"
            remedy = f"set promote_timeout in [{section}] to more than that, or startsecs to less"
            problems.append(say(f"{what}, and promote_timeout is {election.promote_timeout:g} s; {remedy}"))
        if not election.health_check():
            notes += map(say, _ending(election, programs))
        stopwaitsecs = max(float(program.get("stopwaitsecs", 0)) for program in programs)
        longest = max(longest, stopwaitsecs)
        bare = [program["name"] for program in programs if program_info.unguarded(program)]
        if bare:
            what = f"unguarded: the command of {_listed(bare)} does not begin with `zkelect run --`, so nothing keeps it"
            troubles.append(say(f"{what} from being started where the lease is over; put `zkelect run --` before it"))
        shortened = _shortened(settings, stopwaitsecs, timeout)
        if shortened:
            notes.append(say(shortened))
    for listener in members.get(own_group or "", []):
        needed = math.ceil(longest + settings.kill_time + _HANDOVER)
        if listener.get("stopwaitsecs", needed) < needed:
            what = f"a group may take {longest:g} s to stop, and the listener waits for it and hands over"
            section, value = f"eventlistener:{own_group}", str(listener["stopwaitsecs"])
            notes.append(
                _line(settings.file, f"{what}; set {needed} or more", section, "stopwaitsecs", value)
            )
    return GroupCheck(problems, notes, tuple(troubles))


def _ending(election: ElectionSettings, programs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is doubtful about programs that may end by themselves, in an election without a health check."""
    hasty = [program["name"] for program in programs if program.get("startsecs") == 0]
    if hasty:
        what = f"program {_listed(hasty)} has startsecs = 0, so it is RUNNING even if it ends at once"
        yield f"{what}: set startsecs. For one that ends when its work is done: {must_run(election)}"
    for value in ("false", "unexpected"):
        once = [program["name"] for program in programs if program.get("autorestart") == value]
        if once:
            what = f"program {_listed(once)} has autorestart = {value}; one that ends by itself is never RUNNING for long"
            yield (f"{what}, so this node could not become or stay primary: set autorestart = true. For one that ends when its work "
                   f"is done: {must_run(election)}")


ENDED_TIME = 2.0
"""Seconds for which a program has ended before it counts as one that supervisord does not start again."""


def check_processes(
    settings: Settings, infos: Iterable[Mapping[str, Any]], ends: Mapping[Tuple[str, str], str] = {}
) -> GroupCheck:
    """Look for programs whose end has kept, or would keep, a node from being primary.

    infos: the items of supervisord's getAllProcessInfo. ends: how programs ended, in one line, by group and name; where one is
    missing, supervisord's own words are told. Pure, as `check_group` is.
    """
    problems: List[str] = []
    notes: List[str] = []
    by_group: Dict[str, List[Mapping[str, Any]]] = {}
    for info in infos:
        by_group.setdefault(str(info["group"]), []).append(info)
    for election in settings.elections:
        section = ELECTION + election.name
        for info in by_group.get(election.group, []):
            name, state = info["name"], info["statename"]
            ended = state == "EXITED" and info["now"] - info["stop"] >= ENDED_TIME
            if ended and not election.health_check():
                what = f"program {name} has exited with status {info['exitstatus']}: {must_run(election)}"
                problems.append(_line(settings.file, what, section, "health", "none"))
            elif state == "FATAL":
                where = info.get("stderr_logfile") or info.get("stdout_logfile")
                why = f"{info['spawnerr'] or 'supervisord has given it up'}" + (f"; its log is {where}" if where else "")
                what = f"program {name} is in FATAL: {ends.get((election.group, name)) or why}"
                notes.append(_line(settings.file, what, section, "group", election.group))
    return GroupCheck(problems, notes)


def must_run(election: ElectionSettings) -> str:
    """What to do about a program that ends by itself, in an election without a health check."""
    return (
        f"without a health check a node is primary only while every program of the group runs; move it out of "
        f"[group:{election.group}], or set health in [{ELECTION}{election.name}] to a check of the service"
    )


def _shortened(settings: Settings, stopwaitsecs: float, timeout: Optional[float]) -> str:
    granted = settings.session_timeout if timeout is None else timeout
    grace = settings.stop_grace(stopwaitsecs, granted)
    if grace >= stopwaitsecs:
        return ""
    longer = _shortest_timeout(
        settings.tick_time,
        settings.heartbeat_interval if settings.interval_configured else None,
        settings.ride_through if settings.ride_through_configured else None,
        settings.kill_time,
        stopwaitsecs,
    )
    remedy = f"; session_timeout = {longer:g} would leave all of it" if longer else ""
    if grace < 0:
        return f"a session of {granted:g} s leaves no room for kill_time ({settings.kill_time:g} s){remedy}"
    return (
        f"when its lease runs out the group has {grace:.3g} s to stop and not its stopwaitsecs of "
        f"{stopwaitsecs:g} s, since the session timeout is {granted:g} s{remedy}"
    )


def _missing_group(group: str, known: List[str]) -> str:
    close = _closest(group, known)
    if close:
        hint = f"did you mean {close}?"
    elif known:
        hint = f"name one of {_listed(known)}, or add [group:{group}] with its programs"
    else:
        hint = f"add [group:{group}] with its programs"
    return f"supervisord has no such group; {hint} (then supervisorctl update)"


# Small helpers


def _is_ours(section: str) -> bool:
    return section == MAIN or section.startswith(ELECTION)


def _closest(word: str, words: List[str], cutoff: float = 0.6) -> Optional[str]:
    return next(iter(difflib.get_close_matches(word, words, 1, cutoff)), None)


def _listed(names: List[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _line(file: str, what: str, section: str = "", option: str = "", value: Optional[str] = None) -> str:
    head = untrusted.printable(file) + ":"
    if section:
        head += f" [{_shown(section)}]"
        if option:
            head += f" {_shown(option)}" if value is None else f" {_shown(option)} = {_shown(value)}"
        head += ":"
    return f"{head} {what}"


def _shown(text: str) -> str:
    text = untrusted.printable(text)
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"


def _masked(key: str, value: str) -> str:
    """The value of an option, which need not be one, for a message: a misspelt secret is a secret too."""
    table = {**_ELECTION_OPTIONS, **_MAIN_OPTIONS}
    option = table.get(key) or table.get(_closest(key, list(table)) or "")
    if option is not None and option.secret:
        return "***"
    if option is None and re.search("pass|pwd|secret|digest|cred|token|auth", key):
        return "***"
    if value.lower().startswith("exec:"):
        return "exec:…"
    if option is not None and option.type == "command":
        return value.split(" ")[0] + (" …" if " " in value else "")
    value = re.sub(r"(://)?[^\n]*@", r"\1***@", value, count=1) if "://" in value else value
    return re.sub(r"\?.*", "?…", value, count=1) if option and option.name == "health" else value


def _blank(lines: List[str], number: int) -> None:
    """Take out a line, counted from 1, with those that continue it, or they would continue another."""
    lines[number - 1] = ""
    while number < len(lines) and lines[number][:1].isspace():
        lines[number] = ""
        number += 1


def _one_secret(data: bytes) -> str:
    """The only line of a file that holds a secret."""
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save it as UTF-8") from None
    if not lines or not lines[0].strip():
        raise ValueError("is empty; write the secret into its first line")
    if len(lines) > 1:
        raise ValueError("holds more than one line; write the secret alone, in one line")
    return lines[0]
