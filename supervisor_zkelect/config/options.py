"""The one table of options of [zkelect] and [election:NAME], each declared once.

An option is a field of one of two classes, from which the settings inherit; its default and everything else about it stand beside
it. Reading, messages, docs/options.md (`reference`), reload (`diff`) and the kept configuration follow from here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

from supervisor_zkelect.config import values
from supervisor_zkelect.config.values import Secret
from supervisor_zkelect.core import lease, places, ranks, untrusted

MAIN = "zkelect"
ELECTION = "election:"

NAME = "NAME"
"""Stands for an election's name in a default and in the reference."""

#: The effect of a changed option: its new value counts; a new listener, in the same term; a new term of its election; a new
#: session, and so new terms of all elections.
LIVE, RESTART, TERM, SESSION = "at once", "restart", "new term", "new session"


@dataclass(frozen=True)
class Option:
    """One option.

    section: "zkelect" or "election:NAME". default: as it would be written, None for none. computed: in words, a default that is
    not a fixed text. variable: the environment variable that is the default. empty: whether an empty value is allowed.
    secret: never shown, and may come from the option NAME_file instead. private: may contain a password, so that settings do
    not show it. change: the effect of another value while the listener runs.
    """

    section: str
    name: str
    meaning: str
    type: str
    read: Callable[[str], Any]
    unit: str = ""
    default: Optional[str] = None
    computed: str = ""
    variable: str = ""
    required: bool = False
    empty: bool = False
    secret: bool = False
    private: bool = False
    change: str = LIVE

    def default_for(self, section: str) -> Optional[str]:
        """The default in this section, before expansion."""
        return self.default and self.default.replace(NAME, section.partition(":")[2])


def _option(meaning: str, type: str, read: Callable[[str], Any] = values.text, **more: Any) -> Any:
    return dataclasses.field(
        repr=not more.get("private"), metadata={"meaning": meaning, "type": type, "read": read, **more}
    )


def _time(meaning: str, least: float, **more: Any) -> Any:
    """An option in seconds. least: its smallest value."""
    return _option(meaning, "number", values.seconds(least), unit="seconds", **more)


def _choice(meaning: str, *choices: str, **more: Any) -> Any:
    """An option that is one of these words."""
    return _option(meaning, ", ".join(f"`{choice}`" for choice in choices), values.one_of(*choices), **more)


def _secret_file(name: str, change: str) -> Any:
    """The option that names a file with the secret `name`."""
    return _option(f"File that holds `{name}`, in one line. Not together with it.", "file", values.path, change=change)


@dataclass(frozen=True)
class MainOptions:
    """The options of [zkelect]. file: the configuration file. Times are seconds; a path is absolute; what is not set and has no
    default is None."""

    file: str
    servers: Tuple[str, ...] = _option(
        "The ZooKeeper servers, separated by commas. Put an IPv6 address in brackets. Default port: 2181.",
        "list of host:port", places.servers, required=True,
    )
    node_name: str = _option(
        "This node's name, unique among the nodes of an election.",
        "name", untrusted.node_name, default="%(host_node_name)s", change=SESSION,
    )
    session_timeout: float = _time(
        "T: how long ZooKeeper waits for a silent node before another one leads. The servers grant what they allow, by default "
        "2 to 20 of their ticks; what they grant counts. When its lease ends, a group has at most T·0.99 − tick_time − "
        "2·heartbeat_interval − ride_through − kill_time to stop, which may not be negative.",
        0.5, default="10", change=SESSION,
    )
    tick_time: float = _time(
        "The servers' tickTime. At most half of session_timeout. Too small a value makes the lease too long, and so unsafe.",
        0.01, default="2",
    )
    heartbeat_interval: float = _time(
        "How often the lease is renewed. A node without a lease sends a heartbeat every two intervals, or sooner where "
        "ride_through is shorter.",
        0.01, computed=f"session_timeout · {lease.INTERVAL_SHARE:g}",
    )
    ride_through: float = _time(
        "How long ZooKeeper may be silent without consequence.",
        0, computed=f"session_timeout · {lease.RIDE_THROUGH_SHARE:g}, or what kill_time leaves of the lease",
    )
    kill_time: float = _time(
        "How long before the end of the lease the group is killed: the time it takes to die.",
        0.01, default="0.3",
    )
    reply_max: int = _option(
        "The longest reply of a ZooKeeper server that is read, in bytes; the connection is closed where a longer one is "
        "announced. It corresponds to `jute.maxbuffer` of ZooKeeper's own clients, and its default is 64 KiB more than that of "
        "servers: what a server accepts in a write is read back with some bytes more. Raise it with the servers' "
        "`jute.maxbuffer`, or where an election has tens of thousands of candidates.",
        "number", values.count(1 << 16, 1 << 30), unit="bytes", default=str((1 << 20) + (64 << 10)),
    )
    chroot: str = _option(
        "Znode below which all paths of this file begin. It must exist, or this node must be allowed to create it.",
        "znode path", values.chroot, default="", empty=True, change=SESSION,
    )
    digest: Optional[Secret] = _option(
        "Credentials of ZooKeeper's digest scheme.",
        "USER:PASSWORD", values.digest, secret=True, change=SESSION,
    )
    digest_file: Optional[str] = _secret_file("digest", change=SESSION)
    acl: str = _choice(
        "Who may do what with the znodes that this node creates. `open`: anyone may do anything. `creator`: clients with this "
        "node's credentials may do anything, others nothing. `creator+read`: the same, and anyone may read, so that clients "
        "find the address in the ack without credentials. All nodes of an election need the same credentials. Existing znodes "
        "keep their ACL.",
        "open", "creator", "creator+read", default="open", change=SESSION,
    )
    tls: bool = _option(
        "Whether to speak TLS with ZooKeeper.",
        "boolean", values.boolean, computed="true when one of tls_ca, tls_cert, tls_key is set, else false", change=SESSION,
    )
    tls_ca: Optional[str] = _option(
        "PEM file with the authorities that sign the servers' certificates. Those of the system are trusted as well.",
        "file", values.pem_file, change=SESSION,
    )
    tls_cert: Optional[str] = _option("PEM file with this node's certificate.", "file", values.pem_file, change=SESSION)
    tls_key: Optional[str] = _option(
        "PEM file with the key of tls_cert.",
        "file", values.pem_file, computed="tls_cert", change=SESSION,
    )
    tls_key_password: Optional[Secret] = _option("Password of tls_key.", "text", secret=True, change=SESSION)
    tls_key_password_file: Optional[str] = _secret_file("tls_key_password", change=SESSION)
    tls_verify_hostname: bool = _option(
        "Whether the host name in `servers` must be in the server's certificate.",
        "boolean", values.boolean, default="true", change=SESSION,
    )
    sasl_mechanism: Optional[str] = _choice(
        "SASL towards ZooKeeper; needs the package pure-sasl, and GSSAPI a ticket in the cache as well.",
        "DIGEST-MD5", "GSSAPI", change=SESSION,
    )
    sasl_username: Optional[str] = _option("User, for DIGEST-MD5.", "text", change=SESSION)
    sasl_password: Optional[Secret] = _option("Password, for DIGEST-MD5.", "text", secret=True, change=SESSION)
    sasl_password_file: Optional[str] = _secret_file("sasl_password", change=SESSION)
    sasl_service: str = _option("First part of the servers' principal.", "text", default="zookeeper", change=SESSION)
    sasl_principal: Optional[str] = _option(
        "This node's principal, for GSSAPI.",
        "text", computed="the one of the credential cache", change=SESSION,
    )
    backoff_min: float = _time(
        "How long a node that stepped down for a sick service waits, at first, before it joins again. A sole candidate always "
        "waits this long, and 1.5 s after a stop by hand.",
        0.05, default="1",
    )
    backoff_max: float = _time("Limit of that wait, which doubles each time while the service stays sick.", 0.05, default="60")
    reattach_grace: float = _time(
        "How long the service keeps running after supervisord reports the listener STOPPED or FATAL. Without another listener "
        "in that time, the group is stopped and the election released. While supervisord reports it STARTING or RUNNING, the "
        "service keeps running without a limit, and in any other state for 60 seconds; with `sasl_mechanism` only until the "
        "lease ends.",
        0, default="2",
    )
    tags: Tuple[str, ...] = _option(
        "What this node is to its operators, such as `rack:a, zone:2`: shown by `list`, which picks nodes by it, and never "
        "interpreted.",
        "list of KEY:VALUE", values.tags, default="", empty=True,
    )
    http: Optional[str] = _option(
        "Where `zkelect http` listens for load balancers, monitors and browsers. Where it is set, `check` and `role` tell when "
        "nobody answers there.",
        "host:port", values.listen, computed="for `zkelect http` 127.0.0.1:8787; without it nobody is expected there",
    )
    http_tls_cert: Optional[str] = _option(
        "PEM file with the certificate of `zkelect http`, which speaks TLS with it.",
        "file", values.path,
    )
    http_tls_key: Optional[str] = _option(
        "PEM file with the key of http_tls_cert.", "file", values.path, computed="http_tls_cert",
    )
    http_password_file: Optional[str] = _option(
        "File with a line USER:HASH for each user that `zkelect http` tells more than load balancers need; "
        "`zkelect http --hash USER` prints one. Without it everybody who can connect is told.",
        "file", values.path,
    )
    http_agent: Optional[str] = _option(
        "Where `zkelect http` answers HAProxy's agent-check as well: `agent-send ELECTION\\n` there, and this as agent-addr and "
        "agent-port.",
        "host:port", values.listen, computed="nowhere",
    )
    http_names: Tuple[str, ...] = _option(
        "Names under which browsers reach `zkelect http`, beside this host's own, separated by commas. Addresses need not be "
        "named.",
        "list of names", values.names, default="", empty=True,
    )
    serverurl: Optional[str] = _option(
        "Where supervisord is reached: `unix:///path` or `http://host:port`. Programs of supervisord find it in their "
        "environment.",
        "URL", values.serverurl, variable="SUPERVISOR_SERVER_URL", change=RESTART,
    )
    username: Optional[str] = _option(
        "User of supervisord's server, when it has one.",
        "text", variable="SUPERVISOR_USERNAME", change=RESTART,
    )
    password: Optional[Secret] = _option(
        "Password of supervisord's server, when it has one.",
        "text", variable="SUPERVISOR_PASSWORD", secret=True, change=RESTART,
    )
    password_file: Optional[str] = _secret_file("password", change=RESTART)


@dataclass(frozen=True)
class ElectionOptions:
    """The options of one [election:NAME]. name: the election's. Otherwise as `MainOptions`."""

    name: str
    group: str = _option(
        "The program group that runs on the primary. Each election has its own. Its programs need `autostart = false`.",
        "name of a group", values.group_name, default="primary", change=TERM,
    )
    address: str = _option(
        "The content of the ack znode while this node is primary: where clients find the service. Any text of one line that "
        "does not begin with a dash.",
        "text", untrusted.address, required=True,
    )
    election_znode: str = _option(
        "The znode whose children are the proposals. Nothing else may be below it. The names of all members must begin alike "
        "(docs/elections.md).",
        "znode path", places.znode, default=f"/zkelect/{NAME}/election", change=TERM,
    )
    election_prefix: str = _option(
        "Beginning of a proposal's name; the same on all nodes.",
        "text", places.name_part, default="n", change=TERM,
    )
    election_ack: str = _option(
        "The znode that holds the primary's address. Each election has its own.",
        "znode path", places.znode, default=f"/zkelect/{NAME}/ack", change=TERM,
    )
    election_state: str = _option(
        "The znode below which all other data of the election is kept: who may have left something running (`holder`), and "
        "`history`. The same on all nodes, and used by this election alone; neither inside, nor above, nor the same as its "
        "election znode or its ack.",
        "znode path", places.znode, computed=f"election_ack with `{places.SUFFIX}` behind it", change=TERM,
    )
    sequence_separator: str = _option(
        "The text between prefix and number in a proposal's name. For an election shared with the Go elector, kazoo or Curator: "
        "docs/elections.md.",
        "text", places.name_part, default="-", empty=True, change=TERM,
    )
    health: str = _option(
        "How to ask whether the service is ready: `tcp://host:port`, `http://…`, `https://…`, `exec:COMMAND` (no shell), or "
        "`none`: ready while every program is RUNNING.",
        "URL", str, default="none", empty=True, private=True,
    )
    health_status: Optional[str] = _option(
        "HTTP statuses that count as healthy, such as `200,204,301-302`. For http and https.",
        "list of numbers and ranges", computed="200-299",
    )
    health_body: Optional[str] = _option(
        "Text that must occur in the first 64 KiB of the body. For http and https.",
        "text", empty=True, private=True,
    )
    health_ca: Optional[str] = _option(
        "PEM file with the only authorities trusted. For https.",
        "file", values.pem_file, computed="those of the system",
    )
    health_interval: float = _time(
        "How often the service is asked while primary. While promoting it is asked sooner. With `health = none`: how often "
        "supervisord is asked while a program is not RUNNING; while all are, after each change and every 20 s.",
        0.01, default="1",
    )
    health_timeout: float = _time("How long one check may take.", 0.01, default="1")
    rise: int = _option(
        "How many checks in a row must pass before the ack is written.",
        "number", values.count(1, 1000), default="1",
    )
    fall: int = _option(
        "How many checks in a row must fail before a primary steps down.",
        "number", values.count(1, 1000), default="3",
    )
    promote_timeout: float = _time(
        "How long a started service may take to become healthy, before this node steps down.",
        0.1, default="60",
    )
    priority: int = _option(
        "This node's rank, from 0 to 1000. When a primary ends, the node of the highest rank in the queue leads next; between "
        "two terms a node steps behind a better one once at most. With 0 this node never leads. A running primary stays when a "
        "better node comes; see `failback`.",
        "number", values.count(0, ranks.MOST), default=str(ranks.DEFAULT),
    )
    failback: Optional[float] = _time(
        "A primary hands over to a node with a higher priority that has stood by for at least this many seconds, and whose "
        "last term has not failed. Without it nobody hands back.",
        0, computed="off",
    )
    fit: str = _option(
        "How to ask a standby whether it could lead (its disk is there, its replica near enough): `tcp://host:port`, `http://…`, "
        "`https://…`, `exec:COMMAND` (no shell), or `none`. The node leaves the queue once the check has failed, under one "
        "healthy primary, for the longest of: fall · fit_interval; two session timeouts; the time in which a sick primary is "
        "found out. It joins again when `rise` checks in a row pass. One check may take health_timeout.",
        "URL", str, default="none", empty=True, private=True,
    )
    fit_interval: float = _time(
        "How often a standby is asked whether it is fit. It is asked before a switchover to it as well.", 0.1, default="10"
    )
    fence: Optional[Tuple[str, ...]] = _option(
        "Command that a winner runs before it starts anything, when its predecessor has not released: something of it may still "
        "run. No shell. Its environment has ZKELECT_OLD_NODE and ZKELECT_OLD_ADDRESS, empty if unknown, ZKELECT_OLD_TOKEN, 0 if "
        "unknown, and the winner's own ZKELECT_ELECTION, ZKELECT_NODE, ZKELECT_TOKEN. Exit status 0: the predecessor is "
        "harmless. It may run again for the same predecessor.",
        "command", values.command, private=True,
    )
    fence_failed: str = _choice(
        "What follows when `fence` ends with another status, or not in time. `wait`: it runs again, and nothing is started. "
        "`continue`: the term begins all the same.",
        "wait", "continue", default="wait",
    )
    stop_failed: Optional[Tuple[str, ...]] = _option(
        "Command that runs, once for each stop, when the group was killed and cannot be proven dead, such as a process that "
        "waits for a disk. No shell. Its environment has ZKELECT_ELECTION, ZKELECT_GROUP, ZKELECT_TOKEN, ZKELECT_PIDS, "
        "ZKELECT_REASON.",
        "command", values.command, private=True,
    )
    tags: Tuple[str, ...] = _option(
        "Tags of this node in this election, beside those of [zkelect]; of the same key this one counts.",
        "list of KEY:VALUE", values.tags, default="", empty=True,
    )
    hook_timeout: float = _time(
        "How long `fence` and `stop_failed` may take; after that they are killed with all their descendants.",
        0.1, default="30",
    )


def _table(options: Any, section: str) -> Dict[str, Option]:
    fields = dataclasses.fields(options)
    return {one.name: Option(section, one.name, **one.metadata) for one in fields if one.metadata}


MAIN_OPTIONS = _table(MainOptions, MAIN)
ELECTION_OPTIONS = _table(ElectionOptions, ELECTION + NAME)
OPTIONS = (*MAIN_OPTIONS.values(), *ELECTION_OPTIONS.values())

CHECKS = ("health", "fit")
"""The options that are checks, as checks/parse.py reads them: each may have a secret in its URL, or a command."""


def of_section(section: str) -> Dict[str, Option]:
    """The options of a section, such as "election:orders", by name."""
    return MAIN_OPTIONS if section == MAIN else ELECTION_OPTIONS
