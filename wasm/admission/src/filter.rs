//! The callbacks of Envoy. Each begins by forgetting what Envoy returned to the one before.

use std::collections::BTreeMap;

use crate::admit::{count, Room};
use crate::asking::{self, Passage, Waiting};
use crate::bodies::{self, Admitted, Next};
use crate::cut;
use crate::directory::{in_force, record};
use crate::host::{self, SharedData};
use crate::rules::{consumer, limits, place, tier, Consumer, Keys, Limit, Place, Subscription};
use crate::usage::{Places, Usage};
use crate::graphql_socket::Socket;
use crate::mcp_requests::Answer;
use crate::streams::Subscriber;
use crate::model_requests;
use crate::plan::Plan;
use crate::prices::Prices;
use crate::models::Target;
use crate::replies::{self, Refusal};
use crate::ledger;

const PLAN: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.admission\0plan";
const ORGANIZATION: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.admission\0organization";
const CLAIMS: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0jwt_payload\0";
const APPLICATION: &[u8] = b"metadata\0filter_metadata\0kapi.caller\0application_name";
const KEYS: &str = "x-kapi-limit-keys";
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
/// Pause, and hold back the body too.
const HOLD: u32 = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Admit,
    Keys,
    Stream,
    Ledger,
    /// With the filter's own context, by which its configuration is found.
    Model(u32),
}

/// A request whose body has not come yet.
#[derive(Default)]
struct Held {
    plan: String,
    /// As the host packs them; empty if they are many.
    headers: Vec<u8>,
}

/// Bytes of headers that are kept until the body has come; of more, each is read again.
const MOST_HEADERS: usize = 8 * 1024;

/// What is remembered between callbacks, in the one thread that runs this module.
struct State {
    parts: BTreeMap<u32, Part>,
    contexts: BTreeMap<u32, Part>,
    rooms: BTreeMap<u32, Room>,
    /// Requests whose body names the operations and has not come yet.
    waiting: BTreeMap<u32, Held>,
    /// Connections whose messages name operations.
    sockets: BTreeMap<u32, Socket>,
    /// Questions to the common count of several nodes, by their numbers; also those of calls that have ended.
    asked: BTreeMap<u32, (u32, Waiting)>,
    /// The calls that wait for an answer, and what is done with the backend's then.
    counting: BTreeMap<u32, Option<(Answer, usize)>>,
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
    asked: BTreeMap::new(),
    counting: BTreeMap::new(),
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
    let (name, shared) = split(host::configuration(size));
    let part = match name {
        b"admit" | b"keys" => {
            if !asking::configure(shared) {
                return 0;
            }
            if name == b"keys" { Part::Keys } else { Part::Admit }
        }
        b"stream" => {
            cut::configure();
            Part::Stream
        }
        b"ledger" => Part::Ledger,
        _ => match model_requests::target(host::configuration(size)) {
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

/// The name of a part, and whether its limits are shared with other nodes.
fn split(text: &'static [u8]) -> (&'static [u8], Option<&'static str>) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], core::str::from_utf8(&text[end + 1..]).ok()),
        None => (text, None),
    }
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
    state.counting.remove(&context);
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
        None => {
            let plan = plan();
            match plan.kind() {
                None => answered(admit(Call { context, waits: true }, plan, None)),
                Some(text) => open(context, plan, text, end != 0),
            }
        }
        Some(Part::Keys) => count_keys(context),
        Some(Part::Model(root)) => {
            let holds = state().targets.get(root).is_some_and(|target| model_requests::headers(target, end != 0));
            if !holds {
                return CONTINUE;
            }
            state().waiting.insert(context, Held::default());
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

/// The headers of a call whose body names operations.
fn open(context: u32, plan: Plan, kind: &str, end: bool) -> u32 {
    let headers = host::read_headers(host::REQUEST_HEADERS);
    match bodies::headers(&bodies::parsed(kind), end) {
        Next::AwaitBody => {
            // Reading plan and headers again would take microseconds.
            let kept = if headers.len() <= MOST_HEADERS { headers } else { &[] };
            state().waiting.insert(context, Held { plan: plan.0.into(), headers: kept.to_vec() });
            PAUSE
        }
        next => follow(context, plan, next, 0),
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
    let held = state().waiting.remove(&context).unwrap_or_default();
    host::use_headers(host::REQUEST_HEADERS, &held.headers);
    let plan = Plan(&held.plan);
    let route = bodies::parsed(plan.kind().unwrap_or(""));
    // Also what the limits hold up: the whole body has come.
    follow(context, plan, bodies::body(&route, host::request_body(size)), size).min(PAUSE)
}

/// A piece that the client of a WebSocket sent.
fn take_frames(context: u32, size: usize) -> u32 {
    if size == 0 || state().sockets.is_empty() {
        return CONTINUE;
    }
    if let Some(mut socket) = state().sockets.remove(&context) {
        let passed = socket.from_client(host::request_body(size), |message| {
            bodies::message(message, |admitted| admit(Call { context, waits: false }, plan(), Some(admitted)).map(|_| ()))
        });
        host::set_request_body(size, &passed);
        state().sockets.insert(context, socket);
    }
    CONTINUE
}

fn follow(context: u32, plan: Plan, next: Next, size: usize) -> u32 {
    match next {
        Next::Judged(mut admitted) => {
            let answer = admitted.answer.take().map(|answer| (answer, size));
            let next = answered(admit(Call { context, waits: true }, plan, Some(admitted)));
            match state().counting.get_mut(&context) {
                Some(later) => *later = answer,
                None if next == CONTINUE && !begin(context, answer) => return PAUSE,
                None => {}
            }
            next
        }
        Next::AwaitBody => PAUSE,
        Next::Socket(socket) => {
            state().sockets.insert(context, socket);
            answered(admit(Call { context, waits: true }, plan, Some(Admitted { requests: 1, ..Admitted::default() })))
        }
        Next::Refused(refusal) => refuse(&refusal),
    }
}

/// Begin with an answer that is made or changed here; false if the caller has it already.
fn begin(context: u32, answer: Option<(Answer, usize)>) -> bool {
    let Some((answer, size)) = answer else { return true };
    if !answer.begin(size) {
        return false;
    }
    state().answers.insert(context, answer);
    true
}

fn answered(decision: Decision) -> u32 {
    decision.unwrap_or_else(|refusal| refuse(&refusal))
}

/// The common count of several nodes has answered, or does not.
#[no_mangle]
pub extern "C" fn proxy_on_http_call_response(_: u32, token: u32, _: u32, size: usize, _: u32) {
    host::begin();
    let ruling = asking::answer(size);
    let Some((context, waiting)) = state().asked.remove(&token) else { return };
    let Some(answer) = state().counting.remove(&context) else { return waiting.unused(ruling) };
    host::in_context(context);
    match waiting.answered(ruling) {
        Ok(room) => {
            show(context, room);
            if begin(context, answer) {
                host::continue_request();
            }
        }
        Err(refusal) => {
            state().usages.remove(&context);
            refuse(&refusal);
        }
    }
}

/// The answer says what is left of the limits.
fn show(context: u32, room: Option<Room>) {
    if let Some(room) = room {
        state().rooms.insert(context, room);
    }
}

fn refuse(refusal: &Refusal) -> u32 {
    refusal.send(bodies::form());
    PAUSE
}

#[no_mangle]
pub extern "C" fn proxy_on_response_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    match state().contexts.get(&context) {
        Some(Part::Model(root)) => {
            if let Some(target) = state().targets.get(root) {
                model_requests::answered(target);
            }
            return CONTINUE;
        }
        Some(Part::Stream) => {
            cut::answered(context);
            return CONTINUE;
        }
        _ => {}
    }
    if let Some(usage) = state().usages.get_mut(&context) {
        host::read_headers(host::RESPONSE_HEADERS);
        usage.begin(|name| host::header(host::RESPONSE_HEADERS, name).and_then(|value| core::str::from_utf8(value).ok()));
        usage.count(&SharedData, now());
        if end != 0 {
            say_usage(usage);
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
    if state.contexts.get(&context) == Some(&Part::Stream) {
        cut::answer(context, size);
        return CONTINUE;
    }
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
        usage.count(&SharedData, now());
        if end != 0 {
            say_usage(usage);
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
        usage.count(&SharedData, now());
        say_usage(&usage);
    }
}

/// Seconds since the epoch, by the clock of the limits.
fn now() -> u64 {
    if asking::is_shared() { asking::now() } else { host::now() }
}

/// For the access log, where the answer has some, and for the other nodes that count them.
fn say_usage(usage: &Usage) {
    let tokens = usage.tokens();
    if tokens != [0; 3] {
        host::set_property(b"kapi.usage", said(usage, tokens).as_bytes());
        if asking::is_shared() {
            asking::report(&usage.shared());
        }
    }
}

/// Tokens, and where the route has prices, cost and model: one text, since each field of the log costs time for
/// each call. The model is last: a provider chooses its name.
fn said(usage: &Usage, [prompt, completion, total]: [u64; 3]) -> String {
    let (mut cost, mut model) = (String::new(), String::new());
    if let Some(prices) = plan().prices() {
        cost = usage.cost(&Prices::new(prices)).unwrap_or_default();
        model = usage.model().to_string();
    }
    [prompt.to_string(), completion.to_string(), total.to_string(), cost, model].join("|")
}

/// What the route of the current call says.
pub fn plan() -> Plan<'static> {
    Plan(text(PLAN).unwrap_or(""))
}

fn text(path: &[u8]) -> Option<&'static str> {
    host::property(path).and_then(|value| core::str::from_utf8(value).ok())
}

/// CONTINUE if a call may pass, HOLD if that is not known yet; otherwise what it is answered.
type Decision = Result<u32, Refusal<'static>>;

/// What is to be let in.
#[derive(Clone, Copy)]
struct Call {
    context: u32,
    /// It can be held back. A message of an open connection cannot: this node alone counts it.
    waits: bool,
}

/// `more` is what the operations add that the body names.
fn admit(call: Call, plan: Plan, more: Option<Admitted>) -> Decision {
    let secured = more.as_ref().is_none_or(|more| more.secured);
    let place = plan.place().filter(|_| secured).map(|text| place(text).ok_or(())).transpose();
    let limits = plan.limits().map_or(Some(Vec::new()), limits);
    let (Ok(place), Some(limits)) = (place, limits) else { return Err(replies::not_ready()) };
    let more = more.unwrap_or(Admitted { requests: 1, ..Admitted::default() });
    match place {
        Some(place) => admit_consumer(call, plan, &place, limits, more),
        None => judge_and_read(call, plan, &with(limits, more)),
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
fn judge_and_read(call: Call, plan: Plan, limits: &[Limit]) -> Decision {
    let usage = plan.usage();
    if usage.is_some() {
        if let Some(models) = plan.models() {
            model_requests::choose(models)?;
        }
    }
    let next = judge(call, limits)?;
    if let Some(places) = usage {
        host::read_headers(host::REQUEST_HEADERS);
        let places = Places::new(places);
        let mut usage = Usage::new(limits, &places, asking::is_shared());
        if let Some(prices) = plan.prices() {
            let path = host::header(host::REQUEST_HEADERS, ":path").and_then(|path| core::str::from_utf8(path).ok()).unwrap_or("");
            usage.find_model(&places, Prices::new(prices).model_in(path));
        }
        if sends_json() {
            usage.read_request();
        }
        ask_for_readable();
        state().usages.insert(call.context, usage);
    }
    Ok(next)
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

fn judge(call: Call, limits: &[Limit]) -> Decision {
    if asking::is_shared() && call.waits && !limits.is_empty() {
        match asking::pass(limits)? {
            Passage::Now(room) => show(call.context, room),
            Passage::Later(token, waiting) => {
                state().asked.insert(token, (call.context, waiting));
                state().counting.insert(call.context, None);
                return Ok(HOLD);
            }
        }
        return Ok(CONTINUE);
    }
    match count(&SharedData, limits, host::now()) {
        Ok(room) => {
            show(call.context, room);
            Ok(CONTINUE)
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
    /// That of its record in the directory.
    kind: u8,
}

/// Who opens a call at a route that demands a subscription.
pub fn subscriber() -> Option<Subscriber> {
    let text = plan().place()?;
    let place = place(text).filter(|place| place.subscription)?;
    let caller = caller(&place);
    Some(Subscriber { place: text.to_owned(), kind: caller.kind, name: caller.name?.to_owned() })
}

/// What tells one caller from others: claims of the verified token, the application of an API key; empty where there is none.
pub fn caller_texts() -> [&'static str; 5] {
    let [issuer, subject, client, party] = ["iss", "sub", "client_id", "azp"].map(|name| claim(name).unwrap_or(""));
    [issuer, subject, client, party, text(APPLICATION).unwrap_or("")]
}

fn caller(place: &Place) -> Caller {
    let said = claim("iss").unwrap_or("");
    // Of an issuer with several names, the second line is the first name: limits must not start anew with another.
    let known = record(&SharedData, b'i', &[said]).unwrap_or("");
    let (names, issuer) = known.split_once('\n').unwrap_or((known, said));
    let key = names.split('\t').filter(|name| !name.is_empty()).find_map(claim);
    let (kind, name, found) = match key {
        Some(key) => (b'k', Some(key), record(&SharedData, b'k', &[place.organization, key])),
        // An API key names its application.
        None => {
            let name = text(APPLICATION).filter(|name| !name.is_empty());
            (b'a', name, name.and_then(|name| record(&SharedData, b'a', &[place.organization, name])))
        }
    };
    let application = found.and_then(consumer).filter(|known| known.is_at(place));
    Caller { name, issuer, application, kind }
}

fn admit_consumer(call: Call, plan: Plan, place: &Place, own: Vec<Limit>, more: Admitted) -> Decision {
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
        return judge_and_read(call, plan, &with(own, more));
    }
    let application = caller.application.as_ref().map(|known| known.application).unwrap_or("");
    let reads = plan.usage().is_some();
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
    judge_and_read(call, plan, &with(limits, more))
}

/// Whether the subscription, or the lack of one, speaks against the call.
fn check_subscription(subscription: Option<&Subscription>, place: &Place) -> Result<(), Refusal<'static>> {
    if subscription.is_some_and(|subscription| subscription.is_active(place.sandbox)) {
        return Ok(());
    }
    match subscription.map(|subscription| subscription.status) {
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
    answered(judge(Call { context, waits: true }, &limits))
}
