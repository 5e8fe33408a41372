"""The long proof: children are killed at random while APIs are deployed and undeployed; every
answered change holds.
"""

from __future__ import annotations

import concurrent.futures
import os
import random
import signal
import time
from pathlib import Path

import pytest

from harness import DEFINITION, Platform, conf, free_port
from waiting import until

pytestmark = pytest.mark.long
ROUNDS, AT_ONCE = 12, 4


def test_answered_changes_survive_kill_9_at_any_moment(
    tmp_path: Path, echo: int
) -> None:
    rng = random.Random(9095)
    platform = Platform(free_port(), tmp_path / "data")
    platform.start()
    expected: dict[int, bool] = {}
    try:
        for round_number in range(ROUNDS):
            _await_ready(platform)
            token = platform.token("apk:api_create")
            numbers = [round_number * AT_ONCE + step for step in range(AT_ONCE)]
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                changes = [
                    pool.submit(_change, platform, token, number, expected, echo)
                    for number in numbers
                ]
                time.sleep(rng.uniform(0.0, 0.4))
                victim = rng.choice(["control", "control", "envoy", "identity-0"])
                pid = platform.pid(victim)
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                for change in changes:
                    change.result()
        _await_ready(platform)
        _compare(platform, expected)
        platform.stop()
        platform.start()
        _compare(platform, expected)
    finally:
        platform.stop()


def _change(
    platform: Platform, token: str, number: int, expected: dict[int, bool], port: int
) -> None:
    """Deploy an API; every second time also take an earlier one away. Only what was answered is
    expected.
    """
    try:
        if (
            platform.deploy(
                conf(name=f"D{number}", base=f"/d{number}", port=port),
                DEFINITION,
                token,
            ).status
            == 200
        ):
            expected[number] = True
        earlier = number - AT_ONCE
        if number % 2 and expected.get(earlier):
            del expected[earlier]
            listed = platform.api("/api/deployer/apis", token=token).json()["apis"]
            found = next(item["id"] for item in listed if item["name"] == f"D{earlier}")
            if (
                platform.api(
                    f"/api/deployer/apis/undeploy?apiId={found}",
                    "-X",
                    "POST",
                    token=token,
                ).status
                == 202
            ):
                expected[earlier] = False
    except (AssertionError, KeyError, ValueError, StopIteration):
        pass  # not answered: it may be there or not, but whole


def _await_ready(platform: Platform) -> None:
    until(lambda: _is_ready(platform), platform.output)


def _is_ready(platform: Platform) -> bool:
    try:
        return platform.api("/ready").status == 200 and bool(platform.token())
    except (AssertionError, KeyError, ValueError):
        return False


def _compare(platform: Platform, expected: dict[int, bool]) -> None:
    token = platform.token("apk:api_create")
    listed = {
        item["name"]
        for item in platform.api("/api/deployer/apis", token=token).json()["apis"]
    }
    assert expected
    for number, present in expected.items():
        assert (f"D{number}" in listed) is present, f"D{number}"
    for number in range(ROUNDS * AT_ONCE):
        status = platform.request(
            "default.gw.wso2.com",
            f"/d{number}/1.0.0/items",
            "-H",
            f"Authorization: Bearer {token}",
        ).status
        assert status == (200 if f"D{number}" in listed else 404), f"D{number}"
