"""The container files: valid by the compose specification, and without a secret in them."""

import re
from pathlib import Path

import pytest
from compose_pydantic import ComposeSpecification
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SETTINGS = dict(
    line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if line and line[0] != "#"
)


def interpolated(text: str) -> dict:
    def value(match: re.Match[str]) -> str:
        return SETTINGS.get(match["name"]) or match["default"] or "set-by-the-test"

    filled = re.sub(r"(?<!\$)\$\{(?P<name>\w+)(?::[-?](?P<default>[^}]*))?\}", value, text)
    spec = YAML(typ="safe").load(filled)
    return {key: said for key, said in spec.items() if not key.startswith("x-")}  # the specification's own extensions


def test_the_file_keeps_to_the_compose_specification():
    services = ComposeSpecification.model_validate(interpolated(TEXT)).services
    assert {"postgres", "artifacts", "mlflow", "optuna", "worker"} <= set(services)


def test_an_unknown_key_would_be_noticed():
    spec = interpolated(TEXT)
    spec["services"]["mlflow"]["prots"] = ["80:80"]
    with pytest.raises(ValueError, match="prots"):
        ComposeSpecification.model_validate(spec)


def test_every_service_that_is_waited_for_exists_and_can_say_that_it_is_well():
    services = interpolated(TEXT)["services"]
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            assert name in services
            assert wait["condition"] != "service_healthy" or "healthcheck" in services[name]


def test_the_worker_reserves_a_gpu():
    worker = interpolated(TEXT)["services"]["worker"]
    device = worker["deploy"]["resources"]["reservations"]["devices"][0]
    assert device["driver"] == "nvidia"
    assert "gpu" in device["capabilities"]


def test_ports_are_open_to_this_machine_only():
    for service in interpolated(TEXT)["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_secrets_come_from_the_environment_file_alone():
    for line in TEXT.splitlines():
        if re.search(r"(PASSWORD|SECRET\w*|ACCESS_KEY\w*):", line):
            assert "${" in line, line
    assert SETTINGS["POSTGRES_PASSWORD"] == SETTINGS["S3_SECRET_KEY"] == ""
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
