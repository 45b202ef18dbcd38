"""A partner with a list of Locations to be pulled: `python -m benchmarks.sender PORT COUNT`.

Every path is the list, in pages with a Link to the next one, as long as the caller asks for. The pages are made
before it listens, so that it costs the measurement little. Whoever reads the list once more from its beginning
finds everything with a last_updated of another day, at every level, and otherwise the same but for the first name.
"""

import socketserver
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from benchmarks import documents


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    locations: list[bytes] = []
    crawls = 0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["50"])[0])
        Handler.crawls += offset == 0
        page = b",".join(self.locations[offset : offset + limit])
        if self.crawls > 1:
            page = page.replace(documents.TIME.encode(), b"2026-03-%02dT12:00:00Z" % self.crawls)
            page = page.replace(b'"name":"Amsterdam 0"', b'"name":"Amsterdam %d"' % self.crawls)
        body = b'{"status_code":1000,"timestamp":"%b","data":[%b]}' % (documents.TIME.encode(), page)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Total-Count", str(len(self.locations)))
        self.send_header("X-Limit", str(limit))
        if offset + limit < len(self.locations):
            following = f"http://{self.headers['Host']}{parts.path}?offset={offset + limit}&limit={limit}"
            self.send_header("Link", f'<{following}>; rel="next"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def main() -> None:
    port, count = map(int, sys.argv[1:])
    Handler.locations = [documents.compact(documents.location(number)).encode() for number in range(count)]
    server: socketserver.BaseServer = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.serve_forever()


if __name__ == "__main__":
    main()
