"""A WSGI application that says what it was asked, behind the hub's server: `python -m tests.ocpi_hub.echo PORT`."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from ocpi_hub.server import Server, die_with_granian, serve


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    body = json.dumps(
        {
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "raw": environ["RAW_PATH"],
            "query": environ["QUERY_STRING"],
            "body": len(environ["wsgi.input"].read()),
            "length": environ["CONTENT_LENGTH"],
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def application() -> Server:
    die_with_granian()
    return Server(echo, body_seconds=1)


if __name__ == "__main__":
    sys.exit(serve("tests.ocpi_hub.echo:application", "127.0.0.1", int(sys.argv[1])))
