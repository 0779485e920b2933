"""Writes all that is made from the tables of verbs, options and steps, after a change of one of them:

    python -m docs.make

docs/operations.md (the list of verbs), docs/options.md, docs/roles.md and docs/roles.svg, docs/metrics.md (its tables),
docs/schemas/, contrib/grafana/, and below share/ the man pages and completions. Schemas of a new verb are declared in
write_schemas.py.
"""

from __future__ import annotations

from pathlib import Path

from docs import draw_roles, list_metrics, list_verbs, write_completions, write_dashboard, write_manual, write_schemas
from supervisor_zkelect.config import reference


def main() -> None:
    here = Path(__file__).parent
    operations = here / "operations.md"
    operations.write_text(list_verbs.page(operations.read_text()))
    metrics = here / "metrics.md"
    metrics.write_text(list_metrics.page(metrics.read_text()))
    write_dashboard.FILE.write_text(write_dashboard.text())
    (here / "options.md").write_text(reference.text())
    (here / "roles.svg").write_text(draw_roles.svg())
    (here / "roles.md").write_text(draw_roles.page())
    for name, page in write_schemas.pages().items():
        (write_schemas.FOLDER / name).write_text(page)
    write_manual.write({**write_manual.pages(), **write_completions.pages()})


if __name__ == "__main__":
    main()
