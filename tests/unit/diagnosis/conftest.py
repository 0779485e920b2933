"""Files of users, as far as the tests have root."""

import os
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def tree():
    """Makes files: make("a/b", 0o750) a folder or, with a text, a file of user 1000 and group 100."""
    with tempfile.TemporaryDirectory(prefix="zkelect-access-") as top:
        # That of the test itself is its user's alone.
        os.chmod(top, 0o755)

        def make(name, mode, text=None):
            path = os.path.join(top, name)
            if text is None:
                os.mkdir(path)
            else:
                Path(path).write_text(text)
            os.chown(path, 1000, 100)
            os.chmod(path, mode)
            return path

        make.top = top
        yield make
