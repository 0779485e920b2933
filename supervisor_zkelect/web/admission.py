"""Who is told more than probes tell: passwords that are held against the file, on a thread of their own."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.web import answers
from supervisor_zkelect.web.answers import Answer
from supervisor_zkelect.web.connections import holder
from supervisor_zkelect.web.lines import lines
from supervisor_zkelect.web.passwords import Passwords

MOST, MOST_OF_ONE = 8, 2
"""Passwords that wait for their derivation, in all and of one host (`connections.holder`); who comes later is sent away for a
moment."""


class Admission:
    """Judges Authorization headers by a file of passwords."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._threads = ThreadPoolExecutor(1, "zkelect-passwords")
        #: who holds connections -> his passwords that wait
        self.waiting: Counter[str] = Counter()

    async def refusal(self, authorization: Optional[str], address: str) -> Optional[Answer]:
        """Why somebody is not told anything; None where he is. address: his."""
        passwords, host = self._passwords, holder((address,))
        if not passwords.wanted:
            return None
        passwords.refresh()
        if passwords.known(authorization):
            return None
        if authorization is not None:
            if sum(self.waiting.values()) >= MOST or self.waiting[host] >= MOST_OF_ONE:
                return answers.refusal(503, "too many passwords wait to be proven; try again", {"Retry-After": "1"})
            if await self._proven(authorization, host):
                return None
            lines.warn(f"refused a password that {printable(address)} gave", "password")
        return answers.refusal(401, "a user and a password of http_password_file are needed", {
            "WWW-Authenticate": 'Basic realm="zkelect", charset="UTF-8"',
        })

    async def _proven(self, authorization: str, host: str) -> bool:
        self.waiting[host] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._passwords.prove, authorization)
        finally:
            self.waiting[host] -= 1
            if not self.waiting[host]:
                del self.waiting[host]

    def end(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
