//! Requests to MCP servers: refuses messages and operations, and leaves in lists what the caller may use. For `bodies`.
//!
//! The options of the route are, between tabs: flags (`o`: some operation needs no credential, so messages that name none need none
//! either; `r`: the tools are operations of a REST API; `h`: some tool repeats arguments in headers) and after blanks the origins whose pages may call, then verb and target of each
//! operation whose target is a pattern.
//!
//! With `r` the gateway is the server: it answers lists itself, and makes a request to the API from a call of a tool. The metadata
//! `kapi.mcp` has `server` (JSON), `tools` (names between tabs), and for each tool `operation NAME`, `list NAME` (JSON) and `call NAME`.
//! With `s` there are several servers behind it, which the names say: `prompts`, `resources` and `resourceTemplates` (names between tabs)
//! have `list MEMBER NAME`.
//! Subscriptions go to the process of the gateway that listens to all of them; sessions exist for these only.
//! For any server it has `headers NAME` of a tool that repeats arguments in headers; `mcp_headers` reads it.

use crate::bodies::{self, Admitted, Next};
use crate::host;
use crate::mcp::{self, Headers, Kind, List, Message, Refused};
use crate::mcp_headers;
use crate::mcp_tools::{self, Request, Writer};
use crate::operations::{Route, Use};
use crate::json_text::quoted;
use crate::replies::Refusal;
use crate::strict_json::Json;

const TOOLS: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.mcp\0";
const HANDSHAKE: &str = "mcp handshake";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// The id of the message that is judged in this callback, as JSON.
static mut ID: String = String::new();

fn keep_id(id: &str) {
    unsafe {
        let kept = &mut *core::ptr::addr_of_mut!(ID);
        kept.clear();
        kept.push_str(id);
    }
}

fn header(name: &str) -> Option<&'static str> {
    host::header(host::REQUEST_HEADERS, name).and_then(|value| core::str::from_utf8(value).ok())
}

pub fn headers(route: &Route, end: bool) -> Next {
    keep_id("");
    if header("origin").is_some_and(|origin| !mcp_headers::is_allowed(origin, settings(route).skip(1))) {
        return Next::Refused(Refusal::new(403, "-32600", "Pages of this origin may not call the server.", "", "kapi_mcp_origin"));
    }
    let is_modern = || header("mcp-protocol-version") == Some(mcp::MODERN);
    match header(":method").unwrap_or("") {
        "POST" if !bodies::is_json() => {
            Next::Refused(Refusal::new(415, "-32600", "Send one JSON-RPC message as application/json, without Content-Encoding.", "", "kapi_media_type"))
        }
        "POST" if end => Next::Refused(Refusal::new(400, "-32700", "The request has no body.", "", "kapi_mcp_message")),
        "POST" => Next::AwaitBody,
        _ if !end => Next::Refused(Refusal::new(400, "-32600", "Only a POST has a body.", "", "kapi_mcp_message")),
        "GET" | "DELETE" if is_modern() => {
            Next::Refused(Refusal::new(405, "-32600", "This revision has POST only.", "", "kapi_method").with("allow", "POST"))
        }
        "GET" | "DELETE" if has_flag(route, 's') && header("mcp-session-id").is_some() => with_answer(handshake(route), Answer::Watch),
        "GET" | "DELETE" if is_own(route) => {
            Next::Refused(Refusal::new(405, "-32600", "This server has no sessions.", "", "kapi_method").with("allow", "POST"))
        }
        "GET" | "DELETE" => handshake(route),
        _ => Next::Refused(Refusal::new(405, "-32600", "Use POST.", "", "kapi_method").with("allow", "POST, GET, DELETE")),
    }
}

pub fn body(route: &Route, body: &[u8]) -> Next {
    let headers = Headers { version: header("mcp-protocol-version"), method: header("mcp-method"), name: header("mcp-name") };
    match mcp::read(body, &headers) {
        Ok(message) => {
            keep_id(message.id);
            judged(route, &message)
        }
        Err(refused) => refuse(refused),
    }
}

fn refuse(refused: Refused) -> Next {
    keep_id(&refused.id);
    Next::Refused(Refusal { reason: None,
        status: u32::from(refused.status),
        code: mcp::text_of(refused.code).into(),
        message: refused.message.into(),
        description: refused.data.into(),
        details: "kapi_mcp_message",
        headers: Vec::new(),
        of_protocol: true,
    })
}

/// Flags, then origins.
fn settings<'a>(route: &Route<'a>) -> impl Iterator<Item = &'a str> {
    route.options.split('\t').next().unwrap_or("").split(' ')
}

fn has_flag(route: &Route, flag: char) -> bool {
    settings(route).next().is_some_and(|flags| flags.contains(flag))
}

fn is_own(route: &Route) -> bool {
    has_flag(route, 'r')
}

/// The headers of a tool that repeat arguments of a call.
fn repeated(route: &Route, tool: &str) -> &'static str {
    if !has_flag(route, 'h') {
        return "";
    }
    about(&format!("headers {tool}")).unwrap_or("")
}

fn arguments<'a>(message: &Message<'a>) -> Option<Json<'a>> {
    message.arguments()
}

/// What is wrong with the headers of a call that repeat its arguments (revision 2026-07-28).
fn disagreement(route: &Route, message: &Message) -> Option<Refused> {
    let (_, tool) = message.operations.first().filter(|(kind, _)| message.modern && *kind == Kind::Tool)?;
    let fault = mcp_headers::fault(repeated(route, tool), arguments(message), header)?;
    Some(Refused::mismatch(&fault, message))
}

fn judged(route: &Route, message: &Message) -> Next {
    if let Some(refused) = disagreement(route, message) {
        return refuse(refused);
    }
    if is_own(route) {
        return own(route, message);
    }
    if let Some(list) = message.list() {
        host::set_header(host::REQUEST_HEADERS, "accept-encoding", b"identity");
        return with_answer(handshake(route), Answer::List(list));
    }
    named(route, message)
}

/// A message that needs what the operations need that it names.
fn named(route: &Route, message: &Message) -> Next {
    if message.operations.is_empty() {
        return handshake(route);
    }
    let mut uses = Vec::with_capacity(message.operations.len());
    let mut rules = Vec::with_capacity(message.operations.len());
    for (kind, name) in &message.operations {
        match declared(route, *kind, name) {
            Some((name, rule)) => {
                uses.push(Use { name, times: 1 });
                rules.push(rule);
            }
            None => return refuse(Refused::unknown(*kind, name, message)),
        }
    }
    let known = |name: &str| uses.iter().position(|item| item.name == name).map(|index| rules[index]);
    bodies::admitted_by(route, &uses, 1, known)
}

/// A message to the server that the gateway is.
fn own(route: &Route, message: &Message) -> Next {
    let server = about("server").unwrap_or("{}");
    let writer = Writer { id: message.id, modern: message.modern, server };
    let text = match &*message.method {
        _ if message.id.is_empty() => return with_answer(handshake(route), Answer::Accepted),
        "tools/call" => return called(route, message, &writer),
        "prompts/get" | "resources/read" | "completion/complete" if has_flag(route, 's') => return sent_on(route, message),
        "subscriptions/listen" | "resources/subscribe" | "resources/unsubscribe" if has_flag(route, 's') => {
            return with_answer(named(route, message), Answer::Watch);
        }
        "initialize" if has_flag(route, 's') => {
            let text = writer.initialized(&mcp_tools::wanted(message), &capabilities(SUBSCRIBED));
            return with_answer(handshake(route), Answer::Session(text));
        }
        "initialize" => writer.initialized(&mcp_tools::wanted(message), &capabilities(FIXED)),
        "ping" => writer.result(""),
        "server/discover" => writer.discovered(&capabilities(if has_flag(route, 's') { SUBSCRIBED } else { FIXED })),
        "subscriptions/listen" => return with_answer(handshake(route), Answer::Events(writer.subscribed())),
        "tools/list" => {
            let names = about("tools").unwrap_or("").split('\t').filter(|name| operation_of(name).is_some_and(|item| allows(route, item)));
            writer.listed("tools", &names.filter_map(|name| about(&format!("list {name}"))).collect::<Vec<_>>())
        }
        _ if has_flag(route, 's') => match message.list() {
            Some(List { member, kind, .. }) => {
                let names = about(member).unwrap_or("").split('\t').filter(|name| may_use(route, kind, name));
                writer.listed(member, &names.filter_map(|name| about(&format!("list {member} {name}"))).collect::<Vec<_>>())
            }
            None => return refuse(Refused::unknown_method(message)),
        },
        _ => return refuse(Refused::unknown_method(message)),
    };
    with_answer(handshake(route), Answer::Json(text))
}

/// What is told of tools and prompts, and of resources: with several servers, changes are told.
const SUBSCRIBED: [&str; 2] = ["{\"listChanged\":true}", "{\"listChanged\":true,\"subscribe\":true}"];
const FIXED: [&str; 2] = ["{}", "{}"];

/// What the server that the gateway is can do, as JSON.
fn capabilities([lists, subscriptions]: [&str; 2]) -> String {
    let has = |member: &str| about(member).is_some_and(|names| !names.is_empty());
    let mut members = Vec::new();
    if has("tools") {
        members.push(format!("\"tools\":{lists}"));
    }
    let (prompts, resources) = (has("prompts"), has("resources") || has("resourceTemplates"));
    if prompts {
        members.push(format!("\"prompts\":{lists}"));
    }
    if resources {
        members.push(format!("\"resources\":{subscriptions}"));
    }
    if prompts || resources {
        members.push("\"completions\":{}".into());
    }
    format!("{{{}}}", members.join(","))
}

/// A message about a prompt or resource, for one of several servers.
fn sent_on(route: &Route, message: &Message) -> Next {
    let Some((kind, name)) = message.operations.first() else { return refuse(Refused::unknown_method(message)) };
    let (Some((operation, rule)), Some((server, own))) = (declared(route, *kind, name), mcp::of_server(*kind, name)) else {
        return refuse(Refused::unknown(*kind, name, message));
    };
    let (is_read, is_completion) = (message.method == "resources/read", message.method == "completion/complete");
    let answer = Answer::Forward(Box::new(Forward {
        server: server.into(),
        method: message.method.to_string(),
        name: (!is_completion).then(|| mcp_headers::encoded(own)),
        body: mcp_tools::forwarded(message, own),
        headers: Vec::new(),
        names_resources: is_read,
    }));
    with_answer(bodies::admitted_by(route, &[Use { name: operation, times: 1 }], 1, |_| Some(rule)), answer)
}

/// A call of a tool becomes a request to the API.
fn called(route: &Route, message: &Message, writer: &Writer) -> Next {
    let Some((_, tool)) = message.operations.first() else { return refuse(Refused::unknown_method(message)) };
    let (Some(name), Some(template)) = (operation_of(tool), about(&format!("call {tool}"))) else {
        return refuse(Refused::unknown(Kind::Tool, tool, message));
    };
    let arguments = arguments(message);
    let headers = mcp_headers::written(repeated(route, tool), arguments);
    if let Some((server, own)) = template.strip_prefix("forward\t").and_then(|rest| rest.split_once('\t')) {
        let answer = Answer::Forward(Box::new(Forward {
            server: server.into(),
            method: message.method.to_string(),
            name: Some(own.into()),
            body: mcp_tools::forwarded(message, own),
            headers,
            names_resources: false,
        }));
        return with_answer(bodies::admitted(route, &[Use { name: name.into(), times: 1 }], 1), answer);
    }
    let answer = match mcp_tools::request(template, arguments) {
        Ok(request) => {
            let unwanted = headers.into_iter().map(|(name, _)| name).collect();
            Answer::Call { request, id: message.id.into(), modern: message.modern, unwanted }
        }
        Err(fault) => Answer::Json(writer.failed(&fault)),
    };
    with_answer(bodies::admitted(route, &[Use { name: name.into(), times: 1 }], 1), answer)
}

/// The operation of the API that a tool is.
fn operation_of(tool: &str) -> Option<&'static str> {
    about(&format!("operation {tool}"))
}

/// What the metadata says of the server that the gateway is.
fn about(name: &str) -> Option<&'static str> {
    host::property(&[TOOLS, name.as_bytes()].concat()).and_then(|value| core::str::from_utf8(value).ok())
}

fn with_answer(next: Next, answer: Answer) -> Next {
    match next {
        Next::Judged(admitted) => Next::Judged(Admitted { answer: Some(answer), ..admitted }),
        other => other,
    }
}

/// A message that names no operation: it needs a credential unless some operation needs none.
fn handshake(route: &Route) -> Next {
    if has_flag(route, 'o') {
        return Next::Judged(Admitted { requests: 1, ..Admitted::default() });
    }
    bodies::admitted(route, &[Use { name: HANDSHAKE.into(), times: 0 }], 1)
}

/// The operation of the conf that this name is for: the one of that name, or the first whose pattern matches.
fn declared(route: &Route, kind: Kind, name: &str) -> Option<(String, &'static str)> {
    let exact = format!("{} {name}", kind.verb());
    if let Some(rule) = bodies::rule(&exact) {
        return Some((exact, rule));
    }
    let mut fields = route.options.split('\t').skip(1);
    while let (Some(verb), Some(target)) = (fields.next(), fields.next()) {
        if verb == kind.verb() && mcp::matches(kind, target, name) {
            let found = format!("{verb} {target}");
            let rule = bodies::rule(&found)?;
            return Some((found, rule));
        }
    }
    None
}

fn may_use(route: &Route, kind: Kind, name: &str) -> bool {
    declared(route, kind, name).is_some_and(|(name, _)| allows(route, &name))
}

fn allows(route: &Route, operation: &str) -> bool {
    matches!(bodies::admitted(route, &[Use { name: operation.into(), times: 0 }], 1), Next::Judged(_))
}

/// The body of a refusal: a JSON-RPC error. Numbers of APK are in `data`.
pub fn error_body(refusal: &Refusal) -> String {
    let id = unsafe { (*core::ptr::addr_of!(ID)).clone() };
    let (code, data) = match refusal.code.parse::<i32>() {
        Ok(code) if code < 0 => (code, refusal.description.to_string()),
        _ => (own_code(refusal.status), format!("{{\"code\":{},\"description\":{}}}", quoted(&refusal.code), quoted(&refusal.description))),
    };
    mcp::error(&Refused { status: 0, code, message: refusal.message.to_string(), data, id })
}

/// Codes of our own (JSON-RPC 2.0 §5.1: the server's), by status.
fn own_code(status: u32) -> i32 {
    match status {
        401 => -32010,
        403 => -32011,
        429 => -32012,
        _ => -32603,
    }
}

/// What is done after a request was admitted.
pub enum Answer {
    /// The answer of the server has a list, which may contain more than the caller may use.
    List(List),
    /// The gateway answers.
    Json(String),
    Events(String),
    Accepted,
    /// The same with the id of a new session.
    Session(String),
    /// The request goes to the process that listens to several servers.
    Watch,
    /// The request goes to one of several servers.
    Forward(Box<Forward>),
    /// The request becomes another one, and its answer the result of a call. `unwanted` headers are of the message.
    Call { request: Request, id: String, modern: bool, unwanted: Vec<String> },
}

/// A message for one of several servers.
pub struct Forward {
    server: String,
    method: String,
    /// The header that repeats the name, where the method has one.
    name: Option<String>,
    body: String,
    headers: Vec<(String, String)>,
    /// The answer has URIs of resources.
    names_resources: bool,
}

impl Answer {
    /// Before the request goes on; whether it goes on.
    pub fn begin(&self, size: usize) -> bool {
        match self {
            Answer::List(_) => return true,
            Answer::Json(text) => host::respond(200, "kapi_mcp", text.as_bytes(), &[("content-type", JSON)]),
            Answer::Events(text) => host::respond(200, "kapi_mcp", text.as_bytes(), &[("content-type", EVENTS)]),
            Answer::Accepted => host::respond(202, "kapi_mcp", b"", &[]),
            Answer::Session(text) => {
                // A session begins with its first use, within five minutes of this time: `sessions.py` of `gateway/mcp_changes`.
                let id = format!("{}-{}", host::now(), host::random().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
                host::respond(200, "kapi_mcp", text.as_bytes(), &[("content-type", JSON), ("mcp-session-id", &id)]);
            }
            Answer::Watch => {
                watch();
                return true;
            }
            Answer::Call { request, unwanted, .. } => {
                unwanted.iter().for_each(|name| host::remove_header(host::REQUEST_HEADERS, name));
                send(request, size);
                return true;
            }
            Answer::Forward(message) => {
                forward(message, size);
                return true;
            }
        }
        false
    }

    /// The headers of the answer have come; whether the body is held until it is complete.
    pub fn headers(&self, end: bool) -> bool {
        match self {
            Answer::List(_) => !end && is_readable() && status() == 200,
            Answer::Watch => false,
            Answer::Forward(message) => message.names_resources && !end && is_readable() && status() == 200,
            Answer::Call { .. } if end => {
                host::respond(200, "kapi_mcp", &self.body_of_call(b""), &[("content-type", JSON)]);
                true
            }
            _ => true,
        }
    }

    /// The body in place of the one that has come.
    pub fn body(&self, text: &[u8]) -> Vec<u8> {
        host::read_headers(host::RESPONSE_HEADERS);
        let events = content_type().starts_with(EVENTS);
        let changed = match self {
            Answer::List(list) => {
                let route = bodies::route();
                let mut allowed = |name: &str| route.as_ref().is_some_and(|route| may_use(route, list.kind, name));
                in_messages(text, events, |message| mcp::filtered(message, *list, &mut allowed))
            }
            Answer::Forward(sent) => in_messages(text, events, |message| mcp::prefixed(message, &sent.server)),
            _ => {
                let body = self.body_of_call(text);
                host::set_header(host::RESPONSE_HEADERS, ":status", b"200");
                host::set_header(host::RESPONSE_HEADERS, "content-type", JSON.as_bytes());
                return body;
            }
        };
        changed.unwrap_or_else(|| unreadable(events)).into_bytes()
    }

    fn body_of_call(&self, text: &[u8]) -> Vec<u8> {
        let Answer::Call { id, modern, .. } = self else { return Vec::new() };
        let writer = Writer { id, modern: *modern, server: "{}" };
        writer.called(status(), content_type(), text).into_bytes()
    }
}

/// Change one message, or each of a stream of events.
fn in_messages(text: &[u8], events: bool, mut change: impl FnMut(&[u8]) -> Option<String>) -> Option<String> {
    if events { mcp::in_events(text, change) } else { change(text) }
}

fn content_type() -> &'static str {
    host::header(host::RESPONSE_HEADERS, "content-type").and_then(|value| core::str::from_utf8(value).ok()).unwrap_or("")
}

fn status() -> u32 {
    let text = host::header(host::RESPONSE_HEADERS, ":status").and_then(|value| core::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_readable() -> bool {
    host::read_headers(host::RESPONSE_HEADERS);
    content_type().starts_with(JSON) || content_type().starts_with(EVENTS)
}

/// Send a message to one of several servers, in the revision without sessions.
fn forward(message: &Forward, size: usize) {
    ["mcp-session-id", "last-event-id", "mcp-name"].iter().for_each(|name| host::remove_header(host::REQUEST_HEADERS, name));
    let set = |name: &str, value: &str| host::set_header(host::REQUEST_HEADERS, name, value.as_bytes());
    message.headers.iter().for_each(|(name, value)| set(name, value));
    set("mcp-protocol-version", mcp::MODERN);
    set("mcp-method", &message.method);
    if let Some(name) = &message.name {
        set("mcp-name", name);
    }
    set("accept", "application/json, text/event-stream");
    if message.names_resources {
        set("accept-encoding", "identity");
    }
    set("x-kapi-mcp-server", &message.server);
    set("content-length", &message.body.len().to_string());
    host::set_request_body(size, message.body.as_bytes());
    host::clear_route();
}

/// Send a message to the process that listens to several servers: who sent it, and by which path.
fn watch() {
    let set = |name: &str, value: &str| host::set_header(host::REQUEST_HEADERS, name, value.as_bytes());
    let url = header("x-kapi-url").unwrap_or("");
    set("x-kapi-mcp-path", url.find('/').map_or("", |at| &url[at..]));
    set("x-kapi-mcp-caller", &crate::filter::caller_texts().map(mcp_tools::escaped).join("&"));
    set("x-kapi-mcp-server", "*");
    host::clear_route();
}

/// Headers of the message that are not for the API.
const OF_MESSAGE: [&str; 7] =
    ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id", "last-event-id", "content-type", "content-length"];

/// Put another request in place of the one that has come. Envoy chooses its route anew.
fn send(request: &Request, size: usize) {
    OF_MESSAGE.iter().for_each(|name| host::remove_header(host::REQUEST_HEADERS, name));
    let set = |name: &str, value: &str| host::set_header(host::REQUEST_HEADERS, name, value.as_bytes());
    set(":method", &request.method);
    set(":path", &request.path);
    set("accept", "application/json, */*;q=0.5");
    set("accept-encoding", "identity");
    request.headers.iter().for_each(|(name, value)| set(name, value));
    let body = request.body.as_ref().map_or("", |(media_type, text)| {
        set("content-type", media_type);
        text
    });
    set("content-length", &body.len().to_string());
    host::set_request_body(size, body.as_bytes());
    host::clear_route();
}

/// In place of a list that cannot be read.
fn unreadable(events: bool) -> String {
    let refused = Refused { status: 200, code: -32603, message: "The gateway cannot read the answer of the server.".into(), data: String::new(), id: String::new() };
    let text = mcp::error(&refused);
    if events { format!("event: message\ndata: {text}\n\n") } else { text }
}
