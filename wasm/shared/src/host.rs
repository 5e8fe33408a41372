//! What Envoy offers a module (Proxy-Wasm ABI 0.2.1), as safe functions. What Envoy returns lives until the next callback.
//!
//! The `proxy-wasm` crate is not used: it exports every callback, and Envoy calls each one that a module exports; and it
//! allocates each value that Envoy returns on the heap, also the counters that are read and written with every request.

use crate::shared_data::Shared;

pub const REQUEST_HEADERS: u32 = 0;
pub const RESPONSE_HEADERS: u32 = 2;
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const PLUGIN_CONFIGURATION: u32 = 7;

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

/// Forget what Envoy returned so far: the first line of each callback.
pub fn begin() {
    unsafe {
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
    answer(|out, size| unsafe { abi::proxy_get_header_map_value(map, name.as_ptr(), name.len(), out, size) }).map(|value| &*value)
}

pub fn set_header(map: u32, name: &str, value: &[u8]) {
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
    unsafe { abi::proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
}

/// Replace the body of the response, of which `size` bytes have come.
pub fn set_response_body(size: usize, body: &[u8]) {
    unsafe { abi::proxy_set_buffer_bytes(RESPONSE_BODY, 0, size, body.as_ptr(), body.len()) };
}

/// Answer the request here. `details` is what the access log shows.
pub fn respond(status: u32, details: &str, body: &[u8], headers: &[(&str, &str)]) {
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
    unsafe {
        abi::proxy_send_local_response(
            status, details.as_ptr(), details.len(), body.as_ptr(), body.len(), pairs.as_ptr(), pairs.len(), -1,
        )
    };
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
