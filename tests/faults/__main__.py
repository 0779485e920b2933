"""`script/faults`: run the fault suite and print what the observer heard, a row for each fault."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="zkelect-faults-") as folder:
        table = Path(folder) / "table"
        env = {**os.environ, "ZKELECT_FAULTS_TABLE": str(table)}
        command = [sys.executable, "-m", "pytest", "-q", "tests/faults", *sys.argv[1:]]
        status = subprocess.run(command, env=env).returncode
        rows = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    print(f"{'fault':58} {'gap':>9} {'overlap':>9}  served in turn")
    for row in sorted(rows, key=lambda row: row["name"]):
        name = row["name"].replace("test_", "", 1)
        print(f"{name:58} {row['gap']:7.3f} s {row['overlap'] * 1000:6.0f} ms  {' '.join(row['names'])}")
    return status


if __name__ == "__main__":
    sys.exit(main())
