//! What is checked at a route, as `kapi.policies.traffic.request_validation` writes it.

use crate::bodies::Body;
use crate::parameters::Parameter;
use crate::responses::Responses;
use crate::schema::{sized, Schema};
use crate::strict_json::{read, Json};
use crate::json_text::quoted;

/// Bytes of a compiled pattern.
const LARGEST_PATTERN: usize = 4 * 1024 * 1024;

pub struct Checks {
    pub parameters: Vec<Parameter>,
    /// Whether a query parameter that the definition does not have is refused.
    pub refuses_unknown: bool,
    /// Query parameters of credentials, which the definition need not have.
    pub credentials: Vec<String>,
    pub body: Option<Body>,
    pub responses: Option<Responses>,
}

/// One thing that is wrong with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// `path`, `query`, `header`, `cookie` or `body`.
    pub place: &'static str,
    /// Of the parameter; empty for the body.
    pub name: String,
    pub message: String,
}

impl Fault {
    pub fn new(place: &'static str, name: &str, message: impl Into<String>) -> Self {
        Fault { place, name: name.to_owned(), message: message.into() }
    }

    pub fn json(&self) -> String {
        format!("{{\"in\":\"{}\",\"name\":{},\"message\":{}}}", self.place, quoted(&self.name), quoted(&self.message))
    }
}

impl Checks {
    pub fn read(text: &str) -> Option<Checks> {
        let root = read(text.as_bytes()).ok()?;
        let parameters = root.member("parameters")?.items().map(Parameter::read).collect::<Option<Vec<_>>>()?;
        let body = match root.member("body") {
            Some(body) => Some(Body::read(body)?),
            None => None,
        };
        let responses = match root.member("responses") {
            Some(responses) => Some(Responses::read(responses)?),
            None => None,
        };
        let credentials = root.member("credentials").map_or(Vec::new(), |list| list.items().filter_map(Json::text).map(|name| name.into_owned()).collect());
        Some(Checks { parameters, refuses_unknown: flag(root, "refusesUnknown"), credentials, body, responses })
    }
}

pub fn schema(value: Json) -> Option<Schema> {
    Schema::read(value, &|text| sized(text, LARGEST_PATTERN))
}

pub fn text(value: Json, name: &str) -> Option<String> {
    value.member(name)?.text().map(|text| text.into_owned())
}

pub fn flag(value: Json, name: &str) -> bool {
    value.member(name).is_some_and(|value| value.raw() == "true")
}
