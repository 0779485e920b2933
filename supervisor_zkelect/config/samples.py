"""Where the sample configurations are: beside the package in a source tree, inside it when installed."""

from __future__ import annotations

from pathlib import Path


def path(name: str) -> Path:
    """Path of the sample, such as "zkelect.conf". Raises FileNotFoundError when there is none."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "conf_d", here.parent / "conf.d"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"there is no sample {name}; reinstall supervisor-zkelect")
