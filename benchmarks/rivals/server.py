"""The hub's own server with another application: `python -m benchmarks.rivals.server module:factory PORT`."""

import sys

from ocpi_hub.server import serve

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], "127.0.0.1", int(sys.argv[2])))
