"""A real Prometheus for tests: it asks nodes, evaluates rules, and is asked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from lab.ending import end
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

START_LIMIT = 60.0
"""Seconds after which a Prometheus that is not ready counts as failed."""

INTERVAL = "250ms"
"""Between two questions to a node, and between two evaluations of the rules."""

TIME = 10.0
"""Seconds that it has to answer."""


class Prometheus:
    """folder: for its configuration and data; made when missing. targets: host:port of each node. rules: a file of alert rules; a
    copy is used, in which what has to last for a while has to last for a second only, over gaps of two seconds."""

    def __init__(self, folder: Path, targets: Sequence[str], rules: Optional[Path] = None) -> None:
        self.folder, self.targets = folder, list(targets)
        self._rules = rules
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.port = child.free_port()

    def __enter__(self) -> Prometheus:
        self.folder.mkdir(parents=True, exist_ok=True)
        config: Dict[str, Any] = {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "scrape_configs": [{"job_name": "zkelect", "static_configs": [{"targets": self.targets}]}],
        }
        if self._rules is not None:
            rules = re.sub(r"\bfor: \w+", "for: 1s", self._rules.read_text())
            (self.folder / "rules.yml").write_text(rules.replace("[15m]", "[2s]"))
            config["rule_files"] = ["rules.yml"]
        # JSON is YAML as well.
        (self.folder / "prometheus.yml").write_text(json.dumps(config))
        program = shutil.which("prometheus")
        assert program, "script/setup installs prometheus"
        self._process = child.start(
            [
                program, f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
            ],
            env=child.environment(child.new_marker()), cwd=str(self.folder), output=str(self.folder / "output.log"),
        )
        process = self._process
        until(lambda: process.poll() is not None or self._ready(), START_LIMIT, "Prometheus to be ready")
        assert process.poll() is None, self.log()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process, TIME)
        child.give_back(self.port)

    def log(self) -> str:
        return (self.folder / "output.log").read_text(errors="replace")[-4000:]

    def _ask(self, path: str, **query: str) -> Any:
        where = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(where, timeout=TIME) as answer:
            return answer.read()

    def _ready(self) -> bool:
        try:
            self._ask("/-/ready")
        except OSError:
            return False
        return True

    def _api(self, path: str, **query: str) -> Any:
        told = json.loads(self._ask(f"/api/v1/{path}", **query))
        assert told["status"] == "success", told
        return told["data"]

    def query(self, expression: str) -> List[Dict[str, Any]]:
        """The series that the expression gives now: each with "metric", its labels, and "value". Raises OSError for a wrong
        one."""
        found: List[Dict[str, Any]] = self._api("query", query=expression)["result"]
        return [{"metric": one["metric"], "value": float(one["value"][1])} for one in found]

    def value(self, expression: str) -> Optional[float]:
        """The value of the only series; None where there is none, or where there are several."""
        found = self.query(expression)
        return float(found[0]["value"]) if len(found) == 1 else None

    def firing(self) -> List[str]:
        """The names of the alerts that fire, each once."""
        return sorted({one["labels"]["alertname"] for one in self.alerts() if one["state"] == "firing"})

    def alerts(self) -> List[Dict[str, Any]]:
        found: List[Dict[str, Any]] = self._api("alerts")["alerts"]
        return found

    def amiss(self) -> List[str]:
        """What went wrong with its questions to the nodes, and with its rules."""
        targets = [one["lastError"] for one in self._api("targets")["activeTargets"]]
        rules = [rule.get("lastError", "") for group in self._api("rules")["groups"] for rule in group["rules"]]
        return [one for one in [*targets, *rules] if one]
