"""The certificate that a site makes for its machine: kept, renewed in time, private, and right for the machine's names."""

import ssl
import stat
from datetime import timedelta

import pytest
import time_machine
import trustme
from cryptography import x509
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from mediscan_site.core import notices
from mediscan_site.front import certificate, ending, supervisor


@pytest.fixture
def folder(settings, tmp_path):
    settings.TLS, settings.TLS_SELF_MADE, settings.TLS_CERT, settings.TLS_KEY = True, True, "", ""
    settings.KEYS_FILE = tmp_path / "keys.json"
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS, settings.BIND = (
        "https://scans.example",
        ["ward.example", ".wild.example"],
        "::",
    )
    return tmp_path


def test_it_is_made_once_and_its_key_is_private(folder):
    first = certificate.ready()
    assert certificate.ready() == first
    assert stat.S_IMODE((folder / "tls.pem").stat().st_mode) == 0o600
    assert b"PRIVATE" not in (folder / "tls.crt").read_bytes()
    assert not list(folder.glob("*.new"))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(folder / "tls.pem")


def test_it_names_this_machine_and_what_the_settings_know(folder):
    made = x509.load_pem_x509_certificate(certificate.ready().certificate.read_bytes())
    names = {str(name.value) for name in made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value}
    assert {"localhost", "127.0.0.1", "::1", "scans.example", "ward.example"} <= names
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_is_made_anew_before_it_ends_and_when_a_name_is_missing(folder, settings):
    first = certificate.ready()
    with time_machine.travel(first.ends - timedelta(days=certificate.RENEWED_BEFORE_DAYS + 1)):
        assert certificate.ready() == first
    with time_machine.travel(first.ends - timedelta(days=certificate.RENEWED_BEFORE_DAYS - 1)):
        assert certificate.ready().ends > first.ends
    settings.PUBLIC_URL = "https://renamed.example"
    assert certificate.ready().fingerprint != first.fingerprint


@pytest.mark.parametrize(
    "rest", [b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_damaged_one_is_made_anew(folder, rest):
    (folder / "tls.pem").write_bytes(rest)
    assert certificate.ready().days_left > 300


def given(folder, settings, *, pair=True, **issued) -> None:
    ca = trustme.CA()
    one, other = ca.issue_cert("scans.example", **issued), ca.issue_cert("scans.example")
    one.cert_chain_pems[0].write_to_path(folder / "c.pem")
    (one if pair else other).private_key_pem.write_to_path(folder / "k.pem")
    settings.TLS_SELF_MADE, settings.TLS_CERT, settings.TLS_KEY = False, str(folder / "c.pem"), str(folder / "k.pem")


def test_a_users_certificate_is_taken_as_it_is(folder, settings):
    given(folder, settings)
    served = certificate.ready()
    assert (served.certificate, served.key, served.self_made) == (folder / "c.pem", folder / "k.pem", False)
    assert str(folder / "k.pem") in supervisor.web_tls()
    assert not (folder / "tls.pem").exists()


def test_a_users_certificate_that_cannot_serve_stops_the_start(folder, settings):
    given(folder, settings, pair=False)
    with pytest.raises(ImproperlyConfigured, match="cannot be used together"):
        certificate.ready()
    given(folder, settings, not_after=timezone.now() - timedelta(days=3))
    with pytest.raises(ImproperlyConfigured, match="Get a new one"):
        certificate.ready()
    (folder / "k.pem").unlink()
    with pytest.raises(ImproperlyConfigured, match="No such file"):
        certificate.ready()


def test_without_tls_the_web_server_is_told_nothing(folder, settings):
    settings.TLS = settings.TLS_SELF_MADE = False
    assert supervisor.web_tls() == ""


@pytest.mark.django_db
def test_administrators_are_told_in_time_and_no_longer_than_needed(folder, settings):
    served = certificate.ready()
    ending.watch()
    assert notices.standing() == []
    with time_machine.travel(served.ends - timedelta(days=20)):
        ending.watch()
        assert "Restart the site" in notices.standing()[0].sentence
        certificate.ready()
        ending.watch()
        assert notices.standing() == []
    given(folder, settings, not_after=timezone.now() + timedelta(days=5))
    ending.watch()
    assert "Put a new one in its place" in notices.standing()[0].sentence
    given(folder, settings)
    ending.watch()
    assert notices.standing() == []
