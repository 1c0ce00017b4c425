"""Real servers with certificates of our own, each with a folder and a port of its own, for as long as a test needs them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.conftest import PATIENCE_S

PASSWORD = "tls-test"
# Both reach the server (Linux answers to all of 127/8); only the first is in its certificate. Not "localhost", which MariaDB's
# client takes for a socket.
RIGHT, WRONG = "127.0.0.1", "127.0.0.2"
POSTGRES_BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@dataclass(frozen=True)
class Papers:
    """A CA, another one that signed nothing, and a server's certificate that is right for RIGHT alone."""

    ca: Path
    other_ca: Path
    certificate: Path
    key: Path


def papers(folder: Path, owner: str = "") -> Papers:
    ca, other = trustme.CA(), trustme.CA()
    issued = ca.issue_cert(RIGHT)
    made = Papers(folder / "ca.pem", folder / "other.pem", folder / "server.pem", folder / "server.key")
    ca.cert_pem.write_to_path(made.ca)
    other.cert_pem.write_to_path(made.other_ca)
    made.certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(made.key)
    made.key.chmod(0o600)
    own(folder, owner)
    return made


def own(folder: Path, user: str) -> None:
    """The folder and all in it to `user`, if this process may give it away (root, as in a container)."""
    if user and os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, user)


def needed(name: str, *places: Path | None) -> str:
    path = shutil.which(name, path=os.pathsep.join(map(str, [*filter(None, places), os.environ["PATH"], "/usr/sbin"])))
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_user(user: str) -> dict[str, object]:
    """Database servers refuse to run as root."""
    return {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}


def enterable(folder: Path) -> bool:
    """Whether any user reaches what lies in it."""
    return all(part.is_dir() and part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that the servers' own users may enter, unlike pytest's and a private TMPDIR."""
    places = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108 -- a folder of our own is made in it
    open_to_all = next(filter(enterable, map(Path, places)), None)
    if open_to_all is None:
        pytest.skip("no temporary folder here that other users may enter")
    with tempfile.TemporaryDirectory(prefix="mediscan-tls-", dir=open_to_all) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def running(command: list[str], folder: Path, answers: Callable[[], bool], **options: object) -> Iterator[None]:
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd="/", start_new_session=True, **options
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not answers():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            time.sleep(0.2)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def mariadb(folder: Path) -> Iterator[tuple[Papers, int]]:
    server, install = needed("mariadbd"), needed("mariadb-install-db")
    user = "mysql" if os.geteuid() == 0 else ""
    made, port, data = papers(folder, user), free_port(), folder / "data"
    (folder / "tmp").mkdir()
    own(folder, user)
    ours = ["--no-defaults", f"--datadir={data}", f"--tmpdir={folder / 'tmp'}", *([f"--user={user}"] if user else [])]
    subprocess.run(
        [install, *ours, "--skip-test-db", "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    setup = folder / "init.sql"
    setup.write_text(
        "CREATE DATABASE m CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n"
        f"GRANT ALL ON *.* TO 'u'@'%' IDENTIFIED BY '{PASSWORD}';\n"
    )
    command = [
        server, *ours, f"--socket={folder / 's'}", f"--port={port}",
        f"--bind-address={RIGHT},{WRONG}", f"--init-file={setup}", f"--ssl-ca={made.ca}", f"--ssl-cert={made.certificate}",
        f"--ssl-key={made.key}", f"--pid-file={folder / 'pid'}", "--innodb-buffer-pool-size=8M", "--skip-log-bin",
        "--skip-name-resolve",
    ]  # fmt: skip
    own(folder, user)
    with running(command, folder, lambda: listens(port)):
        yield made, port


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[tuple[Papers, int]]:
    initdb, server = needed("initdb", POSTGRES_BIN), needed("postgres", POSTGRES_BIN)
    user = "postgres" if os.geteuid() == 0 else ""
    made, port, data = papers(folder, user), free_port(), folder / "data"
    (folder / "pw").write_text(PASSWORD)
    own(folder, user)
    subprocess.run(
        [initdb, "-D", str(data), "-U", "u", f"--pwfile={folder / 'pw'}", "-A", "scram-sha-256"],
        check=True, capture_output=True, timeout=PATIENCE_S, cwd="/", **as_user(user),
    )  # fmt: skip
    options = {
        "ssl": "on", "ssl_ca_file": made.ca, "ssl_cert_file": made.certificate, "ssl_key_file": made.key, "port": port,
        "listen_addresses": f"{RIGHT},{WRONG}", "unix_socket_directories": folder, "fsync": "off",
    }  # fmt: skip
    command = [server, "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
    # It listens before it takes connections.
    asked = [needed("pg_isready", POSTGRES_BIN), "--quiet", "-h", RIGHT, "-p", str(port)]
    with running(command, folder, lambda: subprocess.run(asked, check=False).returncode == 0, **as_user(user)):
        yield made, port


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[tuple[Papers, int]]:
    made, port = papers(folder), free_port()
    command = [
        needed("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", RIGHT, WRONG, "--tls-cert-file",
        str(made.certificate), "--tls-key-file", str(made.key), "--tls-ca-cert-file", str(made.ca), "--tls-auth-clients", "no",
        "--save", "", "--dir", str(folder), "--requirepass", PASSWORD,
    ]  # fmt: skip
    with running(command, folder, lambda: listens(port)):
        yield made, port


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[tuple[Papers, int]]:
    # Not the one on the path: that starts the machine's own node, as its user.
    server = next(map(str, Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server")), None)
    if server is None:
        pytest.skip("rabbitmq-server is not installed")
    user = "rabbitmq" if os.geteuid() == 0 else ""
    made, port, names = papers(folder, user), free_port(), str(free_port())
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp = none\nlisteners.ssl.1 = {RIGHT}:{port}\nlisteners.ssl.2 = {WRONG}:{port}\n"
        f"ssl_options.cacertfile = {made.ca}\nssl_options.certfile = {made.certificate}\nssl_options.keyfile = {made.key}\n"
        f"ssl_options.verify = verify_none\n"
        f"default_user = u\ndefault_pass = {PASSWORD}\nloopback_users = none\n"
    )
    (folder / "plugins").write_text("[].\n")
    own(folder, user)
    env = {
        **os.environ, "HOME": str(folder), "RABBITMQ_NODENAME": f"tls{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"), "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"), "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_PID_FILE": str(folder / "pid"), "ERL_EPMD_PORT": names,
    }  # fmt: skip
    try:
        with running([server], folder, lambda: listens(port), env=env, **as_user(user)):
            yield made, port
    finally:
        # Erlang leaves its name server behind.
        subprocess.run(["epmd", "-port", names, "-kill"], capture_output=True, check=False)
