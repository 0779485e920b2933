"""The last good configuration, which a node continues with while its file cannot be used.

It is a file in the runtime folder beside the saved session, which belongs to it, and contains the settings: the values of all
options, including secrets from files and environment variables, and the contents of the PEM files that they name. So it can
be used without any of these. Only its owner may read it.

A copy replaces the former one as a whole, so on a full disk the former stays. One that is torn, or from an earlier boot, is
refused. Programs are not copied: those that `fence`, `stop_failed` and `exec:` name are looked up when they run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
import zlib
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Tuple, TypeVar

from supervisor_zkelect.config.options import ELECTION, MAIN, OPTIONS, of_section
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.config.values import Secret, pem_file
from supervisor_zkelect.guard import folder as runtime_folder
from supervisor_zkelect.guard import record
from supervisor_zkelect.zookeeper import connect

NAME = record.CONFIGURATION
"""The file in a runtime folder."""

VERSION = 1

_PEM = [option.name for option in OPTIONS if option.read is pem_file]
"""The options whose files are kept as well."""


Use = TypeVar("Use")


class NoCopy(Exception):
    """There is no usable copy; the text says why, with the path."""


class Copy(NamedTuple):
    """The copy. settings: as they were read. made: when they were kept, in seconds since the epoch.

    unusable_since: since when the file has been unusable, in seconds of CLOCK_BOOTTIME; None while it is usable.
    """

    settings: Settings
    made: float
    unusable_since: Optional[float]


class ConfigTrouble(NamedTuple):
    """Why the copy is used instead of the file. problems: a line each. since: seconds of CLOCK_BOOTTIME. made: as in `Copy`."""

    problems: Tuple[str, ...]
    since: float
    made: float

    def __str__(self) -> str:
        return f"the last good configuration, of {_when(self.made)}, is used"


def fall_back(
    folder: str, problems: Iterable[str], moment: float, file: str, refused: Optional[Settings] = None
) -> Tuple[Settings, ConfigTrouble]:
    """The settings to continue with at `moment` (seconds of CLOCK_BOOTTIME), where the file has these problems.

    file: its path, for the next attempt and for messages; it may differ from that of the copy. refused: the settings in the file,
    if it could be read. Raises NoCopy, also when the copy has the same settings.
    """
    kept = read(folder)
    settings = dataclasses.replace(kept.settings, file=file)
    if refused is not None and dataclasses.replace(settings, notes=refused.notes, doubts=refused.doubts) == refused:
        raise NoCopy(f"{os.path.join(folder, NAME)} says the same")
    return settings, ConfigTrouble(tuple(problems), note_unusable(folder, moment), kept.made)


def of_first(folders: Iterable[str], use: Callable[[str], Use]) -> Use:
    """What comes of the copy in the first of these folders that has a usable one: a listener that had another user may have left
    another folder. use: takes a folder, and raises NoCopy. Raises NoCopy with the reason of each."""
    reasons = []
    for folder in folders:
        try:
            return use(folder)
        except NoCopy as error:
            reasons.append(str(error))
    raise NoCopy("; ".join(reasons))


def save(folder: str, settings: Settings) -> None:
    """Keep the settings, which have proven good. Raises OSError; then the former copy stays."""
    _write(folder, {
        "v": VERSION, "boot": record.boot(), "made": time.time(), "unusable_since": None, "settings": _plain(settings),
        "files": _contents(settings),
    })


def note_unusable(folder: str, moment: float) -> float:
    """Note in the copy that the file has been unusable since `moment` (seconds of CLOCK_BOOTTIME), unless an earlier moment
    is noted; returns the earlier one. Raises NoCopy."""
    document = _read(folder)
    if document["unusable_since"] is None:
        document["unusable_since"] = moment
        try:
            _write(folder, document)
        except OSError:
            # The next listener names a later moment.
            return moment
    return float(document["unusable_since"])


def load(folder: str) -> Settings:
    """The settings that were kept. Raises NoCopy."""
    return read(folder).settings


def read(folder: str) -> Copy:
    """The copy. PEM files that have become unusable are written anew in the folder. Raises NoCopy."""
    document = _read(folder)
    try:
        settings = _settings(document["settings"])
        settings = _with_files(folder, settings, document["files"])
        since = document["unusable_since"]
        return Copy(settings, float(document["made"]), None if since is None else float(since))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoCopy(f"{os.path.join(folder, NAME)} has other fields: {error!r}") from None
    except OSError as error:
        raise NoCopy(f"{folder}: {error.strerror}") from None


# The file


def _write(folder: str, document: Dict[str, Any]) -> None:
    text = json.dumps(document).encode("ascii")
    runtime_folder.replace(folder, NAME, b"%08x\n%s" % (zlib.crc32(text), text))


def _read(folder: str) -> Dict[str, Any]:
    path = os.path.join(folder, NAME)
    try:
        with open(path, "rb") as file:
            crc, _, text = file.read().partition(b"\n")
    except OSError as error:
        raise NoCopy(f"{path}: {error.strerror}") from None
    if crc != b"%08x" % zlib.crc32(text):
        raise NoCopy(f"{path} is torn")
    document: Dict[str, Any] = json.loads(text)
    if document.get("v") != VERSION:
        raise NoCopy(f"{path} has version {document.get('v')} and not {VERSION}")
    if document.get("boot") != record.boot():
        raise NoCopy(f"{path} is of an earlier boot")
    return document


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(moment))


# Its contents


def _plain(settings: Any) -> Dict[str, Any]:
    """The fields as JSON has them, secrets in clear."""
    values = {one.name: getattr(settings, one.name) for one in dataclasses.fields(settings)}
    for name, value in values.items():
        if isinstance(value, Secret):
            values[name] = value.reveal()
        elif name == "elections":
            values[name] = [_plain(election) for election in value]
    return values


def _settings(values: Dict[str, Any]) -> Settings:
    elections = tuple(
        ElectionSettings(**_fields(ElectionSettings, ELECTION + str(one["name"]), one)) for one in values["elections"]
    )
    return Settings(**{**_fields(Settings, MAIN, values), "elections": elections})


def _fields(kind: Any, section: str, values: Dict[str, Any]) -> Dict[str, Any]:
    """The values of a settings class. Where another version of this program wrote them, an option that it did not have
    gets its default, and one that this version does not have is left out."""
    table = of_section(section)
    found: Dict[str, Any] = {}
    for name in (one.name for one in dataclasses.fields(kind)):
        option = table.get(name)
        if name in values:
            value = values[name]
            secret = option is not None and option.secret and value is not None
            found[name] = Secret(value) if secret else tuple(value) if isinstance(value, list) else value
        elif option is not None:
            default = option.default_for(section)
            found[name] = None if default is None else option.read(default)
    return found


# The PEM files


def _contents(settings: Settings) -> Dict[str, str]:
    """The contents of the PEM files, by path."""
    found: Dict[str, str] = {}
    for one in (settings, *settings.elections):
        for path in filter(None, (getattr(one, name, None) for name in _PEM)):
            try:
                with open(path, encoding="latin-1", newline="") as file:
                    found[path] = file.read()
            except OSError:
                # It has gone since the check; whoever needs it says so.
                continue
    return found


def _with_files(folder: str, settings: Settings, files: Dict[str, str]) -> Settings:
    """The settings with copies in place of PEM files that have become unusable. Raises OSError."""

    def restored(one: Any) -> Any:
        paths = {name: getattr(one, name, None) for name in _PEM}
        return dataclasses.replace(
            one, **{name: _restore(folder, files[path]) for name, path in paths.items() if path in files}
        )

    elections = tuple(one if _works(one.health_check) else restored(one) for one in settings.elections)
    settings = dataclasses.replace(settings, elections=elections)
    return settings if _works(lambda: connect.tls_context(settings)) else restored(settings)


def _restore(folder: str, content: str) -> str:
    data = content.encode("latin-1")
    name = f"{NAME}-{zlib.crc32(data):08x}.pem"
    runtime_folder.replace(folder, name, data)
    return os.path.join(folder, name)


def _works(use: Callable[[], object]) -> bool:
    """Whether PEM files can be used, as far as one can see without a server."""
    try:
        use()
    except (OSError, ValueError):
        return False
    return True
