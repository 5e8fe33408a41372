//! The guardrails of a route, as `kapi.policies.guardrails` writes them: a JSON list for each flow.

use regex::{Regex, RegexBuilder};

use crate::checks::{Check, Unit, Violation};
use crate::masking::{mask, Entity, Masked};
use crate::prompts::{decorated, filled, Decoration, Template};
use crate::schema::{sized, Schema};
use crate::strict_json::{read, Json};
use crate::texts::{path, Form, Step};

/// Bytes of a compiled pattern.
const LARGEST_PATTERN: usize = 4 * 1024 * 1024;
const URL: &str = r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\x22'`)\]}]+";

enum Action {
    Check(Check),
    Mask { entities: Vec<Entity>, redact: bool },
    Fill(Vec<Template>),
    Decorate(Decoration),
}

pub struct Guardrail {
    pub name: String,
    /// Its kind, for the refusal.
    pub kind: String,
    /// Whether a refusal says what was found.
    pub shows: bool,
    path: Option<Vec<Step>>,
    action: Action,
}

pub struct Config {
    pub request: Vec<Guardrail>,
    pub response: Vec<Guardrail>,
    /// Placeholders of requests are put back into answers.
    pub unmasks: bool,
    urls: Regex,
}

impl Config {
    pub fn read(text: &str) -> Option<Config> {
        let root = read(text.as_bytes()).ok()?;
        let list = |name| root.member(name)?.items().map(guardrail).collect::<Option<Vec<_>>>();
        let (request, mut response) = (list("request")?, list("response")?);
        for item in &mut response {
            if let Action::Mask { redact, .. } = &mut item.action {
                *redact = true;
            }
        }
        let unmasks = request.iter().any(|item: &Guardrail| matches!(item.action, Action::Mask { redact: false, .. }));
        Some(Config { request, response, unmasks, urls: pattern(URL)? })
    }

    /// The body after all guardrails of one flow; None where nothing changed.
    pub fn apply<'a>(&self, items: &'a [Guardrail], body: &str, form: Form, masked: &mut Masked) -> Result<Option<String>, (&'a Guardrail, Violation)> {
        let mut made: Option<String> = None;
        for item in items {
            let now = made.as_deref().unwrap_or(body);
            let next = item.apply(now, form, masked, &self.urls).map_err(|violation| (item, violation))?;
            made = next.or(made);
        }
        Ok(made)
    }
}

impl Guardrail {
    fn apply(&self, body: &str, form: Form, masked: &mut Masked, urls: &Regex) -> Result<Option<String>, Violation> {
        let refused = |reason: String| Violation::new(reason.clone(), reason);
        match &self.action {
            Action::Check(check) => check.violation(body, form, &self.path, urls).map_or(Ok(None), Err),
            Action::Mask { entities, redact } => {
                let kept = (!redact).then_some(masked);
                mask(body, form, &self.path, entities, kept).map_err(|fault| refused(fault.to_owned()))
            }
            Action::Fill(templates) => filled(body, &self.path, templates).map_err(refused),
            Action::Decorate(decoration) => {
                decorated(body, self.path.as_deref().unwrap_or(&[]), decoration).map(Some).map_err(refused)
            }
        }
    }
}

fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build().ok()
}

fn text(value: Json, name: &str) -> Option<String> {
    value.member(name)?.text().map(|text| text.into_owned())
}

fn flag(value: Json, name: &str) -> bool {
    value.member(name).is_some_and(|value| value.raw() == "true")
}

fn texts(value: Json, name: &str) -> Vec<String> {
    value.member(name).map_or(Vec::new(), |list| list.items().filter_map(Json::text).map(|text| text.to_lowercase()).collect())
}

/// Two texts of each item of a list.
fn pairs(value: Json, name: &str, first: &str, second: &str) -> Option<Vec<(String, String)>> {
    value.member(name)?.items().map(|item| Some((text(item, first)?, text(item, second)?))).collect()
}

fn guardrail(value: Json) -> Option<Guardrail> {
    let kind = text(value, "kind")?;
    let path = match text(value, "path") {
        Some(text) => Some(path(&text)?),
        None => None,
    };
    let action = action(value, &kind)?;
    Some(Guardrail { name: text(value, "name")?, kind, shows: flag(value, "shows"), path, action })
}

fn action(value: Json, kind: &str) -> Option<Action> {
    let invert = flag(value, "invert");
    let number = |name| value.member(name).and_then(|number| number.raw().parse().ok());
    let count = |unit| Action::Check(Check::Count { unit, min: number("min").unwrap_or(0), max: number("max").unwrap_or(u64::MAX), invert });
    Some(match kind {
        "WORD_COUNT_GUARDRAIL" => count(Unit::Words),
        "SENTENCE_COUNT_GUARDRAIL" => count(Unit::Sentences),
        "CONTENT_LENGTH_GUARDRAIL" => count(Unit::Bytes),
        "REGEX_GUARDRAIL" => Action::Check(Check::Pattern { regex: pattern(&text(value, "regex")?)?, invert }),
        "URL_GUARDRAIL" => Action::Check(Check::Urls { allowed: texts(value, "allowed"), denied: texts(value, "denied") }),
        "JSON_SCHEMA_GUARDRAIL" => {
            let schema = Box::new(Schema::read(value.member("schema")?, &|text| sized(text, LARGEST_PATTERN))?);
            Action::Check(Check::Schema { schema, invert })
        }
        "PII_MASKING_GUARDRAIL" => {
            let found = pairs(value, "entities", "name", "regex")?;
            let entities = found.into_iter().map(|(name, regex)| Some(Entity { name, regex: pattern(&regex)? })).collect::<Option<_>>()?;
            Action::Mask { entities, redact: flag(value, "redact") }
        }
        "PROMPT_TEMPLATE" => {
            let found = pairs(value, "templates", "name", "prompt")?;
            Action::Fill(found.into_iter().map(|(name, prompt)| Template { name, prompt }).collect())
        }
        "PROMPT_DECORATOR" => Action::Decorate(Decoration { messages: pairs(value, "messages", "role", "content")?, append: flag(value, "append") }),
        _ => return None,
    })
}
