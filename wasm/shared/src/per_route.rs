//! A module whose settings are in the metadata of routes: what it keeps of them, and the callbacks that it needs for nothing else.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::host;

#[no_mangle]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[no_mangle]
pub extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}

#[no_mangle]
pub extern "C" fn proxy_on_configure(_: u32, _: usize) -> u32 {
    1
}

#[no_mangle]
pub extern "C" fn proxy_on_context_create(_: u32, _: u32) {}

/// The settings of routes, each read once in each thread.
pub struct Settings<T> {
    known: BTreeMap<String, Rc<T>>,
}

impl<T> Settings<T> {
    pub const fn new() -> Self {
        Settings { known: BTreeMap::new() }
    }

    /// Those of the current route, whose metadata has them by the name of the filter: `id`, and `config` as JSON. None if they cannot
    /// be read. At most `most` routes are kept.
    pub fn current(&mut self, filter: &str, most: usize, read: impl Fn(&str) -> Option<T>) -> Option<Rc<T>> {
        let id = field(filter, "id")?;
        if let Some(known) = self.known.get(id) {
            return Some(known.clone());
        }
        let made = Rc::new(read(field(filter, "config")?)?);
        if self.known.len() >= most {
            self.known.clear();
        }
        self.known.insert(id.to_owned(), made.clone());
        Some(made)
    }
}

fn field(filter: &str, name: &str) -> Option<&'static str> {
    let path = ["xds", "route_metadata", "filter_metadata", filter, name].join("\0");
    host::property(path.as_bytes()).and_then(|value| core::str::from_utf8(value).ok())
}
