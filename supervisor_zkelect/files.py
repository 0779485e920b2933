"""Files that a process killed in the middle, or a disk without room, must not leave torn."""

from __future__ import annotations

import os


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
