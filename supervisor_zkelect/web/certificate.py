"""The certificate of `zkelect http`, loaded again when its files change: who renews one writes it to the same place."""

from __future__ import annotations

import logging
import os
from typing import Any, Optional, Tuple

from supervisor_zkelect.config import http_files

log = logging.getLogger(__name__)


class Certificate:
    """The TLS context of a server. Raises OSError for files that cannot be used."""

    def __init__(self, certificate: str, key: str) -> None:
        self._files = certificate, key
        self._seen = self._stamps()
        self.context = http_files.tls(certificate, key)

    def refresh(self) -> None:
        """Load the files again if one has changed. One that cannot be used changes nothing."""
        seen = self._stamps()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            # A context that refuses a key has taken the certificate already, so another one tries first.
            http_files.tls(*self._files)
            self.context.load_cert_chain(*self._files, "")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            log.error("the certificate is not used, and the former one still is: %s (%s)", why, self._files[0])
        else:
            log.info("the certificate was loaded again: %s", self._files[0])

    def _stamps(self) -> Tuple[Tuple[int, ...], ...]:
        return tuple(stamp(path) for path in self._files)


def of(settings: Any) -> Optional[Certificate]:
    """That of the settings; None without TLS. Raises OSError."""
    path = settings.http_tls_cert
    return Certificate(path, settings.http_tls_key or path) if path else None


def stamp(path: str) -> Tuple[int, ...]:
    """Values that change when a file is written again."""
    try:
        status = os.stat(path)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    except OSError:
        return ()
