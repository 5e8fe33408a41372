//! The models that share the calls of a route (`kapi.policies.ai.models`): which takes a call, which come next if it fails, and which are
//! suspended.
//!
//! A call is chosen for at the route (`Models`). Each model has a cluster of its own, where `Target` writes the request for the model and
//! judges its answer. A retry goes to the model that the header `CHOSEN` names. Suspensions are in the memory that all threads share.

use crate::shared_data::Shared;
use crate::strict_json::{read, Json};

/// The number of the model that the next attempt goes to; Envoy finds the cluster by it.
pub const CHOSEN: &str = "x-kapi-model";
/// The numbers of the models of this call in their order, between commas.
pub const ORDER: &str = "x-kapi-models";
/// Of an answer: none or fewer left says that a quota is used up.
pub const REMAINING: [&str; 3] = ["x-ratelimit-remaining-tokens", "x-ratelimit-remaining-requests", "x-ratelimit-remaining"];
const MILLISECONDS: u64 = 1000;

/// Until when a model is suspended, in milliseconds since the epoch; None where it is not.
pub fn suspended(shared: &impl Shared, key: &str, now: u64) -> Option<u64> {
    let (value, _) = shared.get(&name(key))?;
    let until = u64::from_le_bytes(<[u8; 8]>::try_from(&*value).ok()?);
    (until > now).then_some(until)
}

/// Suspend a model for some seconds. One that is suspended stays so until its time is over, as it began.
pub fn suspend(shared: &impl Shared, key: &str, seconds: u64, now: u64) {
    if seconds > 0 && suspended(shared, key, now).is_none() {
        shared.set(&name(key), &(now + seconds * MILLISECONDS).to_le_bytes(), 0);
    }
}

fn name(key: &str) -> Vec<u8> {
    [b"m/", key.as_bytes()].concat()
}

/// The models of a route: `w|f` (by weight, or the first that works), then `key, weight` of each, between tabs.
pub struct Models<'a> {
    ordered: bool,
    items: Vec<(&'a str, i64)>,
}

pub fn models(text: &str) -> Option<Models<'_>> {
    let mut fields = text.split('\t');
    let ordered = fields.next()? == "f";
    let mut items = Vec::with_capacity(4);
    while let Some(key) = fields.next() {
        items.push((key, fields.next()?.parse().ok()?));
    }
    (!items.is_empty()).then_some(Models { ordered, items })
}

impl Models<'_> {
    /// The numbers of the models for one call, the one that takes it first; or when the first suspension ends, in milliseconds.
    ///
    /// `turns` is kept between calls: it makes the shares exact over any sum of the weights, whichever models are left out.
    pub fn order(&self, turns: &mut Vec<i64>, shared: &impl Shared, now: u64) -> Result<Vec<usize>, u64> {
        let mut soonest = u64::MAX;
        let mut working = Vec::with_capacity(self.items.len());
        for (number, (key, _)) in self.items.iter().enumerate() {
            match suspended(shared, key, now) {
                None => working.push(number),
                Some(until) => soonest = soonest.min(until),
            }
        }
        if working.is_empty() {
            return Err(soonest);
        }
        if !self.ordered {
            let first = self.turn(&working, turns);
            working.rotate_left(first);
        }
        Ok(working)
    }

    /// The place of the model whose turn it is: smooth weighted round-robin.
    fn turn(&self, working: &[usize], turns: &mut Vec<i64>) -> usize {
        turns.resize(self.items.len(), 0);
        let mut best = 0;
        let mut total = 0;
        for (place, number) in working.iter().enumerate() {
            let weight = self.items[*number].1;
            total += weight;
            turns[*number] += weight;
            if turns[*number] > turns[working[best]] {
                best = place;
            }
        }
        turns[working[best]] -= total;
        best
    }
}

/// What the cluster of a model is told: lines `number`, `model` (JSON), `model in a path`, `authority`, `before`, `after`, `seconds`, then
/// `key, base path` of every model of the route with a tab between.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    number: usize,
    model: String,
    path_model: String,
    pub authority: String,
    /// What comes right before the name of the model in a path; empty where it is in the body.
    before: String,
    /// The characters that end the name in a path.
    after: String,
    seconds: u64,
    all: Vec<(String, String)>,
}

/// What one attempt changes in its request.
pub struct Attempt {
    pub path: String,
    /// The model after this one, if the call has one.
    pub next: Option<usize>,
    /// The body names the model.
    pub in_body: bool,
}

impl Target {
    pub fn read(text: &str) -> Option<Target> {
        let mut lines = text.split('\n');
        let number = lines.next()?.parse().ok()?;
        let mut line = || lines.next().map(str::to_owned);
        let (model, path_model, authority) = (line()?, line()?, line()?);
        let (before, after) = (line()?, line()?);
        let seconds = line()?.parse().ok()?;
        let pair = |line: &str| line.split_once('\t').map(|(key, base)| (key.to_owned(), base.to_owned()));
        let all = lines.map(pair).collect::<Option<Vec<_>>>()?;
        Some(Target { number, model, path_model, authority, before, after, seconds, all }).filter(|target| target.number < target.all.len())
    }

    /// The request of this attempt. `order` and `path` are as the attempt before left them; one that got no answer suspends its model.
    pub fn attempt(&self, order: &str, path: &str, shared: &impl Shared, now: u64) -> Attempt {
        let order: Vec<usize> = order.split(',').filter_map(|number| number.parse().ok()).filter(|number| *number < self.all.len()).collect();
        let place = order.iter().position(|number| *number == self.number).unwrap_or(0);
        let mut rest = path;
        if let Some(before) = place.checked_sub(1).and_then(|before| order.get(before)) {
            let (key, base) = &self.all[*before];
            suspend(shared, key, self.seconds, now);
            rest = path.strip_prefix(base.as_str()).unwrap_or(path);
        }
        let written = self.in_path(rest);
        let path = format!("{}{}", self.all[self.number].1, written.as_deref().unwrap_or(rest));
        Attempt { in_body: written.is_none(), path, next: order.get(place + 1).copied() }
    }

    /// The path of an operation with this model, if it has the name of one.
    fn in_path(&self, path: &str) -> Option<String> {
        if self.before.is_empty() {
            return None;
        }
        let end = path.find('?').unwrap_or(path.len());
        let start = path[..end].find(&self.before)? + self.before.len();
        let stop = path[start..end].find(|char| self.after.contains(char)).map_or(end, |length| start + length);
        Some(format!("{}{}{}", &path[..start], self.path_model, &path[stop..]))
    }

    /// The body with this model; None if it is not one JSON object.
    pub fn body(&self, body: &[u8]) -> Option<String> {
        let root = read(body).ok().filter(|root| root.is_object())?;
        let text = core::str::from_utf8(body).ok()?;
        let at = |value: Json| value.raw().as_ptr() as usize - text.as_ptr() as usize;
        let member = root.member("model");
        let (start, end, comma) = match member {
            Some(value) => (at(value), at(value) + value.raw().len(), ""),
            None => (at(root) + 1, at(root) + 1, if root.members().next().is_some() { "," } else { "" }),
        };
        let name = if member.is_some() { "" } else { "\"model\":" };
        Some(format!("{}{name}{}{comma}{}", &text[..start], self.model, &text[end..]))
    }

    /// Suspend this model if its answer says that it cannot take calls.
    pub fn answered<'a>(&self, status: &str, header: impl Fn(&str) -> Option<&'a str>, shared: &impl Shared, now: u64) {
        let used_up = |name: &&str| header(name).and_then(|value| value.trim().parse::<f64>().ok()).is_some_and(|left| left <= 0.0);
        if matches!(status, "402" | "429") || status.starts_with('5') || REMAINING.iter().any(used_up) {
            suspend(shared, &self.all[self.number].0, self.seconds, now);
        }
    }
}
