//! Where answers are in the memory that threads share: sets of two, each answer in the set of its key. One that comes takes the place of one with
//! the same key, of a stale one, or of the one that is stale first.

use crate::entry::Entry;
use crate::host::SharedData;
use crate::shared_data::Shared;

const SETS: u64 = 512;
const WAYS: usize = 2;

#[derive(Clone, Copy, Default)]
struct Place {
    hash: u64,
    until: u64,
}

/// FNV-1a: keys are compared whole after it.
fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)).max(1)
}

fn index_key(hash: u64) -> Vec<u8> {
    format!("index/{}", hash % SETS).into_bytes()
}

fn entry_key(hash: u64, way: usize) -> Vec<u8> {
    format!("answer/{}/{way}", hash % SETS).into_bytes()
}

fn index(hash: u64) -> [Place; WAYS] {
    let mut places = [Place::default(); WAYS];
    if let Some((value, _)) = SharedData.get(&index_key(hash)) {
        for (place, sixteen) in places.iter_mut().zip(value.chunks_exact(16)) {
            let number = |at: usize| u64::from_le_bytes(core::array::from_fn(|byte| sixteen[at + byte]));
            *place = Place { hash: number(0), until: number(8) };
        }
    }
    places
}

fn write_index(hash: u64, places: &[Place; WAYS]) {
    let value: Vec<u8> = places.iter().flat_map(|place| [place.hash, place.until]).flat_map(u64::to_le_bytes).collect();
    SharedData.set(&index_key(hash), &value, 0);
}

/// The answer of a key, if there is one that is fresh.
pub fn get(key: &str, now: u64) -> Option<Entry> {
    let hash = hash(key);
    let way = index(hash).iter().position(|place| place.hash == hash && place.until > now)?;
    let entry = Entry::read(SharedData.get(&entry_key(hash, way))?.0)?;
    (entry.key == key && entry.stored + entry.fresh > now).then_some(entry)
}

pub fn put(entry: &Entry, now: u64) {
    let hash = hash(&entry.key);
    let mut places = index(hash);
    let known = places.iter().position(|place| place.hash == hash);
    let way = known.unwrap_or_else(|| (0..WAYS).min_by_key(|way| places[*way].until.max(now)).unwrap_or(0));
    SharedData.set(&entry_key(hash, way), &entry.written(), 0);
    places[way] = Place { hash, until: entry.stored + entry.fresh };
    write_index(hash, &places);
}

pub fn remove(key: &str) {
    let hash = hash(key);
    let mut places = index(hash);
    if let Some(way) = places.iter().position(|place| place.hash == hash) {
        places[way] = Place::default();
        write_index(hash, &places);
        SharedData.set(&entry_key(hash, way), b"", 0);
    }
}
