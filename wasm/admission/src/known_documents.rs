//! Documents that were parsed before, of one thread: clients send the same few again and again, with other variables. Bounded in number,
//! length and root fields; when there is no room, all are forgotten.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::graphql_document::{Fault, Parsed};

const MOST: usize = 256;
const LONGEST: usize = 16 * 1024;
const LARGEST: usize = 1024 * 1024;
const MOST_ROOTS: usize = 64;

#[derive(Default)]
pub struct Documents {
    /// By a hash of the text. The text decides.
    known: BTreeMap<u64, (String, Rc<Parsed>)>,
    size: usize,
}

impl Documents {
    pub const fn new() -> Self {
        Documents { known: BTreeMap::new(), size: 0 }
    }

    pub fn parsed(&mut self, text: &str) -> Result<Rc<Parsed>, Fault> {
        let key = hash(text.as_bytes());
        if let Some((_, parsed)) = self.known.get(&key).filter(|(known, _)| same(known.as_bytes(), text.as_bytes())) {
            return Ok(parsed.clone());
        }
        let parsed = Rc::new(Parsed::of(text)?);
        let roots: usize = parsed.operations.iter().map(|operation| operation.roots.len() + 1).sum();
        if text.len() <= LONGEST && roots <= MOST_ROOTS {
            if self.known.len() >= MOST || self.size + text.len() > LARGEST {
                *self = Documents::new();
            }
            self.size += text.len();
            self.known.insert(key, (text.to_owned(), parsed.clone()));
        }
        Ok(parsed)
    }
}

/// Whether two texts are the same. The comparison of the standard library takes single bytes in WebAssembly.
fn same(one: &[u8], other: &[u8]) -> bool {
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    let mut pairs = words.iter().zip(other_words);
    one.len() == other.len() && pairs.all(|(word, other)| u64::from_le_bytes(*word) == u64::from_le_bytes(*other)) && rest == other_rest
}

/// A hash for looking up; nothing relies on it.
fn hash(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}
