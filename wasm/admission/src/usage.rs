//! How many tokens an answer of an AI provider took, read while it passes: JSON, server-sent events, plain or gzip.
//!
//! Nothing is held back and nothing is kept of the answer. Numbers count as soon as the document that says them is whole, and a number
//! that an answer says several times (events with a running sum) counts once, by its greatest value.

use crate::counters::{add, used, Shared};
use crate::events::Events;
use crate::inflate::Inflate;
use crate::json::Scanner;
use crate::rules::{Limit, What};

/// What of each number was counted when the request was let in (`admit::count`).
const AT_REQUEST: u64 = 1;
const NUMBERS: [What; 3] = [What::Prompt, What::Completion, What::Total];

/// Where the numbers stand: for each of prompt, completion and total the places it may be at, parts between dots, places between spaces;
/// the three between tabs. `header:NAME` is a place too.
pub struct Places<'a>(&'a str);

impl<'a> Places<'a> {
    pub fn new(text: &'a str) -> Self {
        Places(text)
    }

    fn each(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.0.split('\t').take(NUMBERS.len()).enumerate().flat_map(|(number, places)| places.split(' ').map(move |place| (number, place)))
    }

    fn headers(&self) -> Vec<(usize, String)> {
        self.each().filter_map(|(number, place)| Some((number, place.strip_prefix("header:")?.to_owned()))).collect()
    }

    fn body(&self) -> Vec<(usize, Vec<String>)> {
        let places = self.each().filter(|(_, place)| !place.is_empty() && !place.starts_with("header:"));
        places.map(|(number, place)| (number, place.split('.').map(str::to_owned).collect())).collect()
    }
}

enum Form {
    Json,
    Events(Events),
    Unknown,
}

struct Counter {
    what: What,
    key: String,
    unit: u32,
}

pub struct Usage {
    counters: Vec<Counter>,
    headers: Vec<(usize, String)>,
    scanner: Scanner,
    form: Form,
    gzip: Option<Inflate>,
    seen: [u64; 3],
    total_said: bool,
    counted: [u64; 3],
}

impl Usage {
    /// For those of the limits that count tokens.
    pub fn new(limits: &[Limit], places: &Places) -> Self {
        let tokens = limits.iter().filter(|limit| limit.what != What::Request);
        let counters: Vec<Counter> = tokens.map(|limit| Counter { what: limit.what, key: limit.key.to_owned(), unit: limit.unit }).collect();
        let scanner = Scanner::new(places.body());
        let (headers, form, gzip) = (places.headers(), Form::Unknown, None);
        Usage { counters, headers, scanner, form, gzip, seen: [0; 3], total_said: false, counted: [AT_REQUEST; 3] }
    }

    /// What kind of answer this is, by its headers, and the numbers that stand there.
    pub fn begin<'a>(&mut self, header: impl Fn(&str) -> Option<&'a str>) {
        let text = |name| header(name).unwrap_or("").trim().to_ascii_lowercase();
        let (content_type, encoding) = (text("content-type"), text("content-encoding"));
        self.form = if content_type.contains("event-stream") {
            Form::Events(Events::new())
        } else if content_type.is_empty() || content_type.contains("json") {
            Form::Json
        } else {
            Form::Unknown
        };
        match encoding.as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" => self.gzip = Some(Inflate::new()),
            _ => self.form = Form::Unknown,
        }
        let Usage { headers, seen, total_said, .. } = self;
        for (number, name) in headers {
            if let Some(value) = header(name).and_then(|value| value.trim().parse().ok()) {
                let mut found = [None; NUMBERS.len()];
                found[*number] = Some(value);
                note(seen, total_said, &found);
            }
        }
    }

    /// The next piece of the body; `last` when nothing comes after it.
    pub fn body(&mut self, piece: &[u8], last: bool) {
        let Usage { scanner, form, gzip, seen, total_said, .. } = self;
        let mut each = |found: &[Option<u64>]| note(seen, total_said, found);
        let mut read = |piece: &[u8]| match form {
            Form::Json => scanner.feed(piece, &mut each),
            Form::Events(events) => events.feed(piece, scanner, &mut each),
            Form::Unknown => {}
        };
        match gzip {
            _ if piece.is_empty() => {}
            Some(inflate) => inflate.feed(piece, &mut read),
            None => read(piece),
        }
        if last {
            self.scanner.end(&mut |found| note(&mut self.seen, &mut self.total_said, found));
        }
    }

    /// Count what was read since the last time.
    pub fn count(&mut self, shared: &impl Shared, now: u64) {
        let [prompt, completion, total] = self.seen;
        let total = if self.total_said { total } else { prompt.saturating_add(completion) };
        let seen = [prompt, completion, total];
        for (number, what) in NUMBERS.iter().enumerate() {
            let more = seen[number].saturating_sub(self.counted[number]);
            if more > 0 {
                self.counted[number] = seen[number];
                for counter in self.counters.iter().filter(|counter| counter.what == *what) {
                    spend(shared, counter, more, now);
                }
            }
        }
    }
}

fn note(seen: &mut [u64; 3], total_said: &mut bool, found: &[Option<u64>]) {
    for (seen, found) in seen.iter_mut().zip(found) {
        *seen = (*seen).max(found.unwrap_or(0));
    }
    *total_said |= found.get(2).is_some_and(Option::is_some);
}

fn spend(shared: &impl Shared, counter: &Counter, amount: u64, now: u64) {
    let key = counter.key.as_bytes();
    // An answer that says more than a counter can hold fills it.
    let room = u32::MAX - used(shared, key, counter.unit, now);
    add(shared, key, counter.unit, u32::try_from(amount).unwrap_or(u32::MAX).min(room), u32::MAX, now);
}
