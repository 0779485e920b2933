"""What is known of this node and of the cluster, for the routes: by the record, by the listener's report, by the picture."""

from __future__ import annotations

import math
import time
from typing import Any, Callable, Dict, List, Tuple

from supervisor_zkelect import __version__
from supervisor_zkelect.system import clock
from supervisor_zkelect.web.picture import Photographer
from supervisor_zkelect.web.report import Reporter
from supervisor_zkelect.web.taken import EMPTY, Taken
from supervisor_zkelect.web.verdict import LATE, RecordRead, Verdict, granted, judge, timely

PACE, SHARE = 1.0, 4.0
"""Seconds for which metrics are told that were made once; and at least so many times the time that making them took, as those of
hundreds of elections take a good part of a second."""


class Here:
    """settings: gives those of the file, as they are now. look: reads the record."""

    def __init__(
        self, settings: Callable[[], Any], look: Callable[[], RecordRead], photographer: Photographer, reporter: Reporter
    ) -> None:
        self._settings = settings
        self.look = look
        self.photographer, self.reporter = photographer, reporter
        #: the metrics that were made last, and until when they are told
        self._rendered: Tuple[float, bytes] = (-math.inf, b"")
        #: the election that was meant where none is named, by the file before this one; "" for none
        self._meant_before = ""

    @property
    def name(self) -> str:
        return str(self._settings().node_name)

    @property
    def elections(self) -> List[str]:
        """Those of the file, and those in which this node leads still though they are not in it any more."""
        return self._with_granted(self.look())

    def has(self, election: str) -> bool:
        """Whether it is one of the elections. The record is read for one that the file does not have."""
        return election in self.in_file() or election in granted(self.look())

    def _with_granted(self, seen: RecordRead) -> List[str]:
        names = self.in_file()
        return [*names, *sorted(granted(seen) - set(names))]

    def in_file(self) -> List[str]:
        """The elections of the file."""
        return [one.name for one in self._settings().elections]

    @property
    def only(self) -> str:
        """See `site.NodeAnswers`. The record does not tell whether there is another one: it has none in which this node never
        led. So the name of before counts only where the file had one election before as well."""
        names, before = self.in_file(), self._meant_before
        if len(names) > 1:
            return ""
        name = names[0] if names else ""
        if before in ("", name):
            return name
        leads = granted(self.look())
        return before if before in leads and name not in leads else name

    def file_changes(self) -> None:
        """To be called before other settings count: what was meant by the former file goes on until the listener takes that."""
        self._meant_before = self.only

    def verdict(self, election: str) -> Verdict:
        """Whether this node is primary, by the record at this moment."""
        return timely(self.look, lambda seen: judge(seen, election, clock.now()), lambda one: one.why == LATE)

    def judged(self) -> Dict[str, Verdict]:
        """The verdicts on this node in all elections, by one look."""

        def judged(seen: RecordRead) -> Dict[str, Verdict]:
            moment = clock.now()
            return {name: judge(seen, name, moment) for name in self._with_granted(seen)}

        return timely(self.look, judged, lambda found: any(one.why == LATE for one in found.values()))

    def standby(self, election: str) -> str:
        """Why this node could not take over in the election, by its listener's last word; "" where it stands by and could."""
        return self.reporter.latest.standby(election, clock.now())

    def metrics(self) -> Callable[[], bytes]:
        """See `site.NodeAnswers`."""
        seen, moment = self.look(), clock.now()
        entries, view = seen.record.entries if seen.record is not None else [], self.reporter.latest.still(moment)
        # Who asks for metrics has looked already, for one picture.
        picture = self._document(self.photographer.latest)

        def made() -> bytes:
            until, text = self._rendered
            if moment >= until:
                # Only who asks for metrics needs what this loads.
                from supervisor_zkelect.web import metrics

                began = clock.now()
                text = metrics.render(entries, view, picture, moment)
                self._rendered = moment + max(PACE, SHARE * (clock.now() - began)), text
            return text

        return made

    def status(self) -> Dict[str, Any]:
        """The document of `/status`: the last picture, and what the record says now."""
        return self._document(self.photographer.look())

    def _document(self, taken: Taken) -> Dict[str, Any]:
        verdicts, age = self.judged(), taken.age(clock.now())
        return {
            "node": self.name, "version": __version__, "now": round(1000 * time.time()),
            "age": None if age is None else round(age, 3),
            "zookeeper": {"connected": taken.connected, "since": taken.since, "trouble": taken.trouble},
            "elections": {
                name: {**taken.elections.get(name, EMPTY), "here": verdict.document()}
                for name, verdict in verdicts.items()
            },
        }
