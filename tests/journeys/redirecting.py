"""Started in a network of its own: a public address that sends whoever comes to an address inside.

`python -m tests.journeys.redirecting ADDRESS` has a hub register there and prints what it said.
"""

import json
import os
import sys
import threading

from simulator.server import Answer, Request, Server
from tests.journeys.processes import run

PUBLIC_PORT, INSIDE_PORT = 8080, 8081


def main(address: str) -> None:
    inside: list[str] = []

    def redirect(request: Request) -> Answer:
        if len(request.segments) != 1:
            return Answer(404)
        host = {"again": f"{address}:{PUBLIC_PORT}"}.get(
            request.segments[0], f"{request.segments[0]}:{INSIDE_PORT}"
        )
        return Answer(302, headers={"Location": f"http://{host}/ocpi/versions"})

    def note(request: Request) -> Answer:
        inside.append(request.target)
        return Answer(200)

    for server in (Server((address, PUBLIC_PORT), redirect), Server(("127.0.0.1", INSIDE_PORT), note)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    told: dict[str, object] = {
        "public": register(f"http://{address}:{PUBLIC_PORT}/ocpi/versions"),
        "public again": register(f"http://{address}:{PUBLIC_PORT}/again"),
        "127.0.0.1": register(f"http://{address}:{PUBLIC_PORT}/127.0.0.1"),
        "localhost": register(f"http://{address}:{PUBLIC_PORT}/localhost"),
    }
    print(json.dumps({**told, "called inside": len(inside)}))


def register(url: str) -> str:
    done = run("manage.py", "register", "--name", "R", "--versions-url", url, "--token", "a", env=os.environ)
    return done.stderr.strip()


if __name__ == "__main__":
    main(sys.argv[1])
