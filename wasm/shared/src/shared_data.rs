//! Data that the threads of one Envoy share.

/// `set` with a `cas` that is not the value's current one changes nothing and answers false;
/// with `NEW` it succeeds only while there is no value.
pub trait Shared {
    fn get(&self, key: &[u8]) -> Option<(&'static mut [u8], u32)>;
    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> bool;
}

pub const NEW: u32 = u32::MAX;
