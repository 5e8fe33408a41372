//! Limits that are counted over several nodes. Each node holds permits: calls that the common count already has and that it may let
//! through without asking. What it holds, and what it knows of the common count, are counters of the same windows as its own.

use crate::admit::Room;
use crate::counters::{add, raise, take, used, LONGEST_KEY};
use crate::rules::{Limit, What};
use crate::shared_data::Shared;

const HELD: u8 = 1;
/// How much of the limit all nodes have used, permits included, as far as this node knows.
const KNOWN: u8 = 2;
/// Tokens of answers that the common count does not have yet.
const SPENT: u8 = 3;
/// 1 while a question asks for permits ahead: one at a time, so that a node does not hold more than its part.
const AHEAD: u8 = 4;
/// The number of nodes, kept for the time when the common count is away.
const NODES: &[u8] = b"nodes of limits";

/// What happens to calls while the common count does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Away {
    /// Each node counts by itself, up to its share of the limit.
    Share,
    /// They pass.
    Allow,
    /// 503.
    Refuse,
}

impl Away {
    pub fn of(text: &str) -> Option<Away> {
        match text {
            "share" => Some(Away::Share),
            "allow" => Some(Away::Allow),
            "refuse" => Some(Away::Refuse),
            _ => None,
        }
    }
}

fn name(kind: u8, key: &str) -> Vec<u8> {
    [&[kind], shortened(key)].concat()
}

/// As much of a key as is counted by.
fn shortened(key: &str) -> &[u8] {
    &key.as_bytes()[..key.len().min(LONGEST_KEY - 1)]
}

/// Take permits for one request. The numbers of the limits that have too few, which the common count must be asked about; a limit that
/// is known to be full is an error, and then nothing is taken.
pub fn take_all<'a>(shared: &impl Shared, limits: &[Limit<'a>], now: u64) -> Result<Vec<usize>, (Limit<'a>, Room)> {
    for limit in limits.iter().filter(|limit| limit.stops) {
        let held = used(shared, &name(HELD, limit.key), limit.unit, now);
        let known = used(shared, &name(KNOWN, limit.key), limit.unit, now);
        if held < limit.times && known.saturating_add(limit.times) > limit.allowed {
            return Err((*limit, room(limit, limit.allowed, now)));
        }
    }
    let mut missing = Vec::new();
    for (number, limit) in limits.iter().enumerate() {
        if !limit.stops {
            add(shared, limit.key.as_bytes(), limit.unit, limit.times, u32::MAX, now);
        } else if take(shared, &name(HELD, limit.key), limit.unit, limit.times, now).is_none() {
            missing.push(number);
        }
    }
    Ok(missing)
}

/// Put back what `take_all` took.
pub fn put_back(shared: &impl Shared, limits: &[Limit], missing: &[usize], now: u64) {
    for (number, limit) in limits.iter().enumerate() {
        if limit.stops && !missing.contains(&number) {
            add(shared, &name(HELD, limit.key), limit.unit, limit.times, u32::MAX, now);
        }
    }
}

/// What is left of the limit with the least room.
pub fn least_room(shared: &impl Shared, limits: &[Limit], now: u64) -> Option<Room> {
    let mut least: Option<Room> = None;
    for limit in limits {
        let count = if limit.stops {
            let known = used(shared, &name(KNOWN, limit.key), limit.unit, now);
            known.saturating_sub(used(shared, &name(HELD, limit.key), limit.unit, now))
        } else {
            used(shared, limit.key.as_bytes(), limit.unit, now)
        };
        let here = room(limit, count, now);
        if least.is_none_or(|before| (here.remaining, u32::MAX - here.reset) < (before.remaining, u32::MAX - before.reset)) {
            least = Some(here);
        }
    }
    least
}

fn room(limit: &Limit, count: u32, now: u64) -> Room {
    Room {
        allowed: limit.allowed,
        unit: limit.unit,
        remaining: limit.allowed.saturating_sub(count),
        reset: limit.unit - (now % u64::from(limit.unit)) as u32,
    }
}

/// What a question promises, if it is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Tokens that it says are spent.
    pub spent: u32,
    /// It asks for permits ahead.
    pub ahead: bool,
}

/// The question about one limit: `unit, allowed, times, spent, ahead, key`. `ahead` is 1 where a node may take more than this call needs.
pub fn question(shared: &impl Shared, limit: &Limit, times: u32, now: u64) -> (String, Asked) {
    let spent = name(SPENT, limit.key);
    let waiting = if limit.what == What::Request { 0 } else { used(shared, &spent, limit.unit, now) };
    // Another thread may say them meanwhile; then they are not said here.
    let tokens = if waiting == 0 { 0 } else { take(shared, &spent, limit.unit, waiting, now).map_or(0, |_| waiting) };
    let ahead = limit.what == What::Request && add(shared, &name(AHEAD, limit.key), limit.unit, 1, 1, now).is_some();
    let text = format!("{}\t{}\t{times}\t{tokens}\t{}\t{}\n", limit.unit, limit.allowed, u8::from(ahead), escaped(limit.key));
    (text, Asked { spent: tokens, ahead })
}

/// The question is answered, or will not be: the next one may ask for permits ahead.
pub fn over(shared: &impl Shared, limit: &Limit, asked: Asked, now: u64) {
    if asked.ahead {
        take(shared, &name(AHEAD, limit.key), limit.unit, 1, now);
    }
}

/// A key without characters that separate fields.
fn escaped(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in shortened(key) {
        match byte {
            b'!'..=b'$' | b'&'..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Tokens that an answer took: the next question says them.
pub fn spend(shared: &impl Shared, key: &str, unit: u32, tokens: u32, now: u64) {
    let spent = name(SPENT, key);
    let room = u32::MAX - used(shared, &spent, unit, now);
    add(shared, &spent, unit, tokens.min(room), u32::MAX, now);
}

/// Whether tokens wait to be told.
pub fn owes(shared: &impl Shared, limit: &Limit, now: u64) -> bool {
    used(shared, &name(SPENT, limit.key), limit.unit, now) > 0
}

/// What the common count says.
#[derive(Debug, PartialEq, Eq)]
pub struct Ruling {
    pub passes: bool,
    pub nodes: u32,
    /// The time of the common count, in milliseconds since the epoch.
    pub at: u64,
    /// Of each question: the permits that were given, and the common count with them.
    pub counts: Vec<(u32, u32)>,
}

/// First line: `milliseconds, nodes, 1|0`; each other line: `permits, count`.
pub fn ruling(text: &str) -> Option<Ruling> {
    let mut lines = text.lines();
    let mut first = lines.next()?.split('\t');
    let (at, nodes, passes) = (first.next()?.parse().ok()?, first.next()?.parse().ok()?, first.next()? == "1");
    let mut counts = Vec::new();
    for line in lines {
        let (given, count) = line.split_once('\t')?;
        counts.push((given.parse().ok()?, count.parse().ok()?));
    }
    Some(Ruling { passes, nodes, at, counts })
}

/// Keep what the common count gave to `asked`, in the windows of its clock; `now` is the same clock a moment later.
pub fn learn(shared: &impl Shared, asked: &[Limit], ruling: &Ruling, now: u64) {
    let then = ruling.at / 1000;
    for (limit, (given, count)) in asked.iter().zip(&ruling.counts) {
        if then / u64::from(limit.unit) != now / u64::from(limit.unit) {
            continue;
        }
        raise(shared, &name(KNOWN, limit.key), limit.unit, *count, then);
        let more = given.saturating_sub(limit.times);
        if more > 0 {
            add(shared, &name(HELD, limit.key), limit.unit, more, u32::MAX, then);
        }
    }
}

/// The first of the limits that the common count found full.
pub fn full<'a>(asked: &[Limit<'a>], ruling: &Ruling, now: u64) -> Option<(Limit<'a>, Room)> {
    let found = asked.iter().zip(&ruling.counts).find(|(limit, (_, count))| count.saturating_add(limit.times) > limit.allowed);
    found.map(|(limit, _)| (*limit, room(limit, limit.allowed, now)))
}

/// Remember how many nodes there are.
pub fn note_nodes(shared: &impl Shared, nodes: u32) {
    if known_nodes(shared) != Some(nodes) {
        shared.set(NODES, &nodes.to_le_bytes(), 0);
    }
}

fn known_nodes(shared: &impl Shared) -> Option<u32> {
    shared.get(NODES).and_then(|(value, _)| Some(u32::from_le_bytes(value.get(..4)?.try_into().ok()?)))
}

/// The limits as this node alone holds to them: its share, but at least one call.
pub fn shares<'a>(shared: &impl Shared, limits: &[Limit<'a>]) -> Vec<Limit<'a>> {
    let nodes = known_nodes(shared).unwrap_or(1).max(1);
    let mut found = limits.to_vec();
    for limit in &mut found {
        limit.allowed = (limit.allowed / nodes).max(1);
    }
    found
}
