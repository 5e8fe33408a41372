"""The control process: the configuration stream to Envoy, and then the system APIs."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from kapi.app.control_parts import Control
from kapi.app.gateway_issuers import inbuilt
from kapi.app.operate.traces import traced
from kapi.app.process import repeat, serve, sign_of_life, signs_until
from kapi.gateway.backend_certificates import BackendCertificates
from kapi.identity.keys.keyring import load_keyring
from kapi.run_files import admin_socket, log_path, restoring_path
from kapi.settings import Settings
from kapi.store import DEPLOYMENTS
from kapi.store.gateway.applications import TOPIC as APPLICATIONS
from kapi.store.gateway.startup_requirements import TOPIC as STARTUP_REQUIREMENTS
from kapi.store.housekeeping import keep_house
from kapi.store.issuers import TOPIC as ISSUERS
from kapi.store.issuers import WANTED as KEYS_WANTED
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.nodes import Nodes

REFUSALS_SECONDS = 60.0
"""Seconds between two log lines about rejected tokens."""
PURGE_SECONDS = 60.0
"""Seconds between two purges of expired records."""
FIRST_PURGE_SECONDS = 10.0
"""Seconds from the start to the first purge."""
BACKENDS_SECONDS = 10.0
"""Seconds between two looks at the backends whose connections fail."""
_LISTENER_SECONDS = 0.4
"""How long the system APIs wait for the first listener of Envoy, whose callers wait too."""
_TURN_SECONDS = 0.0005


def run_control(settings: Settings, listener: socket.socket) -> None:
    """Serve Envoy's configuration and the system APIs until a signal."""
    control = Control.of(settings)
    for topic, changed in (
        *_changes(control).items(),
        *_changes_by_nodes(control).items(),
    ):
        control.watch.on(topic, changed)
    control.watch.start()
    gc.enable()  # Thousands of APIs may be compiled.
    with sign_of_life(restoring_path(settings)):
        control.deployer.restore()
    for start in _starts(control):
        start()
    # Envoy takes its configuration now, and the processors are busy; the rest is imported then.
    control.publisher.await_live(_LISTENER_SECONDS)
    with _turns_for_envoy():
        from kapi.app.system.system_apis import system_apis

        app = traced(system_apis(control), settings, "control")
    control.kept.keep()
    serve(app, listener)
    control.watch.stop()
    for stop in _stops(control):
        stop()
    control.store.close()


@contextmanager
def _turns_for_envoy() -> Iterator[None]:
    """Let the threads of the stream run soon: an import keeps them waiting 5 ms at each step."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _changes(control: Control) -> Mapping[str, Callable[[], None]]:
    """What is called after a change of each topic in the store, by whatever process."""
    return {
        KEYS: lambda: _use_inbuilt_keys(control),
        KEYS_WANTED: control.trust.look_again,
        APPLICATIONS: control.counters.changed,
        STARTUP_REQUIREMENTS: lambda: _meet_requirements(control),
        **{topic: item.changed for topic, item in control.caller_state.items()},
    }


def _changes_by_nodes(control: Control) -> Mapping[str, Callable[[], None]]:
    """What is called besides, where other nodes change the store."""
    if not control.store.database.has_nodes:
        return {}
    return dict.fromkeys((DEPLOYMENTS, KEYS, ISSUERS), control.this_node.changed)


def _starts(control: Control) -> tuple[Callable[[], None], ...]:
    """What is started, in this order, after the deployed APIs are restored."""
    return (
        control.publisher.start,
        *(item.start for item in control.caller_state.values()),
        control.counters.start,
        control.rejected_tokens.start,
        lambda: repeat(REFUSALS_SECONDS, control.trust.refused_tokens.log),
        lambda: repeat(PURGE_SECONDS, lambda: _purge(control), FIRST_PURGE_SECONDS),
        lambda: repeat(BACKENDS_SECONDS, _backend_certificates(control).look),
        lambda: _follow_issuers(control),
        lambda: _meet_requirements_in_background(control),
        lambda: _tell_that_envoy_loads(control),
        *((control.this_node.start,) if control.store.database.has_nodes else ()),
    )


def _stops(control: Control) -> tuple[Callable[[], None], ...]:
    """What is stopped, in this order. Envoy is stopped later: it still sends its counters."""
    return (
        control.this_node.stop,
        control.trust.stop,
        control.rejected_tokens.stop,
        *(item.stop for item in control.caller_state.values()),
        control.counters.stop,
        control.publisher.stop,
    )


def _use_inbuilt_keys(control: Control) -> None:
    keyring = load_keyring(Keys(control.store.database))
    control.trust.use_inbuilt(inbuilt(control.settings, keyring))


def _purge(control: Control) -> None:
    keep_house(control.store.database, int(time.time()))
    if control.store.database.has_nodes:
        Nodes(control.store.database).forget_old()


def _backend_certificates(control: Control) -> BackendCertificates:
    log = log_path(control.settings, "backends")
    return BackendCertificates(control.publisher, admin_socket(control.settings), log)


def _follow_issuers(control: Control) -> None:
    converted = control.gateway_issuers.converted
    control.trust.start(lambda issuers: control.deployer.trust(converted(issuers)))


def _meet_requirements(control: Control) -> None:
    control.gateway_issuers.meet_requirements(control.deployer)


def _tell_that_envoy_loads(control: Control) -> None:
    """Thousands of APIs take Envoy longer than the supervisor waits for a start without progress.

    A connected Envoy that hangs is ended by its own watchdog.
    """
    state = control.publisher.status
    arguments = (
        restoring_path(control.settings),
        lambda: state().live,
        lambda: state().connected > 0,
    )
    threading.Thread(
        target=signs_until, args=arguments, name="loading", daemon=True
    ).start()


def _meet_requirements_in_background(control: Control) -> None:
    """Meet what was requested just before a restart."""
    threading.Thread(
        target=_meet_requirements, args=(control,), name="requirements", daemon=True
    ).start()
