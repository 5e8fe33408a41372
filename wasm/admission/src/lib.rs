//! Admission of requests inside Envoy: rate limits in exact fixed windows, subscriptions, tiers of consumers, tokens of AI providers.
//!
//! A Proxy-Wasm module. By its configuration a filter plays one of five parts: `admit` on the routes of APIs, `keys` on routes where an
//! interceptor supplies keys to count by, `stream` on routes whose calls last, `model` in the clusters of AI models, and `ledger` on a Unix socket, where the control process reads and restores the counters
//! and says who may call what. All parts and all threads share one memory.

#![cfg_attr(not(feature = "bodies"), allow(dead_code))]

#[path = "../../shared/src/base64.rs"]
#[allow(dead_code)]
pub mod base64;
#[path = "../../shared/src/header_pairs.rs"]
pub mod header_pairs;
#[path = "../../shared/src/json_text.rs"]
pub mod json_text;
#[path = "../../shared/src/shared_data.rs"]
pub mod shared_data;
#[path = "../../shared/src/strict_json.rs"]
pub mod strict_json;

pub mod admit;
pub mod counters;
pub mod directory;
pub mod estimate;
pub mod event_messages;
pub mod events;
pub mod frames;
pub mod graphql;
pub mod graphql_document;
pub mod graphql_lexer;
pub mod graphql_socket;
pub mod inflate;
pub mod json;
pub mod known_documents;
pub mod mcp;
pub mod mcp_headers;
pub mod mcp_tools;
pub mod models;
pub mod operations;
pub mod permits;
pub mod persisted;
pub mod plan;
pub mod prices;
pub mod rules;
pub mod streams;
pub mod usage;

#[cfg(target_arch = "wasm32")]
#[path = "../../shared/src/host.rs"]
mod host;

#[cfg(target_arch = "wasm32")]
mod bodies;
#[cfg(target_arch = "wasm32")]
mod cut;
#[cfg(target_arch = "wasm32")]
mod filter;
#[cfg(target_arch = "wasm32")]
mod ledger;
#[cfg(target_arch = "wasm32")]
mod asking;
#[cfg(target_arch = "wasm32")]
mod mcp_requests;
#[cfg(target_arch = "wasm32")]
mod model_requests;
#[cfg(target_arch = "wasm32")]
mod replies;
