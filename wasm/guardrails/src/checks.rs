//! Checks that let a body pass or refuse it: numbers of words, sentences and bytes, patterns, URLs.

use regex::Regex;

use crate::schema::Schema;
use crate::strict_json::read;
use crate::texts::{at, documents, joined, texts, texts_at, Form, Step};

/// Why a body is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// For every caller.
    pub reason: String,
    /// What was found; said only where the conf says so.
    pub assessment: String,
}

impl Violation {
    pub fn new(reason: impl Into<String>, assessment: impl Into<String>) -> Self {
        Violation { reason: reason.into(), assessment: assessment.into() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Words,
    Sentences,
    Bytes,
}

pub enum Check {
    Count { unit: Unit, min: u64, max: u64, invert: bool },
    Pattern { regex: Regex, invert: bool },
    Urls { allowed: Vec<String>, denied: Vec<String> },
    Schema { schema: Box<Schema>, invert: bool },
}

impl Check {
    /// `path` narrows a document; a stream is checked as the text that its pieces make.
    pub fn violation(&self, body: &str, form: Form, path: &Option<Vec<Step>>, urls: &Regex) -> Option<Violation> {
        let found = match (path, form) {
            (Some(steps), Form::Json) => texts_at(body, steps),
            _ => texts(body, form),
        };
        let found = match found {
            Ok(found) => found,
            Err(fault) => return Some(Violation::new(fault, fault)),
        };
        match self {
            Check::Count { unit, min, max, invert } => {
                let number = count(*unit, &joined(&found));
                let inside = (*min..=*max).contains(&number);
                let (name, side) = (unit.name(), if *invert { "outside" } else { "within" });
                (inside == *invert).then(|| {
                    let reason = format!("The number of {name} is not {side} the limits.");
                    Violation::new(reason, format!("{number} {name}; {side} {min} and {max} is allowed."))
                })
            }
            Check::Pattern { regex, invert: true } => {
                let hit = found.iter().find_map(|text| regex.find(&text.text)).map(|hit| hit.as_str().to_owned());
                let hit = hit.or_else(|| regex.find(&joined(&found)).map(|hit| hit.as_str().to_owned()));
                hit.map(|hit| Violation::new("The text has what the pattern forbids.", format!("Found: {}", short(&hit))))
            }
            Check::Pattern { regex, invert: false } => {
                let text = joined(&found);
                (!regex.is_match(&text)).then(|| Violation::new("The text does not have what the pattern asks for.", short(&text)))
            }
            Check::Urls { allowed, denied } => {
                let bad = |text: &str| urls.find_iter(text).map(|url| url.as_str()).find(|url| !is_allowed(url, allowed, denied)).map(str::to_owned);
                let hit = found.iter().find_map(|text| bad(&text.text));
                hit.map(|url| Violation::new("The text has a URL that is not allowed.", short(&url)))
            }
            Check::Schema { schema, invert } => {
                let fault = schema_fault(schema, body, form, path);
                match (fault, invert) {
                    (Some(fault), false) => Some(Violation::new("The JSON does not fit the schema.", fault)),
                    (None, true) => Some(Violation::new("The JSON fits a schema that is not allowed.", "")),
                    _ => None,
                }
            }
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Words => "words",
            Unit::Sentences => "sentences",
            Unit::Bytes => "bytes",
        }
    }
}

fn count(unit: Unit, text: &str) -> u64 {
    let number = match unit {
        Unit::Words => text.split_whitespace().count(),
        // A sentence ends with one of these marks or with the text; one without a letter or a digit is none.
        Unit::Sentences => text.split(['.', '!', '?', '。', '！', '？']).filter(|part| part.chars().any(char::is_alphanumeric)).count(),
        Unit::Bytes => text.len(),
    };
    number as u64
}

/// The host of a URL is one of the allowed ones (none: no host is) and none of the denied.
fn is_allowed(url: &str, allowed: &[String], denied: &[String]) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("").to_lowercase();
    let host = host.split(':').next().unwrap_or("").trim_end_matches('.');
    let fits = |pattern: &String| match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|before| before.ends_with('.')),
        None => host == pattern,
    };
    !denied.iter().any(fits) && (allowed.iter().any(fits) || (allowed.is_empty() && !denied.is_empty()))
}

fn schema_fault(schema: &Schema, body: &str, form: Form, path: &Option<Vec<Step>>) -> Option<String> {
    let Some(steps) = path else {
        if form != Form::Json {
            return Some("A stream is no single document; give a jsonPath of the text.".to_owned());
        }
        return documents(body, form).map_or_else(|fault| Some(fault.to_owned()), |found| schema.fault(found[0], "$"));
    };
    if form != Form::Json {
        let text = texts(body, form).map(|found| joined(&found)).unwrap_or_default();
        return in_text(schema, &text);
    }
    let root = match read(body.as_bytes()) {
        Ok(root) => root,
        Err(fault) => return Some(fault.to_owned()),
    };
    let values = at(root, steps);
    if values.is_empty() {
        return Some("Nothing is at the jsonPath.".to_owned());
    }
    values.into_iter().find_map(|value| match value.text() {
        // A model answers JSON as a text.
        Some(text) if !schema.takes_text() => in_text(schema, &text),
        _ => schema.fault(value, "$"),
    })
}

fn in_text(schema: &Schema, text: &str) -> Option<String> {
    match read(text.trim().as_bytes()) {
        Ok(value) => schema.fault(value, "$"),
        Err(fault) => Some(format!("The text: {fault}")),
    }
}

/// The beginning of a text, for a message.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
