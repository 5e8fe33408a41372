"""The image and the compose file say what docs/operate/containers.md says of them. No engine runs
here.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")


def test_the_image_runs_as_a_user_with_a_health_check() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    words = [
        line.split()[0] for line in final.splitlines() if re.match(r"[A-Z]+ ", line)
    ]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert 'CMD ["kapi", "status"]' in final
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "ADD" not in words


def test_all_that_is_copied_into_the_image_is_there_and_sent_to_the_engine() -> None:
    sources = [
        word
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    sent = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert [name for name in sources if not (ROOT / name).exists()] == []
    assert [name for name in sources if f"!{name}" not in sent] == []


def test_the_lock_of_the_image_has_its_extras_and_hashes() -> None:
    lock = (ROOT / "requirements" / "container.lock").read_text("utf-8")
    run = (ROOT / "requirements" / "run.lock").read_text("utf-8")
    pins = set(re.findall(r"^([\w.-]+==[\w.+-]+)", lock, re.MULTILINE))
    assert {pin.partition("==")[0] for pin in pins} >= {
        "psycopg",
        "lightkube",
        "opentelemetry-sdk",
        "hatchling",
    }
    assert set(re.findall(r"^([\w.-]+==[\w.+-]+)", run, re.MULTILINE)) <= pins


def test_compose_confines_the_container_and_waits_for_the_database() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))[
        "services"
    ]
    kapi = services["kapi"]
    assert (kapi["read_only"], kapi["cap_drop"]) == (True, ["ALL"])
    assert all(port.startswith("127.0.0.1:") for port in kapi["ports"])
    assert kapi["depends_on"]["database"]["condition"] == "service_healthy"
    assert (
        ROOT / "deploy" / kapi["build"]["context"] / kapi["build"]["dockerfile"]
    ).exists()
