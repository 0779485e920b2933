"""Find supervisord: from the command line, else the file with [zkelect], else the environment, else as supervisorctl does."""

from __future__ import annotations

import argparse
import os
from typing import Any, List, NamedTuple, Optional

from supervisor_zkelect.operators.outcome import ERROR, USAGE, Trouble


class Login(NamedTuple):
    """Where supervisord is, and who asks it; None for what is not said."""

    url: Optional[str] = None
    username: Optional[str] = None
    password: Optional[str] = None


def caller(arguments: argparse.Namespace, settings: Any = None) -> Any:
    """A ask.Call for the supervisord that the arguments name."""
    from supervisor_zkelect.operators import ask

    login = found(arguments, settings)
    try:
        return ask.caller(login.url or "", login.username, login.password)
    except ValueError as error:
        raise Trouble(USAGE, f"supervisord's URL {login.url!r}: {error}") from None


def found(arguments: argparse.Namespace, settings: Any = None) -> Login:
    """From the command line, else -c FILE, else the environment, else what supervisorctl would use. The URL is known.

    settings: those of -c FILE, when they were read already.
    """
    given = Login(*(getattr(arguments, name, None) for name in ("serverurl", "username", "password")))
    if getattr(arguments, "password_file", None) is not None:
        if given.password is not None:
            raise Trouble(USAGE, "give --password or --password-file, not both")
        given = given._replace(password=_first_line(arguments.password_file))
    other, environ = Login(), os.environ
    conf, file = (getattr(arguments, name, None) for name in ("supervisor_conf", "configuration"))
    if given.url is None and conf is None:
        if file is not None:
            other = _from_file(file, settings)
        if not other.url and environ.get("SUPERVISOR_SERVER_URL"):
            names = ("SUPERVISOR_SERVER_URL", "SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD")
            other = Login(*map(environ.get, names))
    if conf is not None or (given.url is None and not other.url):
        other = _from_supervisorctl(conf)
    url = given.url or other.url or ""
    if not url.startswith(("unix:///", "http://")):
        raise Trouble(USAGE, f"supervisord's URL is unix:///path or http://host:port, not {url!r}")
    return Login(url, *(theirs if mine is None else mine for mine, theirs in zip(given[1:], other[1:])))


def _from_file(path: str, settings: Any) -> Login:
    """The options of [zkelect] on supervisord; empty when it has none."""
    from supervisor_zkelect.config import load
    from supervisor_zkelect.config.problems import ConfigError

    if settings is None:
        try:
            settings = load.from_file(path)
        except ConfigError as error:
            raise Trouble(USAGE, *error.problems) from None
    if not settings.serverurl:
        return Login()
    password = settings.password
    return Login(settings.serverurl, settings.username, None if password is None else password.reveal())


def _from_supervisorctl(path: Optional[str]) -> Login:
    """The options that supervisorctl would read from a supervisord.conf, by default from the one that it would find."""
    import io

    try:
        from supervisor.options import ClientOptions
    except ImportError as error:
        from supervisor_zkelect.diagnosis import installation

        raise Trouble(ERROR, installation.this_python() or f"supervisor cannot be imported: {error}") from None

    class Options(ClientOptions):
        """Without other people's plugins, which may be broken or slow."""

        def get_plugins(self, *_: Any) -> List[Any]:
            return []

    options = Options()
    options.stderr = options.stdout = io.StringIO()
    try:
        options.realize(["-c", path, "version"] if path is not None else ["version"], doc="")
    except SystemExit:
        text = options.stderr.getvalue().strip().split("\n")[0]
        if text.startswith("Error: "):
            text = text[len("Error: ") :]
        raise Trouble(USAGE, f"{path or options.configfile}: {text}") from None
    except Exception as error:
        # supervisor lets what configparser and the file system raise pass.
        first = (str(error) or type(error).__name__).split("\n")[0]
        raise Trouble(USAGE, f"{path or options.configfile}: {first}") from None
    return Login(options.serverurl, options.username, options.password)


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            line = file.readline(65536).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise Trouble(USAGE, f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8'}") from None
    if not line:
        raise Trouble(USAGE, f"{path} is empty; write the password into its first line")
    return line
