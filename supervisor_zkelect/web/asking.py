"""`zkelect http --check`: ask the running program once."""

from __future__ import annotations

import argparse
from typing import Any

from supervisor_zkelect.checks import http_program
from supervisor_zkelect.operators.outcome import DONE, ERROR, print_json


def run(settings: Any, arguments: argparse.Namespace) -> int:
    """Print whether it answers. Returns the exit status: 0 or 1."""
    place = settings.http_at
    trouble = http_program.trouble(place, bool(settings.http_tls_cert))
    status = ERROR if trouble else DONE
    if getattr(arguments, "json", False):
        print_json({"v": 1, "exit": status, "ok": not trouble, "at": place, "trouble": trouble})
    else:
        print(trouble or f"zkelect http answers at {place}")
    return status
