"""The address of a PostgreSQL database, and what of it may be shown."""

from __future__ import annotations

from typing import Any

from kapi.errors import KapiError

_DEFAULTS = {
    "connect_timeout": "3",
    "application_name": "kapi",
    "client_encoding": "UTF8",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
"""Parameters of libpq that find a lost connection within seconds. The URL may set others."""
_HIDDEN = ("password", "sslpassword", "passfile", "sslkey")


def driver() -> Any:
    """psycopg. Raises KapiError when it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise KapiError(
            "environment",
            "PostgreSQL needs the driver psycopg, which is not installed",
            str(error),
            "Install it: pip install 'kapi[postgres]'.",
        ) from error
    return psycopg


def parameters(url: str) -> dict[str, Any]:
    """The parameters of a `postgresql://` URL. Raises KapiError, without the URL, if it is none."""
    psycopg = driver()
    try:
        given: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq quotes the URL, with its password.
        raise KapiError(
            "settings",
            "The address of the database cannot be read",
            "It is not a postgresql:// URL.",
            "Write postgresql://USER@HOST:PORT/DATABASE; in a password write % as %25, @ as %40,"
            " / as %2F and : as %3A.",
        ) from None
    return _DEFAULTS | given


def shown(given: dict[str, Any]) -> str:
    """The database in messages: user, host, port and name."""
    user = ""
    if given.get("user"):
        user = f"{given['user']}@"
    host = given.get("host") or given.get("hostaddr") or ""
    port = ""
    if given.get("port"):
        port = f":{given['port']}"
    return f"postgresql://{user}{host}{port}/{given.get('dbname', '')}"


def secrets_of(given: dict[str, Any]) -> tuple[str, ...]:
    """The values that no message may contain."""
    found = []
    for name in _HIDDEN:
        if given.get(name):
            found.append(str(given[name]))
    return tuple(found)
