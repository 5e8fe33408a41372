//! Guardrails of AI APIs inside Envoy: checks and changes of the texts of requests and answers (`kapi.policies.guardrails`).
//!
//! A Proxy-Wasm module of its own, so that routes without guardrails do not load the regular expressions. Patterns are of the crate
//! `regex`, whose time is linear in the text. A body is read whole; Envoy bounds its size.

#[path = "../../shared/src/base64.rs"]
mod base64;
#[path = "../../shared/src/json_text.rs"]
mod json_text;
#[path = "../../shared/src/schema.rs"]
mod schema;
#[path = "../../shared/src/strict_json.rs"]
#[allow(dead_code)]
mod strict_json;

mod checks;
mod config;
mod event_messages;
mod masking;
mod prompts;
mod texts;

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
