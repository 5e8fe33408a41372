//! Reads one message of the Model Context Protocol (streamable HTTP): is it what its headers say, and which operations does it name?
//!
//! Revisions 2025-03-26 to 2025-11-25 (sessions, `initialize`) and 2026-07-28 (each request has its revision in `_meta` and in headers).
//! A message that two readers could understand in two ways is refused, so that what is checked here is what the server does.

use std::borrow::Cow;

use crate::base64;
use crate::json_text::quoted;
use crate::strict_json::{self, Json};

pub const MODERN: &str = "2026-07-28";
const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
pub const SUPPORTED: &str = "[\"2026-07-28\",\"2025-11-25\",\"2025-06-18\",\"2025-03-26\"]";
const VERSION_MEMBER: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_MEMBER: &str = "io.modelcontextprotocol/clientCapabilities";
const LONGEST_ID: usize = 256;
const LONGEST_NAME: usize = 2048;
const MOST_SUBSCRIPTIONS: usize = 100;

/// JSON-RPC 2.0 §5.1, and those of revision 2026-07-28.
pub const PARSE_ERROR: i32 = -32700;
pub const INVALID_REQUEST: i32 = -32600;
pub const METHOD_NOT_FOUND: i32 = -32601;
pub const INVALID_PARAMS: i32 = -32602;
pub const HEADER_MISMATCH: i32 = -32020;
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// A code as text.
pub fn text_of(code: i32) -> &'static str {
    match code {
        PARSE_ERROR => "-32700",
        METHOD_NOT_FOUND => "-32601",
        INVALID_PARAMS => "-32602",
        HEADER_MISMATCH => "-32020",
        UNSUPPORTED_VERSION => "-32022",
        _ => "-32600",
    }
}

/// The headers of a request that repeat its body; None if not sent.
#[derive(Clone, Copy, Default)]
pub struct Headers<'a> {
    pub version: Option<&'a str>,
    pub method: Option<&'a str>,
    pub name: Option<&'a str>,
}

/// The kinds of operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Tool,
    Prompt,
    Resource,
}

impl Kind {
    pub fn verb(self) -> &'static str {
        match self {
            Kind::Tool => "tool",
            Kind::Prompt => "prompt",
            Kind::Resource => "resource",
        }
    }

}

/// A list that a method returns: its member in the result, the member of an item with its name, and the kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct List {
    pub member: &'static str,
    pub name: &'static str,
    pub kind: Kind,
}

const LISTS: [(&str, List); 4] = [
    ("tools/list", List { member: "tools", name: "name", kind: Kind::Tool }),
    ("prompts/list", List { member: "prompts", name: "name", kind: Kind::Prompt }),
    ("resources/list", List { member: "resources", name: "uri", kind: Kind::Resource }),
    ("resources/templates/list", List { member: "resourceTemplates", name: "uriTemplate", kind: Kind::Resource }),
];
const BOTH: [&str; 8] = [
    "tools/list", "prompts/list", "resources/list", "resources/templates/list",
    "tools/call", "prompts/get", "resources/read", "completion/complete",
];
const LEGACY_ONLY: [&str; 5] = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
const MODERN_ONLY: [&str; 2] = ["server/discover", "subscriptions/listen"];

/// The members of an object: looking for one in the text reads it again.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Members<'a> {
    fn of(object: Option<Json<'a>>) -> Self {
        Members(object.into_iter().flat_map(Json::members).collect())
    }

    fn get(&self, name: &str) -> Option<Json<'a>> {
        self.0.iter().find_map(|(found, value)| (found == name).then_some(*value))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

/// A message that may pass if its operations may.
pub struct Message<'a> {
    params: Option<Json<'a>>,
    arguments: Option<Json<'a>>,
    /// Empty in a response of the client.
    pub method: Cow<'a, str>,
    /// As it was sent; empty in a notification and in a response.
    pub id: &'a str,
    pub modern: bool,
    pub operations: Vec<(Kind, Cow<'a, str>)>,
}

impl<'a> Message<'a> {
    pub fn list(&self) -> Option<List> {
        LISTS.iter().find_map(|(method, list)| (*method == self.method).then_some(*list))
    }

    pub fn params(&self) -> Option<Json<'a>> {
        self.params
    }

    pub fn arguments(&self) -> Option<Json<'a>> {
        self.arguments
    }
}

/// Why a message is refused: HTTP status, JSON-RPC error, `data` as JSON or empty, and the id of the message if it is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub code: i32,
    pub message: String,
    pub data: String,
    pub id: String,
}

impl Refused {
    fn new(code: i32, message: impl Into<String>, id: &str) -> Self {
        Refused { status: 400, code, message: message.into(), data: String::new(), id: id.into() }
    }

    pub fn unknown_method(message: &Message) -> Self {
        let status = if message.modern { 404 } else { 200 };
        let text = format!("Method not found: {}", shortened(&message.method));
        Refused { status, ..Refused::new(METHOD_NOT_FOUND, text, message.id) }
    }

    /// A header does not say what the body says.
    pub fn mismatch(fault: &str, message: &Message) -> Self {
        Refused::new(HEADER_MISMATCH, format!("Header mismatch: {fault}"), message.id)
    }

    /// The operation is not in the conf. Earlier revisions expect errors of a request with status 200.
    pub fn unknown(kind: Kind, name: &str, message: &Message) -> Self {
        let status = if message.modern { 400 } else { 200 };
        let text = format!("Unknown {}: {}", kind.verb(), shortened(name));
        Refused { status, ..Refused::new(INVALID_PARAMS, text, message.id) }
    }
}

/// At most 100 characters of a text.
pub fn shortened(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}

pub fn read<'a>(body: &'a [u8], headers: &Headers) -> Result<Message<'a>, Refused> {
    let body = strict_json::read(body).map_err(unreadable)?;
    if !body.is_object() {
        return Err(Refused::new(INVALID_REQUEST, "The body must be a single JSON-RPC message.", ""));
    }
    let body = Members::of(Some(body));
    let id = id(&body)?;
    envelope(&body, id)?;
    let method = match body.get("method") {
        Some(method) => method.text().ok_or_else(|| Refused::new(INVALID_REQUEST, "method must be a string.", id))?,
        None => return response(&body, headers),
    };
    let params = body.get("params");
    let members = Members::of(params);
    let modern = revision(&members, id, headers)?;
    exact_names(&members, &["name", "uri", "ref", "_meta", "arguments", "notifications"], id)?;
    agreement(headers.method, Some(&method), "Mcp-Method", modern, id)?;
    let mut message = Message { params, arguments: members.get("arguments"), method, id, modern, operations: Vec::new() };
    if message.id.is_empty() {
        return if message.method.starts_with("notifications/") {
            Ok(message)
        } else {
            Err(Refused::new(INVALID_REQUEST, "A request must have an id.", ""))
        };
    }
    known(&message)?;
    name_operations(&mut message, &members, headers)?;
    Ok(message)
}

fn unreadable(fault: strict_json::Fault) -> Refused {
    Refused::new(PARSE_ERROR, fault, "")
}

/// The id as it was sent: a string or an integer.
fn id<'a>(body: &Members<'a>) -> Result<&'a str, Refused> {
    let Some(found) = body.get("id") else { return Ok("") };
    let raw = found.raw();
    let integer = raw.strip_prefix('-').unwrap_or(raw).bytes().all(|byte| byte.is_ascii_digit());
    if raw.len() > LONGEST_ID || !(integer || found.text().is_some()) {
        return Err(Refused::new(INVALID_REQUEST, "id must be a short string or an integer.", ""));
    }
    Ok(raw)
}

fn envelope(body: &Members, id: &str) -> Result<(), Refused> {
    let fault = |text: &str| Err(Refused::new(INVALID_REQUEST, text, id));
    for name in body.names() {
        if !matches!(name, "jsonrpc" | "id" | "method" | "params" | "result" | "error") {
            return fault("A JSON-RPC message has no other members than jsonrpc, id, method, params, result and error.");
        }
    }
    if body.get("jsonrpc").and_then(Json::text).as_deref() != Some("2.0") {
        return fault("jsonrpc must be \"2.0\".");
    }
    if body.get("params").is_some_and(|params| !params.is_object()) {
        return fault("params must be an object.");
    }
    Ok(())
}

/// A client answers a request of the server: sessions only.
fn response<'a>(body: &Members<'a>, headers: &Headers) -> Result<Message<'a>, Refused> {
    let answers = ["result", "error"].iter().filter(|name| body.get(name).is_some()).count();
    let legacy = headers.version.is_none_or(|version| LEGACY.contains(&version)) && headers.method.is_none();
    if answers != 1 || !legacy || body.get("id").is_none() || body.get("params").is_some() {
        return Err(Refused::new(INVALID_REQUEST, "The body must be a JSON-RPC request or notification.", ""));
    }
    Ok(Message { params: None, arguments: None, method: Cow::Borrowed(""), id: "", modern: false, operations: Vec::new() })
}

/// Whether the message is of a revision with metadata in each request. Header and body must name the same revision.
fn revision(params: &Members, id: &str, headers: &Headers) -> Result<bool, Refused> {
    let meta = Members::of(params.get("_meta"));
    exact_names(&meta, &[VERSION_MEMBER, CAPABILITIES_MEMBER], id)?;
    let in_body = meta.get(VERSION_MEMBER);
    let Some(in_body) = in_body else {
        return match headers.version {
            None => Ok(false),
            Some(version) if LEGACY.contains(&version) => Ok(false),
            Some(MODERN) if id.is_empty() => Ok(true),
            Some(MODERN) => {
                let text = format!("params._meta must have {VERSION_MEMBER} and {CAPABILITIES_MEMBER}.");
                Err(Refused::new(INVALID_PARAMS, text, id))
            }
            Some(version) => Err(unsupported(version, id)),
        };
    };
    let version = in_body.text().ok_or_else(|| Refused::new(INVALID_PARAMS, format!("{VERSION_MEMBER} must be a string."), id))?;
    agreement(headers.version, Some(&version), "MCP-Protocol-Version", true, id)?;
    if version != MODERN {
        return Err(unsupported(&version, id));
    }
    let capabilities = meta.get(CAPABILITIES_MEMBER);
    if capabilities.is_none_or(|found| !found.is_object()) {
        return Err(Refused::new(INVALID_PARAMS, format!("params._meta must have {CAPABILITIES_MEMBER}."), id));
    }
    Ok(true)
}

fn unsupported(version: &str, id: &str) -> Refused {
    let data = format!("{{\"supported\":{SUPPORTED},\"requested\":{}}}", quoted(shortened(version)));
    Refused { data, ..Refused::new(UNSUPPORTED_VERSION, "Unsupported protocol version", id) }
}

/// A header must say what the body says. Where it may be absent it may not disagree.
fn agreement(header: Option<&str>, body: Option<&str>, name: &str, needed: bool, id: &str) -> Result<(), Refused> {
    let fault = |text: String| Err(Refused::new(HEADER_MISMATCH, text, id));
    match (header, body) {
        (None, Some(_)) if needed => fault(format!("Header mismatch: {name} is missing.")),
        (Some(header), body) if body != Some(header) => fault(format!("Header mismatch: {name} does not match the body.")),
        _ => Ok(()),
    }
}

/// Some readers ignore the case of names. What they would take for one of these names is refused.
fn exact_names(object: &Members, names: &[&str], id: &str) -> Result<(), Refused> {
    for name in object.names() {
        // A look at the lengths decides for most names.
        let is_ascii = name.is_ascii();
        let may_be = |known: &str| if is_ascii { known.len() == name.len() } else { true };
        if names.iter().any(|known| may_be(known) && *known != name && alike(known, name)) {
            let text = format!("The member {} must be written in small and capital letters as specified.", shortened(name));
            return Err(Refused::new(INVALID_REQUEST, text, id));
        }
    }
    Ok(())
}

/// Equal but for case, with the two characters whose small letters are ASCII.
fn alike(known: &str, name: &str) -> bool {
    if known.is_ascii() && name.is_ascii() {
        return known.eq_ignore_ascii_case(name);
    }
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    known.chars().map(fold).eq(name.chars().map(fold))
}

/// Methods that no revision has are refused: what they do is not known here.
fn known(message: &Message) -> Result<(), Refused> {
    let method = &*message.method;
    let own: &[&str] = if message.modern { &MODERN_ONLY } else { &LEGACY_ONLY };
    if BOTH.contains(&method) || own.contains(&method) {
        return Ok(());
    }
    Err(Refused::unknown_method(message))
}

fn name_operations<'a>(message: &mut Message<'a>, params: &Members<'a>, headers: &Headers) -> Result<(), Refused> {
    let id = message.id;
    let mut operations = Vec::new();
    let mut repeated = None;
    match &*message.method {
        "tools/call" => repeated = Some((Kind::Tool, string(params, "name", id)?)),
        "prompts/get" => repeated = Some((Kind::Prompt, string(params, "name", id)?)),
        "resources/read" => repeated = Some((Kind::Resource, string(params, "uri", id)?)),
        "resources/subscribe" | "resources/unsubscribe" => operations.push((Kind::Resource, string(params, "uri", id)?)),
        "completion/complete" => operations.push(completed(params, id)?),
        "subscriptions/listen" => operations.extend(subscriptions(params, id)?),
        _ => {}
    }
    let malformed = || Refused::new(HEADER_MISMATCH, "Header mismatch: Mcp-Name is malformed.", id);
    let header = headers.name.map(|name| plain(name).ok_or_else(malformed)).transpose()?;
    agreement(header.as_deref(), repeated.as_ref().map(|(_, name)| &**name), "Mcp-Name", message.modern, id)?;
    operations.extend(repeated);
    if operations.iter().any(|(_, name)| name.len() > LONGEST_NAME || name.contains(char::is_control)) {
        return Err(Refused::new(INVALID_PARAMS, "A name or URI is too long or has control characters.", id));
    }
    message.operations = operations;
    Ok(())
}

fn string<'a>(object: &Members<'a>, name: &str, id: &str) -> Result<Cow<'a, str>, Refused> {
    let found = object.get(name).and_then(Json::text);
    found.ok_or_else(|| Refused::new(INVALID_PARAMS, format!("{name} must be a string."), id))
}

/// The prompt or resource of a request for completions.
fn completed<'a>(params: &Members<'a>, id: &str) -> Result<(Kind, Cow<'a, str>), Refused> {
    let reference = Members::of(params.get("ref"));
    exact_names(&reference, &["type", "name", "uri"], id)?;
    match &*string(&reference, "type", id)? {
        "ref/prompt" => Ok((Kind::Prompt, string(&reference, "name", id)?)),
        "ref/resource" => Ok((Kind::Resource, string(&reference, "uri", id)?)),
        _ => Err(Refused::new(INVALID_PARAMS, "ref.type must be ref/prompt or ref/resource.", id)),
    }
}

/// The resources whose changes a client wants to hear of.
fn subscriptions<'a>(params: &Members<'a>, id: &str) -> Result<Vec<(Kind, Cow<'a, str>)>, Refused> {
    let Some(wanted) = params.get("notifications") else { return Ok(Vec::new()) };
    let wanted = Members::of(Some(wanted));
    exact_names(&wanted, &["resourceSubscriptions"], id)?;
    let Some(list) = wanted.get("resourceSubscriptions").filter(|list| !list.is_null()) else { return Ok(Vec::new()) };
    let uris: Option<Vec<_>> = list.items().take(MOST_SUBSCRIPTIONS + 1).map(|item| item.text().map(|uri| (Kind::Resource, uri))).collect();
    match uris {
        Some(uris) if list.is_array() && uris.len() <= MOST_SUBSCRIPTIONS => Ok(uris),
        _ => Err(Refused::new(INVALID_PARAMS, format!("resourceSubscriptions must be a list of at most {MOST_SUBSCRIPTIONS} URIs."), id)),
    }
}

/// The value of a header that may be encoded as `=?base64?…?=`.
pub fn plain(header: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(header));
    };
    let bytes = base64::decoded(encoded.as_bytes())?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// A JSON-RPC error response.
pub fn error(refused: &Refused) -> String {
    let id = if refused.id.is_empty() { "null" } else { &refused.id };
    let data = if refused.data.is_empty() { String::new() } else { format!(",\"data\":{}", refused.data) };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{},\"message\":{}{data}}}}}", refused.code, quoted(&refused.message))
}

/// Whether a target of a conf is for this name. Of a resource, `{x}` matches some characters without a slash, and `*` at the end the rest.
pub fn matches(kind: Kind, target: &str, name: &str) -> bool {
    if target == "*" {
        return true;
    }
    if kind != Kind::Resource || !target.contains(['{', '*']) {
        return target == name;
    }
    // A server may resolve these to another resource.
    let lowered = name.to_ascii_lowercase();
    let moves = ["/../", "/./", "\\", "%2e", "%2f", "%5c", "%25"].iter().any(|part| lowered.contains(part));
    !moves && !lowered.ends_with("/..") && !lowered.ends_with("/.") && fits(target, name)
}

/// `{x}` ends at the first character that follows it in the target.
fn fits(target: &str, name: &str) -> bool {
    let (mut target, mut name) = (target, name);
    loop {
        let Some(start) = target.find(['{', '*']) else { return target == name };
        let Some(rest) = name.strip_prefix(&target[..start]) else { return false };
        if target[start..].starts_with('*') {
            return start + 1 == target.len();
        }
        let Some(close) = target[start..].find('}') else { return false };
        target = &target[start + close + 1..];
        let next = target.chars().next();
        let end = rest.find(|letter| letter == '/' || Some(letter) == next).unwrap_or(rest.len());
        if end == 0 {
            return false;
        }
        name = &rest[end..];
    }
}

/// The result of a list method without the items that the caller may not use. None if it cannot be read.
///
/// A filtered list is for this caller only, so `cacheScope` becomes `private`.
pub fn filtered(text: &[u8], list: List, may_use: &mut impl FnMut(&str) -> bool) -> Option<String> {
    let body = strict_json::read(text).ok()?;
    let Some(result) = body.member("result") else { return Some(body.raw().into()) };
    let mut changes: Vec<(Json, String)> = Vec::new();
    if let Some(scope) = result.member("cacheScope") {
        changes.push((scope, "\"private\"".into()));
    }
    if let Some(items) = result.member(list.member) {
        if !items.is_array() {
            return None;
        }
        let mut kept = Vec::new();
        for item in items.items() {
            let name = item.member(list.name).and_then(Json::text)?;
            if may_use(&name) {
                kept.push(item.raw());
            }
        }
        changes.push((items, format!("[{}]", kept.join(","))));
    }
    Some(changed(body, changes))
}

/// A text in which some of its values are replaced.
fn changed(whole: Json, mut changes: Vec<(Json, String)>) -> String {
    let text = whole.raw();
    let position = |part: &Json| part.raw().as_ptr() as usize - text.as_ptr() as usize;
    changes.sort_unstable_by_key(|(part, _)| position(part));
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for (part, value) in changes {
        let start = position(&part);
        result.push_str(&text[done..start]);
        result.push_str(&value);
        done = start + part.raw().len();
    }
    result.push_str(&text[done..]);
    result
}

/// Server and own name of what one of several servers has: `<server>_<name>`, of a resource `<server>+<URI>`.
pub fn of_server(kind: Kind, name: &str) -> Option<(&str, &str)> {
    name.split_once(if kind == Kind::Resource { '+' } else { '_' })
}

/// The result of `resources/read` with the URIs of its contents as the caller of several servers knows them.
pub fn prefixed(text: &[u8], server: &str) -> Option<String> {
    let body = strict_json::read(text).ok()?;
    let contents = body.member("result").and_then(|result| result.member("contents")).filter(|contents| contents.is_array());
    let uris = contents.into_iter().flat_map(Json::items).filter_map(|item| item.member("uri"));
    let changes = uris.filter_map(|uri| Some((uri, quoted(&format!("{server}+{}", uri.text()?))))).collect();
    Some(changed(body, changes))
}

/// A stream of events (server-sent events) in which each `data` is a message that `change` changes.
pub fn in_events(text: &[u8], mut change: impl FnMut(&[u8]) -> Option<String>) -> Option<String> {
    let text = core::str::from_utf8(text).ok()?;
    let mut result = String::with_capacity(text.len());
    let mut data = String::new();
    let mut flush = |data: &mut String, result: &mut String| -> Option<()> {
        if !data.is_empty() {
            for line in change(data.as_bytes())?.split('\n') {
                result.push_str("data: ");
                result.push_str(line);
                result.push('\n');
            }
            data.clear();
        }
        Some(())
    };
    for line in text.lines() {
        if let Some(value) = line.strip_prefix("data:") {
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(value.strip_prefix(' ').unwrap_or(value));
            continue;
        }
        flush(&mut data, &mut result)?;
        result.push_str(line);
        result.push('\n');
    }
    flush(&mut data, &mut result)?;
    if !result.ends_with("\n\n") {
        result.push('\n');
    }
    Some(result)
}
