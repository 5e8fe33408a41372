//! Templates (`template://NAME?key=value` becomes the prompt of that name) and decorators (messages or a text put before or after).

use crate::strict_json::read;
use crate::json_text::quoted;
use crate::texts::{at, edited, rewritten, span, texts, texts_at, Form, Step};

const SCHEME: &str = "template://";

pub struct Template {
    pub name: String,
    pub prompt: String,
}

/// The body with the prompts of its templates; None where it names none. Fails with the reason.
pub fn filled(body: &str, path: &Option<Vec<Step>>, templates: &[Template]) -> Result<Option<String>, String> {
    let found = match path {
        Some(steps) => texts_at(body, steps)?,
        None => texts(body, Form::Json)?,
    };
    let mut fault = None;
    let made = rewritten(body, &found, |text| {
        let call = text.trim().strip_prefix(SCHEME)?;
        match prompt(call, templates) {
            Ok(made) => Some(made),
            Err(reason) => {
                fault = Some(reason);
                None
            }
        }
    });
    fault.map_or(Ok(made), Err)
}

fn prompt(call: &str, templates: &[Template]) -> Result<String, String> {
    let (name, query) = call.split_once('?').unwrap_or((call, ""));
    let template = templates.iter().find(|template| template.name == name).ok_or("There is no template of this name.")?;
    let given: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    let mut made = String::with_capacity(template.prompt.len());
    let mut rest = template.prompt.as_str();
    while let Some((before, after)) = rest.split_once("[[") {
        let Some((key, after)) = after.split_once("]]") else { break };
        let value = given.iter().find(|(name, _)| name == key.trim()).map(|(_, value)| value);
        made.push_str(before);
        made.push_str(value.ok_or_else(|| format!("The template needs {}.", key.trim()))?);
        rest = after;
    }
    made.push_str(rest);
    Ok(made)
}

/// Without percent-encoding (RFC 3986 §2.1); `+` is a blank.
fn decoded(text: &str) -> String {
    let (bytes, mut made, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                made.push(byte);
                at += 3;
            }
            None => {
                made.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&made).into_owned()
}

pub struct Decoration {
    /// Role and content of each message.
    pub messages: Vec<(String, String)>,
    pub append: bool,
}

/// The body with the decoration at the path, which leads to a list of messages or to a text. Fails with the reason.
pub fn decorated(body: &str, path: &[Step], decoration: &Decoration) -> Result<String, String> {
    let root = read(body.as_bytes())?;
    let value = *at(root, path).first().ok_or("Nothing is at the jsonPath of the decorator.")?;
    let place = span(body, value);
    if let Some(text) = value.text() {
        let own: Vec<&str> = decoration.messages.iter().map(|(_, content)| content.as_str()).collect();
        let own = own.join("\n");
        let made = if decoration.append { format!("{text}\n{own}") } else { format!("{own}\n{text}") };
        return Ok(edited(body, vec![(place, quoted(&made))]));
    }
    if !value.is_array() {
        return Err("The jsonPath of the decorator leads to no list and no text.".to_owned());
    }
    let one = |(role, content): &(String, String)| format!("{{\"role\":{},\"content\":{}}}", quoted(role), quoted(content));
    let own = decoration.messages.iter().map(one).collect::<Vec<_>>().join(",");
    let inside = value.raw()[1..value.raw().len() - 1].trim();
    let made = match (inside.is_empty(), decoration.append) {
        (true, _) => format!("[{own}]"),
        (false, true) => format!("[{inside},{own}]"),
        (false, false) => format!("[{own},{inside}]"),
    };
    Ok(edited(body, vec![(place, made)]))
}
