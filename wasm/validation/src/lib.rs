//! Validation of requests against the definition of their API inside Envoy (`kapi.policies.traffic.request_validation`).
//!
//! A Proxy-Wasm module of its own: parameters of path, query, headers and cookies, media types, and JSON bodies. A body is read whole only
//! where the definition has a schema for it; Envoy bounds its size. The time is linear in the request.

#[path = "../../admission/src/strict_json.rs"]
#[allow(dead_code)]
mod strict_json;

#[path = "../../guardrails/src/schema.rs"]
#[allow(dead_code)]
mod schema;
#[path = "../../guardrails/src/texts.rs"]
#[allow(dead_code)]
mod texts;

mod bodies;
mod checks;
mod parameters;

#[cfg(target_arch = "wasm32")]
#[path = "../../admission/src/counters.rs"]
#[allow(dead_code)]
mod counters;
#[cfg(target_arch = "wasm32")]
mod filter;
#[cfg(target_arch = "wasm32")]
#[path = "../../admission/src/host.rs"]
#[allow(dead_code)]
mod host;
