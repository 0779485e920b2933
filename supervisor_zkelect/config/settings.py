"""The settings in a configuration file: the values of its options, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from supervisor_zkelect.checks.health import Check
from supervisor_zkelect.checks.parse import parse
from supervisor_zkelect.config.options import MAIN_OPTIONS, ElectionOptions, MainOptions
from supervisor_zkelect.core import lease

HTTP = "127.0.0.1:8787"
"""Where `zkelect http` listens, unless configured."""


@dataclass(frozen=True)
class ElectionSettings(ElectionOptions):
    """The settings of one election."""

    def health_check(self) -> Optional[Check]:
        """The check that the health options describe; None without one. Raises ValueError when `health_ca` cannot be read any
        more."""
        return parse(self.health, status=self.health_status, body=self.health_body, ca=self.health_ca)

    def fit_check(self) -> Optional[Check]:
        """The check whether this node is fit to lead; None without one."""
        return parse(self.fit)


@dataclass(frozen=True)
class Settings(MainOptions):
    """The settings of one file.

    `heartbeat_interval` and `ride_through` are for the session timeout that is asked for; where the server grants another one,
    `interval_at` and `ride_through_at` return what counts. `doubts` and `notes` prevent nothing from starting: they are lines
    about options that may not work as intended, and about what is worth knowing.
    """

    elections: Tuple[ElectionSettings, ...] = ()
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
    def http_at(self) -> str:
        """Where `zkelect http` listens, as host:port, configured or not."""
        return self.http or HTTP

    @property
    def has_credentials(self) -> bool:
        """Whether this node tells ZooKeeper who it is, or encrypts what it says."""
        return bool(self.tls or self.digest or self.sasl_mechanism or self.acl != "open")

    @property
    def plain(self) -> bool:
        """Whether the servers' addresses are all that is needed to attach to the session."""
        return not self.has_credentials and self.reply_max == int(MAIN_OPTIONS["reply_max"].default or 0)

    def sasl_options(self) -> Optional[Dict[str, str]]:
        """The `sasl_options` of kazoo, the password in clear, or None without SASL."""
        if self.sasl_mechanism is None:
            return None
        options = {
            "mechanism": self.sasl_mechanism,
            "service": self.sasl_service,
            "username": self.sasl_username,
            "password": self.sasl_password.reveal() if self.sasl_password else None,
            "principal": self.sasl_principal,
        }
        return {name: value for name, value in options.items() if value is not None}

    def interval_at(self, timeout: float) -> float:
        """Seconds between two heartbeats in a session whose timeout is `timeout` seconds."""
        return self.heartbeat_interval if self.interval_configured else lease.heartbeat_interval(timeout)

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
        return lease.stop_grace(timeout, self.tick_time, interval, ride_through, self.kill_time, stopwaitsecs)
