//! Finds whole numbers at known places in JSON that comes in pieces: nothing is kept but where in the text it is, and the first short text
//! at a place that is looked for.
//!
//! Text that is no JSON finds nothing. Values one after another (NDJSON), or in one array, are documents of their own.

use std::rc::Rc;

use crate::estimate::{characters, is_text, plain_run};

/// A place: the names that lead to it from the outermost object. Several places may hold the same number.
pub type Place = Vec<String>;

const DEEPEST: usize = 256;
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 128;
/// In place of the index of a number: the place of a text.
const TEXT: usize = usize::MAX;
/// Places are told apart by the bits of one number.
pub const MOST_PLACES: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a value.
    Value,
    /// Before a name or the end of an object.
    Name,
    /// After a name.
    Colon,
    /// After a value.
    After,
    /// In a text; whether it is a name.
    Text(bool),
    /// After a backslash in a text.
    Escape(bool),
    Number,
    /// In true, false or null.
    Word,
    /// This is no JSON.
    Lost,
}

#[derive(Clone, Copy)]
struct Inside {
    object: bool,
    /// The places that may still be within, one bit of each.
    places: u32,
}

pub struct Scanner {
    wanted: Rc<Wanted>,
    at: At,
    inside: Vec<Inside>,
    name: Vec<u8>,
    /// The wanted places at the next value or below it.
    here: u32,
    number: Option<u64>,
    digits: bool,
    found: Vec<Option<u64>>,
    /// The string that is being read is for or from the model.
    text: bool,
    /// Characters of such strings, an escape for one.
    characters: i64,
    /// Inside an array that holds the documents.
    list: bool,
    /// The text that was looked for.
    kept: Vec<u8>,
    /// It is being read.
    keeping: bool,
}

/// What is looked for. Made once, for many documents.
#[derive(Default)]
pub struct Wanted {
    /// For each of the numbers and texts looked for, its places.
    places: Vec<(usize, Place)>,
    numbers: usize,
}

impl Wanted {
    /// For each number its index and one of its places; then the places of a text, of which the first is kept.
    pub fn new(mut places: Vec<(usize, Place)>, texts: &[&[&str]]) -> Self {
        let numbers = places.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        places.extend(texts.iter().map(|place| (TEXT, place.iter().map(|name| (*name).to_owned()).collect())));
        places.truncate(MOST_PLACES);
        Wanted { places, numbers }
    }
}

impl Scanner {
    pub fn new(wanted: Rc<Wanted>) -> Self {
        let found = vec![None; wanted.numbers];
        let (text, characters, list) = (false, 0, false);
        let (at, inside, name, here) = (At::Value, Vec::new(), Vec::new(), u32::MAX);
        Scanner { wanted, at, inside, name, here, number: None, digits: false, found, text, characters, list, kept: Vec::new(), keeping: false }
    }

    /// The text that was looked for; empty if there was none, or it is longer than anything that is looked for.
    pub fn kept(&self) -> &str {
        if self.keeping || self.kept.len() > LONGEST_TEXT { "" } else { core::str::from_utf8(&self.kept).unwrap_or("") }
    }

    /// How many characters of texts have been read, in all documents.
    pub fn characters(&self) -> u64 {
        self.characters.max(0).unsigned_abs()
    }

    /// Take the next piece; `each` gets what was found in each document that ends in it.
    pub fn feed(&mut self, piece: &[u8], each: &mut impl FnMut(&[Option<u64>])) {
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match self.at {
                At::Text(is_name) => {
                    if *byte != b'"' && *byte != b'\\' {
                        let (end, count) = plain_run(rest);
                        if is_name {
                            self.lengthen(*byte, &rest[..end]);
                        } else if self.text {
                            self.characters += characters(&[*byte]) + count;
                        } else if self.keeping {
                            let left = (LONGEST_TEXT + 1).saturating_sub(self.kept.len());
                            self.kept.extend(core::iter::once(*byte).chain(rest[..end].iter().copied()).take(left));
                        }
                        rest = &rest[end..];
                        continue;
                    }
                    self.at = match (*byte, is_name) {
                        (b'\\', _) => At::Escape(is_name),
                        (_, true) => At::Colon,
                        _ => {
                            self.keeping = false;
                            At::After
                        }
                    };
                }
                At::Escape(is_name) => {
                    // None of the names looked for has a character that must be escaped.
                    if is_name {
                        self.lengthen(0, &[]);
                    } else if self.keeping {
                        // No name of a model has a character that must be escaped.
                        self.kept.resize(LONGEST_TEXT + 1, 0);
                    } else if self.text {
                        // The four digits that follow count as characters.
                        self.characters += if *byte == b'u' { -3 } else { 1 };
                    }
                    self.at = At::Text(is_name);
                }
                At::Number if byte.is_ascii_digit() => {
                    if self.digits {
                        self.number = self.number.map(|number| number.saturating_mul(10).saturating_add(u64::from(byte - b'0')));
                    }
                }
                At::Number if *byte == b'.' => self.digits = false,
                At::Number if matches!(byte, b'e' | b'E' | b'+' | b'-') => (self.digits, self.number) = (false, None),
                At::Word if byte.is_ascii_lowercase() => {}
                At::Number | At::Word => {
                    self.keep();
                    self.at = At::After;
                    self.close(each);
                    self.mark(*byte);
                }
                _ => self.mark(*byte),
            }
            self.close(each);
        }
    }

    /// The text ends here; a number at its end is over.
    pub fn end(&mut self, each: &mut impl FnMut(&[Option<u64>])) {
        if self.inside.is_empty() && matches!(self.at, At::Number | At::Word) {
            self.keep();
            self.at = At::After;
            self.close(each);
        }
        self.list = false;
        self.restart();
    }

    fn restart(&mut self) {
        self.at = At::Value;
        self.inside.clear();
        self.number = None;
        self.found.fill(None);
        self.here = u32::MAX;
    }

    /// After a value that is in nothing else, the document ends.
    fn close(&mut self, each: &mut impl FnMut(&[Option<u64>])) {
        if self.at == At::After && self.inside.is_empty() {
            if self.found.iter().any(Option::is_some) {
                each(&self.found);
            }
            self.restart();
        }
    }

    /// A character that structures the text.
    fn mark(&mut self, byte: u8) {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return;
        }
        self.at = match (self.at, byte) {
            (At::Value, b'{') => self.open(true),
            (At::Value, b'[') if self.inside.is_empty() && !self.list => {
                self.list = true;
                At::Value
            }
            (At::Value, b',') if self.inside.is_empty() && self.list => At::Value,
            (At::Value, b']') if self.inside.is_empty() && self.list => {
                self.list = false;
                At::Value
            }
            (At::Value, b'[') => self.open(false),
            (At::Value, b'"') => {
                self.text = !self.inside.is_empty() && is_text(&self.name);
                self.keeping = self.here != 0 && self.kept.is_empty() && self.is_at_text();
                At::Text(false)
            }
            (At::Value, b'-') => self.begin(None),
            (At::Value, b'0'..=b'9') => self.begin(Some(u64::from(byte - b'0'))),
            (At::Value, b't' | b'f' | b'n') => At::Word,
            (At::Name, b'"') => {
                self.name.clear();
                At::Text(true)
            }
            (At::Colon, b':') => {
                self.here = self.below();
                At::Value
            }
            (At::After, b',') => match self.inside.last() {
                Some(Inside { object: true, .. }) => At::Name,
                Some(_) => At::Value,
                None => At::Lost,
            },
            (At::After | At::Name, b'}') => self.leave(true),
            (At::After | At::Value, b']') => self.leave(false),
            _ => At::Lost,
        };
    }

    /// The name goes on; more of it than is looked for need not be kept.
    fn lengthen(&mut self, first: u8, rest: &[u8]) {
        let left = (LONGEST_NAME + 1).saturating_sub(self.name.len());
        self.name.extend(core::iter::once(first).chain(rest.iter().copied()).take(left));
    }

    fn begin(&mut self, first: Option<u64>) -> At {
        (self.number, self.digits) = (first, first.is_some());
        At::Number
    }

    fn open(&mut self, object: bool) -> At {
        if self.inside.len() == DEEPEST {
            return At::Lost;
        }
        let places = if object { self.here } else { 0 };
        self.inside.push(Inside { object, places });
        self.here = 0;
        if object { At::Name } else { At::Value }
    }

    fn leave(&mut self, object: bool) -> At {
        match self.inside.pop() {
            Some(inside) if inside.object == object => At::After,
            _ => At::Lost,
        }
    }

    /// Whether the value to come is a text that is looked for.
    fn is_at_text(&self) -> bool {
        let depth = self.inside.len();
        let here = |(index, (which, place)): (usize, &(usize, Place))| *which == TEXT && self.here & 1 << index != 0 && place.len() == depth;
        self.wanted.places.iter().enumerate().any(here)
    }

    /// The places at or below the name that was just read.
    fn below(&self) -> u32 {
        let (depth, places) = self.inside.last().map_or((0, 0), |inside| (self.inside.len() - 1, inside.places));
        let fits = |place: &Place| place.get(depth).is_some_and(|name| name.as_bytes() == self.name);
        self.wanted.places.iter().enumerate().filter(|(_, (_, place))| fits(place)).fold(0, |bits, (index, _)| bits | 1 << index) & places
    }

    /// Keep the number that was just read, if it is at one of the places.
    fn keep(&mut self) {
        if let (At::Number, Some(number)) = (self.at, self.number) {
            let depth = self.inside.len();
            for (index, (which, place)) in self.wanted.places.iter().enumerate() {
                if *which != TEXT && self.here & 1 << index != 0 && place.len() == depth {
                    self.found[*which] = self.found[*which].max(Some(number));
                }
            }
        }
        self.number = None;
    }
}
