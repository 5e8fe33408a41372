//! A module for the tests, in Proxy-Wasm ABI 0.2.1 without any SDK. Its configuration says what it does:
//! `NAME: VALUE` adds that header to the request and the response; `trap` fails on the request; `call` tries to call the cluster
//! `control`; `share` counts the calls that this API has seen in shared data and says the number in `x-count`; `answer` answers
//! itself; `path PATH` sends the call to another path; `loop` never ends; `grow` takes 600 MB; `after NAME: VALUE`
//! adds that header to the response alone.
//!
//! Built by: rustc --target wasm32-unknown-unknown --crate-type cdylib -O -C panic=abort -C strip=symbols probe.rs
#![no_std]

use core::ptr::{addr_of, addr_of_mut};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_add_header_map_value(map: i32, key: *const u8, key_size: usize, value: *const u8, value_size: usize) -> i32;
    fn proxy_get_buffer_bytes(kind: i32, start: usize, most: usize, data: *mut *const u8, size: *mut usize) -> i32;
    fn proxy_http_call(
        cluster: *const u8, cluster_size: usize, headers: *const u8, headers_size: usize, body: *const u8, body_size: usize,
        trailers: *const u8, trailers_size: usize, timeout: u32, token: *mut u32,
    ) -> i32;
    fn proxy_send_local_response(
        status: u32, details: *const u8, details_size: usize, body: *const u8, body_size: usize, headers: *const u8, headers_size: usize,
        grpc: i32,
    ) -> i32;
    fn proxy_replace_header_map_value(map: i32, key: *const u8, key_size: usize, value: *const u8, value_size: usize) -> i32;
    fn proxy_get_shared_data(key: *const u8, key_size: usize, data: *mut *const u8, size: *mut usize, cas: *mut u32) -> i32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, data: *const u8, size: usize, cas: u32) -> i32;
}

const SPACE: usize = 65536;
const KEPT: usize = 4096;
const SLOTS: usize = 1024;
static mut HEAP: [u8; SPACE] = [0; SPACE];
/// The first bytes of the heap stay for configurations; the rest starts anew when it is full.
static mut USED: usize = 0;
/// By context: the plugin it belongs to, and the plugin's configuration.
static mut ROOT: [u32; SLOTS] = [0; SLOTS];
static mut CONFIG: [&[u8]; SLOTS] = [&[]; SLOTS];

unsafe fn config(context: u32) -> &'static [u8] {
    (*addr_of!(CONFIG))[(*addr_of!(ROOT))[context as usize % SLOTS] as usize % SLOTS]
}

#[no_mangle]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// The host asks for memory only to hand over a configuration or a value; the space starts anew when it is full.
#[no_mangle]
pub unsafe extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    if USED + size > SPACE {
        USED = KEPT;
    }
    let at = addr_of_mut!(HEAP).cast::<u8>().add(USED);
    USED += size;
    at
}

#[no_mangle]
pub unsafe extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    (*addr_of_mut!(ROOT))[context as usize % SLOTS] = if parent == 0 { context } else { parent };
}

#[no_mangle]
pub extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}

#[no_mangle]
pub unsafe extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    let (mut data, mut length) = (core::ptr::null(), 0);
    if size > 0 && proxy_get_buffer_bytes(7, 0, size, &mut data, &mut length) == 0 {
        (*addr_of_mut!(CONFIG))[root as usize % SLOTS] = core::slice::from_raw_parts(data, length);
    }
    u32::from((*addr_of!(CONFIG))[root as usize % SLOTS] != b"refuse")
}

unsafe fn add(map: i32, name: &[u8], value: &[u8]) {
    proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len());
}

unsafe fn digit(number: u8) -> [u8; 1] {
    [b'0' + number % 10]
}

unsafe fn count() -> u8 {
    let (mut data, mut size, mut cas) = (core::ptr::null(), 0, 0);
    let seen = if proxy_get_shared_data(b"n".as_ptr(), 1, &mut data, &mut size, &mut cas) == 0 && size == 1 { *data } else { 0 };
    let next = seen + 1;
    proxy_set_shared_data(b"n".as_ptr(), 1, &next, 1, cas);
    next
}

unsafe fn act(context: u32, map: i32) {
    let config = config(context);
    if config == b"trap" {
        if map == 0 {
            core::arch::wasm32::unreachable();
        }
    } else if config == b"loop" {
        loop {
            core::hint::black_box(0);
        }
    } else if config == b"grow" {
        const PAGE: usize = 65536;
        let first = core::arch::wasm32::memory_grow(0, 9600);
        if map == 0 && first != usize::MAX {
            for at in (first * PAGE..(first + 9600) * PAGE).step_by(4096) {
                core::ptr::write_volatile(at as *mut u8, 1);
            }
        }
    } else if config == b"call" {
        let mut token = 0;
        let none = 0u32.to_le_bytes();
        let result = proxy_http_call(b"control".as_ptr(), 7, none.as_ptr(), 4, none.as_ptr(), 0, none.as_ptr(), 4, 1000, &mut token);
        add(map, b"x-call", if result == 0 { b"made" } else { b"refused" });
    } else if config == b"share" {
        if map == 0 {
            add(map, b"x-count", &digit(count()));
        }
    } else if config == b"answer" {
        if map == 0 {
            let none = 0u32.to_le_bytes();
            proxy_send_local_response(403, b"".as_ptr(), 0, b"no".as_ptr(), 2, none.as_ptr(), 4, -1);
        }
    } else if let Some(path) = config.strip_prefix(b"path ") {
        if map == 0 {
            for name in [&b":path"[..], &b"x-kapi-url"[..]] {
                proxy_replace_header_map_value(0, name.as_ptr(), name.len(), path.as_ptr(), path.len());
            }
        }
    } else if let Some(header) = config.strip_prefix(b"after ") {
        if map == 2 {
            let colon = header.iter().position(|byte| *byte == b':').unwrap_or(0);
            add(map, &header[..colon], &header[colon + 2..]);
        }
    } else if let Some(colon) = config.iter().position(|byte| *byte == b':') {
        add(map, &config[..colon], &config[colon + 2..]);
    }
}

#[no_mangle]
pub unsafe extern "C" fn proxy_on_request_headers(context: u32, _: u32, _: u32) -> u32 {
    act(context, 0);
    // A call that the module has answered stops here.
    u32::from(config(context) == b"answer")
}

#[no_mangle]
pub unsafe extern "C" fn proxy_on_response_headers(context: u32, _: u32, _: u32) -> u32 {
    act(context, 2);
    0
}
