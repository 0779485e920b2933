"""A browser for these tests, and a server of the page."""

import os
import shutil

PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or ""

#: As root it runs without its sandbox only. A container's /dev/shm may be small.
ARGUMENTS = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.getuid() == 0 else [])]
