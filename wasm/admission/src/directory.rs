//! Who may call what: records that the control process wrote. A record counts only in the generation that is in force.

use crate::counters::Shared;

/// Name of the record that says which generation is in force.
pub const GENERATION: &[u8] = b"g";

/// A record of the generation in force, without its first line.
pub fn record(shared: &impl Shared, kind: u8, parts: &[&str]) -> Option<&'static str> {
    let mut name = Vec::with_capacity(128);
    name.extend_from_slice(&[b'd', b'/', kind]);
    for part in parts {
        name.push(b'\t');
        name.extend_from_slice(part.as_bytes());
    }
    let text: &'static [u8] = shared.get(&name)?.0;
    let (generation, rest) = core::str::from_utf8(text).ok()?.split_once('\n')?;
    (Some(generation.as_bytes()) == in_force(shared)).then_some(rest)
}

/// The generation in force; None before the control process has spoken.
pub fn in_force(shared: &impl Shared) -> Option<&'static [u8]> {
    shared.get(GENERATION).map(|(value, _)| &*value).filter(|value| !value.is_empty())
}
