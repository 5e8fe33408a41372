//! Texts of persisted queries in memory that the threads share: a fixed number of slots, each for a text of a limited size. The digest
//! of a text says which two slots it may be in. A text that was displaced is sent again by the client.

use std::rc::Rc;

use crate::shared_data::Shared;
use crate::graphql::Persisted;
use crate::graphql_document::{Fault, Parsed};
use crate::known_documents::Documents;

const SLOTS: u32 = 1024;
const LONGEST: usize = 16 * 1024;
const DIGEST: usize = 64;

pub struct Slots<'a, S: Shared>(pub &'a S);

static mut DOCUMENTS: Documents = Documents::new();

/// The names of the slots of a digest of hexadecimal digits.
fn names(digest: &str) -> [String; 2] {
    let slot = |start: usize| u32::from_str_radix(digest.get(start..start + 8).unwrap_or(""), 16).unwrap_or(0) % SLOTS;
    [format!("q/{}", slot(0)), format!("q/{}", slot(8))]
}

impl<S: Shared> Slots<'_, S> {
    /// The digest and the text in a slot.
    fn read(&self, name: &str) -> Option<(&'static str, &'static str)> {
        let (value, _) = self.0.get(name.as_bytes())?;
        let value = core::str::from_utf8(value).ok()?;
        Some((value.get(..DIGEST)?, value.get(DIGEST..)?))
    }

    /// Keep a text whose digest was checked.
    pub fn keep(&self, digest: &str, query: &str) {
        let [first, second] = names(digest);
        let (there, other) = (self.read(&first), self.read(&second));
        let known = [there, other].into_iter().flatten().any(|(kept, _)| kept == digest);
        if known || query.len() > LONGEST {
            return;
        }
        let name = if there.is_some() && other.is_none() { second } else { first };
        self.0.set(name.as_bytes(), [digest, query].concat().as_bytes(), 0);
    }
}

impl<S: Shared> Persisted for Slots<'_, S> {
    fn text(&self, digest: &str) -> Option<String> {
        names(digest).iter().filter_map(|name| self.read(name)).find(|(kept, _)| *kept == digest).map(|(_, query)| query.to_owned())
    }
    /// A module runs in one thread, one callback at a time.
    fn parsed(&self, text: &str) -> Result<Rc<Parsed>, Fault> {
        unsafe { (*core::ptr::addr_of_mut!(DOCUMENTS)).parsed(text) }
    }
}
