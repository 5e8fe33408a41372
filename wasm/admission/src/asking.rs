//! Asks the common count of several nodes (the cluster `limits`, a process of this node) about limits for which no permits are held, and
//! lets the call wait for the answer.

use crate::admit::{count, Room};
use crate::host::{self, SharedData};
use crate::permits::{self, Asked, Away};
use crate::replies::{self, Refusal};
use crate::rules::{Limit, What};

const CLUSTER: &str = "limits";
const PATH: &str = "/take";

struct Settings {
    away: Away,
    milliseconds: u32,
}

static mut SETTINGS: Option<Settings> = None;
/// The clock of the common count minus that of this machine.
static mut OFFSET: i64 = 0;

fn settings() -> Option<&'static Settings> {
    unsafe { (*core::ptr::addr_of!(SETTINGS)).as_ref() }
}

/// `share|allow|refuse, milliseconds`: limits are shared, and how long an answer may take.
pub fn configure(text: Option<&str>) -> bool {
    let read = |text: &str| {
        let (away, milliseconds) = text.split_once('\t')?;
        Some(Settings { away: Away::of(away)?, milliseconds: milliseconds.parse().ok()? })
    };
    let found = text.map(|text| read(text).ok_or(())).transpose();
    let Ok(found) = found else { return false };
    unsafe { SETTINGS = found };
    true
}

/// Whether limits are shared with other nodes.
pub fn is_shared() -> bool {
    settings().is_some()
}

fn milliseconds() -> u64 {
    host::now_milliseconds().saturating_add_signed(unsafe { OFFSET })
}

/// Seconds since the epoch, by the clock of the common count as far as it is known.
pub fn now() -> u64 {
    milliseconds() / 1000
}

/// A limit that outlives the callback.
struct Kept {
    key: String,
    allowed: u32,
    unit: u32,
    stops: bool,
    code: String,
    what: What,
    times: u32,
}

impl Kept {
    fn of(limit: &Limit) -> Kept {
        let Limit { key, allowed, unit, stops, code, what, times } = *limit;
        Kept { key: key.to_owned(), allowed, unit, stops, code: code.to_owned(), what, times }
    }

    fn limit(&self) -> Limit<'_> {
        let Kept { key, allowed, unit, stops, code, what, times } = self;
        Limit { key, allowed: *allowed, unit: *unit, stops: *stops, code, what: *what, times: *times }
    }
}

/// A call that waits for an answer.
pub struct Waiting {
    limits: Vec<Kept>,
    /// The numbers of those that were asked about.
    missing: Vec<usize>,
    asked: Vec<Asked>,
}

/// What becomes of a call.
pub enum Passage {
    Now(Option<Room>),
    /// With the number of the question.
    Later(u32, Waiting),
}

/// Count a call, with permits that this node holds or by a question.
pub fn pass<'a>(limits: &[Limit<'a>]) -> Result<Passage, Refusal<'static>> {
    let now = now();
    let missing = permits::take_all(&SharedData, limits, now).map_err(|(limit, room)| replies::over(&limit, &room))?;
    if missing.is_empty() {
        return Ok(Passage::Now(permits::least_room(&SharedData, limits, now)));
    }
    let asked = missing.iter().map(|number| permits::question(&SharedData, &limits[*number], limits[*number].times, now));
    let (questions, asked): (Vec<String>, Vec<Asked>) = asked.unzip();
    let sent = settings().and_then(|settings| host::post(CLUSTER, PATH, questions.concat().as_bytes(), settings.milliseconds));
    let waiting = Waiting { limits: limits.iter().map(Kept::of).collect(), missing, asked };
    if let Some(token) = sent {
        return Ok(Passage::Later(token, waiting));
    }
    waiting.without_answer().map(Passage::Now)
}

impl Waiting {
    /// The answer has come, if any: what is left of the limits, or a refusal.
    pub fn answered(&self, ruling: Option<permits::Ruling>) -> Result<Option<Room>, Refusal<'static>> {
        let now = now();
        for (number, asked) in self.missing.iter().zip(&self.asked) {
            permits::over(&SharedData, &self.limits[*number].limit(), *asked, now);
        }
        let Some(ruling) = ruling.filter(|ruling| ruling.counts.len() == self.missing.len()) else { return self.without_answer() };
        let limits = self.limits();
        let asked: Vec<Limit> = self.missing.iter().map(|number| limits[*number]).collect();
        permits::learn(&SharedData, &asked, &ruling, now);
        if ruling.passes {
            return Ok(permits::least_room(&SharedData, &limits, now));
        }
        permits::put_back(&SharedData, &limits, &self.missing, now);
        Err(permits::full(&asked, &ruling, now).map_or_else(replies::not_ready, |(limit, room)| replies::over(&limit, &room)))
    }

    /// The call has ended before the answer came: what it was given is kept for others.
    pub fn unused(&self, ruling: Option<permits::Ruling>) {
        let passes = ruling.as_ref().is_some_and(|ruling| ruling.passes);
        if self.answered(ruling).is_ok() && passes {
            permits::put_back(&SharedData, &self.limits(), &[], now());
        }
    }

    fn limits(&self) -> Vec<Limit<'_>> {
        self.limits.iter().map(Kept::limit).collect()
    }

    /// What the settings say for the time without an answer.
    fn without_answer(&self) -> Result<Option<Room>, Refusal<'static>> {
        let (limits, now) = (self.limits(), now());
        for (number, asked) in self.missing.iter().zip(&self.asked).filter(|(_, asked)| asked.spent > 0) {
            permits::spend(&SharedData, limits[*number].key, limits[*number].unit, asked.spent, now);
        }
        permits::put_back(&SharedData, &limits, &self.missing, now);
        match settings().map(|settings| settings.away) {
            Some(Away::Allow) | None => Ok(None),
            Some(Away::Refuse) => Err(replies::limits_away()),
            Some(Away::Share) => {
                let shares = permits::shares(&SharedData, &limits);
                count(&SharedData, &shares, now).map_err(|(limit, room)| replies::over(&limit, &room))
            }
        }
    }
}

/// Tell the common count of tokens that answers took; without waiting.
pub fn report(limits: &[Limit]) {
    let now = now();
    let mut questions = String::new();
    for limit in limits.iter().filter(|limit| permits::owes(&SharedData, limit, now)) {
        questions.push_str(&permits::question(&SharedData, limit, 0, now).0);
    }
    let Some(settings) = settings().filter(|_| !questions.is_empty()) else { return };
    host::post(CLUSTER, PATH, questions.as_bytes(), settings.milliseconds);
}

/// What the answer says, the clock and the number of nodes included.
pub fn answer(size: usize) -> Option<permits::Ruling> {
    let body = core::str::from_utf8(host::call_body(size)).ok()?;
    match host::call_status() {
        b"200" => {
            let ruling = permits::ruling(body)?;
            unsafe { OFFSET = ruling.at as i64 - host::now_milliseconds() as i64 };
            permits::note_nodes(&SharedData, ruling.nodes);
            Some(ruling)
        }
        b"503" => {
            permits::note_nodes(&SharedData, body.trim().parse().ok()?);
            None
        }
        _ => None,
    }
}
