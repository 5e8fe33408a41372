//! Parameters of a request: where their texts are, and whether they fit their schemas.

use std::borrow::Cow;

use crate::checks::{flag, schema, text, Checks, Fault};
use crate::schema::Schema;
use crate::strict_json::{read, Json};
use crate::json_text::quoted;

/// Parameters of one query that are looked at.
const MOST: usize = 1000;

pub struct Parameter {
    place: &'static str,
    pub name: String,
    required: bool,
    /// The number of its segment, for one of the path.
    segment: usize,
    /// What is between the items of a list; empty if each has the name of its own, and None if it is no list.
    separator: Option<String>,
    schema: Schema,
}

/// What is there to look at. Header values are asked for by name.
pub struct Request<'a> {
    pub path: &'a str,
    pub cookies: &'a str,
    pub header: &'a dyn Fn(&str) -> Option<String>,
}

impl Parameter {
    pub fn read(value: Json) -> Option<Parameter> {
        let place = match text(value, "in")?.as_str() {
            "path" => "path",
            "query" => "query",
            "header" => "header",
            "cookie" => "cookie",
            _ => return None,
        };
        let segment = value.member("segment").and_then(|number| number.raw().parse().ok()).unwrap_or(0);
        let schema = schema(value.member("schema")?)?;
        Some(Parameter { place, name: text(value, "name")?, required: flag(value, "required"), segment, separator: text(value, "separator"), schema })
    }

    fn fault(&self, found: &[String]) -> Option<Fault> {
        let fault = |message: String| Some(Fault::new(self.place, &self.name, message));
        let Some(first) = found.first() else {
            return if self.required { fault("is missing".to_owned()) } else { None };
        };
        let items: Vec<&str> = match self.separator.as_deref() {
            None if found.len() > 1 => return fault("is there more than once".to_owned()),
            None => return self.wrong(&[candidate(first), quoted(first)]).and_then(fault),
            Some("") => found.iter().map(String::as_str).collect(),
            Some(_) if found.len() > 1 => return fault("is there more than once".to_owned()),
            Some(separator) => first.split(separator).collect(),
        };
        let list = |make: &dyn Fn(&str) -> String| format!("[{}]", items.iter().map(|item| make(item)).collect::<Vec<_>>().join(","));
        self.wrong(&[list(&candidate), list(&|item| quoted(item))]).and_then(fault)
    }

    /// What is wrong with each way to read a text; the first way's words if none fits.
    fn wrong(&self, readings: &[String]) -> Option<String> {
        let mut said = None;
        for reading in readings {
            let fault = match read(reading.as_bytes()) {
                Ok(value) => self.schema.fault(value, ""),
                Err(fault) => Some(fault.to_owned()),
            };
            let fault = fault?;
            said.get_or_insert(fault);
        }
        said.map(|text: String| text.trim_start().to_owned())
    }
}

/// A text as the number, boolean or null that it reads as, else as a string.
fn candidate(text: &str) -> String {
    let scalar = read(text.as_bytes()).is_ok_and(|value| value.raw() == text && !value.is_object() && !value.is_array() && value.text().is_none());
    if scalar { text.to_owned() } else { quoted(text) }
}

/// Everything that is wrong with the parameters.
pub fn faults(checks: &Checks, request: &Request) -> Vec<Fault> {
    let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    let segments: Vec<&str> = path.split('/').collect();
    let query = pairs(query, '&', true);
    let cookies = pairs(request.cookies, ';', false);
    let named = |pairs: &[(String, String)], name: &str| pairs.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.clone()).collect::<Vec<_>>();
    let mut found: Vec<Fault> = checks
        .parameters
        .iter()
        .filter_map(|parameter| {
            let values = match parameter.place {
                "path" => segments.get(parameter.segment).map(|text| decoded(text, false).into_owned()).into_iter().collect(),
                "query" => named(&query, &parameter.name),
                "cookie" => named(&cookies, &parameter.name),
                _ => (request.header)(&parameter.name).into_iter().collect(),
            };
            parameter.fault(&values)
        })
        .collect();
    if checks.refuses_unknown {
        let known = |name: &str| {
            checks.credentials.iter().any(|other| other == name)
                || checks.parameters.iter().any(|parameter| parameter.place == "query" && parameter.name == name)
        };
        let mut said: Vec<&str> = Vec::new();
        for (name, _) in &query {
            if !known(name) && !said.contains(&name.as_str()) && said.len() < 20 {
                said.push(name);
                found.push(Fault::new("query", &name.chars().take(80).collect::<String>(), "is unknown"));
            }
        }
    }
    found
}

fn pairs(text: &str, between: char, plus: bool) -> Vec<(String, String)> {
    let parts = text.split(between).map(str::trim).filter(|part| !part.is_empty()).take(MOST);
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name, plus).into_owned(), decoded(value, plus).into_owned())
        })
        .collect()
}

/// Percent-decoded (RFC 3986 §2.1); in a query `+` is a space. What is no UTF-8 keeps its escapes.
fn decoded(text: &str, plus: bool) -> Cow<'_, str> {
    if !text.contains('%') && !(plus && text.contains('+')) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut made = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value = escape.and_then(|digits| core::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(byte) => {
                made.push(byte);
                at += 2;
            }
            None => made.push(if plus && bytes[at] == b'+' { b' ' } else { bytes[at] }),
        }
        at += 1;
    }
    String::from_utf8(made).map_or(Cow::Borrowed(text), Cow::Owned)
}
