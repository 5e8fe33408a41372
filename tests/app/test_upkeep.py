"""Regular work of the supervisor: settings that cannot be read to their end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kapi.app.reloading import LONGEST_READING, Reloading
from kapi.app.upkeep import Upkeep
from kapi.run_files import read_reload, run_dir
from kapi.settings import Settings
from standin import self_signed
from waiting import awaited


def test_a_changed_certificate_is_not_forgotten_over_a_mistake(tmp_path: Path) -> None:
    settings, config = Settings(tmp_path), tmp_path / "kapi.toml"
    run_dir(settings).mkdir(parents=True)
    certificate = self_signed(["localhost"], tmp_path)
    right = f'[identity]\nclient_ca_file = "{certificate}"\n'
    given = {"data_dir": str(tmp_path), "config": str(config), "flags": {}}
    upkeep = Upkeep(Reloading(json.dumps(given)), own_log=False)

    def reloaded(text: str, member: str) -> dict[str, Any]:
        nonlocal settings
        config.write_text(text)
        (run_dir(settings) / "reload.json").unlink(missing_ok=True)
        upkeep.hang_up()

        def looked() -> dict[str, Any]:
            nonlocal settings
            settings = upkeep.look(settings, tmp_path / "settings.json", (), 0.0)
            return read_reload(settings)

        return awaited(looked, lambda found: member in found)

    reloaded(right, "taken_up")
    certificate.touch()
    reloaded("[gateway]\nport = 'x'\n", "error")
    assert reloaded(right, "taken_up")["files"] == [str(certificate)]
    assert reloaded(right, "taken_up")["files"] == []


def test_a_reading_that_does_not_end_is_ended_and_the_next_one_counts(
    tmp_path: Path,
) -> None:
    settings, config = Settings(tmp_path), tmp_path / "kapi.toml"
    run_dir(settings).mkdir(parents=True)
    os.mkfifo(tmp_path / "secret")
    config.write_text('[[identity.clients]]\nid = "a"\nsecret_file = "secret"\n')
    given = {"data_dir": str(tmp_path), "config": str(config), "flags": {}}
    upkeep = Upkeep(Reloading(json.dumps(given)), own_log=False)

    def looked(now: float) -> dict[str, Any]:
        upkeep.look(settings, tmp_path / "settings.json", (), now)
        return read_reload(settings)

    upkeep.hang_up()
    assert looked(100.0) == {}
    assert looked(99.0 + LONGEST_READING) == {}
    answer = awaited(
        lambda: looked(100.0 + LONGEST_READING), lambda found: "error" in found
    )
    assert answer["error"]["code"] == "unexpected"
    config.write_text("[identity]\ntoken_lifetime = 61\n")
    upkeep.hang_up()
    answer = awaited(lambda: looked(200.0), lambda found: "taken_up" in found)
    assert "identity.token_lifetime" in {item["name"] for item in answer["taken_up"]}
