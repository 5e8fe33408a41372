//! The callbacks of Envoy: answer a request from memory, or copy the answer of the backend while it passes.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::entry::Entry;
use crate::headers::Headers;
use crate::host::{self, REQUEST_HEADERS, RESPONSE_HEADERS};
use crate::per_route::Settings;
use crate::rules::{self, Wishes};
use crate::slots;

const FILTER: &str = "kapi.cache";
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
const MOST_ROUTES: usize = 500;
/// Bytes of the headers and the key of an answer.
const MOST_HEADERS: usize = 8 * 1024;
const CODE_DETAILS: &[u8] = b"response\0code_details";
const BY_BACKEND: &[u8] = b"via_upstream";
const UNCHANGED: [&str; 7] = ["cache-control", "content-location", "date", "etag", "expires", "vary", "last-modified"];

/// What a route says: `response_cache.py` writes it.
struct Place {
    api: String,
    mark: String,
    lifetime: u64,
    most: usize,
    personal: bool,
}

impl Place {
    fn read(text: &str) -> Option<Place> {
        let [api, mark, lifetime, most, personal] = text.split('\t').collect::<Vec<_>>()[..] else { return None };
        Some(Place { api: api.to_owned(), mark: mark.to_owned(), lifetime: lifetime.parse().ok()?, most: most.parse().ok()?, personal: personal == "1" })
    }
}

/// A call whose answer may be stored, or makes a stored one wrong.
struct Call {
    place: Rc<Place>,
    key: String,
    personal: bool,
    stores: bool,
    request: Headers,
    entry: Option<Entry>,
}

struct State {
    places: Settings<Place>,
    calls: BTreeMap<u32, Call>,
    /// Headers of answers from memory that Envoy is about to send.
    replies: BTreeMap<u32, Headers>,
}

static mut STATE: State = State { places: Settings::new(), calls: BTreeMap::new(), replies: BTreeMap::new() };

fn state() -> &'static mut State {
    unsafe { &mut *core::ptr::addr_of_mut!(STATE) }
}

mod abi {
    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn proxy_get_header_map_pairs(map: u32, out: *mut *mut u8, out_size: *mut usize) -> u32;
    }
}

fn all_headers(map: u32) -> Headers {
    let (mut start, mut size) = (core::ptr::null_mut(), 0);
    let status = unsafe { abi::proxy_get_header_map_pairs(map, &mut start, &mut size) };
    if status != 0 || start.is_null() || size == 0 {
        return Headers(Vec::new());
    }
    Headers::read(unsafe { core::slice::from_raw_parts(start, size) })
}

#[no_mangle]
pub extern "C" fn proxy_on_delete(context: u32) {
    state().calls.remove(&context);
    state().replies.remove(&context);
}

#[no_mangle]
pub extern "C" fn proxy_on_request_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    let Some(place) = state().places.current(FILTER, MOST_ROUTES, Place::read) else { return CONTINUE };
    let request = all_headers(REQUEST_HEADERS);
    let method = request.get(":method").unwrap_or_default();
    if matches!(method.as_str(), "HEAD" | "OPTIONS" | "TRACE") {
        return CONTINUE;
    }
    let (host_name, path) = (request.get(":authority").unwrap_or_default(), request.get(":path").unwrap_or_default());
    let key = format!("{}\0{host_name}\0{path}", place.api);
    let personal = place.personal || request.has("authorization") || request.has("cookie");
    let wishes = Wishes::of(&request, end != 0);
    if wishes.uses && answered(context, &place, &key, personal, &request, &wishes) {
        return PAUSE;
    }
    if method != "GET" || wishes.stores {
        let call = Call { place, key, personal, stores: wishes.stores, request, entry: None };
        state().calls.insert(context, call);
    }
    CONTINUE
}

/// Whether the request was answered from memory.
fn answered(context: u32, place: &Place, key: &str, personal: bool, request: &Headers, wishes: &Wishes) -> bool {
    let now = host::now();
    if let Some(entry) = slots::get(key, now) {
        let age = entry.age + now.saturating_sub(entry.stored);
        let is_right = entry.mark == place.mark
            && (entry.public || !personal)
            && wishes.accept(age, entry.stored + entry.fresh - now)
            && entry.varies.iter().all(|pair| rules::value_of(request, &pair.0) == pair.1);
        if is_right {
            respond(context, entry, age, request);
            return true;
        }
    }
    if wishes.only_cached {
        let body = b"{\"code\":\"504\",\"message\":\"Gateway Timeout\",\"description\":\"The answer is not in the cache.\"}";
        host::respond(504, "kapi_not_cached", body, &[("content-type", "application/json; charset=UTF-8")]);
    }
    wishes.only_cached
}

fn respond(context: u32, entry: Entry, age: u64, request: &Headers) {
    let mut stored = Headers(entry.headers);
    let known = rules::is_known(request, &stored);
    stored.0.retain(|pair| !known || UNCHANGED.contains(&pair.0.as_str()));
    stored.0.push(("age".to_owned(), age.to_string()));
    state().replies.insert(context, stored);
    if known {
        host::respond(304, "kapi_cached", b"", &[]);
    } else {
        host::respond(200, "kapi_cached", &entry.body, &[]);
    }
}

/// The headers of an answer from memory. Envoy has added those of the route, which the stored ones contain already, and a media type.
fn write_headers(stored: &Headers) {
    if !stored.has("content-type") {
        host::remove_header(RESPONSE_HEADERS, "content-type");
    }
    for (name, _) in &stored.0 {
        host::set_header(RESPONSE_HEADERS, name, stored.get(name).unwrap_or_default().as_bytes());
    }
}

#[no_mangle]
pub extern "C" fn proxy_on_response_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    if let Some(stored) = state().replies.remove(&context) {
        write_headers(&stored);
        return CONTINUE;
    }
    let Some(call) = state().calls.get_mut(&context) else { return CONTINUE };
    let answer = all_headers(RESPONSE_HEADERS);
    if !call.stores {
        // RFC 9111 §4.4: a change makes what is stored wrong.
        if answer.get(":status").is_some_and(|status| status.starts_with(['2', '3'])) {
            slots::remove(&call.key);
        }
        state().calls.remove(&context);
        return CONTINUE;
    }
    if host::property(CODE_DETAILS) == Some(BY_BACKEND) {
        call.entry = stored(call, &answer);
    }
    if call.entry.is_none() {
        state().calls.remove(&context);
    } else if end != 0 {
        keep(context);
    }
    CONTINUE
}

/// The answer without its body, if it may be stored.
fn stored(call: &Call, answer: &Headers) -> Option<Entry> {
    let now = host::now();
    let (fresh, age) = rules::freshness(answer, now, call.place.lifetime, call.personal)?;
    let (varies, headers) = (rules::varying(answer, &call.request)?, rules::kept(answer));
    let length: usize = answer.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let size: usize = varies.iter().chain(&headers).map(|pair| pair.0.len() + pair.1.len()).sum();
    if length > call.place.most || size + call.key.len() > MOST_HEADERS {
        return None;
    }
    let (key, mark) = (call.key.clone(), call.place.mark.clone());
    Some(Entry { key, mark, stored: now, fresh, age, public: rules::is_public(answer), varies, headers, body: Vec::with_capacity(length) })
}

#[no_mangle]
pub extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> u32 {
    host::begin();
    let Some(call) = state().calls.get_mut(&context) else { return CONTINUE };
    let Some(entry) = &mut call.entry else { return CONTINUE };
    if entry.body.len() + size > call.place.most {
        state().calls.remove(&context);
        return CONTINUE;
    }
    entry.body.extend_from_slice(host::response_body(size));
    if end != 0 {
        keep(context);
    }
    CONTINUE
}

/// Trailers are not stored, and so neither is the answer.
#[no_mangle]
pub extern "C" fn proxy_on_response_trailers(context: u32, _: u32) -> u32 {
    state().calls.remove(&context);
    CONTINUE
}

fn keep(context: u32) {
    if let Some(entry) = state().calls.remove(&context).and_then(|call| call.entry) {
        slots::put(&entry, host::now());
    }
}
