//! Answers of the backend: which statuses and media types the definition has, and the schemas of their bodies.

use crate::bodies::{self, Body, Found};
use crate::checks::text;
use crate::schema::Schema;
use crate::strict_json::Json;

/// Characters of what is told of one answer.
const LONGEST: usize = 300;

pub struct Responses {
    /// Bytes of the largest body that is read.
    pub most: usize,
    statuses: Vec<(String, Body)>,
}

/// What the headers of an answer say of it.
pub enum Answer<'a> {
    Passes,
    Wrong(String),
    Checked(&'a Schema),
}

impl Responses {
    pub fn read(value: Json) -> Option<Responses> {
        let statuses = value.member("statuses")?.items().map(|item| Some((text(item, "status")?, Body::read(item)?)));
        let most = value.member("most")?.raw().parse().ok()?;
        Some(Responses { most, statuses: statuses.collect::<Option<Vec<_>>>()? })
    }

    /// Of a status, else of its class (`2XX`), else the default one (OpenAPI 3.0.4 §4.7.16).
    fn of_status(&self, status: &str) -> Option<&Body> {
        let class = format!("{}XX", status.get(..1).unwrap_or(""));
        let named = |name: &str| self.statuses.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, body)| body);
        named(status).or_else(|| named(&class)).or_else(|| named("default"))
    }

    /// `has_body` is false for an answer that ends with its headers.
    pub fn of_answer(&self, status: &str, content_type: &str, has_body: bool) -> Answer<'_> {
        let Some(body) = self.of_status(status) else {
            return Answer::Wrong(format!("the definition does not have the status {status}"));
        };
        if !has_body || !body.has_types() {
            return Answer::Passes;
        }
        match body.of_type(content_type) {
            Found::Passes => Answer::Passes,
            Found::Unsupported(_) => Answer::Wrong(shortened(format!("the definition does not have the media type {content_type} for the status {status}"))),
            Found::Checked(schema) => Answer::Checked(schema),
        }
    }
}

/// What is wrong with a body.
pub fn fault(schema: &Schema, body: &[u8]) -> Option<String> {
    bodies::fault(schema, body).map(|fault| shortened(format!("the answer does not match the definition: {}", fault.message)))
}

/// On one line, and not too long for a log.
fn shortened(text: String) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(LONGEST).collect()
}
