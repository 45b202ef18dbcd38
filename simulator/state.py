"""What a platform remembers over a restart, credentials and changed objects, in one private JSON file."""

import json
import os
import threading
from pathlib import Path
from typing import Any

FORMAT = 1


class State:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.dirty = False
        self.values: dict[str, Any] = {"format": FORMAT}
        if path.exists():
            self.values = json.loads(path.read_text())
            if self.values.get("format") != FORMAT:
                raise ValueError(f"{path} was not written by this version of the simulator")

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        with self.lock:
            self.values[name] = value
            self.dirty = True

    def save(self) -> None:
        """Write the file when anything changed, whole or not at all, readable by the owner only."""
        with self.lock:
            if not self.dirty:
                return
            self.dirty = False
            text = json.dumps(self.values)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
