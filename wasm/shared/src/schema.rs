//! JSON Schema (2020-12) as far as a guardrail needs it: types, members, items, numbers, lengths, patterns, `enum`, `const`, the
//! combinations and `$defs`. `kapi.policies.guardrails.conf` refuses a schema with another keyword.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::strict_json::Json;

const DEEPEST: usize = 64;

/// Work for one value, in about nanoseconds: combinations in combinations take a time that is exponential in their depth, and a pattern may need its
/// size for each letter.
const MOST_WORK: u64 = 100_000_000;
const WORK_OF_BYTE: u64 = 200;
const WORK_OF_NODE: u64 = 200;
/// Scans of a value by one node.
const SCANS: u64 = 4;
/// Bytes of a compiled pattern for which a letter needs one unit of work more.
const PATTERN_BYTES: u64 = 128;

/// A compiled pattern, and its size in bytes at most.
pub struct Pattern {
    pub regex: Regex,
    pub size: usize,
}

pub type Compile<'a> = &'a dyn Fn(&str) -> Option<Pattern>;

pub struct Schema {
    root: Node,
    defs: BTreeMap<String, Node>,
    /// Work that is left for the current value.
    left: Cell<u64>,
}

#[derive(Default)]
struct Node {
    never: bool,
    types: Vec<String>,
    members: BTreeMap<String, Node>,
    required: Vec<String>,
    others: Option<Box<Node>>,
    items: Option<Box<Node>>,
    numbers: BTreeMap<&'static str, f64>,
    pattern: Option<Pattern>,
    /// Values of `enum` and `const`, written the same way.
    values: Option<Vec<String>>,
    all: Vec<Node>,
    any: Vec<Node>,
    one: Vec<Node>,
    not: Option<Box<Node>>,
    reference: Option<String>,
}

const NUMBERS: [&str; 11] = [
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties",
    "maxProperties", "multipleOf",
];

impl Schema {
    pub fn read(value: Json, compile: Compile) -> Option<Schema> {
        let defs = value.member("$defs").map_or(Some(BTreeMap::new()), |defs| nodes(defs, compile))?;
        Some(Schema { root: node(value, compile)?, defs, left: Cell::new(0) })
    }

    /// Whether a text itself is what the schema is about.
    pub fn takes_text(&self) -> bool {
        self.root.types.iter().any(|name| name == "string")
    }

    /// What is wrong with a value, and where.
    pub fn fault(&self, value: Json, place: &str) -> Option<String> {
        self.left.set(MOST_WORK + WORK_OF_BYTE * value.raw().len() as u64);
        let fault = self.wrong(&self.root, value, place, 0);
        // A combination may have taken the end of the work for an answer.
        if self.left.get() == 0 { Some(format!("{place} takes too long to compare with the schema")) } else { fault }
    }

    /// Do some work; whether none is left then.
    fn exhausts(&self, units: u64) -> bool {
        self.left.set(self.left.get().saturating_sub(units));
        self.left.get() == 0
    }

    fn wrong(&self, node: &Node, value: Json, place: &str, depth: usize) -> Option<String> {
        let values = node.values.as_ref().map_or(0, Vec::len) as u64;
        if self.exhausts(WORK_OF_NODE + SCANS * value.raw().len() as u64 + values) || node.never || depth > DEEPEST {
            return Some(format!("{place} is not allowed"));
        }
        let here = |what: String| Some(format!("{place} {what}"));
        if let Some(name) = &node.reference {
            let fault = self.defs.get(name).map_or_else(|| here("has no schema".into()), |other| self.wrong(other, value, place, depth + 1));
            if fault.is_some() {
                return fault;
            }
        }
        if !node.types.is_empty() && !node.types.iter().any(|name| is_type(value, name)) {
            return here(format!("is not of type {}", node.types.join(" or ")));
        }
        if node.values.as_ref().is_some_and(|values| !values.contains(&canonical(value))) {
            return here("is not one of the values".into());
        }
        self.wrong_size(node, value, place)
            .or_else(|| self.wrong_member(node, value, place, depth))
            .or_else(|| self.wrong_item(node, value, place, depth))
            .or_else(|| self.wrong_combination(node, value, place, depth))
    }

    fn wrong_size(&self, node: &Node, value: Json, place: &str) -> Option<String> {
        let measured: [(&str, Option<f64>, bool); 11] = {
            let number = value.raw().parse::<f64>().ok().filter(|_| value.raw().starts_with(|char: char| char == '-' || char.is_ascii_digit()));
            let length = value.text().map(|text| text.chars().count() as f64);
            let items = value.is_array().then(|| value.items().count() as f64);
            let members = value.is_object().then(|| value.members().count() as f64);
            [
                ("minimum", number, true), ("maximum", number, false), ("exclusiveMinimum", number, true), ("exclusiveMaximum", number, false),
                ("minLength", length, true), ("maxLength", length, false), ("minItems", items, true), ("maxItems", items, false),
                ("minProperties", members, true), ("maxProperties", members, false), ("multipleOf", number, true),
            ]
        };
        for (name, found, least) in measured {
            let (Some(found), Some(bound)) = (found, node.numbers.get(name)) else { continue };
            let fits = match name {
                "multipleOf" => (found / bound).fract() == 0.0,
                _ if name.starts_with("exclusive") => if least { found > *bound } else { found < *bound },
                _ => if least { found >= *bound } else { found <= *bound },
            };
            if !fits {
                return Some(format!("{place} violates {name} {bound}"));
            }
        }
        let (text, pattern) = (value.text()?, node.pattern.as_ref()?);
        let is_wrong = self.exhausts(text.len() as u64 * (1 + pattern.size as u64 / PATTERN_BYTES)) || !pattern.regex.is_match(&text);
        is_wrong.then(|| format!("{place} does not match the pattern"))
    }

    fn wrong_member(&self, node: &Node, value: Json, place: &str, depth: usize) -> Option<String> {
        if !value.is_object() {
            return None;
        }
        if !node.required.is_empty() {
            let there: BTreeSet<_> = value.members().map(|(name, _)| name).collect();
            if let Some(missing) = node.required.iter().find(|name| !there.contains(name.as_str())) {
                return Some(format!("{place} lacks the member {missing}"));
            }
        }
        value.members().find_map(|(name, inner)| {
            let there = || format!("{place}.{}", name.chars().take(40).collect::<String>());
            match node.members.get(name.as_ref()) {
                Some(own) => self.wrong(own, inner, &there(), depth + 1),
                None => node.others.as_ref().and_then(|others| self.wrong(others, inner, &there(), depth + 1)),
            }
        })
    }

    fn wrong_item(&self, node: &Node, value: Json, place: &str, depth: usize) -> Option<String> {
        let items = node.items.as_ref()?;
        value.items().enumerate().find_map(|(number, item)| self.wrong(items, item, &format!("{place}[{number}]"), depth + 1))
    }

    fn wrong_combination(&self, node: &Node, value: Json, place: &str, depth: usize) -> Option<String> {
        let fits = |other: &Node| self.wrong(other, value, place, depth + 1).is_none();
        if let Some(fault) = node.all.iter().find_map(|other| self.wrong(other, value, place, depth + 1)) {
            return Some(fault);
        }
        if !node.any.is_empty() && !node.any.iter().any(fits) {
            return Some(format!("{place} matches no schema of anyOf"));
        }
        if !node.one.is_empty() && node.one.iter().filter(|other| fits(other)).count() != 1 {
            return Some(format!("{place} does not match exactly one schema of oneOf"));
        }
        node.not.as_ref().filter(|other| fits(other)).map(|_| format!("{place} matches a schema that is not allowed"))
    }
}

fn nodes(value: Json, compile: Compile) -> Option<BTreeMap<String, Node>> {
    value.members().map(|(name, inner)| Some((name.into_owned(), node(inner, compile)?))).collect()
}

fn list(value: Json, name: &str, compile: Compile) -> Option<Vec<Node>> {
    value.member(name).map_or(Some(Vec::new()), |items| items.items().map(|item| node(item, compile)).collect())
}

fn boxed(value: Json, name: &str, compile: Compile) -> Option<Option<Box<Node>>> {
    value.member(name).map_or(Some(None), |inner| Some(Some(Box::new(node(inner, compile)?))))
}

fn words(value: Option<Json>) -> Vec<String> {
    let Some(value) = value else { return Vec::new() };
    match value.text() {
        Some(text) => vec![text.into_owned()],
        None => value.items().filter_map(Json::text).map(|text| text.into_owned()).collect(),
    }
}

fn node(value: Json, compile: Compile) -> Option<Node> {
    if !value.is_object() {
        return Some(Node { never: value.raw() == "false", ..Node::default() });
    }
    let number = |name: &&'static str| Some((*name, value.member(name)?.raw().parse().ok()?));
    let pattern = match value.member("pattern").and_then(Json::text) {
        Some(text) => Some(compile(&text)?),
        None => None,
    };
    let of = value.member("enum").map(|items| items.items().map(canonical).collect());
    Some(Node {
        never: false,
        types: words(value.member("type")),
        members: value.member("properties").map_or(Some(BTreeMap::new()), |inner| nodes(inner, compile))?,
        required: words(value.member("required")),
        others: boxed(value, "additionalProperties", compile)?,
        items: boxed(value, "items", compile)?,
        numbers: NUMBERS.iter().filter_map(number).collect(),
        pattern,
        values: of.or_else(|| value.member("const").map(|one| vec![canonical(one)])),
        all: list(value, "allOf", compile)?,
        any: list(value, "anyOf", compile)?,
        one: list(value, "oneOf", compile)?,
        not: boxed(value, "not", compile)?,
        reference: value.member("$ref").and_then(Json::text).and_then(|text| text.strip_prefix("#/$defs/").map(str::to_owned)),
    })
}

/// A pattern of at most `largest` bytes; its size is known within a factor of two.
pub fn sized(text: &str, largest: usize) -> Option<Pattern> {
    let mut size = 16 * 1024;
    loop {
        match regex::RegexBuilder::new(text).size_limit(size).build() {
            Ok(regex) => return Some(Pattern { regex, size }),
            Err(regex::Error::CompiledTooBig(_)) if size < largest => size *= 2,
            Err(_) => return None,
        }
    }
}

fn is_type(value: Json, name: &str) -> bool {
    let raw = value.raw();
    let number = raw.starts_with(|char: char| char == '-' || char.is_ascii_digit());
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => raw.starts_with('"'),
        "boolean" => raw == "true" || raw == "false",
        "null" => value.is_null(),
        "number" => number,
        "integer" => number && raw.parse::<f64>().is_ok_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

/// Equal values as equal texts: without blanks, members in order, numbers by their value.
fn canonical(value: Json) -> String {
    if let Some(text) = value.text() {
        return crate::json_text::quoted(&text);
    }
    if value.is_array() {
        return format!("[{}]", value.items().map(canonical).collect::<Vec<_>>().join(","));
    }
    if value.is_object() {
        let mut members: Vec<String> = value.members().map(|(name, inner)| format!("{}:{}", crate::json_text::quoted(&name), canonical(inner))).collect();
        members.sort_unstable();
        return format!("{{{}}}", members.join(","));
    }
    value.raw().parse::<f64>().map_or_else(|_| value.raw().to_owned(), |number| number.to_string())
}
