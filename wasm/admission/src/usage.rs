//! How many tokens an answer of an AI provider took, read while it passes: JSON, server-sent events, binary events of AWS, plain or gzip.
//! And of which model it is, where the route has prices.
//!
//! A stream that does not say its tokens, or is cut before it does, counts by an estimate of its text (`estimate`).
//! Nothing is held back and nothing is kept of the answer. Numbers count as soon as the document that says them is whole, and a number
//! that an answer says several times (events with a running sum) counts once, by its greatest value.

use std::cell::RefCell;
use std::rc::Rc;

use crate::counters::{add, used};
use crate::permits;
use crate::shared_data::Shared;
use crate::estimate::tokens;
use crate::event_messages::EventMessages;
use crate::events::Events;
use crate::inflate::Inflate;
use crate::json::{Scanner, Wanted};
use crate::prices::Prices;
use crate::rules::{Limit, What};

/// What of each number was counted when the request was let in (`admit::count`).
const AT_REQUEST: u64 = 1;
const NUMBERS: [What; 3] = [What::Prompt, What::Completion, What::Total];

/// Where the numbers stand: for each of prompt, completion and total the places it may be at, parts between dots, places between spaces;
/// the three between tabs. `header:NAME` is a place too. A fourth text
/// is the name of the counters of all tokens that the API takes.
pub struct Places<'a>(&'a str);

impl<'a> Places<'a> {
    pub fn new(text: &'a str) -> Self {
        Places(text)
    }

    fn each(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.0.split('\t').take(NUMBERS.len()).enumerate().flat_map(|(number, places)| places.split(' ').map(move |place| (number, place)))
    }

    /// The counters of what the whole API took, where a fourth text names them.
    fn totals(&self) -> Vec<Counter> {
        let Some(name) = self.0.split('\t').nth(NUMBERS.len()).filter(|name| !name.is_empty()) else { return Vec::new() };
        let named = |(what, letter)| Counter { what, key: format!("{name}/{letter}"), unit: DAY, counted: 0, shared: None };
        [(What::Prompt, 'p'), (What::Completion, 'c')].map(named).into()
    }

    fn headers(&self) -> Vec<(usize, String)> {
        self.each().filter_map(|(number, place)| Some((number, place.strip_prefix("header:")?.to_owned()))).collect()
    }

    /// What is looked for in a body; each thread reads a text once.
    fn wanted(&self, texts: &[&[&str]]) -> Rc<Wanted> {
        READ.with_borrow_mut(|read| {
            let known = read.iter().find(|(text, number, _)| *number == texts.len() && text == self.0);
            if let Some((.., known)) = known {
                return Rc::clone(known);
            }
            if read.len() >= MOST_READ {
                read.clear();
            }
            let made = Rc::new(Wanted::new(self.body(), texts));
            read.push((self.0.to_owned(), texts.len(), Rc::clone(&made)));
            made
        })
    }

    fn body(&self) -> Vec<(usize, Vec<String>)> {
        let places = self.each().filter(|(_, place)| !place.is_empty() && !place.starts_with("header:"));
        places.map(|(number, place)| (number, place.split('.').map(str::to_owned).collect())).collect()
    }
}

/// Texts of routes whose places are kept.
const MOST_READ: usize = 64;

thread_local! {
    /// By the text of the places and how many texts are looked for besides.
    static READ: RefCell<Vec<(String, usize, Rc<Wanted>)>> = const { RefCell::new(Vec::new()) };
}

enum Form {
    Json,
    Events(Events),
    Messages(EventMessages),
    Unknown,
}

struct Counter {
    what: What,
    key: String,
    unit: u32,
    /// What was counted so far.
    counted: u64,
    /// How many all nodes may take, if the limit is shared with others.
    shared: Option<u32>,
}

/// Where an answer or a request names its model.
const MODELS: [&[&str]; 4] = [&["model"], &["message", "model"], &["response", "model"], &["modelVersion"]];

/// The window of the totals that are no limit, in seconds: a day.
const DAY: u32 = 86_400;

pub struct Usage {
    counters: Vec<Counter>,
    headers: Vec<(usize, String)>,
    scanner: Scanner,
    form: Form,
    gzip: Option<Inflate>,
    seen: [u64; 3],
    total_said: bool,
    /// Reads the request as far as it is JSON, for its characters.
    asked: Option<Scanner>,
    /// The answer comes in pieces as the model makes them, and did not fail.
    stream: bool,
    /// The model that the path of the request names; None where calls have no prices.
    priced: Option<String>,
}

impl Usage {
    /// For those of the limits that count tokens, and the totals of the places. `shared`: other nodes count too.
    pub fn new(limits: &[Limit], places: &Places, shared: bool) -> Self {
        let limited = limits.iter().filter(|limit| limit.what != What::Request);
        let limited = limited.map(|limit| Counter {
            what: limit.what,
            key: limit.key.to_owned(),
            unit: limit.unit,
            counted: AT_REQUEST,
            shared: (shared && limit.stops).then_some(limit.allowed),
        });
        let counters: Vec<Counter> = limited.chain(places.totals()).collect();
        let scanner = Scanner::new(places.wanted(&[]));
        let (headers, form, gzip) = (places.headers(), Form::Unknown, None);
        Usage { counters, headers, scanner, form, gzip, seen: [0; 3], total_said: false, asked: None, stream: false, priced: None }
    }

    /// Find the model too. `path` is what the path of the request names.
    pub fn find_model(&mut self, places: &Places, path: String) {
        self.scanner = Scanner::new(places.wanted(&MODELS));
        self.priced = Some(path);
    }

    /// Read the body of the request too, for the estimate and the model.
    pub fn read_request(&mut self) {
        let models = if self.priced.is_some() { &MODELS[..1] } else { &[] };
        self.asked = Some(Scanner::new(Places::new("").wanted(models)));
    }

    /// The model that the answer names, or the request. Empty if it is not known. A provider whose paths name the model does not read it in
    /// the body, where a caller could name a cheaper one.
    pub fn model(&self) -> &str {
        let Some(path) = &self.priced else { return "" };
        let asked = self.asked.as_ref().map_or("", Scanner::kept);
        [self.scanner.kept(), path.as_str(), asked].into_iter().find(|name| !name.is_empty()).unwrap_or("")
    }

    /// Amount and currency, if the model has prices.
    pub fn cost(&self, prices: &Prices) -> Option<String> {
        let [prompt, completion, _] = self.tokens();
        prices.cost(self.model(), prompt, completion)
    }

    /// The next piece of the request, which is not held.
    pub fn request(&mut self, piece: &[u8]) {
        if let Some(asked) = &mut self.asked {
            asked.feed(piece, &mut |_| {});
        }
    }

    /// What kind of answer this is, by its headers, and the numbers in them.
    pub fn begin<'a>(&mut self, header: impl Fn(&str) -> Option<&'a str>) {
        let text = |name| header(name).unwrap_or("").trim().to_ascii_lowercase();
        let (content_type, encoding) = (text("content-type"), text("content-encoding"));
        self.form = if content_type.contains("event-stream") {
            Form::Events(Events::new())
        } else if content_type.contains("amazon.eventstream") {
            Form::Messages(EventMessages::default())
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
        let succeeded = header(":status").is_none_or(|status| status.starts_with('2'));
        self.stream = succeeded && (matches!(self.form, Form::Events(_) | Form::Messages(_)) || content_type.contains("ndjson"));
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
            Form::Messages(messages) => messages.feed(piece, scanner, &mut each),
            Form::Unknown => {}
        };
        match gzip {
            _ if piece.is_empty() => {}
            Some(inflate) => inflate.feed(piece, &mut read),
            None => read(piece),
        }
        if last {
            self.scanner.end(&mut |found| note(&mut self.seen, &mut self.total_said, found));
            self.estimate(self.seen[1] == 0);
        }
    }

    /// The answer ends before its last piece: what it said of the completion may be a number of its beginning.
    pub fn interrupted(&mut self) {
        self.estimate(true);
    }

    /// `completion` is whether what the answer said of it is not the last word.
    fn estimate(&mut self, completion: bool) {
        if !self.stream {
            return;
        }
        self.stream = false;
        if self.seen[0] == 0 {
            self.seen[0] = tokens(self.asked.as_ref().map_or(0, Scanner::characters));
        }
        if completion && !self.total_said {
            self.seen[1] = self.seen[1].max(tokens(self.scanner.characters()));
        }
    }

    /// Tokens of the prompt, of the completion and of both, as far as they are known.
    pub fn tokens(&self) -> [u64; 3] {
        let [prompt, completion, total] = self.seen;
        [prompt, completion, if self.total_said { total } else { prompt.saturating_add(completion) }]
    }

    /// Count what was read since the last time.
    pub fn count(&mut self, shared: &impl Shared, now: u64) {
        let seen = self.tokens();
        for counter in &mut self.counters {
            let now_seen = NUMBERS.iter().position(|what| *what == counter.what).map_or(0, |number| seen[number]);
            let more = now_seen.saturating_sub(counter.counted);
            if more > 0 {
                counter.counted = now_seen;
                spend(shared, counter, more, now);
            }
        }
    }
}

impl Usage {
    /// The limits that are shared with other nodes.
    pub fn shared(&self) -> Vec<Limit<'_>> {
        let shared = self.counters.iter().filter_map(|counter| Some((counter, counter.shared?)));
        shared.map(|(Counter { key, unit, what, .. }, allowed)| Limit { key, allowed, unit: *unit, stops: true, code: "", what: *what, times: 0 }).collect()
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
    let amount = u32::try_from(amount).unwrap_or(u32::MAX);
    add(shared, key, counter.unit, amount.min(room), u32::MAX, now);
    if counter.shared.is_some() {
        permits::spend(shared, &counter.key, counter.unit, amount, now);
    }
}
