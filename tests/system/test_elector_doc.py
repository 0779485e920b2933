"""The examples of docs/elector.md, run one after the other against a real ZooKeeper."""

import re
from pathlib import Path

import pytest

from supervisor_zkelect import Elector
from supervisor_zkelect import elector as elector_module
from supervisor_zkelect.core import untrusted
from supervisor_zkelect.zookeeper import arguments

PAGE = Path(__file__).parents[2] / "docs" / "elector.md"

CALLS = {
    "NewElector": "Elector.connect", "CreateProposal": "create_proposal", "TryBeLeader": "try_be_leader",
    "AckLeader": "ack_leader",
}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_examples_run_in_their_order(zk_server, zk, root, capsys):
    examples, space = blocks("python"), {}
    assert len(examples) >= 8
    for example in examples:
        # The test's own server and place, for those of the page.
        for old, new in (('"zk1:2181", "zk2:2181"', f'"{zk_server.hosts}"'), ('"zk1:2181,zk2:2181"', f'"{zk_server.hosts}"'),
                         ("/zkelect/orders", f"{root}/orders")):
            example = example.replace(old, new)
        exec(compile(example, str(PAGE), "exec"), space)
    out = capsys.readouterr().out
    assert "True" in out and "served" in out and "('a', " not in out.partition("served")[0] and "stop at once" not in out
    # Each ended in order.
    assert zk.get_children(f"{root}/orders/election") == [] and zk.get(f"{root}/orders/ack")[0] == b""
    assert zk.get_children(f"{root}/orders/ack-state") == ["control"] and zk.get(f"{root}/orders/ack-state/control")[0] == b""


@pytest.mark.parametrize("there, here", CALLS.items())
def test_each_call_of_the_go_package_stands_beside_its_own_form(there, here):
    pairs = re.findall(r"^```go\n(.*?)^```\n+```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len([pair for pair in pairs if there in pair[0] and here in pair[1]]) == 1


def test_the_page_has_every_error_and_the_limits_as_they_are():
    text = PAGE.read_text()
    for name in elector_module.__all__:
        if isinstance(getattr(elector_module, name), type) and issubclass(getattr(elector_module, name), Exception):
            assert f"`{name}`" in text
    assert f"{arguments.LONGEST_DATA:,} bytes" in text and f"{arguments.LONGEST_TIME:g} s" in text
    assert untrusted.LONGEST_PROPOSAL == 4 << 10 and untrusted.LONGEST_ADDRESS == 1 << 10


def test_the_page_names_only_what_there_is():
    for name in re.findall(r"elector\.(\w+)", "".join(blocks("python"))):
        assert hasattr(Elector, name), name
