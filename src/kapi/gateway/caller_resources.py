"""The deny list and the records of API keys, from the store to Envoy. Called by `app`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from kapi.gateway.envoy.resources.names import EXTENSION
from kapi.gateway.envoy.resources.resource import Encode
from kapi.gateway.envoy.resources.tokens.api_keys import credentials_filter
from kapi.gateway.envoy.resources.tokens.deny_list import deny_list
from kapi.gateway.envoy.stream.kept import encoded
from kapi.gateway.resource_sync import Publish, ResourceSync
from kapi.gateway.revoked_streams import RevokedStreams
from kapi.store import revocations
from kapi.store.engine.database import Database
from kapi.store.gateway import api_keys


def caller_resources(
    database: Database,
    stream: Publish,
    now: Callable[[], float],
    streams: RevokedStreams,
    own_issuers: Sequence[str] = (),
    encode: Encode = encoded,
) -> Mapping[str, ResourceSync]:
    """A resource sync for each topic of the store.

    `streams` ends calls that are open when their credential is revoked. `own_issuers` are all `iss`
    of the inbuilt provider.
    """
    revoked = revocations.Revocations(database)
    keys = api_keys.ApiKeys(database)

    def denied() -> Iterator[tuple[str, str]]:
        return ((item.issuer, item.jti) for item in revoked.active(now()))

    return {
        revocations.TOPIC: ResourceSync(
            "deny list",
            lambda: deny_list(denied(), encode, own_issuers),
            stream,
            published=lambda: streams.tell(denied()),
        ),
        api_keys.TOPIC: ResourceSync(
            "api keys",
            lambda: encode(EXTENSION, credentials_filter(keys.opaque(now()))),
            stream,
        ),
    }
