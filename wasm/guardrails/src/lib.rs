//! Guardrails of AI APIs inside Envoy: checks and changes of the texts of requests and answers (`kapi.policies.guardrails`).
//!
//! A Proxy-Wasm module of its own, so that routes without guardrails do not load the regular expressions. Patterns are of the crate
//! `regex`, whose time is linear in the text. A body is read whole; Envoy bounds its size.

#[path = "../../admission/src/strict_json.rs"]
#[allow(dead_code)]
mod strict_json;

mod checks;
mod config;
mod masking;
mod prompts;
mod schema;
mod texts;

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
