"""Files that a process killed in the middle, or a disk without room, must not leave torn."""

from __future__ import annotations

import errno
import os
import stat


def create(path: str, data: bytes) -> None:
    """Make a file that only its owner may read. Raises FileExistsError where something is, and OSError; then a part may be
    there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


def remove(path: str) -> None:
    """Remove a file unless it is gone. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        # Which is what was wanted.
        return


def replace(path: str, data: bytes) -> None:
    """Put a file in place of another as a whole, readable by its owner alone. Raises OSError; then the former one stays."""
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f"new-{name}")
    remove(aside)
    try:
        create(aside, data)
        os.replace(aside, path)
    except OSError:
        try:
            remove(aside)
        except OSError:
            # It stands in nobody's way.
            pass
        raise


def publish(path: str, data: bytes, overwrite: bool = False) -> None:
    """Make a file as a whole, readable as the umask says; where it is overwritten, with the former one's mode and owner.

    Raises FileExistsError where something is and may not be overwritten, or is no regular file; and OSError. Then what was
    there stays, and nothing else comes to be.
    """
    path = os.path.realpath(path)
    former = os.lstat(path) if os.path.lexists(path) else None
    if former is not None and not (overwrite and stat.S_ISREG(former.st_mode)):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    aside = os.path.join(os.path.dirname(path), f".zkelect-{os.urandom(8).hex()}")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666), "wb") as file:
            file.write(data)
            if former is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(former.st_mode))
                if (former.st_uid, former.st_gid) != (os.geteuid(), os.getegid()):
                    _give(file.fileno(), former)
        if overwrite:
            os.replace(aside, path)
        else:
            # Unlike a renaming it fails where another one was quicker.
            os.link(aside, path)
    finally:
        remove(aside)


def _give(descriptor: int, former: os.stat_result) -> None:
    try:
        os.fchown(descriptor, former.st_uid, former.st_gid)
    except PermissionError:
        # It is this user's then, as with every editor.
        return
