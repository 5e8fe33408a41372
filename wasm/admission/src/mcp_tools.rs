//! Operations of a REST API as tools of an MCP server: makes the request from the arguments of a call, and the result from the answer.
//!
//! A template says how: `method, path, media type`, then for each argument `place, name, argument`, between tabs. Places are `p` (a
//! `{name}` of the path), `q` (query, a list is repeated), `c` (query, a list is joined by commas), `h` (header) and `b` (the body);
//! a capital letter is for one that is required.

use crate::json_text::quoted;
use crate::mcp::{shortened, Message, MODERN};
use crate::strict_json::{self, Json};

const SERVER_MEMBER: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION_MEMBER: &str = "io.modelcontextprotocol/subscriptionId";
const LATEST_SESSIONS: &str = "2025-11-25";

/// The request for the REST API.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Media type and text.
    pub body: Option<(String, String)>,
}

/// The request of a call, or what is wrong with its arguments.
pub fn request(template: &str, arguments: Option<Json>) -> Result<Request, String> {
    let mut fields = template.split('\t');
    let mut next = || fields.next().ok_or_else(|| String::from("The gateway cannot make the request."));
    let (method, path, media_type) = (next()?, next()?, next()?);
    let mut made = Request { method: method.into(), path: path.into(), ..Request::default() };
    let mut query = String::new();
    let mut known = Vec::new();
    while let Some(place) = fields.next().filter(|place| !place.is_empty()) {
        let (name, argument) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        known.push(argument);
        let value = arguments.and_then(|all| all.member(argument)).filter(|value| !value.is_null());
        let Some(value) = value else {
            if place.starts_with(|letter: char| letter.is_ascii_uppercase()) {
                return Err(format!("The argument {argument} is missing."));
            }
            continue;
        };
        match place {
            "P" | "p" => made.path = made.path.replacen(&format!("{{{name}}}"), &segment(value, argument)?, 1),
            "Q" | "q" => parameters(value, argument)?.iter().for_each(|text| add(&mut query, name, text)),
            "C" | "c" => add(&mut query, name, &parameters(value, argument)?.join(",")),
            "H" | "h" => made.headers.push((name.into(), field(value, argument)?)),
            _ => made.body = Some((media_type.into(), value.raw().into())),
        }
    }
    let other = arguments.and_then(|all| all.members().find(|(name, _)| !known.contains(&&**name)));
    if let Some((name, _)) = other {
        return Err(format!("There is no argument {}.", shortened(&name)));
    }
    if !query.is_empty() {
        made.path.push('?');
        made.path.push_str(&query);
    }
    Ok(made)
}

fn add(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(&escaped(name));
    query.push('=');
    query.push_str(&escaped(value));
}

/// A string, number or boolean as text.
fn scalar(value: Json, argument: &str) -> Result<String, String> {
    match value.text() {
        Some(text) => Ok(text.into_owned()),
        None if value.is_object() || value.is_array() || value.is_null() => Err(format!("The argument {argument} must be a string, number or boolean.")),
        None => Ok(value.raw().into()),
    }
}

fn parameters(value: Json, argument: &str) -> Result<Vec<String>, String> {
    if value.is_array() { value.items().map(|item| scalar(item, argument)).collect() } else { Ok(vec![scalar(value, argument)?]) }
}

/// One segment of a path. What a server may take for another path is refused.
fn segment(value: Json, argument: &str) -> Result<String, String> {
    let text = scalar(value, argument)?;
    if matches!(&*text, "" | "." | "..") || text.contains(['/', '\\']) || text.contains(char::is_control) {
        return Err(format!("The argument {argument} cannot be a segment of a path."));
    }
    Ok(escaped(&text))
}

fn field(value: Json, argument: &str) -> Result<String, String> {
    let text = scalar(value, argument)?;
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) { Ok(text) } else { Err(format!("The argument {argument} cannot be a header.")) }
}

/// All but the unreserved characters (RFC 3986 §2.3) as escapes.
pub fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            made.push(char::from(byte));
        } else {
            made.push_str(&format!("%{byte:02X}"));
        }
    }
    made
}

/// How a result is written: `id` as JSON, the revision, and the server as JSON.
pub struct Writer<'a> {
    pub id: &'a str,
    pub modern: bool,
    pub server: &'a str,
}

impl Writer<'_> {
    /// A response with these members of its result.
    pub fn result(&self, members: &str) -> String {
        let comma = if members.is_empty() { "" } else { "," };
        let more = if self.modern {
            format!("{comma}\"resultType\":\"complete\",\"_meta\":{{\"{SERVER_MEMBER}\":{}}}", self.server)
        } else {
            String::new()
        };
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{{members}{more}}}}}", self.id)
    }

    /// The call did not work; the model is told why.
    pub fn failed(&self, text: &str) -> String {
        self.result(&format!("\"content\":[{{\"type\":\"text\",\"text\":{}}}],\"isError\":true", quoted(text)))
    }

    /// The result of a call from the answer of the API.
    pub fn called(&self, status: u32, media_type: &str, body: &[u8]) -> String {
        let Ok(text) = core::str::from_utf8(body) else {
            return self.failed(&format!("The API answered with status {status} and a body that is not text."));
        };
        if !(200..300).contains(&status) {
            return self.failed(&format!("The API answered with status {status}.\n{text}"));
        }
        let content = format!("\"content\":[{{\"type\":\"text\",\"text\":{}}}]", quoted(text));
        let is_json = media_type.starts_with("application/json") || media_type.contains("+json");
        let structured = is_json.then(|| strict_json::read(body).ok()).flatten().map(|value| {
            // Revisions before the latest allow objects only.
            if value.is_object() { format!(",\"structuredContent\":{}", value.raw()) } else { format!(",\"structuredContent\":{{\"result\":{}}}", value.raw()) }
        });
        self.result(&format!("{content}{},\"isError\":false", structured.unwrap_or_default()))
    }

    /// What the caller may use: the member of the result and its items.
    pub fn listed(&self, member: &str, items: &[&str]) -> String {
        let cache = if self.modern { ",\"ttlMs\":60000,\"cacheScope\":\"private\"" } else { "" };
        self.result(&format!("\"{member}\":[{}]{cache}", items.join(",")))
    }

    /// The answer to the first request of a session. `capabilities` as JSON.
    pub fn initialized(&self, wanted: &str, capabilities: &str) -> String {
        let version = if wanted.starts_with("2025-") && matches!(wanted, "2025-11-25" | "2025-06-18" | "2025-03-26") { wanted } else { LATEST_SESSIONS };
        self.result(&format!("\"protocolVersion\":\"{version}\",\"capabilities\":{capabilities},\"serverInfo\":{}", self.server))
    }

    /// The answer to `server/discover`.
    pub fn discovered(&self, capabilities: &str) -> String {
        self.result(&format!(
            "\"supportedVersions\":[\"{MODERN}\",\"2025-11-25\",\"2025-06-18\",\"2025-03-26\"],\"capabilities\":{capabilities},\"ttlMs\":60000,\"cacheScope\":\"public\""
        ))
    }

    /// The stream of a subscription: tools change with a deployment only, so there is nothing to subscribe to, and it ends.
    pub fn subscribed(&self) -> String {
        let meta = format!("\"_meta\":{{\"{SUBSCRIPTION_MEMBER}\":{}}}", self.id);
        let first = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{{\"notifications\":{{}},{meta}}}}}");
        let last = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"resultType\":\"complete\",{meta}}}}}", self.id);
        format!("event: message\ndata: {first}\n\nevent: message\ndata: {last}\n\n")
    }
}

/// The revision that a session asks for.
pub fn wanted<'a>(message: &Message<'a>) -> std::borrow::Cow<'a, str> {
    message.params().and_then(|params| params.member("protocolVersion")).and_then(Json::text).unwrap_or_default()
}

const VERSION: &str = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"";
const CAPABILITIES: &str = "\"io.modelcontextprotocol/clientCapabilities\":{}";

/// A message for the server that has the operation under its own name, in the revision without sessions.
pub fn forwarded(message: &Message, name: &str) -> String {
    let method = &*message.method;
    let (named, value) = match method {
        "completion/complete" => ("ref", reference(message, name)),
        "resources/read" => ("uri", quoted(name)),
        _ => ("name", quoted(name)),
    };
    let members = message.params().into_iter().flat_map(Json::members).filter(|(member, _)| member != named && member != "_meta");
    let mut params = format!("\"{named}\":{value}");
    for (member, value) in members {
        params.push_str(&format!(",{}:{}", quoted(&member), value.raw()));
    }
    let meta = message.params().and_then(|params| params.member("_meta"));
    let meta = match meta {
        Some(meta) if message.modern => meta.raw().into(),
        Some(meta) => meta.members().fold(format!("{{{VERSION},{CAPABILITIES}"), |made, (member, value)| {
            format!("{made},{}:{}", quoted(&member), value.raw())
        }) + "}",
        None => format!("{{{VERSION},{CAPABILITIES}}}"),
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":{},\"params\":{{{params},\"_meta\":{meta}}}}}", message.id, quoted(method))
}

/// What is to be completed, under the server's own name of it.
fn reference(message: &Message, name: &str) -> String {
    let members = message.params().and_then(|params| params.member("ref")).into_iter().flat_map(Json::members);
    let texts = members.map(|(member, value)| match &*member {
        "name" | "uri" => format!("{}:{}", quoted(&member), quoted(name)),
        _ => format!("{}:{}", quoted(&member), value.raw()),
    });
    format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
}
