//! Requests of GraphQL over HTTP: which operations of the API they name. What is read here is what a server reads: a member or a
//! parameter that some servers know under another spelling is refused, and so is one that is in two places.

use std::borrow::Cow;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::graphql_document::{Fault as Invalid, Kind, Limits, Parsed};
use crate::operations::Use;
use crate::strict_json::{self, Json};

pub const CONTENT_TYPE: &str = "application/graphql-response+json";

/// Why a request is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    Document(Invalid),
    /// Only queries may come by GET.
    NotByGet,
    /// The text of this persisted query is not known here; the client sends it again with the text.
    NotPersisted,
}

impl From<Invalid> for Fault {
    fn from(fault: Invalid) -> Self {
        Fault::Document(fault)
    }
}

fn invalid<T>(what: &str) -> Result<T, Fault> {
    Err(Fault::Document(Invalid::Invalid(what.to_owned())))
}

/// What the conf says: words `name=number` between blanks. 0 is no limit, and no batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    pub limits: Limits,
    pub batch: u32,
    /// Largest message of a WebSocket, in bytes.
    pub message: u32,
}

impl Options {
    pub fn read(text: &str) -> Option<Self> {
        let mut found = Options::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=')?;
            let value = value.parse().ok()?;
            match name {
                "depth" => found.limits.depth = value,
                "complexity" => found.limits.complexity = value,
                "aliases" => found.limits.aliases = value,
                "batch" => found.batch = value,
                "message" => found.message = value,
                _ => return None,
            }
        }
        Some(found)
    }
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    pub uses: Vec<Use>,
    /// Requests in the batch; 1 for one that is not in a batch.
    pub requests: u32,
    /// Persisted queries whose text came along: the digest and the text.
    pub persisted: Vec<(String, String)>,
}

/// What was seen before.
pub trait Persisted {
    /// The text of a persisted query, by its digest (Apollo's automatic persisted queries).
    fn text(&self, digest: &str) -> Option<String>;

    /// What is checked of a document.
    fn parsed(&self, text: &str) -> Result<Rc<Parsed>, Invalid> {
        Parsed::of(text).map(Rc::new)
    }
}

/// The members of one request, or the parameters of a GET.
#[derive(Default)]
struct Request<'a> {
    query: Option<Cow<'a, str>>,
    operation: Option<Cow<'a, str>>,
    digest: Option<Cow<'a, str>>,
}

/// The body of a POST: a request, or a list of them.
pub fn post(body: &[u8], options: &Options, persisted: &impl Persisted) -> Result<Asked, Fault> {
    let json = match strict_json::read(body) {
        Ok(json) => json,
        Err(what) => return invalid(what),
    };
    let mut asked = Asked::default();
    if !json.is_array() {
        asked.add(&request(json)?, options, persisted, &[])?;
        return Ok(asked.merged());
    }
    for item in json.items() {
        if asked.requests == options.batch {
            return invalid(&format!("The batch has too many requests: {} are allowed.", options.batch));
        }
        asked.add(&request(item)?, options, persisted, &[])?;
    }
    if asked.requests == 0 { invalid("The batch has no request.") } else { Ok(asked.merged()) }
}

/// The payload of a message `subscribe`.
pub fn subscribe(payload: Json, options: &Options, persisted: &impl Persisted) -> Result<Asked, Fault> {
    let mut asked = Asked::default();
    asked.add(&request(payload)?, options, persisted, &[])?;
    Ok(asked.merged())
}

/// The query string of a GET. `events`: the answer may be a stream of events, so subscriptions are taken too.
pub fn get(query_string: &str, options: &Options, persisted: &impl Persisted, events: bool) -> Result<Asked, Fault> {
    let mut request = Request::default();
    let mut seen = [false; PARAMETERS.len()];
    let mut extensions = None;
    for pair in pairs(query_string)? {
        let (name, value) = pair?;
        let Some(index) = parameter(&name)? else { continue };
        if core::mem::replace(&mut seen[index], true) {
            return invalid("A parameter is in the query string twice.");
        }
        match PARAMETERS[index] {
            "query" => request.query = Some(Cow::Owned(value)),
            "operationName" => request.operation = Some(Cow::Owned(value)),
            "extensions" => extensions = Some(value),
            _ => object(&value)?,
        }
    }
    if let Some(text) = &extensions {
        object(text)?;
        let json = strict_json::read(text.as_bytes()).or_else(invalid)?;
        request.digest = digest_of(json)?.map(|digest| Cow::Owned(digest.into_owned()));
    }
    let mut asked = Asked::default();
    let refused = if events { &NOT_BY_GET[..1] } else { &NOT_BY_GET[..] };
    asked.add(&request, options, persisted, refused)?;
    Ok(asked.merged())
}

/// The query string of a POST: servers read parameters of a request there too, and some before the body.
pub fn beside_body(query_string: &str) -> Result<(), Fault> {
    for pair in pairs(query_string)? {
        if parameter(&pair?.0)?.is_some() {
            return invalid("A POST has its request in the body, not in the query string.");
        }
    }
    Ok(())
}

const NOT_BY_GET: [Kind; 2] = [Kind::Mutation, Kind::Subscription];
const PARAMETERS: [&str; 4] = ["query", "operationName", "variables", "extensions"];
/// Names under which some servers look for a query that they have stored.
const STORED: [&str; 7] = ["id", "documentid", "docid", "queryid", "hash", "sha256hash", "persistedqueryid"];

/// Which parameter a name is. Servers that take `QUERY`, `query[]` or ` query` for `query` would read what is not checked here.
fn parameter(name: &str) -> Result<Option<usize>, Fault> {
    if let Some(index) = PARAMETERS.iter().position(|known| *known == name) {
        return Ok(Some(index));
    }
    let stem = name.trim().split(['[', '.']).next().unwrap_or("").to_ascii_lowercase().replace(['_', '-', ' '], "");
    if PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(&stem)) || STORED.contains(&stem.as_str()) {
        return invalid("The query string has a parameter that not every server reads alike.");
    }
    Ok(None)
}

type Pair = Result<(String, String), Fault>;

fn pairs(query_string: &str) -> Result<impl Iterator<Item = Pair> + '_, Fault> {
    // Some servers take a semicolon for an ampersand.
    if query_string.contains(';') {
        return invalid("The query string has a semicolon: write %3B.");
    }
    Ok(query_string.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((unescaped(name)?, unescaped(value)?))
    }))
}

/// `application/x-www-form-urlencoded` (URL standard §5.1), but only what decodes to UTF-8 without a NUL.
fn unescaped(text: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) if (high, low) != (0, 0) => (high * 16 + low) as u8,
                    _ => return invalid("The query string is not percent-encoded."),
                }
            }
            other => other,
        });
    }
    String::from_utf8(bytes).or_else(|_| invalid("The query string is not UTF-8."))
}

/// A parameter that holds a JSON object, null or nothing.
fn object(text: &str) -> Result<(), Fault> {
    match strict_json::read(text.as_bytes()) {
        Ok(json) if json.is_object() || json.is_null() => Ok(()),
        Ok(_) => invalid("The parameters variables and extensions are JSON objects."),
        Err(what) => invalid(what),
    }
}

/// One request of a body.
fn request(json: Json<'_>) -> Result<Request<'_>, Fault> {
    if !json.is_object() {
        return invalid("A GraphQL request is a JSON object.");
    }
    let mut found = Request::default();
    for (name, value) in json.members() {
        match name.as_ref() {
            "query" => found.query = string(value, "query")?,
            "operationName" => found.operation = string(value, "operationName")?,
            "variables" if value.is_object() || value.is_null() => {}
            "extensions" if value.is_null() => {}
            "extensions" if value.is_object() => found.digest = digest_of(value)?,
            "variables" | "extensions" => return invalid("The members variables and extensions are JSON objects."),
            _ => return invalid("A GraphQL request has the members query, operationName, variables and extensions, and no other."),
        }
    }
    Ok(found)
}

fn string<'a>(value: Json<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
    match value.text() {
        Some(text) => Ok(Some(text)),
        None if value.is_null() => Ok(None),
        None => invalid(&format!("The member {name} is not a string.")),
    }
}

/// The digest of `extensions.persistedQuery`.
fn digest_of<'a>(extensions: Json<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    let mut found = None;
    for (name, value) in extensions.members() {
        if name == "persistedQuery" {
            found = persisted_query(value)?;
        } else if name.eq_ignore_ascii_case("persistedQuery") {
            return invalid("The extension persistedQuery is spelled in another way.");
        }
    }
    Ok(found)
}

fn persisted_query<'a>(value: Json<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    let mut digest = None;
    for (name, member) in value.members() {
        match name.as_ref() {
            "version" if member.raw() == "1" => {}
            "sha256Hash" => digest = member.text(),
            _ => return invalid("The extension persistedQuery has version 1 and sha256Hash, and nothing else."),
        }
    }
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match digest {
        Some(digest) if is_digest(&digest) => Ok(Some(digest)),
        _ => invalid("The extension persistedQuery has no sha256Hash of 64 small hexadecimal digits."),
    }
}

impl Asked {
    /// `refused` are kinds of operations that may not come by this method.
    fn add(&mut self, request: &Request, options: &Options, persisted: &impl Persisted, refused: &[Kind]) -> Result<(), Fault> {
        let query = match (&request.query, &request.digest) {
            (Some(query), None) => Cow::Borrowed(query.as_ref()),
            (Some(query), Some(digest)) => {
                if hex(&Sha256::digest(query.as_bytes())) != digest.as_ref() {
                    return invalid("sha256Hash is not the digest of the query.");
                }
                self.persisted.push((digest.to_string(), query.to_string()));
                Cow::Borrowed(query.as_ref())
            }
            (None, Some(digest)) => Cow::Owned(persisted.text(digest).ok_or(Fault::NotPersisted)?),
            (None, None) => return invalid("The request has no query."),
        };
        let document = persisted.parsed(&query)?;
        document.check(&options.limits)?;
        // Some servers take an empty name for none.
        let name = request.operation.as_deref().filter(|name| !name.is_empty());
        let selected = document.selected(name)?;
        if refused.contains(&selected.kind) {
            return Err(Fault::NotByGet);
        }
        self.requests += 1;
        for operation in &document.operations {
            let executed = core::ptr::eq(operation, selected);
            for (name, times) in &operation.roots {
                self.uses.push(Use { name: name.clone(), times: if executed { *times } else { 0 } });
            }
        }
        Ok(())
    }

    /// Each operation once.
    fn merged(mut self) -> Self {
        self.uses.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        self.uses.dedup_by(|next, kept| {
            let same = next.name == kept.name;
            kept.times = if same { kept.times.saturating_add(next.times) } else { kept.times };
            same
        });
        self
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}
