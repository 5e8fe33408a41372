//! Calls of AI models in Envoy: the choice at the route, and the requests and answers in the cluster of a model. Called by `filter`.

use std::collections::BTreeMap;

use crate::host::{self, SharedData, REQUEST_HEADERS, RESPONSE_HEADERS};
use crate::models::{models, Target, CHOSEN, ORDER};
use crate::replies::{self, Form, Refusal};

/// Routes whose turns are kept in each thread.
const MOST_ROUTES: usize = 1000;

/// Whose turn it is, by the text of the route. Each thread has turns of its own.
static mut TURNS: BTreeMap<String, Vec<i64>> = BTreeMap::new();

fn turns(route: &str) -> &'static mut Vec<i64> {
    let all = unsafe { &mut *core::ptr::addr_of_mut!(TURNS) };
    if !all.contains_key(route) {
        if all.len() >= MOST_ROUTES {
            all.clear();
        }
        all.insert(route.to_owned(), Vec::new());
    }
    all.get_mut(route).unwrap_or_else(|| unreachable!())
}

fn header(map: u32, name: &str) -> Option<&'static str> {
    host::header(map, name).and_then(|value| core::str::from_utf8(value).ok())
}

/// Choose the models of a call, which Envoy finds by headers; a refusal if all are suspended.
pub fn choose(text: &str) -> Result<(), Refusal<'static>> {
    let Some(models) = models(text) else { return Err(replies::not_ready()) };
    let now = host::now_milliseconds();
    let order = models.order(turns(text), &SharedData, now).map_err(|until| all_suspended(until.saturating_sub(now).div_ceil(1000)))?;
    let numbers: Vec<String> = order.iter().map(usize::to_string).collect();
    host::set_header(REQUEST_HEADERS, CHOSEN, numbers[0].as_bytes());
    host::set_header(REQUEST_HEADERS, ORDER, numbers.join(",").as_bytes());
    host::set_header(REQUEST_HEADERS, "x-envoy-max-retries", (order.len() - 1).to_string().as_bytes());
    host::clear_route();
    Ok(())
}

fn all_suspended(seconds: u64) -> Refusal<'static> {
    let description = format!("All models of this API are suspended after failures. Try again in {seconds} s.");
    Refusal::new(503, "503", "Service Unavailable", description, "kapi_models_suspended").with("retry-after", seconds.to_string())
}

/// The configuration of a model's cluster.
pub fn target(text: &[u8]) -> Option<Target> {
    Target::read(core::str::from_utf8(text).ok()?.strip_prefix("model\n")?)
}

/// Write the head of a request for the model; `end`: it has no body. Answers whether the body is to be written too.
pub fn headers(target: &Target, end: bool) -> bool {
    let order = header(REQUEST_HEADERS, ORDER).unwrap_or("");
    let path = header(REQUEST_HEADERS, ":path").unwrap_or("/");
    let attempt = target.attempt(order, path, &SharedData, host::now_milliseconds());
    host::set_header(REQUEST_HEADERS, ":path", attempt.path.as_bytes());
    host::set_header(REQUEST_HEADERS, ":authority", target.authority.as_bytes());
    match attempt.next {
        Some(next) => host::set_header(REQUEST_HEADERS, CHOSEN, next.to_string().as_bytes()),
        None => {
            host::remove_header(REQUEST_HEADERS, CHOSEN);
            host::remove_header(REQUEST_HEADERS, ORDER);
        }
    }
    !end && attempt.in_body && sends_json()
}

fn sends_json() -> bool {
    let value = |name| header(REQUEST_HEADERS, name).unwrap_or("");
    value("content-type").to_ascii_lowercase().contains("json") && matches!(value("content-encoding"), "" | "identity")
}

/// Write the whole body of a request. Answers whether the request may go on.
pub fn body(target: &Target, size: usize) -> bool {
    let Some(made) = target.body(host::request_body(size)) else {
        let description = "The body is not one JSON object whose members have different names.";
        Refusal::new(400, "400", "Bad Request", description, "kapi_model_body").send(Form::Apk);
        return false;
    };
    if host::header(REQUEST_HEADERS, "content-length").is_some() {
        host::set_header(REQUEST_HEADERS, "content-length", made.len().to_string().as_bytes());
    }
    // A digest of what was sent is not one of what is passed on.
    for name in ["content-md5", "digest", "content-digest", "repr-digest"] {
        host::remove_header(REQUEST_HEADERS, name);
    }
    host::set_request_body(size, made.as_bytes());
    true
}

/// The head of the model's answer has come.
pub fn answered(target: &Target) {
    let status = header(RESPONSE_HEADERS, ":status").unwrap_or("");
    target.answered(status, |name| header(RESPONSE_HEADERS, name), &SharedData, host::now_milliseconds());
}
