//! The part `stream`: knows the open calls of its thread, and ends those whose time is over. Envoy's own limits of a call cannot depend on
//! its token. A tick each second; between ticks a call costs nothing here, unless the frames of its client are limited.

use crate::host::{self, SharedData};
use crate::streams::{Credential, Passed, Stream, Streams};

const TICK_MILLISECONDS: u32 = 1000;
const REQUEST: u32 = 0;
const OK: u32 = 0;
const MESSAGES: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.messages\0messages";
const PROTOCOL: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.messages\0protocol";
const RULES: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.stream\0rules";
const CLAIMS: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0jwt_payload\0";
const FACTS: &str = "metadata\0filter_metadata\0kapi.caller\0";

mod abi {
    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub fn proxy_set_effective_context(context: u32) -> u32;
        pub fn proxy_close_stream(kind: u32) -> u32;
    }
}

static mut STREAMS: Streams = Streams::new();

fn streams() -> &'static mut Streams {
    unsafe { &mut *core::ptr::addr_of_mut!(STREAMS) }
}

/// A thread begins.
pub fn configure() {
    streams().begin(&SharedData);
    unsafe { abi::proxy_set_tick_period_milliseconds(TICK_MILLISECONDS) };
}

/// A call was let in by all filters before this one.
pub fn open(context: u32) {
    let mut stream = Stream::new(credentials());
    stream.rules = text(RULES).unwrap_or("").to_owned();
    stream.subscriber = crate::filter::subscriber();
    // A route that reads frames says how many may come, or nothing.
    if let Some(messages) = text(MESSAGES).filter(|_| host::header(host::REQUEST_HEADERS, "upgrade").is_some()) {
        stream.read_frames(messages.parse().unwrap_or(0), text(PROTOCOL) == Some("graphql"), host::now_milliseconds());
    }
    streams().open(context, stream);
}

pub fn closed(context: u32) {
    streams().closed(context);
}

/// The backend answers the handshake.
pub fn answered(context: u32) {
    let Some(stream) = streams().get(context).filter(|stream| stream.reads_frames()) else { return };
    if host::header(host::RESPONSE_HEADERS, ":status") != Some(b"101") {
        stream.is_no_socket();
    }
}

/// A piece from a client.
pub fn pass(context: u32, size: usize) {
    let Some(stream) = streams().get(context).filter(|stream| size > 0 && stream.reads_frames()) else { return };
    host::begin();
    if let Passed::Instead(kept) = stream.pass(host::request_body(size), host::now_milliseconds()) {
        host::set_request_body(size, &kept);
    }
}

/// A piece from the backend.
pub fn answer(context: u32, size: usize) {
    let Some(stream) = streams().get(context).filter(|stream| size > 0 && stream.reads_frames()) else { return };
    host::begin();
    if let Passed::Instead(kept) = stream.answer(host::response_body(size)) {
        host::set_response_body(size, &kept);
    }
}

/// End those that must end.
pub fn tick() {
    end(streams().due(&SharedData, host::now(), host::begin));
}

/// This machine ends, and with it the only one that knows these calls: they end too.
pub fn end_all() {
    end(streams().all());
}

fn end(contexts: Vec<u32>) {
    for context in contexts {
        streams().closed(context);
        unsafe {
            if abi::proxy_set_effective_context(context) == OK {
                abi::proxy_close_stream(REQUEST);
            }
        }
    }
}

fn text(path: &[u8]) -> Option<&'static str> {
    host::property(path).and_then(|value| core::str::from_utf8(value).ok())
}

fn field(namespace: &str, name: &str) -> Option<&'static str> {
    text([namespace, name].concat().as_bytes()).filter(|value| !value.is_empty())
}

/// The verified token, the API key, and the client certificate.
fn credentials() -> Vec<Credential> {
    let mut found = Vec::with_capacity(1);
    if let Some(issuer) = field(CLAIMS, "iss") {
        let expires = host::property([CLAIMS, "exp"].concat().as_bytes()).map_or(0, seconds);
        let id = field(CLAIMS, "jti").unwrap_or("").to_owned();
        found.push(Credential { issuer: issuer.to_owned(), id, expires });
    }
    if let Some(id) = field(FACTS, "key_id") {
        let issuer = field(FACTS, "key_issuer").unwrap_or("").to_owned();
        let expires = field(FACTS, "key_expires").and_then(|text| text.parse().ok()).unwrap_or(0);
        found.push(Credential { issuer, id: id.to_owned(), expires });
    }
    if let Some(expires) = field(FACTS, "certificate_expires").and_then(|text| text.parse().ok()) {
        found.push(Credential { expires, ..Credential::default() });
    }
    found
}

/// A number as Envoy returns it: eight bytes of a double.
fn seconds(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |bytes| f64::from_le_bytes(*bytes) as u64)
}
