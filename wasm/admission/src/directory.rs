//! Who may call what: records that the control process wrote. A record counts only in the generation that is in force.

use crate::shared_data::Shared;

/// Name of the record that says which generation is in force.
pub const GENERATION: &[u8] = b"g";

/// How often records were written.
const VERSION: &[u8] = b"dv";

/// Between a record and the one it follows; separates the records of a request too, so that no record has it.
const AND_BEFORE: u8 = b'\x0c';

/// A record of the generation in force, without its first line.
pub fn record(shared: &impl Shared, kind: u8, parts: &[&str]) -> Option<&'static str> {
    let mut name = Vec::with_capacity(128);
    name.extend_from_slice(&[b'd', b'/', kind]);
    for part in parts {
        name.push(b'\t');
        name.extend_from_slice(part.as_bytes());
    }
    let counting = counting(&*shared.get(&name)?.0, in_force(shared)?)?;
    Some(core::str::from_utf8(counting).ok()?.split_once('\n')?.1)
}

/// Write a record. One of a generation that is not in force yet keeps the one that is: until then that one counts.
pub fn write(shared: &impl Shared, name: &[u8], value: &[u8]) {
    let name = [b"d/", name].concat();
    let before = in_force(shared)
        .filter(|generation| !value.is_empty() && !is_of(value, generation))
        .and_then(|generation| counting(&*shared.get(&name)?.0, generation));
    match before {
        Some(before) => shared.set(&name, &[value, &[AND_BEFORE], before].concat(), 0),
        None => shared.set(&name, value, 0),
    };
}

/// The part of a stored record that is of this generation.
fn counting<'a>(stored: &'a [u8], generation: &[u8]) -> Option<&'a [u8]> {
    stored.split(|byte| *byte == AND_BEFORE).find(|one| is_of(one, generation))
}

fn is_of(record: &[u8], generation: &[u8]) -> bool {
    record.strip_prefix(generation).is_some_and(|rest| rest.first() == Some(&b'\n'))
}

/// The generation in force; None before the control process has spoken.
pub fn in_force(shared: &impl Shared) -> Option<&'static [u8]> {
    shared.get(GENERATION).map(|(value, _)| &*value).filter(|value| !value.is_empty())
}

/// A number that is another one after records were written.
pub fn version(shared: &impl Shared) -> u64 {
    shared.get(VERSION).and_then(|(value, _)| value.first_chunk().copied()).map_or(0, u64::from_le_bytes)
}

/// Records were written. Only one thread at a time writes.
pub fn written(shared: &impl Shared) {
    let next = version(shared) + 1;
    shared.set(VERSION, &next.to_le_bytes(), 0);
}
