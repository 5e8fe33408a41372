"""The other way to count exactly: Envoy's rate limit service in Python, on a Unix socket. Only here
to be compared with.
"""

from __future__ import annotations

import sys
import time

import grpc
import uvloop
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc


class Counter(rls_pb2_grpc.RateLimitServiceServicer):
    """Counts every key in windows of an hour, up to a limit that is never reached."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], int] = {}

    async def ShouldRateLimit(  # noqa: N802 - gRPC's own
        self,
        request: rls_pb2.RateLimitRequest,
        context: object,  # noqa: ARG002 - gRPC's own
    ) -> rls_pb2.RateLimitResponse:
        key = (request.descriptors[0].entries[0].value, int(time.time()) // 3600)
        self.counts[key] = count = self.counts.get(key, 0) + 1
        code = (
            rls_pb2.RateLimitResponse.OK
            if count <= 10**9
            else rls_pb2.RateLimitResponse.OVER_LIMIT
        )
        return rls_pb2.RateLimitResponse(overall_code=code)


async def main(path: str) -> None:
    server = grpc.aio.server()
    rls_pb2_grpc.add_RateLimitServiceServicer_to_server(Counter(), server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
