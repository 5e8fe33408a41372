//! The callbacks of Envoy. Each begins by forgetting what Envoy returned to the one before.

use std::collections::BTreeMap;

use crate::admit::{count, Room};
use crate::bodies::{self, Admitted, Next};
use crate::cut;
use crate::directory::{in_force, record};
use crate::host::{self, SharedData};
use crate::rules::{consumer, limits, place, tier, Consumer, Keys, Limit, Place, Subscription};
use crate::usage::{Places, Usage};
use crate::graphql_socket::Socket;
use crate::mcp_requests::Answer;
use crate::model_requests;
use crate::models::Target;
use crate::replies::{self, Refusal};
use crate::ledger;

const LIMITS: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.admission\0limits";
const USAGE: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.admission\0usage";
const MODELS: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.admission\0models";
const PLACE: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.admission\0place";
const ORGANIZATION: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.admission\0organization";
const CLAIMS: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0jwt_payload\0";
const APPLICATION: &[u8] = b"metadata\0filter_metadata\0kapi.caller\0application_name";
const KEYS: &str = "x-kapi-limit-keys";
/// Of the prompt, of the completion and of both; read by the access log.
const TOKENS: [&str; 3] = ["kapi.prompt_tokens", "kapi.completion_tokens", "kapi.total_tokens"];
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Admit,
    Keys,
    Stream,
    Ledger,
    /// With the filter's own context, by which its configuration is found.
    Model(u32),
}

/// What is remembered between callbacks, in the one thread that runs this module.
struct State {
    parts: BTreeMap<u32, Part>,
    contexts: BTreeMap<u32, Part>,
    rooms: BTreeMap<u32, Room>,
    /// Requests whose body names the operations and has not come yet.
    waiting: BTreeMap<u32, String>,
    /// Connections whose messages name operations.
    sockets: BTreeMap<u32, Socket>,
    /// Answers that are read while they pass.
    usages: BTreeMap<u32, Usage>,
    /// Answers that are changed when they are complete.
    answers: BTreeMap<u32, Answer>,
    /// The model of each cluster that has one, by the context of its filter.
    targets: BTreeMap<u32, Target>,
}

static mut STATE: State = State {
    parts: BTreeMap::new(),
    contexts: BTreeMap::new(),
    rooms: BTreeMap::new(),
    waiting: BTreeMap::new(),
    sockets: BTreeMap::new(),
    usages: BTreeMap::new(),
    answers: BTreeMap::new(),
    targets: BTreeMap::new(),
};

fn state() -> &'static mut State {
    unsafe { &mut *core::ptr::addr_of_mut!(STATE) }
}

#[no_mangle]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[no_mangle]
pub extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}

#[no_mangle]
pub extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    host::begin();
    let part = match host::configuration(size) {
        b"admit" => Part::Admit,
        b"keys" => Part::Keys,
        b"stream" => {
            cut::configure();
            Part::Stream
        }
        b"ledger" => Part::Ledger,
        text => match model_requests::target(text) {
            Some(target) => {
                state().targets.insert(root, target);
                Part::Model(root)
            }
            None => return 0,
        },
    };
    state().parts.insert(root, part);
    1
}

#[no_mangle]
pub extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    if root != 0 {
        let state = state();
        let part = state.parts.get(&root).copied().unwrap_or(Part::Admit);
        if part != Part::Admit {
            state.contexts.insert(context, part);
        }
    }
}

#[no_mangle]
pub extern "C" fn proxy_on_delete(context: u32) {
    let state = state();
    if state.contexts.remove(&context) == Some(Part::Stream) {
        cut::closed(context);
    }
    state.rooms.remove(&context);
    state.waiting.remove(&context);
    state.sockets.remove(&context);
    state.usages.remove(&context);
    state.answers.remove(&context);
    state.targets.remove(&context);
}

#[no_mangle]
pub extern "C" fn proxy_on_tick(_: u32) {
    host::begin();
    cut::tick();
}

/// A call, or with the filter's own context the machine, is about to end.
#[no_mangle]
pub extern "C" fn proxy_on_done(context: u32) -> u32 {
    if state().parts.get(&context) == Some(&Part::Stream) {
        host::begin();
        cut::end_all();
    }
    1
}

#[no_mangle]
pub extern "C" fn proxy_on_request_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    match state().contexts.get(&context) {
        None => match bodies::route_text() {
            None => answered(admit(context, None)),
            Some(text) => match bodies::headers(&bodies::parsed(text), end != 0) {
                Next::AwaitBody => {
                    // Reading it again would take microseconds.
                    state().waiting.insert(context, text.into());
                    PAUSE
                }
                next => follow(context, next, 0),
            },
        },
        Some(Part::Keys) => count_keys(context),
        Some(Part::Model(root)) => {
            let holds = state().targets.get(root).is_some_and(|target| model_requests::headers(target, end != 0));
            if !holds {
                return CONTINUE;
            }
            state().waiting.insert(context, String::new());
            PAUSE
        }
        Some(Part::Stream) => {
            cut::open(context);
            CONTINUE
        }
        Some(_) => {
            if end == 0 {
                return PAUSE;
            }
            ledger::answer(&SharedData, host::header(host::REQUEST_HEADERS, ":path").unwrap_or(b""), b"");
            PAUSE
        }
    }
}

#[cfg(feature = "bodies")]
#[no_mangle]
pub extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> u32 {
    host::begin();
    let part = state().contexts.get(&context);
    if part == Some(&Part::Stream) {
        cut::pass(context, size);
        return CONTINUE;
    }
    if let Some(Part::Model(root)) = part {
        return model_body(context, *root, size, end != 0);
    }
    if part != Some(&Part::Ledger) {
        if state().waiting.contains_key(&context) {
            return take_body(context, size, end != 0);
        }
        if let Some(usage) = state().usages.get_mut(&context).filter(|_| size > 0) {
            usage.request(host::request_body(size));
        }
        return take_frames(context, size);
    }
    if end != 0 {
        ledger::answer(&SharedData, host::header(host::REQUEST_HEADERS, ":path").unwrap_or(b""), host::request_body(size));
    }
    PAUSE
}

#[cfg(feature = "bodies")]
#[no_mangle]
pub extern "C" fn proxy_on_request_trailers(context: u32, _: u32) -> u32 {
    host::begin();
    if state().waiting.remove(&context).is_none() {
        return CONTINUE;
    }
    refuse(&bodies::trailers())
}

/// A piece of the body of a request to a model.
fn model_body(context: u32, root: u32, size: usize, end: bool) -> u32 {
    if !state().waiting.contains_key(&context) {
        return CONTINUE;
    }
    if !end {
        return PAUSE;
    }
    state().waiting.remove(&context);
    let written = state().targets.get(&root).is_some_and(|target| model_requests::body(target, size));
    if written { CONTINUE } else { PAUSE }
}

/// A piece of a body that is read here; Envoy holds the pieces until the last.
fn take_body(context: u32, size: usize, end: bool) -> u32 {
    if !end {
        return PAUSE;
    }
    let text = state().waiting.remove(&context).unwrap_or_default();
    follow(context, bodies::body(&bodies::parsed(&text), host::request_body(size)), size)
}

/// A piece that the client of a WebSocket sent.
fn take_frames(context: u32, size: usize) -> u32 {
    if size == 0 || state().sockets.is_empty() {
        return CONTINUE;
    }
    if let Some(mut socket) = state().sockets.remove(&context) {
        let passed = socket.from_client(host::request_body(size), |message| {
            bodies::message(message, |admitted| admit(context, Some(admitted)))
        });
        host::set_request_body(size, &passed);
        state().sockets.insert(context, socket);
    }
    CONTINUE
}

fn follow(context: u32, next: Next, size: usize) -> u32 {
    match next {
        Next::Judged(mut admitted) => {
            let answer = admitted.answer.take();
            let next = answered(admit(context, Some(admitted)));
            if let (CONTINUE, Some(answer)) = (next, answer) {
                if !answer.begin(size) {
                    return PAUSE;
                }
                state().answers.insert(context, answer);
            }
            next
        }
        Next::AwaitBody => PAUSE,
        Next::Socket(socket) => {
            state().sockets.insert(context, socket);
            answered(admit(context, Some(Admitted { requests: 1, ..Admitted::default() })))
        }
        Next::Refused(refusal) => refuse(&refusal),
    }
}

fn answered(decision: Decision) -> u32 {
    decision.map_or_else(|refusal| refuse(&refusal), |()| CONTINUE)
}

fn refuse(refusal: &Refusal) -> u32 {
    refusal.send(bodies::form());
    PAUSE
}

#[no_mangle]
pub extern "C" fn proxy_on_response_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    if let Some(Part::Model(root)) = state().contexts.get(&context) {
        if let Some(target) = state().targets.get(root) {
            model_requests::answered(target);
        }
        return CONTINUE;
    }
    if let Some(usage) = state().usages.get_mut(&context) {
        usage.begin(|name| host::header(host::RESPONSE_HEADERS, name).and_then(|value| core::str::from_utf8(value).ok()));
        usage.count(&SharedData, host::now());
        if end != 0 {
            say_tokens(usage);
            state().usages.remove(&context);
        }
    }
    if let Some(room) = state().rooms.remove(&context) {
        host::set_header(host::RESPONSE_HEADERS, "x-ratelimit-limit", replies::quota(&room).as_bytes());
        host::set_header(host::RESPONSE_HEADERS, "x-ratelimit-remaining", room.remaining.to_string().as_bytes());
        host::set_header(host::RESPONSE_HEADERS, "x-ratelimit-reset", room.reset.to_string().as_bytes());
    }
    hold(context, end != 0)
}

/// Whether an answer is held until it is complete.
fn hold(context: u32, end: bool) -> u32 {
    let Some(answer) = state().answers.get(&context) else { return CONTINUE };
    if answer.headers(end) {
        if end {
            state().answers.remove(&context);
        }
        return PAUSE;
    }
    state().answers.remove(&context);
    CONTINUE
}

/// Change an answer that is complete.
fn change(context: u32, size: usize, end: bool) -> u32 {
    if !end {
        return PAUSE;
    }
    let Some(answer) = state().answers.remove(&context) else { return CONTINUE };
    let body = answer.body(if size == 0 { &[] } else { host::response_body(size) });
    host::set_header(host::RESPONSE_HEADERS, "content-length", body.len().to_string().as_bytes());
    host::set_response_body(size, &body);
    CONTINUE
}

#[cfg(feature = "bodies")]
#[no_mangle]
pub extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> u32 {
    let state = state();
    if state.usages.is_empty() && state.answers.is_empty() && state.sockets.is_empty() {
        return CONTINUE;
    }
    host::begin();
    if let Some(socket) = state.sockets.get_mut(&context).filter(|_| size > 0) {
        if let Some(body) = socket.from_backend(host::response_body(size)) {
            host::set_response_body(size, &body);
        }
        return CONTINUE;
    }
    if state.answers.contains_key(&context) {
        return change(context, size, end != 0);
    }
    if let Some(usage) = state.usages.get_mut(&context) {
        usage.body(if size == 0 { &[] } else { host::response_body(size) }, end != 0);
        usage.count(&SharedData, host::now());
        if end != 0 {
            say_tokens(usage);
            state.usages.remove(&context);
        }
    }
    CONTINUE
}

/// The call is over, and its line in the access log is about to be written.
#[no_mangle]
pub extern "C" fn proxy_on_log(context: u32) {
    if let Some(mut usage) = state().usages.remove(&context) {
        host::begin();
        usage.interrupted();
        usage.count(&SharedData, host::now());
        say_tokens(&usage);
    }
}

/// For the access log, where the answer has some.
fn say_tokens(usage: &Usage) {
    let tokens = usage.tokens();
    if tokens != [0; 3] {
        for (name, number) in TOKENS.iter().zip(tokens) {
            host::set_property(name.as_bytes(), number.to_string().as_bytes());
        }
    }
}

fn text(path: &[u8]) -> Option<&'static str> {
    host::property(path).and_then(|value| core::str::from_utf8(value).ok())
}

/// Whether a call may pass; otherwise what it is answered.
type Decision = Result<(), Refusal<'static>>;

/// `more` is what the operations add that the body names.
fn admit(context: u32, more: Option<Admitted>) -> Decision {
    let secured = more.as_ref().is_none_or(|more| more.secured);
    let alone = more.as_ref().is_some_and(|more| more.alone);
    let read = |path| if alone { None } else { text(path) };
    let place = read(PLACE).filter(|_| secured).map(|text| place(text).ok_or(())).transpose();
    let limits = read(LIMITS).map_or(Some(Vec::new()), limits);
    let (Ok(place), Some(limits)) = (place, limits) else { return Err(replies::not_ready()) };
    let more = more.unwrap_or(Admitted { requests: 1, ..Admitted::default() });
    match place {
        Some(place) => admit_consumer(context, &place, limits, more),
        None => judge_and_read(context, &with(limits, more)),
    }
}

/// Limits of calls, each of which a batch counts for as often as it has requests, and those of the operations.
fn with<'a>(mut limits: Vec<Limit<'a>>, more: Admitted) -> Vec<Limit<'a>> {
    for limit in &mut limits {
        limit.times = more.requests;
    }
    limits.extend(more.limits);
    limits
}

/// Judge, and read the answer where tokens are counted.
fn judge_and_read(context: u32, limits: &[Limit]) -> Decision {
    let usage = text(USAGE);
    if usage.is_some() {
        if let Some(models) = text(MODELS) {
            model_requests::choose(models)?;
        }
    }
    judge(context, limits)?;
    if let Some(places) = usage {
        let mut usage = Usage::new(limits, &Places::new(places));
        if sends_json() {
            usage.read_request();
        }
        ask_for_readable();
        state().usages.insert(context, usage);
    }
    Ok(())
}

/// Whether the body of the request is JSON that can be read as it passes.
fn sends_json() -> bool {
    let value = |name| host::header(host::REQUEST_HEADERS, name).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or("");
    value("content-type").to_ascii_lowercase().contains("json") && matches!(value("content-encoding"), "" | "identity")
}

/// Of the encodings that the caller knows, leave the one that is read here.
fn ask_for_readable() {
    let known = host::header(host::REQUEST_HEADERS, "accept-encoding").and_then(|value| core::str::from_utf8(value).ok()).unwrap_or("");
    let gzip = known.split(',').any(|item| {
        let (name, quality) = item.split_once(';').unwrap_or((item, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|value| value.bytes().all(|byte| matches!(byte, b'0' | b'.')));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    });
    host::set_header(host::REQUEST_HEADERS, "accept-encoding", if gzip { b"gzip" } else { b"identity" });
}

fn judge(context: u32, limits: &[Limit]) -> Decision {
    match count(&SharedData, limits, host::now()) {
        Ok(room) => {
            if let Some(room) = room {
                state().rooms.insert(context, room);
            }
            Ok(())
        }
        Err((limit, room)) => Err(replies::over(&limit, &room)),
    }
}

/// A claim of the verified token; dots in the name may lead into objects.
fn claim(name: &str) -> Option<&'static str> {
    let mut path = String::with_capacity(160);
    path.push_str(CLAIMS);
    path.push_str(name);
    let dotted = name.contains('.').then(|| path.replace(name, &name.replace('.', "\0")));
    text(path.as_bytes()).or_else(|| text(dotted?.as_bytes())).filter(|value| !value.is_empty())
}

/// Who is calling: what tells it from others, and its application if that is known and good here.
struct Caller {
    name: Option<&'static str>,
    issuer: &'static str,
    application: Option<Consumer<'static>>,
}

fn caller(place: &Place) -> Caller {
    let issuer = claim("iss").unwrap_or("");
    let key = record(&SharedData, b'i', &[issuer]).and_then(|names| names.split('\t').find_map(claim));
    let (name, found) = match key {
        Some(key) => (Some(key), record(&SharedData, b'k', &[place.organization, key])),
        // An API key names its application.
        None => {
            let name = text(APPLICATION).filter(|name| !name.is_empty());
            (name, name.and_then(|name| record(&SharedData, b'a', &[place.organization, name])))
        }
    };
    let kind = if place.sandbox { "SANDBOX" } else { "PRODUCTION" };
    let application = found.and_then(consumer).filter(|known| {
        known.organization == place.organization
            && (known.key_type.is_empty() || known.key_type == kind)
            && (known.environment.is_empty() || known.environment == place.environment)
    });
    Caller { name, issuer, application }
}

fn admit_consumer(context: u32, place: &Place, own: Vec<Limit>, more: Admitted) -> Decision {
    if in_force(&SharedData).is_none() {
        return Err(replies::not_ready());
    }
    let caller = caller(place);
    if let Some(known) = &caller.application {
        host::set_property(b"kapi.application", known.application.as_bytes());
    }
    let subscription = caller.application.as_ref().and_then(|known| known.subscription(place.api));
    if place.subscription {
        check_subscription(subscription.as_ref(), place)?;
    }
    if !place.tiers {
        return judge_and_read(context, &with(own, more));
    }
    let application = caller.application.as_ref().map(|known| known.application).unwrap_or("");
    let reads = text(USAGE).is_some();
    let whole = Keys::new(format!("a/{application}"), reads);
    let subscribed = Keys::new(format!("u/{application}/{}", place.api), reads);
    let alone = Keys::new(format!("c/{}/{}/{}", place.organization, caller.issuer, caller.name.unwrap_or("")), reads);
    let mut limits: Vec<Limit> = own;
    let read = match (&caller.application, caller.name) {
        (Some(known), _) => known.limits(&whole, "900803", &mut limits).and_then(|()| {
            subscription.as_ref().map_or(Some(()), |subscription| subscription.limits(&subscribed, "900804", &mut limits))
        }),
        (None, Some(_)) => record(&SharedData, b't', &[]).map_or(Some(()), |text| tier(fields(text), &alone, "900803", &mut limits)),
        (None, None) => Some(()),
    };
    if read.is_none() {
        return Err(replies::not_ready());
    }
    judge_and_read(context, &with(limits, more))
}

/// Whether the subscription, or the lack of one, speaks against the call.
fn check_subscription(subscription: Option<&Subscription>, place: &Place) -> Decision {
    match subscription.map(|subscription| subscription.status) {
        Some("ACTIVE") => Ok(()),
        Some("PROD_ONLY_BLOCKED") if place.sandbox => Ok(()),
        Some("BLOCKED" | "PROD_ONLY_BLOCKED") => Err(replies::blocked()),
        Some(_) => Err(replies::inactive()),
        None => Err(replies::not_subscribed()),
    }
}

fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split('\t').filter(|_| !text.is_empty())
}

/// Limits by the keys that an interceptor supplied: `key=value&…`, form-encoded.
fn count_keys(context: u32) -> u32 {
    let Some(keys) = host::header(host::REQUEST_HEADERS, KEYS).and_then(|value| core::str::from_utf8(value).ok()) else { return CONTINUE };
    if in_force(&SharedData).is_none() {
        return refuse(&replies::not_ready());
    }
    let organization = text(ORGANIZATION).unwrap_or("");
    let mut found: Vec<(Keys, &'static str)> = Vec::new();
    for pair in keys.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // The most exact limit holds. One of no organization in particular is one count for all of them.
        let candidates = [(organization, value), (organization, "*"), ("*", value), ("*", "*")];
        let limit = candidates.iter().find_map(|(of, wanted)| Some((of, record(&SharedData, b'x', &[of, name, wanted])?)));
        if let Some((of, tiers)) = limit {
            found.push((Keys::new(format!("x/{of}/{name}/{value}"), false), tiers));
        }
    }
    let mut limits = Vec::with_capacity(found.len());
    for (keys, tiers) in &found {
        if tier(fields(tiers), keys, "900806", &mut limits).is_none() {
            return refuse(&replies::not_ready());
        }
    }
    answered(judge(context, &limits))
}
