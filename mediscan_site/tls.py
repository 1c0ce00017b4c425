"""TLS to the services around the site, as the addresses in the environment ask for it.

One rule for all: to name a CA is to have certificates checked against it, names included; what cannot be done stops the start
with its remedy. The libraries below have other defaults (kombu does not check a `rediss://` server at all, nor the name of an
`amqps://` one; libpq with a CA but no mode does not check), so nothing is left to them.
"""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

Options = dict[str, object]

MYSQL_MODES: Final = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
MYSQL_FILES: Final = {"ssl_ca": "ca", "ssl_cert": "cert", "ssl_key": "key"}
POSTGRES_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
POSTGRES_FILES: Final = ("sslrootcert", "sslcert", "sslkey")
POSTGRES_OTHERS: Final = (
    "sslcrl",
    "sslcrldir",
    "sslpassword",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
# What people write from the habit of another database or driver.
SPELT_OTHERWISE: Final = {
    "mysql": {
        "sslmode": "ssl_mode",
        "sslrootcert": "ssl_ca",
        "sslcert": "ssl_cert",
        "sslkey": "ssl_key",
        "ssl": "ssl_mode",
    },
    "postgres": {
        "ssl_mode": "sslmode",
        "ssl_ca": "sslrootcert",
        "ssl_cert": "sslcert",
        "ssl_key": "sslkey",
        "ssl": "sslmode",
    },
}
BROKER_FILES: Final = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}
CERT_REQS: Final = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE}


def mysql(options: Options) -> Options:
    """The options for mysqlclient. `ssl_ca` means VERIFY_IDENTITY unless VERIFY_CA is asked for.

    Linked with MariaDB's Connector/C, which knows one check only, VERIFY_CA checks the host name too."""
    _spelling("mysql", options, ("ssl_mode", *MYSQL_FILES))
    rest = {name: value for name, value in options.items() if name != "ssl_mode" and name not in MYSQL_FILES}
    files = {key: _file("DATABASE_URL", name, options[name]) for name, key in MYSQL_FILES.items() if name in options}
    _pair("DATABASE_URL", "ssl_cert", "ssl_key", options)
    mode = _mode("ssl_mode", str(options.get("ssl_mode", "")).upper(), MYSQL_MODES)
    if "ca" in files:
        mode = _checked(
            mode, weaker=("DISABLED", "PREFERRED"), raised=("", "REQUIRED"), to="VERIFY_IDENTITY", ca="ssl_ca"
        )
    elif files and not mode:
        mode = "REQUIRED"
    return {**rest, **({"ssl_mode": mode} if mode else {}), **({"ssl": files} if files else {})}


def postgres(options: Options) -> Options:
    """The options for libpq. `sslrootcert` means verify-full unless verify-ca is asked for."""
    _spelling("postgres", options, ("sslmode", *POSTGRES_FILES, *POSTGRES_OTHERS))
    for name in POSTGRES_FILES:
        # "system": libpq's word for the CAs that this machine trusts.
        if name in options and options[name] != "system":
            _file("DATABASE_URL", name, options[name])
    mode = _mode("sslmode", str(options.get("sslmode", "")).lower(), POSTGRES_MODES)
    if "sslrootcert" in options:
        weaker = ("disable", "allow", "prefer")
        mode = _checked(mode, weaker=weaker, raised=("", "require"), to="verify-full", ca="sslrootcert")
    return {**options, **({"sslmode": mode} if mode else {})}


def broker(url: str) -> tuple[str, Options | None]:
    """The broker's address without its TLS options, and these as Celery's broker_use_ssl (None: no TLS)."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    given = {name: asked.pop(name) for name in list(asked) if name.startswith("ssl")}
    bare = urlunsplit(parts._replace(query=urlencode(asked)))
    if parts.scheme not in ("rediss", "amqps"):
        if given:
            raise ImproperlyConfigured(
                f"CELERY_BROKER_URL has {', '.join(given)} but is not encrypted. It must start with rediss:// or amqps://."
            )
        return url, None
    options = _broker_options(given)
    if parts.scheme == "rediss":
        return bare, {f"ssl_{name}": value for name, value in options.items()} | {
            "ssl_check_hostname": _checks(options)
        }
    # None: py-amqp checks the name only if it is given one, and kombu puts that of the address here.
    return bare, options | ({"server_hostname": None} if _checks(options) else {})


def _broker_options(given: dict[str, str]) -> Options:
    unknown = [name for name in given if name not in (*BROKER_FILES, "ssl_cert_reqs")]
    if unknown:
        known = ", ".join((*BROKER_FILES, "ssl_cert_reqs"))
        raise ImproperlyConfigured(f"CELERY_BROKER_URL: {unknown[0]} is not known. TLS options are {known}.")
    asked = given.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if asked not in CERT_REQS or (asked == "none" and "ssl_ca_certs" in given):
        raise ImproperlyConfigured("CELERY_BROKER_URL: with ssl_ca_certs, ssl_cert_reqs must be required, or left out.")
    _pair("CELERY_BROKER_URL", "ssl_certfile", "ssl_keyfile", given)
    files = {key: _file("CELERY_BROKER_URL", name, given[name]) for name, key in BROKER_FILES.items() if name in given}
    return {"cert_reqs": CERT_REQS[asked], **files}


def _checks(options: Options) -> bool:
    return options["cert_reqs"] == ssl.CERT_REQUIRED


def _checked(mode: str, *, weaker: tuple[str, ...], raised: tuple[str, ...], to: str, ca: str) -> str:
    """The mode where a CA is named: never one that does not look at it."""
    if mode in weaker:
        raise ImproperlyConfigured(
            f"DATABASE_URL: {mode} would ignore {ca}. Leave the mode out: {ca} alone means {to}."
        )
    return to if mode in raised else mode


def _mode(name: str, mode: str, known: tuple[str, ...]) -> str:
    if mode and mode not in known:
        raise ImproperlyConfigured(f"DATABASE_URL: {name} must be one of {', '.join(known)}, not {mode!r}.")
    return mode


def _spelling(engine: str, options: Options, known: tuple[str, ...]) -> None:
    """A TLS option that the driver does not know would stop every connection, or none: say so at the start."""
    for name in options:
        if name in known or not name.startswith("ssl"):
            continue
        instead = SPELT_OTHERWISE[engine].get(name)
        raise ImproperlyConfigured(
            f"DATABASE_URL: {name} is not known here. "
            + (f"Write {instead}." if instead else f"Known: {', '.join(known)}.")
        )


def _pair(variable: str, certificate: str, key: str, options: Options | dict[str, str]) -> None:
    if (certificate in options) != (key in options):
        raise ImproperlyConfigured(f"{variable}: {certificate} and {key} must be given together.")


def _file(variable: str, name: str, value: object) -> str:
    path = Path(str(value))
    try:
        path.open("rb").close()
    except OSError as error:
        raise ImproperlyConfigured(f"{variable}: {name}={path} cannot be read ({error.strerror}).") from error
    return str(path)
