//! Headers of requests to MCP servers beside those that name the method: `Origin`, and `Mcp-Param-*`, which repeat arguments of a call.
//!
//! A tool that repeats arguments (`x-mcp-header` in its schema) has a text: header in small letters, type and path of the argument for
//! each, between tabs; names of a path are between `/`, in which `~1` is a slash and `~0` a tilde (RFC 6901).

use std::borrow::Cow;

use crate::mcp::plain;
use crate::strict_json::Json;

/// Whether a page of this origin may call: a server that any page could reach would trust its network (DNS rebinding).
pub fn is_allowed<'a>(origin: &str, mut allowed: impl Iterator<Item = &'a str>) -> bool {
    allowed.any(|item| item == "*" || fits(item, origin))
}

/// `*` in a pattern matches a part of a host or port.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | ':' | '_' | '-');
    let longest = text.find(|letter: char| !part(letter)).unwrap_or(text.len());
    (0..=longest).any(|end| fits(rest, &text[end..]))
}

/// Header, type and value of each argument that is repeated. A value that is null or has no header form is absent.
fn arguments<'a>(text: &'a str, all: Option<Json<'a>>) -> impl Iterator<Item = (&'a str, &'a str, Option<Cow<'a, str>>)> {
    let mut fields = text.split('\t').filter(|field| !field.is_empty());
    core::iter::from_fn(move || {
        let (header, kind, path) = (fields.next()?, fields.next()?, fields.next()?);
        let value = path.split('/').fold(all, |found, name| found.and_then(|found| found.member(&name.replace("~1", "/").replace("~0", "~"))));
        Some((header, kind, value.and_then(scalar)))
    })
}

fn scalar(value: Json<'_>) -> Option<Cow<'_, str>> {
    match value.text() {
        Some(text) => Some(text),
        None if value.is_object() || value.is_array() || value.is_null() => None,
        None => Some(Cow::Borrowed(value.raw())),
    }
}

/// What is wrong with the headers of a call, if anything.
pub fn fault<'a>(text: &str, all: Option<Json>, sent: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    arguments(text, all).find_map(|(header, kind, value)| match (sent(header), value) {
        (None, None) => None,
        (None, Some(_)) => Some(format!("{header} is missing.")),
        (Some(_), None) => Some(format!("{header} repeats an argument that the body does not have.")),
        (Some(sent), Some(value)) => match plain(sent) {
            None => Some(format!("{header} is malformed.")),
            Some(sent) if sent == value || (kind == "integer" && is_same_integer(&sent, &value)) => None,
            Some(_) => Some(format!("{header} does not match the body.")),
        },
    })
}

/// `42` and `42.0`.
fn is_same_integer(one: &str, other: &str) -> bool {
    let whole = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && fraction.bytes().all(|byte| byte == b'0');
        is_whole.then(|| String::from(whole))
    };
    whole(one).is_some_and(|found| Some(found) == whole(other))
}

/// The headers that a call needs, by its arguments.
pub fn written(text: &str, all: Option<Json>) -> Vec<(String, String)> {
    arguments(text, all).filter_map(|(header, _, value)| Some((header.into(), encoded(&value?)))).collect()
}

/// As it is if it has visible characters and inner blanks only; otherwise `=?base64?…?=`.
pub fn encoded(value: &str) -> String {
    let visible = value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim() == value;
    if visible && !value.is_empty() && !value.starts_with("=?base64?") {
        return value.into();
    }
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut made = String::from("=?base64?");
    for three in value.as_bytes().chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = if place <= three.len() { LETTERS[(bits >> (18 - 6 * place)) as usize & 63] } else { b'=' };
            made.push(char::from(letter));
        }
    }
    made + "?="
}
