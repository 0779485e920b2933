"""Write pictures of the page into a folder, to be looked at: python -m tests.browser FOLDER [NAME …]"""

import sys
import time
from pathlib import Path

from tests.browser import documents
from tests.browser.chromium import chromium
from tests.browser.server import Server

WALL, DESK, PHONE = (1920, 1080), (1280, 900), (390, 844)


def pictures(now):
    """What is to be seen: name, document, size, colours, time zone."""
    of, zone, utc = documents.document, "Europe/Berlin", "UTC"
    away = of({"orders": documents.three(now)}, age=45.2, now=now)
    away["zookeeper"] = {"connected": False, "since": round(1000 * (now - 44)), "trouble": "cannot reach ZooKeeper at zk1:2181,zk2:2181,zk3:2181"}
    begins = of({"orders": {**documents.pair(now), "nodes": [], "address": "", "terms": [], "next": {"node": None, "seconds": None, "why": ""}}}, age=None, now=now)
    return [
        ("one", of({"orders": documents.one(now)}, now=now), DESK, "light", utc),
        ("pair", of({"orders": documents.pair(now)}, now=now), DESK, "light", zone),
        ("pair-dark", of({"orders": documents.pair(now)}, now=now), DESK, "dark", zone),
        ("pair-phone", of({"orders": documents.pair(now)}, now=now), PHONE, "light", zone),
        ("pair-wall", of({"orders": documents.pair(now)}, now=now), WALL, "dark", zone),
        ("three", of({"orders": documents.three(now)}, now=now), DESK, "light", zone),
        ("three-phone-dark", of({"orders": documents.three(now)}, now=now), PHONE, "dark", zone),
        ("fifty", of({"orders": documents.many(now)}, node="node-01", now=now), DESK, "light", zone),
        ("fifty-phone", of({"orders": documents.many(now)}, node="node-01", now=now), PHONE, "light", zone),
        ("twenty", of(documents.twenty(now), now=now), WALL, "light", zone),
        ("twenty-dark", of(documents.twenty(now), now=now), WALL, "dark", zone),
        ("twenty-phone", of(documents.twenty(now), now=now), PHONE, "light", zone),
        ("trouble", of(documents.trouble(now), now=now), DESK, "light", zone),
        ("trouble-dark", of(documents.trouble(now), now=now), DESK, "dark", zone),
        ("trouble-phone", of(documents.trouble(now), now=now), PHONE, "light", zone),
        ("zookeeper-away", away, DESK, "light", zone),
        ("zookeeper-away-dark", away, DESK, "dark", zone),
        ("begins", begins, DESK, "light", zone),
        ("hostile", of(documents.hostile(now), now=now), DESK, "light", zone),
        ("not-updated", of({"orders": documents.pair(now)}, now=now), DESK, "light", zone),
    ]


def main():
    folder, names, now = Path(sys.argv[1]), sys.argv[2:], time.time()
    folder.mkdir(parents=True, exist_ok=True)
    server = Server()
    with chromium() as browser:
        for name, document, (width, height), colours, zone in pictures(now):
            if names and name not in names:
                continue
            server.put({**document, "now": round(1000 * time.time())})
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=colours, timezone_id=zone, device_scale_factor=2 if width < 500 else 1,
            )
            page.goto(server.url)
            page.wait_for_selector("article")
            if name == "not-updated":
                server.leave()
                page.wait_for_selector("#fresh .bad")
            page.screenshot(path=str(folder / f"{name}.png"))
            page.screenshot(path=str(folder / f"{name}-whole.png"), full_page=True)
            page.close()
            if name == "not-updated":
                server.come()


if __name__ == "__main__":
    main()
