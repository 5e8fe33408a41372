//! Counters in fixed windows aligned to the clock, exact between threads: each change is a compare-and-swap.
//!
//! One shard has many counters, so that old ones can be dropped (shared data has no way to delete a key) and all can be listed.
//! An entry: unit (seconds), window (number of units since the epoch), count, length of the key, key; little-endian.

use crate::shared_data::{Shared, NEW};

pub const SHARDS: u32 = 1024;
/// Windows at least this long are told to the control process, which keeps them across restarts.
pub const LONG: u32 = 3600;
const LARGEST_SHARD: usize = 64 * 1024;
const HEAD: usize = 14;
pub const LONGEST_KEY: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    pub unit: u32,
    pub window: u32,
    pub count: u32,
    pub key: &'a [u8],
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The entries of a shard with the offset of each.
pub fn entries(shard: &[u8]) -> impl Iterator<Item = (usize, Entry<'_>)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        if at + HEAD > shard.len() {
            return None;
        }
        let end = at + HEAD + usize::from(u16::from_le_bytes([shard[at + 12], shard[at + 13]]));
        if end > shard.len() {
            return None;
        }
        let entry = Entry { unit: number(shard, at), window: number(shard, at + 4), count: number(shard, at + 8), key: &shard[at + HEAD..end] };
        let start = at;
        at = end;
        Some((start, entry))
    })
}

fn push(shard: &mut Vec<u8>, entry: &Entry) {
    shard.extend_from_slice(&entry.unit.to_le_bytes());
    shard.extend_from_slice(&entry.window.to_le_bytes());
    shard.extend_from_slice(&entry.count.to_le_bytes());
    shard.extend_from_slice(&(entry.key.len() as u16).to_le_bytes());
    shard.extend_from_slice(entry.key);
}

/// The name of a shard; long windows have shards of their own.
pub fn shard_name(long: bool, number: u32) -> [u8; 6] {
    let digit = |shift: u32| b"0123456789abcdef"[(number >> shift & 15) as usize];
    [b'n', if long { b'l' } else { b's' }, b'/', digit(8), digit(4), digit(0)]
}

fn shard_of(key: &[u8], unit: u32) -> [u8; 6] {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    shard_name(unit >= LONG, ((hash >> 32) as u32 ^ hash as u32) % SHARDS)
}

fn cut(key: &[u8]) -> &[u8] {
    &key[..key.len().min(LONGEST_KEY)]
}

/// How often the key was counted in the window of `now`.
pub fn used(shared: &impl Shared, key: &[u8], unit: u32, now: u64) -> u32 {
    let (key, window) = (cut(key), (now / u64::from(unit)) as u32);
    let Some((shard, _)) = shared.get(&shard_of(key, unit)) else { return 0 };
    let found = entries(shard).find(|(_, entry)| entry.unit == unit && entry.key == key && entry.window == window);
    found.map_or(0, |(_, entry)| entry.count)
}

/// Count `amount` more, if that makes at most `allowed` in this window; the count afterwards, or None.
///
/// None also when the shard is full of running counters: a flood of keys must not open the limits of others.
pub fn add(shared: &impl Shared, key: &[u8], unit: u32, amount: u32, allowed: u32, now: u64) -> Option<u32> {
    change(shared, key, unit, now, |before| before.checked_add(amount).filter(|count| *count <= allowed))
}

/// Take `amount` off the count of this window, if it is as high; the count afterwards, or None.
pub fn take(shared: &impl Shared, key: &[u8], unit: u32, amount: u32, now: u64) -> Option<u32> {
    change(shared, key, unit, now, |before| before.checked_sub(amount))
}

/// Make the count of this window at least `count`.
pub fn raise(shared: &impl Shared, key: &[u8], unit: u32, count: u32, now: u64) {
    change(shared, key, unit, now, |before| Some(count).filter(|count| *count > before));
}

/// Write what `after` makes of the count of this window; None if that is None, or if the shard is full.
fn change(shared: &impl Shared, key: &[u8], unit: u32, now: u64, after: impl Fn(u32) -> Option<u32>) -> Option<u32> {
    let (key, window) = (cut(key), (now / u64::from(unit)) as u32);
    let name = shard_of(key, unit);
    loop {
        let (shard, cas) = shared.get(&name).unwrap_or((&mut [], NEW));
        let found = entries(shard).find(|(_, entry)| entry.unit == unit && entry.key == key).map(|(at, entry)| (at, entry.window, entry.count));
        let before = found.map_or(0, |(_, then, count)| if then == window { count } else { 0 });
        let after = after(before)?;
        let done = if let Some((at, _, _)) = found {
            shard[at + 4..at + 8].copy_from_slice(&window.to_le_bytes());
            shard[at + 8..at + 12].copy_from_slice(&after.to_le_bytes());
            shared.set(&name, shard, cas)
        } else {
            let mut fresh = Vec::with_capacity(shard.len() + HEAD + key.len());
            for (_, entry) in entries(shard).filter(|(_, entry)| u64::from(entry.window) >= now / u64::from(entry.unit.max(1))) {
                push(&mut fresh, &entry);
            }
            push(&mut fresh, &Entry { unit, window, count: after, key });
            if fresh.len() > LARGEST_SHARD {
                return None;
            }
            shared.set(&name, &fresh, cas)
        };
        if done {
            return Some(after);
        }
    }
}

/// Take back what another limit then refused.
pub fn give_back(shared: &impl Shared, key: &[u8], unit: u32, amount: u32, now: u64) {
    let (key, window) = (cut(key), (now / u64::from(unit)) as u32);
    let name = shard_of(key, unit);
    while let Some((shard, cas)) = shared.get(&name) {
        let found = entries(shard).find(|(_, entry)| entry.unit == unit && entry.key == key && entry.window == window);
        let Some((at, count)) = found.map(|(at, entry)| (at, entry.count)) else { return };
        shard[at + 8..at + 12].copy_from_slice(&count.saturating_sub(amount).to_le_bytes());
        if shared.set(&name, shard, cas) {
            return;
        }
    }
}
