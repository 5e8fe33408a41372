//! The callbacks of Envoy: check the parameters of a request, hold a body that has a schema, and refuse or pass it on; copy an answer that has a
//! schema while it passes, and tell what is wrong with it.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::bodies::{self, Found};
use crate::checks::{Checks, Fault};
use crate::host::{self, REQUEST_HEADERS, RESPONSE_HEADERS};
use crate::parameters::{faults, Request};
use crate::json_text::quoted;
use crate::per_route::Settings;
use crate::responses::{self, Answer};

const FILTER: &str = "kapi.validation";
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
/// Routes whose schemas are kept in each thread.
const MOST_CHECKS: usize = 500;
const JSON: (&str, &str) = ("content-type", "application/json; charset=UTF-8");

/// One call whose body is held.
struct Call {
    checks: Rc<Checks>,
    content_type: String,
    faults: Vec<Fault>,
}

/// One answer whose body is copied.
struct Copied {
    checks: Rc<Checks>,
    status: String,
    content_type: String,
    bytes: Vec<u8>,
}

struct State {
    checks: Settings<Checks>,
    calls: BTreeMap<u32, Call>,
    answers: BTreeMap<u32, Copied>,
}

static mut STATE: State = State { checks: Settings::new(), calls: BTreeMap::new(), answers: BTreeMap::new() };

fn state() -> &'static mut State {
    unsafe { &mut *core::ptr::addr_of_mut!(STATE) }
}

#[no_mangle]
pub extern "C" fn proxy_on_delete(context: u32) {
    state().calls.remove(&context);
    state().answers.remove(&context);
}

fn header(name: &str) -> Option<String> {
    host::header(REQUEST_HEADERS, name).map(|value| String::from_utf8_lossy(value).into_owned())
}

#[no_mangle]
pub extern "C" fn proxy_on_request_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    let Some(checks) = state().checks.current(FILTER, MOST_CHECKS, Checks::read) else {
        let body = b"{\"code\":\"503\",\"message\":\"Service Unavailable\",\"description\":\"The definition of this API cannot be read.\"}";
        host::respond(503, "kapi_validation_not_ready", body, &[JSON]);
        return PAUSE;
    };
    let (path, cookies) = (header(":path").unwrap_or_default(), header("cookie").unwrap_or_default());
    let request = Request { path: &path, cookies: &cookies, header: &header };
    let mut found = faults(&checks, &request);
    if let Some(body) = &checks.body {
        if end != 0 {
            if body.required {
                found.push(Fault::new("body", "", "is missing"));
            }
        } else {
            let content_type = header("content-type").unwrap_or_default();
            match body.of_type(&content_type) {
                Found::Passes => {}
                Found::Unsupported(types) => return unsupported(&format!("Use one of the media types: {types}.")),
                Found::Checked(_) if !matches!(header("content-encoding").as_deref(), None | Some("" | "identity")) => {
                    return unsupported("Send the body without Content-Encoding.");
                }
                Found::Checked(_) => {
                    state().calls.insert(context, Call { checks: checks.clone(), content_type, faults: found });
                    return PAUSE;
                }
            }
        }
    }
    answer(&found)
}

#[no_mangle]
pub extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> u32 {
    host::begin();
    if !state().calls.contains_key(&context) {
        return CONTINUE;
    }
    if end == 0 {
        return PAUSE;
    }
    checked(context, size)
}

/// A body with trailers is whole now; its size is not said, so all of the buffer is read.
#[no_mangle]
pub extern "C" fn proxy_on_request_trailers(context: u32, _: u32) -> u32 {
    host::begin();
    if !state().calls.contains_key(&context) {
        return CONTINUE;
    }
    checked(context, u32::MAX as usize)
}

fn checked(context: u32, size: usize) -> u32 {
    let Some(mut call) = state().calls.remove(&context) else { return CONTINUE };
    let Some(body) = &call.checks.body else { return CONTINUE };
    if let Found::Checked(schema) = body.of_type(&call.content_type) {
        let bytes = host::request_body(size);
        if bytes.is_empty() && !body.required {
            return answer(&call.faults);
        }
        call.faults.extend(bodies::fault(schema, bytes));
    }
    answer(&call.faults)
}

fn unsupported(description: &str) -> u32 {
    let body = format!("{{\"code\":\"415\",\"message\":\"Unsupported Media Type\",\"description\":{}}}", quoted(description));
    host::respond(415, "kapi_request_media_type", body.as_bytes(), &[JSON]);
    PAUSE
}

fn answer(faults: &[Fault]) -> u32 {
    if faults.is_empty() {
        return CONTINUE;
    }
    let list = faults.iter().map(Fault::json).collect::<Vec<_>>().join(",");
    let description = "The request does not match the definition of the API.";
    let body = format!("{{\"code\":\"400\",\"message\":\"Bad Request\",\"description\":\"{description}\",\"faults\":[{list}]}}");
    host::respond(400, "kapi_request_invalid", body.as_bytes(), &[JSON]);
    PAUSE
}

const FAULT: &[u8] = b"kapi.answer_fault";
const CODE_DETAILS: &[u8] = b"response\0code_details";
const BY_BACKEND: &[u8] = b"via_upstream";

fn answer_header(name: &str) -> Option<String> {
    host::header(RESPONSE_HEADERS, name).map(|value| String::from_utf8_lossy(value).into_owned())
}

#[no_mangle]
pub extern "C" fn proxy_on_response_headers(context: u32, _: u32, end: u32) -> u32 {
    host::begin();
    // What the gateway answers by itself is not in the definition of an API.
    if host::property(CODE_DETAILS).is_some_and(|details| details != BY_BACKEND) {
        return CONTINUE;
    }
    let Some(checks) = state().checks.current(FILTER, MOST_CHECKS, Checks::read) else { return CONTINUE };
    let Some(responses) = &checks.responses else { return CONTINUE };
    let (status, content_type) = (answer_header(":status").unwrap_or_default(), answer_header("content-type").unwrap_or_default());
    match responses.of_answer(&status, &content_type, end == 0) {
        Answer::Passes => {}
        Answer::Wrong(text) => host::set_property(FAULT, text.as_bytes()),
        Answer::Checked(_) => {
            let is_plain = matches!(answer_header("content-encoding").as_deref(), None | Some("" | "identity"));
            let length: usize = answer_header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            if is_plain && length <= responses.most {
                state().answers.insert(context, Copied { checks: checks.clone(), status, content_type, bytes: Vec::with_capacity(length) });
            }
        }
    }
    CONTINUE
}

#[no_mangle]
pub extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> u32 {
    host::begin();
    let Some(copied) = state().answers.get_mut(&context) else { return CONTINUE };
    let most = copied.checks.responses.as_ref().map_or(0, |responses| responses.most);
    if copied.bytes.len() + size > most {
        state().answers.remove(&context);
        return CONTINUE;
    }
    copied.bytes.extend_from_slice(host::response_body(size));
    if end != 0 {
        tell(context);
    }
    CONTINUE
}

#[no_mangle]
pub extern "C" fn proxy_on_response_trailers(context: u32, _: u32) -> u32 {
    host::begin();
    tell(context);
    CONTINUE
}

fn tell(context: u32) {
    let Some(copied) = state().answers.remove(&context) else { return };
    let Some(responses) = &copied.checks.responses else { return };
    if let Answer::Checked(schema) = responses.of_answer(&copied.status, &copied.content_type, true) {
        if let Some(text) = responses::fault(schema, &copied.bytes) {
            host::set_property(FAULT, text.as_bytes());
        }
    }
}
