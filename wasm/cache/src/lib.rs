//! A shared cache of answers inside Envoy (`kapi.policies.traffic.response_cache`; RFC 9111).
//!
//! The threads of one Envoy share a fixed number of answers of bounded size, so its memory is bounded. An answer is used while it is fresh, never
//! later: what is stale is asked for again.

mod dates;
mod entry;
mod headers;
mod rules;

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
#[cfg(target_arch = "wasm32")]
mod slots;
