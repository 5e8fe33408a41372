"""Limits that several nodes count together in Redis (settings `limits`).

Envoy's admission filter holds permits for each limit (`wasm/admission/src/permits.rs`). When it has
none left, it asks the process `limits` of its node on a Unix socket, which counts in Redis.
"""
