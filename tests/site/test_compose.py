"""What compose.yaml lets in: the proxy alone, and nobody without a password. (Docker itself is not needed to know that.)"""

import re
from pathlib import Path

import pytest
import yaml
from django.conf import settings

TEXT = (Path(settings.BASE_DIR) / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]


def test_only_the_proxy_publishes_ports():
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["proxy"]
    assert not any(service.get("network_mode") for service in SERVICES.values())


def test_services_that_keep_data_are_on_networks_without_a_way_in_or_out():
    internal = {name for name, network in COMPOSE["networks"].items() if (network or {}).get("internal")}
    for name in ("mariadb", "redis", "mlflow"):
        assert SERVICES[name]["networks"]
        assert set(SERVICES[name]["networks"]) <= internal
    assert not set(SERVICES["proxy"]["networks"]) & internal
    for name in ("grade", "io", "train", "beat"):
        assert set(SERVICES[name]["networks"]) <= internal


@pytest.mark.parametrize("name", ["DB_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY", "SITE_NAME", "KEYS_FILE"])
def test_without_a_password_or_key_nothing_starts(name):
    uses = re.findall(rf"\$\{{{name}[^}}]*\}}", TEXT)
    assert uses
    assert all(use.startswith(f"${{{name}:?") for use in uses)


def test_the_site_believes_the_one_proxy_and_the_proxy_runs_the_configuration_that_is_tested():
    environment = SERVICES["web"]["environment"]
    assert environment["TRUSTED_PROXIES"] == 1
    assert environment["PUBLIC_URL"].startswith("https://")
    assert "./deploy/Caddyfile:/etc/caddy/Caddyfile:ro" in SERVICES["proxy"]["volumes"]
    assert "--requirepass" in " ".join(SERVICES["redis"]["command"])
    used = set(SERVICES["proxy"]["environment"])
    assert used == set(re.findall(r"\{\$(\w+)", (Path(settings.BASE_DIR) / "deploy" / "Caddyfile").read_text()))
