//! Validation of requests and answers against the definition of their API inside Envoy (`kapi.policies.traffic.request_validation`).
//!
//! A Proxy-Wasm module of its own: parameters of path, query, headers and cookies, media types, and JSON bodies. A body is read whole only
//! where the definition has a schema for it; Envoy bounds its size. The time is linear in the request. Answers pass while they are read; what is
//! wrong with one is told to the access log only.

#[path = "../../shared/src/json_text.rs"]
mod json_text;
#[path = "../../shared/src/schema.rs"]
#[allow(dead_code)]
mod schema;
#[path = "../../shared/src/strict_json.rs"]
#[allow(dead_code)]
mod strict_json;

mod bodies;
mod checks;
mod parameters;
mod responses;

#[cfg(target_arch = "wasm32")]
mod filter;
#[cfg(target_arch = "wasm32")]
#[path = "../../shared/src/header_pairs.rs"]
#[allow(dead_code)]
mod header_pairs;
#[cfg(target_arch = "wasm32")]
#[path = "../../shared/src/host.rs"]
#[allow(dead_code)]
mod host;
#[cfg(target_arch = "wasm32")]
#[path = "../../shared/src/per_route.rs"]
mod per_route;
#[cfg(target_arch = "wasm32")]
#[path = "../../shared/src/shared_data.rs"]
#[allow(dead_code)]
mod shared_data;
