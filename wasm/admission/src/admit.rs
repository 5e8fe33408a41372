//! One request at a limited route: does its consumer have a subscription, and is there room in every limit?

use crate::counters::{add, give_back, used};
use crate::shared_data::Shared;
use crate::rules::Limit;

/// What a caller is told about the limit that leaves the least room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    pub allowed: u32,
    pub unit: u32,
    pub remaining: u32,
    pub reset: u32,
}

/// Count the request against all limits, or against none and answer the one that has no room.
pub fn count<'a>(shared: &impl Shared, limits: &[Limit<'a>], now: u64) -> Result<Option<Room>, (Limit<'a>, Room)> {
    let room = |limit: &Limit, count: u32| Room {
        allowed: limit.allowed,
        unit: limit.unit,
        remaining: limit.allowed.saturating_sub(count),
        reset: limit.unit - (now % u64::from(limit.unit)) as u32,
    };
    let over = |limit: &Limit<'a>| (*limit, room(limit, limit.allowed));
    // With more than one limit, look first: what is refused by one should not even for a moment count against another.
    if limits.len() > 1 {
        if let Some(full) = limits.iter().find(|limit| limit.stops && is_full(limit, used(shared, limit.key.as_bytes(), limit.unit, now))) {
            return Err(over(full));
        }
    }
    let mut least: Option<Room> = None;
    for (index, limit) in limits.iter().enumerate() {
        let allowed = if limit.stops { limit.allowed } else { u32::MAX };
        // Of tokens, one is taken here: how many more a call takes, its answer says.
        let Some(count) = add(shared, limit.key.as_bytes(), limit.unit, limit.times, allowed, now) else {
            // Another thread took the last one since we looked.
            for taken in &limits[..index] {
                give_back(shared, taken.key.as_bytes(), taken.unit, taken.times, now);
            }
            return Err(over(limit));
        };
        let here = room(limit, count);
        if least.is_none_or(|before| (here.remaining, u32::MAX - here.reset) < (before.remaining, u32::MAX - before.reset)) {
            least = Some(here);
        }
    }
    Ok(least)
}

/// Whether a limit of which this many are used has no room for the request.
fn is_full(limit: &Limit, used: u32) -> bool {
    used.saturating_add(limit.times) > limit.allowed
}
