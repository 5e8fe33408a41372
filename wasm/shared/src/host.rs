//! What Envoy offers a module (Proxy-Wasm ABI 0.2.1), as safe functions. What Envoy returns lives until the next callback.
//!
//! The `proxy-wasm` crate is not used: it exports every callback, and Envoy calls each one that a module exports; and it
//! allocates each value that Envoy returns on the heap, also the counters that are read and written with every request.

use crate::header_pairs::first_value;
use crate::shared_data::Shared;

pub const REQUEST_HEADERS: u32 = 0;
pub const RESPONSE_HEADERS: u32 = 2;
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALL_BODY: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_HEADERS: u32 = 6;
const REQUEST: u32 = 0;

mod abi {
    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn proxy_get_current_time_nanoseconds(out: *mut u64) -> u32;
        pub fn proxy_get_property(path: *const u8, size: usize, out: *mut *mut u8, out_size: *mut usize) -> u32;
        pub fn proxy_get_shared_data(key: *const u8, size: usize, out: *mut *mut u8, out_size: *mut usize, cas: *mut u32) -> u32;
        pub fn proxy_set_property(path: *const u8, size: usize, value: *const u8, value_size: usize) -> u32;
        pub fn proxy_set_shared_data(key: *const u8, size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
        pub fn proxy_get_buffer_bytes(kind: u32, start: usize, length: usize, out: *mut *mut u8, out_size: *mut usize) -> u32;
        pub fn proxy_call_foreign_function(
            name: *const u8, name_size: usize, argument: *const u8, size: usize, out: *mut *mut u8, out_size: *mut usize,
        ) -> u32;
        pub fn proxy_remove_header_map_value(map: u32, key: *const u8, size: usize) -> u32;
        pub fn proxy_set_buffer_bytes(kind: u32, start: usize, length: usize, data: *const u8, size: usize) -> u32;
        pub fn proxy_get_header_map_pairs(map: u32, out: *mut *mut u8, out_size: *mut usize) -> u32;
        pub fn proxy_get_header_map_value(map: u32, key: *const u8, size: usize, out: *mut *mut u8, out_size: *mut usize) -> u32;
        pub fn proxy_replace_header_map_value(map: u32, key: *const u8, size: usize, value: *const u8, value_size: usize) -> u32;
        pub fn proxy_send_local_response(
            status: u32, details: *const u8, details_size: usize, body: *const u8, body_size: usize,
            headers: *const u8, headers_size: usize, grpc_status: i32,
        ) -> u32;
    }
}

/// Memory that Envoy writes its answers into: a fixed block for the many small ones, and boxes for the rest.
struct Arena {
    used: usize,
    large: Vec<Box<[u8]>>,
}

impl Arena {
    const SIZE: usize = 128 * 1024;

    fn reserve(&mut self, size: usize) -> *mut u8 {
        let start = (self.used + 7) & !7;
        if start + size <= Self::SIZE {
            self.used = start + size;
            return unsafe { core::ptr::addr_of_mut!(BLOCK).cast::<u8>().add(start) };
        }
        self.large.push(vec![0; size].into_boxed_slice());
        self.large.last_mut().map_or(core::ptr::null_mut(), |last| last.as_mut_ptr())
    }
}

static mut BLOCK: [u64; Arena::SIZE / 8] = [0; Arena::SIZE / 8];
static mut ARENA: Arena = Arena { used: 0, large: Vec::new() };

/// Called by Envoy for each value it returns. A module runs in one thread, one callback at a time.
#[no_mangle]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    unsafe { (*core::ptr::addr_of_mut!(ARENA)).reserve(size) }
}

/// The headers of a request or response that this callback has read whole, as the ABI gives them.
static mut WHOLE: Option<(u32, &'static [u8])> = None;

/// Forget what Envoy returned so far: the first line of each callback.
pub fn begin() {
    unsafe {
        WHOLE = None;
        let arena = &mut *core::ptr::addr_of_mut!(ARENA);
        arena.used = 0;
        if !arena.large.is_empty() {
            arena.large.clear();
        }
    }
}

fn answer(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<&'static mut [u8]> {
    let (mut start, mut size) = (core::ptr::null_mut(), 0);
    if call(&mut start, &mut size) != 0 {
        return None;
    }
    if start.is_null() || size == 0 {
        return Some(&mut []);
    }
    Some(unsafe { core::slice::from_raw_parts_mut(start, size) })
}

mod calls {
    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn proxy_continue_stream(kind: u32) -> u32;
        pub fn proxy_http_call(
            cluster: *const u8, cluster_size: usize, headers: *const u8, headers_size: usize, body: *const u8, body_size: usize,
            trailers: *const u8, trailers_size: usize, milliseconds: u32, token: *mut u32,
        ) -> u32;
        pub fn proxy_set_effective_context(context: u32) -> u32;
    }
}

/// Post a body to a cluster. The answer comes to `proxy_on_http_call_response` of the filter's own context, with the number that this
/// returns; None if nothing was sent.
pub fn post(cluster: &str, path: &str, body: &[u8], milliseconds: u32) -> Option<u32> {
    let headers = packed(&[(":method", "POST"), (":path", path), (":authority", cluster)]);
    let mut token = 0;
    let sent = unsafe {
        calls::proxy_http_call(
            cluster.as_ptr(), cluster.len(), headers.as_ptr(), headers.len(), body.as_ptr(), body.len(), core::ptr::null(), 0, milliseconds, &mut token,
        ) == 0
    };
    sent.then_some(token)
}

/// The body of an answer to `post`.
pub fn call_body(size: usize) -> &'static [u8] {
    answer(|out, length| unsafe { abi::proxy_get_buffer_bytes(CALL_BODY, 0, size, out, length) }).map_or(&[], |value| &*value)
}

/// The status of an answer to `post`; empty without an answer.
pub fn call_status() -> &'static [u8] {
    header(CALL_HEADERS, ":status").unwrap_or(b"")
}

/// Let the request go on that a callback has paused.
pub fn continue_request() {
    unsafe { calls::proxy_continue_stream(REQUEST) };
}

/// Do what follows in another context of this module.
pub fn in_context(context: u32) {
    unsafe { calls::proxy_set_effective_context(context) };
}

mod system {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    extern "C" {
        pub fn random_get(out: *mut u8, size: usize) -> u32;
    }
}

/// 16 random bytes that cannot be guessed.
pub fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    if unsafe { system::random_get(bytes.as_mut_ptr(), bytes.len()) } != 0 {
        core::arch::wasm32::unreachable();
    }
    bytes
}

/// Seconds since the epoch, by the wall clock.
pub fn now() -> u64 {
    let mut nanoseconds = 0;
    unsafe { abi::proxy_get_current_time_nanoseconds(&mut nanoseconds) };
    nanoseconds / 1_000_000_000
}

/// Milliseconds since the epoch.
pub fn now_milliseconds() -> u64 {
    let mut nanoseconds = 0;
    unsafe { abi::proxy_get_current_time_nanoseconds(&mut nanoseconds) };
    nanoseconds / 1_000_000
}

/// A property of the request by its path, whose parts are joined by zero bytes.
pub fn property(path: &[u8]) -> Option<&'static [u8]> {
    answer(|out, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), out, size) }).map(|value| &*value)
}

/// A value for the access log: the filter state `wasm.` and the path.
pub fn set_property(path: &[u8], value: &[u8]) {
    unsafe { abi::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

pub fn header(map: u32, name: &str) -> Option<&'static [u8]> {
    if let Some((_, pairs)) = unsafe { WHOLE }.filter(|(whole, _)| *whole == map) {
        return first_value(pairs, name.as_bytes());
    }
    answer(|out, size| unsafe { abi::proxy_get_header_map_value(map, name.as_ptr(), name.len(), out, size) }).map(|value| &*value)
}

/// Read all headers at once, where several of them are looked at: each value that Envoy returns alone costs it about as much as all do.
/// They serve until the callback ends or changes one. Answers them as the ABI gives them.
pub fn read_headers(map: u32) -> &'static [u8] {
    if let Some((_, pairs)) = unsafe { WHOLE }.filter(|(whole, _)| *whole == map) {
        return pairs;
    }
    let pairs: &[u8] = answer(|out, size| unsafe { abi::proxy_get_header_map_pairs(map, out, size) }).map_or(&[], |value| &*value);
    unsafe { WHOLE = (!pairs.is_empty()).then_some((map, pairs)) };
    pairs
}

/// Use headers that an earlier callback of the same call has read, and that nothing changed since.
pub fn use_headers(map: u32, pairs: &[u8]) {
    if pairs.is_empty() {
        return;
    }
    unsafe {
        let start = (*core::ptr::addr_of_mut!(ARENA)).reserve(pairs.len());
        core::ptr::copy_nonoverlapping(pairs.as_ptr(), start, pairs.len());
        WHOLE = Some((map, core::slice::from_raw_parts(start, pairs.len())));
    }
}

/// A header is about to change.
fn changes(map: u32) {
    if unsafe { WHOLE }.is_some_and(|(whole, _)| whole == map) {
        unsafe { WHOLE = None };
    }
}

pub fn set_header(map: u32, name: &str, value: &[u8]) {
    changes(map);
    unsafe { abi::proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

pub fn configuration(size: usize) -> &'static [u8] {
    answer(|out, length| unsafe { abi::proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, out, length) }).map_or(&[], |value| &*value)
}

pub fn request_body(size: usize) -> &'static [u8] {
    answer(|out, length| unsafe { abi::proxy_get_buffer_bytes(REQUEST_BODY, 0, size, out, length) }).map_or(&[], |value| &*value)
}

pub fn response_body(size: usize) -> &'static [u8] {
    answer(|out, length| unsafe { abi::proxy_get_buffer_bytes(RESPONSE_BODY, 0, size, out, length) }).map_or(&[], |value| &*value)
}

/// Replace the body of the request, of which `size` bytes have come.
pub fn set_request_body(size: usize, body: &[u8]) {
    unsafe { abi::proxy_set_buffer_bytes(REQUEST_BODY, 0, size, body.as_ptr(), body.len()) };
}

/// Let Envoy choose the route of the request anew.
pub fn clear_route() {
    let name = "clear_route_cache";
    let _ = answer(|out, size| unsafe { abi::proxy_call_foreign_function(name.as_ptr(), name.len(), core::ptr::null(), 0, out, size) });
}

pub fn remove_header(map: u32, name: &str) {
    changes(map);
    unsafe { abi::proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
}

/// Replace the body of the response, of which `size` bytes have come.
pub fn set_response_body(size: usize, body: &[u8]) {
    unsafe { abi::proxy_set_buffer_bytes(RESPONSE_BODY, 0, size, body.as_ptr(), body.len()) };
}

/// Answer the request here. `details` is what the access log shows.
pub fn respond(status: u32, details: &str, body: &[u8], headers: &[(&str, &str)]) {
    let pairs = packed(headers);
    unsafe {
        abi::proxy_send_local_response(
            status, details.as_ptr(), details.len(), body.as_ptr(), body.len(), pairs.as_ptr(), pairs.len(), -1,
        )
    };
}

/// Headers as the ABI takes them.
fn packed(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut pairs = Vec::with_capacity(256);
    pairs.extend_from_slice(&(headers.len() as u32).to_le_bytes());
    for (name, value) in headers {
        pairs.extend_from_slice(&(name.len() as u32).to_le_bytes());
        pairs.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        pairs.extend_from_slice(text.as_bytes());
        pairs.push(0);
    }
    pairs
}

/// Data that the threads of one Envoy share.
pub struct SharedData;

impl Shared for SharedData {
    fn get(&self, key: &[u8]) -> Option<(&'static mut [u8], u32)> {
        let mut cas = 0;
        let value = answer(|out, size| unsafe { abi::proxy_get_shared_data(key.as_ptr(), key.len(), out, size, &mut cas) })?;
        Some((value, cas))
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> bool {
        unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) == 0 }
    }
}
