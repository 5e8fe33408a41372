//! Calls that last: WebSockets and server-sent events. Which of a thread's open ones must end, because their credential has expired or was
//! revoked, and how fast a client may send. The same for every kind of API: `cut` asks at each tick.
//!
//! The control process announces revoked credentials (`ledger`): a log of batches in shared data, of which a thread reads the new ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::shared_data::{Shared, NEW};
use crate::frames::{close_frame, Frames, POLICY_VIOLATION};

/// The number of the latest batch.
const LATEST: &[u8] = b"v";
/// So many batches are kept. A thread that missed one ends every call whose credential can be revoked.
pub const BATCHES: u64 = 64;
/// Seconds that a backend has to answer a Close frame.
const CLOSING: u64 = 5;

/// What a call was let in with. `expires` is in seconds since the epoch, 0: never. Without an `id` it cannot be revoked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credential {
    pub issuer: String,
    pub id: String,
    pub expires: u64,
}

/// At most so many messages in a second, and as many at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rate {
    per_second: u64,
    /// Thousandths of a message.
    room: u64,
    /// Milliseconds since the epoch.
    last: u64,
}

impl Rate {
    pub fn new(per_second: u32, now: u64) -> Self {
        let per_second = u64::from(per_second);
        Rate { per_second, room: per_second * 1000, last: now }
    }

    /// Whether one more message may pass; `now` in milliseconds.
    pub fn take(&mut self, now: u64) -> bool {
        let more = now.saturating_sub(self.last).saturating_mul(self.per_second);
        self.last = self.last.max(now);
        self.room = self.room.saturating_add(more).min(self.per_second * 1000);
        if self.room < 1000 {
            return false;
        }
        self.room -= 1000;
        true
    }
}

/// What becomes of a piece that a client sent.
#[derive(PartialEq, Eq, Debug)]
pub enum Passed {
    Whole,
    /// This goes on in its place.
    Instead(Vec<u8>),
}

/// One open call.
#[derive(Default)]
pub struct Stream {
    credentials: Vec<Credential>,
    limited: Option<(Frames, Rate)>,
    /// It was told to end, and must have ended by then (seconds); 0: it was not.
    closing: u64,
}

impl Stream {
    pub fn new(credentials: Vec<Credential>) -> Self {
        Stream { credentials, ..Stream::default() }
    }

    /// Limit the frames that the client sends; `now` in milliseconds.
    pub fn limit(&mut self, per_second: u32, now: u64) {
        self.limited = Some((Frames::default(), Rate::new(per_second, now)));
    }

    pub fn is_limited(&self) -> bool {
        self.limited.is_some()
    }

    /// A piece from the client; `now` in milliseconds. Over the limit, the rest becomes a Close frame, which the backend answers.
    pub fn pass(&mut self, piece: &[u8], now: u64) -> Passed {
        if self.closing != 0 {
            return Passed::Instead(Vec::new());
        }
        let Some((frames, rate)) = &mut self.limited else { return Passed::Whole };
        let Some(at) = frames.feed(piece, |_| rate.take(now)) else { return Passed::Whole };
        self.closing = now / 1000 + CLOSING;
        let mut kept = piece[..at].to_vec();
        kept.extend_from_slice(&close_frame(POLICY_VIOLATION, "too many messages"));
        Passed::Instead(kept)
    }

    /// Whether it must end by the clock; `now` in seconds.
    fn is_over(&self, now: u64) -> bool {
        let expired = self.credentials.iter().any(|item| item.expires != 0 && item.expires <= now);
        expired || (self.closing != 0 && self.closing <= now)
    }

    fn is_revoked(&self, revoked: &Revoked) -> bool {
        self.credentials.iter().filter(|item| !item.id.is_empty()).any(|item| revoked.has(item))
    }
}

/// Credentials that were revoked since a thread looked last.
enum Revoked {
    /// Issuer and id; an empty issuer is any.
    These(BTreeSet<(String, String)>),
    Unknown,
}

impl Revoked {
    fn has(&self, item: &Credential) -> bool {
        match self {
            Revoked::Unknown => true,
            Revoked::These(all) if all.is_empty() => false,
            Revoked::These(all) => [&item.issuer, ""].iter().any(|issuer| all.contains(&((*issuer).to_owned(), item.id.clone()))),
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn latest(shared: &impl Shared) -> (u64, u32) {
    shared.get(LATEST).map_or((0, NEW), |(value, cas)| (number(value), cas))
}

fn batch_name(batch: u64) -> [u8; 4] {
    let place = (batch % BATCHES) as u8;
    [b'v', b'/', b'0' + place / 10, b'0' + place % 10]
}

/// Tell all threads about revoked credentials: lines of issuer and id with a tab between.
pub fn announce(shared: &impl Shared, lines: &[u8]) {
    loop {
        let (before, cas) = latest(shared);
        let next = before + 1;
        shared.set(&batch_name(next), &[&next.to_le_bytes(), lines].concat(), 0);
        if shared.set(LATEST, &next.to_le_bytes(), cas) {
            return;
        }
    }
}

/// The open calls of one thread, by Envoy's number of each.
#[derive(Default)]
pub struct Streams {
    open: BTreeMap<u32, Stream>,
    seen: u64,
    /// What the tick before saw. It counts once more: a thread may have let a call in by the list before.
    again: BTreeSet<(String, String)>,
}

impl Streams {
    pub const fn new() -> Self {
        Streams { open: BTreeMap::new(), seen: 0, again: BTreeSet::new() }
    }

    /// What was announced until now concerns no call of this thread.
    pub fn begin(&mut self, shared: &impl Shared) {
        self.seen = latest(shared).0;
    }

    pub fn open(&mut self, context: u32, stream: Stream) {
        self.open.insert(context, stream);
    }

    pub fn get(&mut self, context: u32) -> Option<&mut Stream> {
        self.open.get_mut(&context)
    }

    pub fn closed(&mut self, context: u32) {
        self.open.remove(&context);
    }

    pub fn all(&self) -> Vec<u32> {
        self.open.keys().copied().collect()
    }

    /// Those that must end now; `now` in seconds.
    pub fn due(&mut self, shared: &impl Shared, now: u64) -> Vec<u32> {
        let revoked = self.revoked(shared);
        let due = self.open.iter().filter(|(_, stream)| stream.is_over(now) || stream.is_revoked(&revoked));
        due.map(|(context, _)| *context).collect()
    }

    fn revoked(&mut self, shared: &impl Shared) -> Revoked {
        let (latest, _) = latest(shared);
        let before = core::mem::take(&mut self.again);
        let first = core::mem::replace(&mut self.seen, latest) + 1;
        if latest + 1 < first || latest + 1 - first > BATCHES {
            return Revoked::Unknown;
        }
        for batch in first..=latest {
            let Some((value, _)) = shared.get(&batch_name(batch)) else { return Revoked::Unknown };
            if number(value) != batch {
                return Revoked::Unknown;
            }
            let text = String::from_utf8_lossy(value.get(8..).unwrap_or(&[]));
            let pairs = text.lines().filter_map(|line| line.split_once('\t'));
            self.again.extend(pairs.map(|(issuer, id)| (issuer.to_owned(), id.to_owned())));
        }
        Revoked::These(before.into_iter().chain(self.again.iter().cloned()).collect())
    }
}
