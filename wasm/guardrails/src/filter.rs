//! The callbacks of Envoy: hold a body until it is whole, apply the guardrails of the route, and refuse or pass it on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::checks::Violation;
use crate::event_messages;
use crate::config::{Config, Guardrail};
use crate::host::{self, REQUEST_HEADERS, RESPONSE_HEADERS};
use crate::json_text::quoted;
use crate::masking::{unmask, Masked};
use crate::per_route::Settings;
use crate::texts::Form;

const FILTER: &str = "kapi.guardrails";
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
/// Routes whose patterns are kept compiled in each thread.
const MOST_CONFIGS: usize = 200;

/// One call that is under way.
struct Call {
    config: Rc<Config>,
    masked: Masked,
    /// How the answer is read, when it is held.
    answer: Option<Form>,
    holds_request: bool,
}

struct State {
    configs: Settings<Config>,
    calls: BTreeMap<u32, Call>,
}

static mut STATE: State = State { configs: Settings::new(), calls: BTreeMap::new() };

fn state() -> &'static mut State {
    unsafe { &mut *core::ptr::addr_of_mut!(STATE) }
}

#[no_mangle]
pub extern "C" fn proxy_on_delete(context: u32) {
    state().calls.remove(&context);
}

fn header(map: u32, name: &str) -> &'static str {
    host::header(map, name).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or("")
}

#[no_mangle]
pub extern "C" fn proxy_on_request_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    let Some(config) = state().configs.current(FILTER, MOST_CONFIGS, Config::read) else {
        let body = b"{\"code\":\"503\",\"message\":\"Service Unavailable\",\"description\":\"The guardrails of this API cannot be read.\"}";
        host::respond(503, "kapi_guardrails_not_ready", body, &[("content-type", "application/json")]);
        return PAUSE;
    };
    if config.unmasks || !config.response.is_empty() {
        // What is packed cannot be read here.
        host::set_header(REQUEST_HEADERS, "accept-encoding", b"identity");
    }
    let holds_request = !config.request.is_empty() && end == 0;
    let first = config.clone();
    state().calls.insert(context, Call { config, masked: Vec::new(), answer: None, holds_request });
    if !holds_request {
        return CONTINUE;
    }
    let json = header(REQUEST_HEADERS, "content-type").to_ascii_lowercase().contains("json");
    if !json || !matches!(header(REQUEST_HEADERS, "content-encoding"), "" | "identity") {
        refuse(&first.request[0], &violation("Only a request with plain JSON can be checked."), "REQUEST");
    }
    PAUSE
}

#[no_mangle]
pub extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> u32 {
    host::begin();
    let Some(call) = state().calls.get_mut(&context).filter(|call| call.holds_request) else { return CONTINUE };
    if end == 0 {
        return PAUSE;
    }
    call.holds_request = false;
    let config = call.config.clone();
    let result = core::str::from_utf8(host::request_body(size))
        .map_err(|_| (&config.request[0], violation("The body is not UTF-8.")))
        .and_then(|body| config.apply(&config.request, body, Form::Json, &mut call.masked));
    pass_on(result.map(|made| made.map(String::into_bytes)), REQUEST_BODY, size)
}

#[no_mangle]
pub extern "C" fn proxy_on_request_trailers(context: u32, _: u32) -> u32 {
    host::begin();
    let held = state().calls.get(&context).is_some_and(|call| call.holds_request);
    if !held {
        return CONTINUE;
    }
    let config = state().calls[&context].config.clone();
    refuse(&config.request[0], &violation("A request with trailers cannot be checked."), "REQUEST");
    PAUSE
}

#[no_mangle]
pub extern "C" fn proxy_on_response_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    let Some(call) = state().calls.get_mut(&context) else { return CONTINUE };
    let reads = !call.config.response.is_empty() || !call.masked.is_empty();
    // An answer of the gateway, or a failure of the backend, has no text of the model.
    if end != 0 || !reads || !header(RESPONSE_HEADERS, ":status").starts_with('2') {
        state().calls.remove(&context);
        return CONTINUE;
    }
    let content_type = header(RESPONSE_HEADERS, "content-type").to_ascii_lowercase();
    let plain = matches!(header(RESPONSE_HEADERS, "content-encoding"), "" | "identity");
    call.answer = match content_type.split(';').next().unwrap_or("").trim() {
        _ if !plain => None,
        "text/event-stream" => Some(Form::Events),
        "application/vnd.amazon.eventstream" => Some(Form::Messages),
        "application/x-ndjson" | "application/jsonl" => Some(Form::Lines),
        name if name.contains("json") => Some(Form::Json),
        _ => None,
    };
    if call.answer.is_none() {
        let config = call.config.clone();
        state().calls.remove(&context);
        let Some(first) = config.response.first().or(config.request.first()) else { return CONTINUE };
        refuse(first, &violation("The answer cannot be checked: it is neither JSON nor a stream of JSON."), "RESPONSE");
    }
    PAUSE
}

#[no_mangle]
pub extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> u32 {
    host::begin();
    let Some(call) = state().calls.get(&context) else { return CONTINUE };
    if call.answer.is_none() {
        return CONTINUE;
    }
    if end == 0 {
        return PAUSE;
    }
    answered(context, size)
}

/// An answer with trailers (gRPC, some HTTP/2 backends): its body is whole now.
#[no_mangle]
pub extern "C" fn proxy_on_response_trailers(context: u32, _: u32) -> u32 {
    host::begin();
    let Some(call) = state().calls.remove(&context).filter(|call| call.answer.is_some()) else { return CONTINUE };
    if let Some(first) = call.config.response.first().or(call.config.request.first()) {
        refuse(first, &violation("An answer with trailers cannot be checked."), "RESPONSE");
    }
    PAUSE
}

fn answered(context: u32, size: usize) -> u32 {
    let Some(mut call) = state().calls.remove(&context) else { return CONTINUE };
    let (Some(form), config) = (call.answer, call.config.clone()) else { return CONTINUE };
    let Some(first) = config.response.first().or(config.request.first()) else { return CONTINUE };
    let held: &[u8] = host::response_body(size);
    let messages = if form == Form::Messages { event_messages::read(held) } else { Some(Vec::new()) };
    let read = match &messages {
        None => Err("The answer is not a stream of events of AWS."),
        Some(messages) if form == Form::Messages => Ok(Cow::Owned(event_messages::lines(messages))),
        Some(_) => core::str::from_utf8(held).map(Cow::Borrowed).map_err(|_| "The answer is not UTF-8."),
    };
    let result = read
        .map_err(|fault| (first, violation(fault)))
        .and_then(|body| {
            let (body, form) = (&*body, if form == Form::Messages { Form::Lines } else { form });
            let checked = config.apply(&config.response, body, form, &mut Vec::new())?;
            let now = checked.as_deref().unwrap_or(body);
            let masked = core::mem::take(&mut call.masked);
            let whole = if masked.is_empty() { None } else { unmask(now, form, &masked).map_err(|fault| (first, violation(fault)))? };
            Ok(whole.or(checked))
        });
    let written = |lines: String| match &messages {
        Some(messages) if form == Form::Messages => event_messages::written(messages, &lines),
        _ => lines.into_bytes(),
    };
    pass_on(result.map(|made| made.map(written)), RESPONSE_BODY, size)
}

fn violation(reason: &str) -> Violation {
    Violation::new(reason, reason)
}

fn pass_on(result: Result<Option<Vec<u8>>, (&Guardrail, Violation)>, kind: u32, size: usize) -> u32 {
    let (map, direction) = if kind == REQUEST_BODY { (REQUEST_HEADERS, "REQUEST") } else { (RESPONSE_HEADERS, "RESPONSE") };
    match result {
        Err((guardrail, violation)) => {
            refuse(guardrail, &violation, direction);
            return PAUSE;
        }
        Ok(None) => {}
        Ok(Some(made)) => {
            if host::header(map, "content-length").is_some() {
                host::set_header(map, "content-length", made.len().to_string().as_bytes());
            }
            // A digest of what was sent is not one of what is passed on.
            for name in ["content-md5", "digest", "content-digest", "repr-digest", "etag"] {
                host::remove_header(map, name);
            }
            if kind == REQUEST_BODY {
                host::set_request_body(size, &made);
            } else {
                host::set_response_body(size, &made);
            }
        }
    }
    CONTINUE
}

/// In the form of WSO2's AI gateway: which guardrail, and why.
fn refuse(guardrail: &Guardrail, violation: &Violation, direction: &str) {
    let shown = if guardrail.shows && !violation.assessment.is_empty() { format!(",\"assessments\":{}", quoted(&violation.assessment)) } else { String::new() };
    let message = format!(
        "{{\"action\":\"GUARDRAIL_INTERVENED\",\"interveningGuardrail\":{},\"actionReason\":{},\"direction\":\"{direction}\"{shown}}}",
        quoted(&guardrail.name), quoted(&violation.reason),
    );
    let body = format!("{{\"code\":\"900514\",\"type\":{},\"message\":{message}}}", quoted(&guardrail.kind));
    host::respond(422, "kapi_guardrail", body.as_bytes(), &[("content-type", "application/json; charset=UTF-8")]);
}
