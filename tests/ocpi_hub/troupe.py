"""A supervisor with small children instead of the hub's: `python -m tests.ocpi_hub.troupe FOLDER`."""

import os
import sys
from pathlib import Path

from ocpi_hub.processes import Service
from ocpi_hub.supervisor import Supervisor

# It ignores TERM in a grandchild of its own group, and leaves a great-grandchild in a session of its own.
PARENT = "trap 'exit 0' TERM; setsid sleep 1000 & sh -c 'trap \"\" TERM; sleep 1000' & while :; do sleep 0.05; done"


def main(folder: Path) -> int:
    def service(name: str, script: str, **options: object) -> Service:
        # By this variable the test recognizes them, whoever their parent is.
        env = {**os.environ, "TROUPE": str(folder)}
        return Service(name, ["sh", "-c", script], folder / f"{name}.log", env, **options)  # type: ignore[arg-type]  # any field

    stages = [
        [lambda: service("data", "trap 'exit 0' TERM; while :; do sleep 0.05; done")],
        [lambda: service("once", "echo done", once=True)],
        [lambda: service("parent", PARENT), lambda: service("failing", "echo oh no; exit 4")],
    ]
    return Supervisor(stages).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
