"""`zkelect http`: the process. It serves until it is told to end, and with supervisord's death.

It follows its file: what changes there counts within FOLLOW seconds. Another address or certificate is taken by executing itself
anew, since the sockets are others then. A file with a mistake changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import functools
import gc
import getpass
import logging
import os
import signal
import sys
import time
from typing import Any, List, Optional, Tuple

from supervisor_zkelect.operators.outcome import DONE, ERROR, USAGE, Trouble

FOLLOW = 2.0
"""Seconds between two looks at the file."""

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Do what the words say. Returns the exit status. Raises Trouble."""
    if getattr(arguments, "json", False) and not arguments.asks:
        raise Trouble(USAGE, "--json counts with --check only; leave it out, or add --check")
    if arguments.user is not None and getattr(arguments, "configuration", None) is not None:
        raise Trouble(USAGE, "-c FILE counts without --hash only; leave one of them out")
    if arguments.user is not None:
        return _print_password(arguments.user)
    settings = _settings(arguments)
    if arguments.asks:
        from supervisor_zkelect.web import asking

        return asking.run(settings, arguments)
    try:
        import tornado
    except ImportError as error:
        remedy = f"{sys.prefix}/bin/pip install '.[http]' in the clone of supervisor-zkelect"
        raise Trouble(ERROR, f"zkelect http needs packages that are not installed: {remedy} ({error})") from None
    assert tornado.version
    return _serve(settings)


def _settings(arguments: argparse.Namespace) -> Any:
    from supervisor_zkelect.config import load
    from supervisor_zkelect.config.problems import ConfigError

    path = getattr(arguments, "configuration", None)
    if path is None:
        raise Trouble(USAGE, "zkelect http needs -c FILE, the file with [zkelect]")
    try:
        return load.from_file(path)
    except ConfigError as error:
        kept = None if arguments.asks else _last_good(path)
        if kept is None:
            raise Trouble(USAGE, *error.problems) from None
        print(f"zkelect http: {path} cannot be used, so that of before still is: {'; '.join(error.problems)}", file=sys.stderr)
        return kept


def _last_good(path: str) -> Any:
    """The settings that this node's listener uses where the file has mistakes; None where there are none."""
    from supervisor_zkelect.guard import kept_config, record

    url = os.environ.get("SUPERVISOR_SERVER_URL")
    if "SUPERVISOR_ENABLED" not in os.environ or not url:
        return None
    try:
        kept = kept_config.of_first(record.find_folders(url, _uid_of(os.getppid())), kept_config.load)
    except (OSError, record.RecordError, kept_config.NoCopy) as error:
        print(f"zkelect http: {error}", file=sys.stderr)
        return None
    return dataclasses.replace(kept, file=path)


def _print_password(user: str) -> int:
    from supervisor_zkelect.web import passwords

    given = getpass.getpass(f"password of {user}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise Trouble(USAGE, "no password was given")
    try:
        print(passwords.line(user, given))
    except ValueError as error:
        raise Trouble(USAGE, str(error)) from None
    return DONE


def place_of(settings: Any) -> Tuple[str, int]:
    """Host and port at which it listens."""
    from supervisor_zkelect.config import listening

    return listening.split(settings.http_at)


# Serving


def _serve(settings: Any) -> int:
    from supervisor_zkelect.system import logs
    from supervisor_zkelect.web.lines import OneLine

    logs.begin()
    logging.getLogger("tornado").setLevel(logging.ERROR)
    for name in ("access", "application", "general"):
        logging.getLogger(f"tornado.{name}").addFilter(OneLine())
    kazoo = logging.getLogger("supervisor_zkelect.kazoo")
    kazoo.addHandler(logging.NullHandler())
    kazoo.propagate = False
    # A picture is encoded on another thread; a probe is not to wait for it.
    sys.setswitchinterval(0.001)
    parent = _die_with_parent()
    program = Program(settings, parent)
    try:
        asyncio.run(program.run())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        places = " or ".join(place for place in (settings.http_at, settings.http_agent) if place)
        raise Trouble(ERROR, f"cannot listen at {places}: {why}") from None
    if program.again:
        os.execv(sys.executable, [sys.executable, *_arguments()])
    return DONE


def _arguments() -> List[str]:
    """What this interpreter was started with."""
    return list(getattr(sys, "orig_argv", [sys.executable, *sys.argv])[1:])


def _die_with_parent() -> int:
    """Have the kernel end this process with supervisord, whose successor starts one of its own at the same port. Returns
    supervisord's pid, 0 where it has not started this process."""
    if "SUPERVISOR_ENABLED" not in os.environ:
        return 0
    from supervisor_zkelect.system import parent as parents

    parent = os.getppid()
    trouble = parents.die_with_parent()
    if trouble:
        log.warning("this program will not end with supervisord: %s", trouble)
    if os.getppid() != parent:
        raise Trouble(ERROR, "supervisord is dead")
    return parent


class Program:
    """What runs. parent: supervisord's pid, 0 where it has not started this process."""

    def __init__(self, settings: Any, parent: int) -> None:
        from supervisor_zkelect.supervisord.client import Supervisord
        from supervisor_zkelect.web import (
            agent,
            certificate,
            fresh,
            here,
            page,
            passwords,
            picture,
            report,
            site,
            streams,
            witness,
        )

        self.settings, self.again = settings, False
        self._stamp = certificate.stamp(settings.file)
        url = os.environ.get("SUPERVISOR_SERVER_URL") or settings.serverurl
        if not url:
            raise Trouble(USAGE, "where supervisord is, is not known: set serverurl in [zkelect], or have supervisord start this")
        password = settings.password.reveal() if settings.password else None
        uids = list(dict.fromkeys([_uid_of(parent) if parent else os.geteuid(), os.geteuid(), 0]))
        self._photographer = picture.Photographer(lambda: self.settings, self._taken)
        supervisord = Supervisord(settings.serverurl or url, settings.username, password, timeout=2.0, pid=parent or None)
        self._reporter = report.Reporter(supervisord.call)
        self._here = here.Here(
            lambda: self.settings, witness.Witness(url, uids, bool(parent)).look, self._photographer, self._reporter
        )
        self._agent = agent.Agent(self._here.look, self._here.in_file)
        self._passwords = passwords.Passwords(settings.http_password_file)
        self._site = site.Site(self._here, self._names, page.load())
        self._streams = streams.Streams(self._here.status)
        self._fresh = fresh.Fresh(self._reporter, self._photographer)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._certificate: Any = None
        self._ended: Optional[asyncio.Event] = None

    def _names(self) -> List[str]:
        import platform

        name = platform.node().lower()
        return [name, name.partition(".")[0], place_of(self.settings)[0].lower(), *self.settings.http_names]

    async def run(self) -> None:
        """Serve until the end. Raises OSError and ValueError."""
        from supervisor_zkelect.config import http_files, listening
        from supervisor_zkelect.web import certificate
        from supervisor_zkelect.web.server import Server

        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._ended.set)
        try:
            self._certificate = certificate.of(self.settings)
        except (OSError, ValueError) as error:
            raise Trouble(ERROR, f"http_tls_cert: {getattr(error, 'strerror', None) or error}") from None
        tls = self._certificate.context if self._certificate is not None else None
        server = Server(self._site, self._passwords, self._fresh.prepare, self._streams, tls)
        host, port = place_of(self.settings)
        server.listen(port, host, backlog=1024)
        log.info("answers at %s://%s", "https" if self.settings.http_tls_cert else "http", self.settings.http_at)
        if self.settings.http_agent:
            await self._agent.listen(*listening.split(self.settings.http_agent))
            log.info("answers agent-checks at %s", self.settings.http_agent)
        for option, value, what in http_files.troubles(self.settings, time.time()):
            log.warning("%s = %s: %s", option, value, what)
        # What was imported stays: it is not to be looked through again and again for what may go.
        gc.collect()
        gc.freeze()
        follow = self._loop.create_task(self._follow())
        await self._ended.wait()
        follow.cancel()
        self._agent.close()
        await server.finished()
        self._photographer.end()
        self._fresh.end()

    async def _follow(self) -> None:
        from supervisor_zkelect.web.lines import lines

        while True:
            await asyncio.sleep(FOLLOW)
            try:
                self._passwords.refresh()
                if self._certificate is not None:
                    self._certificate.refresh()
                await self._look_at_file()
            except Exception as error:
                lines.defect(error)

    async def _look_at_file(self) -> None:
        from supervisor_zkelect.config import load
        from supervisor_zkelect.config.problems import ConfigError
        from supervisor_zkelect.web import certificate, places

        stamp = certificate.stamp(self.settings.file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            fresh = load.from_file(self.settings.file)
        except ConfigError as error:
            log.error("the file is not used, and the former one still is: %s", "; ".join(error.problems))
            return
        former, anew = self.settings, any(getattr(self.settings, name) != getattr(fresh, name) for name in _ANEW)
        if anew:
            trial = functools.partial(places.trouble, former, fresh)
            trouble = await asyncio.get_running_loop().run_in_executor(self._fresh.threads, trial)
            if trouble:
                log.error("the file is not used, and the former one still is: cannot listen: %s", trouble)
                return
        self._here.file_changes()
        self.settings = fresh
        if anew:
            log.info("restarting: listening options changed")
            self.again = True
            assert self._ended is not None
            self._ended.set()

    def _taken(self) -> None:
        """A picture was taken, on its thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._fresh.taken)


#: Options with which this program restarts.
_ANEW = ("http", "http_agent", "http_tls_cert", "http_tls_key", "http_password_file", "serverurl", "username", "password")


def _uid_of(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return 0
