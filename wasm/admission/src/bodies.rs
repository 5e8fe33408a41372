//! Requests whose body names operations: reads the body, asks the kind of the route which operations it names, and refuses what the
//! caller may not use. Called by `filter` on routes that have the metadata `kapi.operations`.

use std::cell::OnceCell;

use crate::filter::plan;
use crate::graphql::{self, Asked, Fault, Options};
use crate::graphql_document::Fault as Invalid;
use crate::graphql_socket::{self, Ruling, Said, Socket};
use crate::host::{self, SharedData};
use crate::mcp_requests::{self, Answer};
use crate::operations::{self, judge, Caller, Route, Use};
use crate::persisted::Slots;
use crate::replies::{self, Form, Refusal};
use crate::rules::Limit;

const OPERATIONS: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.operations\0";
const CHALLENGE: &[u8] = b"xds\0route_metadata\0filter_metadata\0kapi.challenge\0";
const FACTS: &[u8] = b"metadata\0filter_metadata\0kapi.caller\0";
const CLAIMS: &[u8] = b"metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0jwt_payload\0";
const MOST_SCOPES: usize = 1_000;

/// What is to be counted of a request that may pass.
#[derive(Default)]
pub struct Admitted {
    pub limits: Vec<Limit<'static>>,
    /// Calls that it counts as: the requests of a batch.
    pub requests: u32,
    /// Whether it needs a caller: one that uses open operations alone has none.
    pub secured: bool,
    /// What is done with the answer of the backend, if anything.
    pub answer: Option<Answer>,
}

/// What is done with a request next.
pub enum Next {
    /// It may pass, if the limits have room.
    Judged(Admitted),
    /// The body decides.
    AwaitBody,
    /// A WebSocket opens, whose messages name the operations.
    Socket(Socket),
    /// It is answered.
    Refused(Refusal<'static>),
}

fn text(prefix: &[u8], name: &str) -> Option<&'static str> {
    let path = [prefix, name.as_bytes()].concat();
    host::property(&path).and_then(|value| core::str::from_utf8(value).ok())
}

/// What the route says, if the body names the operations there.
pub fn route() -> Option<Route<'static>> {
    plan().kind().map(parsed)
}

/// Reads the text of a route whose bodies name operations.
pub fn parsed(text: &str) -> Route<'_> {
    operations::route(text).unwrap_or(Route { kind: "", credentials: "", options: "" })
}

fn header(name: &str) -> &'static str {
    host::header(host::REQUEST_HEADERS, name).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or("")
}

/// How errors are written for this caller.
pub fn form() -> Form {
    if route().is_some_and(|route| route.kind == "mcp") {
        return Form::Mcp;
    }
    let takes = |item: &str| {
        let mut parts = item.split(';').map(str::trim);
        let refused = |part: &str| part.strip_prefix("q=").is_some_and(|value| value.bytes().all(|byte| matches!(byte, b'0' | b'.')));
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(graphql::CONTENT_TYPE)) && !parts.any(refused)
    };
    let graphql = || route().is_some_and(|route| route.kind == "graphql");
    if header("accept").split(',').any(takes) && graphql() { Form::GraphQl } else { Form::Apk }
}

/// The headers of a request have come; `end`: it has no body.
pub fn headers(route: &Route, end: bool) -> Next {
    match route.kind {
        "graphql" => graphql_headers(route, end),
        "mcp" => mcp_requests::headers(route, end),
        _ => not_ready(),
    }
}

/// The whole body of a request has come.
pub fn body(route: &Route, body: &[u8]) -> Next {
    if route.kind == "mcp" {
        return mcp_requests::body(route, body);
    }
    match (route.kind, Options::read(route.options)) {
        ("graphql", Some(options)) => graphql_judge(route, graphql::post(body, &options, &Slots(&SharedData))),
        _ => not_ready(),
    }
}

/// A request ends with trailers, which leave the body without a last piece.
pub fn trailers() -> Refusal<'static> {
    invalid("A request with trailers is not read.")
}

fn graphql_headers(route: &Route, end: bool) -> Next {
    let query_string = header(":path").split_once('?').map_or("", |(_, rest)| rest);
    match header(":method") {
        "GET" if header("upgrade").eq_ignore_ascii_case("websocket") => open_socket(route, query_string),
        "GET" if !end => Next::Refused(invalid("A GET has its request in the query string, and no body.")),
        "GET" => match Options::read(route.options) {
            Some(options) => {
                let events = header("accept").contains("text/event-stream");
                graphql_judge(route, graphql::get(query_string, &options, &Slots(&SharedData), events))
            }
            None => not_ready(),
        },
        "POST" if !is_json() => Next::Refused(Refusal::new(
            415,
            "415",
            "Unsupported Media Type",
            "Send the request as application/json in UTF-8, without Content-Encoding.",
            "kapi_media_type",
        )),
        "POST" if end => Next::Refused(invalid("The request has no body.")),
        "POST" => match graphql::beside_body(query_string) {
            Ok(()) => Next::AwaitBody,
            Err(fault) => Next::Refused(graphql_refusal(fault)),
        },
        _ => Next::Refused(Refusal::new(405, "405", "Method Not Allowed", "Use POST, or GET for queries.", "kapi_method").with("allow", "GET, POST")),
    }
}

/// The handshake of a WebSocket for subscriptions. The backend is offered this protocol alone, and no compression of frames.
fn open_socket(route: &Route, query_string: &str) -> Next {
    let Some(options) = Options::read(route.options) else { return not_ready() };
    if let Err(fault) = graphql::beside_body(query_string) {
        return Next::Refused(graphql_refusal(fault));
    }
    if !header("sec-websocket-protocol").split(',').any(|name| name.trim() == graphql_socket::PROTOCOL) {
        return Next::Refused(invalid("Offer the WebSocket protocol graphql-transport-ws."));
    }
    host::set_header(host::REQUEST_HEADERS, "sec-websocket-protocol", graphql_socket::PROTOCOL.as_bytes());
    host::remove_header(host::REQUEST_HEADERS, "sec-websocket-extensions");
    Next::Socket(Socket::new(options.message as usize))
}

/// A message of the client of a WebSocket. `admit` counts an operation that the caller may use.
pub fn message(message: &[u8], admit: impl FnOnce(Admitted) -> Result<(), Refusal<'static>>) -> Ruling {
    let Some((route, options)) = route().and_then(|route| Some((route, Options::read(route.options)?))) else {
        return graphql_socket::WRONG;
    };
    let (id, asked) = match graphql_socket::read(message, &options, &Slots(&SharedData)) {
        Said::Other => return Ruling::Pass,
        Said::Wrong => return graphql_socket::WRONG,
        Said::Subscribe(id, asked) => (id, asked),
    };
    let refusal = match graphql_judge(&route, asked) {
        Next::Judged(admitted) => match admit(admitted) {
            Ok(()) => return Ruling::Pass,
            Err(refusal) => refusal,
        },
        Next::Refused(refusal) => refusal,
        Next::AwaitBody | Next::Socket(_) => return graphql_socket::WRONG,
    };
    Ruling::Answer(graphql_socket::error(&id, &refusal.graphql_errors()))
}

/// The media type is JSON in UTF-8, and the body is not compressed.
pub fn is_json() -> bool {
    let mut parts = header("content-type").split(';').map(str::trim);
    let json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter(|part| !part.is_empty()).all(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    json && utf8 && matches!(header("content-encoding"), "" | "identity")
}

fn graphql_judge(route: &Route, asked: Result<Asked, Fault>) -> Next {
    let asked = match asked {
        Ok(asked) => asked,
        Err(fault) => return Next::Refused(graphql_refusal(fault)),
    };
    let next = admitted(route, &asked.uses, asked.requests);
    if matches!(next, Next::Judged(_)) {
        for (digest, query) in &asked.persisted {
            Slots(&SharedData).keep(digest, query);
        }
    }
    next
}

/// What the route says of an operation.
pub fn rule(name: &str) -> Option<&'static str> {
    text(OPERATIONS, name)
}

/// Whether the caller may use the operations.
pub fn admitted(route: &Route, uses: &[Use], requests: u32) -> Next {
    admitted_by(route, uses, requests, rule)
}

/// The same with what the route says of each operation, where that was read before: each reading takes microseconds.
pub fn admitted_by(route: &Route, uses: &[Use], requests: u32, rule: impl Fn(&str) -> Option<&'static str>) -> Next {
    match judge(uses, route, &Verified::default(), rule) {
        Ok(allowed) => Next::Judged(Admitted { limits: allowed.limits, requests, secured: allowed.secured, answer: None }),
        Err(refusal) => refused(route, refusal),
    }
}

fn refused(route: &Route, refusal: operations::Refusal) -> Next {
    Next::Refused(match refusal {
        operations::Refusal::NotReady => return not_ready(),
        operations::Refusal::NotDeclared { name } => not_declared(route, &name),
        operations::Refusal::Missing { .. } => {
            let description = "Missing Credentials. Make sure your API invocation call has a header: Authorization: Bearer ACCESS_TOKEN";
            Refusal::new(401, "900902", "Missing Credentials", description, "kapi_missing_credentials")
                .with("www-authenticate", challenge(""))
        }
        operations::Refusal::Scopes { name, needed } => {
            let path = header(":path").split('?').next().unwrap_or("");
            let description = format!("User is NOT authorized to access the Resource: {path} ({name}). Scope validation failed.");
            let message = "The access token does not allow you to access the requested resource";
            Refusal::new(403, "900910", message, description, "kapi_scope_missing")
                .because(&format!("scope {needed} is missing"))
                .with("www-authenticate", challenge(&format!(", error=\"insufficient_scope\", scope=\"{needed}\"")))
        }
    })
}

fn not_declared(route: &Route, name: &str) -> Refusal<'static> {
    match (route.kind, name) {
        ("graphql", "query __schema" | "query __type") => invalid("This API does not answer introspection."),
        _ => invalid(&format!("The API has no operation {name}.")),
    }
}

fn not_ready() -> Next {
    Next::Refused(replies::not_ready())
}

fn invalid(what: &str) -> Refusal<'static> {
    Refusal::new(400, "900422", "INVALID QUERY", what.to_owned(), "kapi_invalid_query")
}

fn graphql_refusal(fault: Fault) -> Refusal<'static> {
    match fault {
        Fault::Document(Invalid::Invalid(what)) => invalid(&what),
        Fault::Document(Invalid::TooDeep(what)) => Refusal::new(400, "900820", "QUERY TOO DEEP", what, "kapi_query_too_deep"),
        Fault::Document(Invalid::TooComplex(what)) => Refusal::new(400, "900821", "QUERY TOO COMPLEX", what, "kapi_query_too_complex"),
        Fault::NotByGet => {
            let description = "Only queries may come by GET. Send the request by POST.";
            Refusal::new(405, "405", "Method Not Allowed", description, "kapi_method").with("allow", "POST")
        }
        Fault::NotPersisted => {
            // What clients of persisted queries wait for: they send the text then.
            let message = "PersistedQueryNotFound";
            let refusal = Refusal::new(200, "PERSISTED_QUERY_NOT_FOUND", message, message, "kapi_not_persisted");
            Refusal { of_protocol: true, ..refusal }.with("cache-control", "no-store")
        }
    }
}

/// The challenge of a refusal (RFC 9110 §11.6.1), as in `kapi.gateway.envoy.resources.replies`.
fn challenge(error: &str) -> String {
    let said = |name| text(CHALLENGE, name).unwrap_or("");
    let scheme = text(CHALLENGE, "scheme").unwrap_or("Bearer");
    let resource = match said("resource") {
        "" => String::new(),
        rest => format!(", resource_metadata=\"https://{}{rest}\"", header(":authority")),
    };
    format!("{scheme} realm=\"kapi\"{error}{}{resource}{}", said("more"), said("other"))
}

/// The caller, by the metadata of the filters before this one.
#[derive(Default)]
struct Verified {
    token: OnceCell<bool>,
}

fn fact(name: &str) -> bool {
    host::property(&[FACTS, name.as_bytes()].concat()).is_some_and(|value| value == [1])
}

/// Whether a value holds the word: a text of words between blanks, or a list of texts. A list comes packed, with zero bytes in it.
fn holds(prefix: &[u8], name: &str, word: &str) -> bool {
    let value = host::property(&[prefix, name.as_bytes()].concat());
    if let Some(words) = value.filter(|value| !value.contains(&0)) {
        return words.split(|byte| *byte == b' ').any(|part| part == word.as_bytes());
    }
    (0..MOST_SCOPES).map_while(|index| text(prefix, &format!("{name}\0{index}"))).any(|item| item == word)
}

impl Caller for Verified {
    fn has_token(&self) -> bool {
        *self.token.get_or_init(|| text(CLAIMS, "iss").is_some_and(|issuer| !issuer.is_empty()))
    }

    fn has_api_key(&self) -> bool {
        fact("api_key")
    }

    fn has_certificate(&self) -> bool {
        fact("certificate")
    }

    /// As in `kapi.policies.callers.scopes`: an issuer's own claim, or else the usual two.
    fn has_scope(&self, scope: &str) -> bool {
        if fact("own_scopes") {
            return holds(FACTS, "scopes", scope);
        }
        holds(CLAIMS, "scope", scope) || holds(CLAIMS, "scp", scope)
    }
}
