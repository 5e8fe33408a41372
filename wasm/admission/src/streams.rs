//! Calls that last: WebSockets, server-sent events, streams of gRPC. Which of a thread's open ones must end: because their credential has
//! expired or was revoked, the application has no subscription any more, or the operation was removed or changed. And how fast a client may
//! send. The same for every kind of API: `cut` asks at each tick.
//!
//! A module cannot send anything by itself, so a WebSocket whose frames are read is ended by a Close frame in place of the next frame of
//! either side; from then on nothing else passes. All others are cut.
//!
//! The control process announces revoked credentials (`ledger`): a log of batches in shared data, of which a thread reads the new ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory;
use crate::frames::{close_frame, server_close_frame, Frames, FORBIDDEN, GOING_AWAY, POLICY_VIOLATION, UNAUTHORIZED};
use crate::rules::{consumer, place};
use crate::shared_data::{Shared, NEW};

/// The number of the latest batch.
const LATEST: &[u8] = b"v";
/// So many batches are kept. A thread that missed one ends every call whose credential can be revoked.
pub const BATCHES: u64 = 64;
/// Seconds that either side has to send the next frame, in whose place a Close frame goes.
const CLOSING: u64 = 5;
/// The issuer in an announcement that names rules of a route instead of a credential.
const RULES: &str = "kapi:rules";

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

/// What becomes of a piece that a side sent.
#[derive(PartialEq, Eq, Debug)]
pub enum Passed {
    Whole,
    /// This goes on in its place.
    Instead(Vec<u8>),
}

/// Why a call must end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    Expired,
    Revoked,
    /// The application has no subscription any more, or it is blocked.
    Unsubscribed,
    /// The operation was removed, or others may call it now.
    Changed,
}

impl Why {
    /// Code and reason of the Close frame (RFC 6455 §7.4.1, and graphql-transport-ws).
    fn close(self, graphql: bool) -> (u16, &'static str) {
        let code = |own: u16| if graphql { own } else { POLICY_VIOLATION };
        match self {
            Why::Expired => (code(UNAUTHORIZED), "the credential has expired"),
            Why::Revoked => (code(UNAUTHORIZED), "the credential was revoked"),
            Why::Unsubscribed => (code(FORBIDDEN), "the subscription to the API has ended"),
            Why::Changed => (GOING_AWAY, "the API was changed or removed"),
        }
    }
}

/// Who opened a call at an API that demands a subscription: the place of the route, and the record of the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscriber {
    pub place: String,
    /// `k` for a consumer key, `a` for an application.
    pub kind: u8,
    pub name: String,
}

impl Subscriber {
    fn may_call(&self, shared: &impl Shared) -> bool {
        let Some(place) = place(&self.place) else { return false };
        let known = directory::record(shared, self.kind, &[place.organization, &self.name]).and_then(consumer);
        let subscription = known.filter(|known| known.is_at(&place)).and_then(|known| known.subscription(place.api));
        subscription.is_some_and(|subscription| subscription.is_active(place.sandbox))
    }
}

/// The frames of an open WebSocket, where they are read.
struct Socket {
    client: Frames,
    backend: Frames,
    limit: Option<Rate>,
    graphql: bool,
    /// The Close frame that both sides get at their next frame.
    close: Option<(u16, &'static str)>,
    backend_told: bool,
    client_told: bool,
}

/// One open call.
#[derive(Default)]
pub struct Stream {
    credentials: Vec<Credential>,
    /// Names who may call the operation; announced when that changes.
    pub rules: String,
    pub subscriber: Option<Subscriber>,
    socket: Option<Socket>,
    /// It was told to end, and must have ended by then (seconds); 0: it was not.
    closing: u64,
}

impl Stream {
    pub fn new(credentials: Vec<Credential>) -> Self {
        Stream { credentials, ..Stream::default() }
    }

    /// Read the frames of both sides; `per_second`, if not 0, limits those of the client. `now` in milliseconds.
    pub fn read_frames(&mut self, per_second: u32, graphql: bool, now: u64) {
        let limit = (per_second > 0).then(|| Rate::new(per_second, now));
        let (client, backend) = (Frames::default(), Frames::default());
        self.socket = Some(Socket { client, backend, limit, graphql, close: None, backend_told: false, client_told: false });
    }

    /// The backend did not take the upgrade.
    pub fn is_no_socket(&mut self) {
        self.socket = None;
    }

    pub fn reads_frames(&self) -> bool {
        self.socket.is_some()
    }

    /// A piece from the client; `now` in milliseconds. Over the limit, the rest becomes a Close frame.
    pub fn pass(&mut self, piece: &[u8], now: u64) -> Passed {
        let Some(socket) = &mut self.socket else { return Passed::Whole };
        if socket.backend_told {
            return Passed::Instead(Vec::new());
        }
        let (ends, limit) = (socket.close.is_some(), &mut socket.limit);
        let next = |_| !ends && limit.as_mut().is_none_or(|rate| rate.take(now));
        let Some(at) = socket.client.feed(piece, next) else { return Passed::Whole };
        let (code, reason) = *socket.close.get_or_insert((POLICY_VIOLATION, "too many messages"));
        socket.backend_told = true;
        if !ends {
            self.closing = now / 1000 + CLOSING;
        }
        Passed::Instead([&piece[..at], &close_frame(code, reason)].concat())
    }

    /// A piece from the backend.
    pub fn answer(&mut self, piece: &[u8]) -> Passed {
        let Some(socket) = &mut self.socket else { return Passed::Whole };
        if socket.client_told {
            return Passed::Instead(Vec::new());
        }
        let ends = socket.close.is_some();
        let (Some(at), Some((code, reason))) = (socket.backend.feed(piece, |_| !ends), socket.close) else { return Passed::Whole };
        socket.client_told = true;
        // The next tick ends it: nothing more passes.
        self.closing = 1;
        Passed::Instead([&piece[..at], &server_close_frame(code, reason)].concat())
    }

    /// Whether it ends at once; otherwise each side gets a Close frame at its next frame. `now` in seconds.
    fn end(&mut self, why: Why, now: u64) -> bool {
        let Some(socket) = &mut self.socket else { return true };
        socket.close.get_or_insert(why.close(socket.graphql));
        self.closing = now + CLOSING;
        false
    }

    fn why(&self, revoked: &Revoked, now: u64) -> Option<Why> {
        if self.credentials.iter().any(|item| item.expires != 0 && item.expires <= now) {
            return Some(Why::Expired);
        }
        if self.credentials.iter().filter(|item| !item.id.is_empty()).any(|item| revoked.has(item)) {
            return Some(Why::Revoked);
        }
        (!self.rules.is_empty() && revoked.has_rules(&self.rules)).then_some(Why::Changed)
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

    fn has_rules(&self, rules: &str) -> bool {
        match self {
            Revoked::Unknown => true,
            Revoked::These(all) => !all.is_empty() && all.contains(&(RULES.to_owned(), rules.to_owned())),
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

/// Tell all threads about revoked credentials: lines of issuer and id with a tab between. `kapi:rules` and an id are rules of a route.
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
    /// The version of the directory that subscriptions were last compared with, and that of the tick before.
    compared: [u64; 2],
}

impl Streams {
    pub const fn new() -> Self {
        Streams { open: BTreeMap::new(), seen: 0, again: BTreeSet::new(), compared: [0; 2] }
    }

    /// What was announced until now concerns no call of this thread.
    pub fn begin(&mut self, shared: &impl Shared) {
        self.seen = latest(shared).0;
        self.compared = [directory::version(shared); 2];
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

    /// Those that must end now; `now` in seconds. `between` is called before each lookup of a subscription.
    pub fn due(&mut self, shared: &impl Shared, now: u64, between: impl Fn()) -> Vec<u32> {
        let revoked = self.revoked(shared);
        let compare = self.compares(directory::version(shared));
        let mut due = Vec::new();
        for (context, stream) in &mut self.open {
            if stream.closing != 0 {
                if stream.closing <= now {
                    due.push(*context);
                }
                continue;
            }
            let mut why = stream.why(&revoked, now);
            if let (None, true, Some(subscriber)) = (why, compare, &stream.subscriber) {
                between();
                why = (!subscriber.may_call(shared)).then_some(Why::Unsubscribed);
            }
            if why.is_some_and(|why| stream.end(why, now)) {
                due.push(*context);
            }
        }
        due
    }

    /// Whether subscriptions may have changed: also at the tick after, because a call may have been let in by the record before.
    fn compares(&mut self, version: u64) -> bool {
        let before = self.compared;
        self.compared = [version, before[0]];
        before != [version; 2]
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
