"""Ports of this machine: whether the hub could listen on one, and a free one for a platform."""

import errno
import socket


def problem(host: str, port: int) -> str:
    """Why nothing could listen there, for whoever started us; an empty text when something could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                return f"HUB_HOST={host} is no address of this machine"
            if error.errno == errno.EADDRINUSE:
                return f"Port {port} is taken; choose another: make demo HUB_PORT={another(port)}"
            return f"The hub cannot listen on {host}:{port}: {error.strerror or error}"
    return ""


def another(port: int) -> int:
    return port + 10 if port + 10 <= 65535 else port - 10


def free(host: str, port: int) -> bool:
    return not problem(host, port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
