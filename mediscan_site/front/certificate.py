"""The certificate that the site itself serves https with: the user's, or one made for this machine and kept beside the keys.

A made one is self-signed, and no CA: who takes its key can play this machine, and no other. Key and certificate are one file,
so that no crash leaves one without the other; the certificate alone lies beside it for those who want to trust it.
"""

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

DAYS, RENEWED_BEFORE_DAYS = 397, 60


@dataclass(frozen=True)
class Served:
    """What the web server reads, and what people compare."""

    certificate: Path
    key: Path
    fingerprint: str
    ends: datetime.datetime
    self_made: bool

    @property
    def days_left(self) -> int:
        return (self.ends - timezone.now()).days


def ready() -> Served | None:
    """The certificate to serve with, made or renewed if the site makes its own; None without TLS."""
    if not settings.TLS:
        return None
    if settings.TLS_SELF_MADE:
        path = own_path()
        if not _is_good(path):
            _make(path, wanted_names())
        return _read(path, path, self_made=True)
    served = _read(Path(settings.TLS_CERT), Path(settings.TLS_KEY), self_made=False)
    if served.days_left < 0:
        raise ImproperlyConfigured(f"TLS_CERT: {served.certificate} ended on {served.ends:%Y-%m-%d}. Get a new one.")
    return served


def present() -> Served | None:
    """The certificate as it is now; makes none."""
    if settings.TLS_SELF_MADE:
        return _read(own_path(), own_path(), self_made=True)
    return ready()


def own_path() -> Path:
    return Path(settings.KEYS_FILE).with_name("tls.pem")


def wanted_names() -> list[str]:
    """What people may call this machine: its names and addresses, and those that the settings know."""
    here = {"localhost", "127.0.0.1", "::1", socket.gethostname(), socket.getfqdn()}
    with contextlib.suppress(OSError):
        here |= {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(socket.gethostname(), None)}
    told = {str(host).strip("[]") for host in settings.ALLOWED_HOSTS if not str(host).startswith(".")}
    public = urlsplit(str(settings.PUBLIC_URL)).hostname
    return sorted(name for name in here | told | {public or ""} | _bound() if name and name.isascii())


def _bound() -> set[str]:
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(str(settings.BIND).strip("[]"))
        return set() if address.is_unspecified else {str(address)}
    return set()


def _is_good(path: Path) -> bool:
    """It is there, lasts for a while, and has all names; else another is made."""
    try:
        made = x509.load_pem_x509_certificate(path.read_bytes())
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    known = {str(name.value) for name in names}
    lasts = made.not_valid_after_utc - timezone.now() > datetime.timedelta(days=RENEWED_BEFORE_DAYS)
    return lasts and known >= set(wanted_names())


def _make(path: Path, names: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MediScan on " + socket.gethostname()[:40])])
    now = timezone.now()
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _put(path, secret + public, 0o600)
    _put(path.with_suffix(".crt"), public, 0o644)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _put(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others in between."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _read(certificate: Path, key: Path, *, self_made: bool) -> Served:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        # ssl.SSLError is an OSError: a key of another certificate, one with a password, no PEM.
        why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else error
        raise ImproperlyConfigured(
            f"TLS_CERT {certificate} and TLS_KEY {key} cannot be used together ({why}). They must be a certificate with its chain "
            "and the key of just this certificate, without a password (PEM)."
        ) from error
    return Served(certificate, key, _pairs(leaf.fingerprint(hashes.SHA256())), leaf.not_valid_after_utc, self_made)


def _no_password() -> str:
    # Without it OpenSSL would ask on the terminal, which a service does not have.
    raise ValueError("the key has a password")


def _pairs(digest: bytes) -> str:
    return digest.hex(":").upper()
