"""The page of the cluster, as `zkelect http` of real nodes serves it, in a real browser."""

import shutil
import signal
import subprocess
import urllib.request

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from tests.browser.chromium import FOLLOW, TIME, chromium

pytest.importorskip("playwright.sync_api", reason="playwright needs Python 3.10")

from playwright.sync_api import expect  # noqa: E402


@pytest.fixture
def served(make_cluster, tmp_path):
    """Two nodes of which `a` is primary, with a ZooKeeper of their own, and `zkelect http` of `b`; gives the cluster, its
    ZooKeeper, the address of the page, and that process."""
    port = child.free_port()
    with ZooKeeper(tmp_path / "zk", tick_ms=200) as zookeeper:
        if not zookeeper.running:
            zookeeper.start()
        cluster = make_cluster(zookeeper.hosts)
        node = cluster["b"]
        node.overrides["zkelect"] = {**node.overrides.get("zkelect", {}), "http": f"127.0.0.1:{port}"}
        cluster.start()
        cluster.primary("a")
        command = [shutil.which("zkelect", path=node.environment["PATH"]) or "zkelect", "http", "-c", str(node.zkelect_conf)]
        environment = {**node.environment, "SUPERVISOR_SERVER_URL": f"unix://{node.socket}"}
        serving = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            yield cluster, zookeeper, f"http://127.0.0.1:{port}/", serving
            cluster.verdict()
        finally:
            serving.kill()
            print(serving.communicate()[1])
            child.give_back(port)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_what_happens_to_real_nodes_is_seen(served):
    cluster, zookeeper, url, serving = served
    cluster.until(lambda: answers(f"{url}live"), "zkelect http to answer")
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(TIME)
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.add_init_script(FOLLOW)
        page.goto(url)
        sentence, head = page.locator(".sentence"), page.locator("#head")
        expect(sentence).to_contain_text("a has been primary")
        expect(page.locator(".rest")).to_contain_text("If it failed now, b would be primary after about")
        expect(head).to_have_text("All is well in 1 election, as seen from b")

        assert cluster["a"].ctl("zkelect", "resign").returncode == 0
        expect(sentence).to_contain_text("b has been primary")
        change = page.locator(".changes > li").first
        expect(change).to_contain_text("a → b")
        steps = change.locator(".steps li")
        expect(steps.filter(has_text="acked")).to_have_count(1)
        expect(steps.filter(has_text="released")).to_have_count(1)
        expect(head).to_have_text("All is well in 1 election, as seen from b")

        assert cluster["b"].ctl("zkelect", "maintenance", "on", "--node", "a", "--for", "600", "--reason", "disk").returncode == 0
        expect(page.locator(".orders li")).to_contain_text("a: in maintenance")
        expect(page.locator(".orders li")).to_contain_text("zkelect maintenance off orders --node a")
        expect(page.locator(".troubles")).to_contain_text("Nobody would take over from b")

        zookeeper.freeze()
        try:
            expect(head).to_contain_text("ZooKeeper away")
            expect(sentence).to_contain_text("b was primary")
        finally:
            zookeeper.thaw()
        expect(page.locator("#fresh")).to_contain_text("live, seen")
        expect(sentence).to_contain_text("has been primary")

        serving.send_signal(signal.SIGTERM)
        expect(page.locator("#fresh")).to_contain_text("not updated since")
        assert page.evaluate("window.refused") == [] and not wrong, wrong
