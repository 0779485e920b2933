"""The storage of docs/safety.md does what is said of it."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "safety.md").read_text()


def test_the_storage_refuses_an_older_token(tmp_path, monkeypatch):
    names = {}
    exec(re.search(r"```python\n(.*?)```", TEXT, re.S).group(1), names)
    path = str(tmp_path / "orders.db")
    old, new = names["Storage"](path), names["Storage"](path)
    monkeypatch.setenv("ZKELECT_TOKEN", "7")
    old.add("a")
    new.add("b", token=9)
    with pytest.raises(names["Stale"]):
        old.add("c")
    new.add("d", token=9)
    assert [row[0] for row in new.database.execute("select name from orders")] == ["a", "b", "d"]
