"""Configuration files of these tests."""

import pytest

from supervisor_zkelect.config.load import from_file


@pytest.fixture
def load(tmp_path):
    def load(text, environ=None):
        path = tmp_path / "zkelect.conf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return from_file(str(path), environ={} if environ is None else environ)

    return load
