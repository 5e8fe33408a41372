//! The texts of a body: which strings it has, where they are, and which of them belong together because a stream sends them in pieces.

use std::borrow::Cow;

use crate::json_text::quoted;
use crate::strict_json::{read, Fault, Json};

/// Members whose texts are for or from the model, as in `admission/src/estimate.rs`.
const NAMED: [&str; 13] = [
    "content", "text", "input", "prompt", "system", "instructions", "arguments", "delta", "thinking", "reasoning_content",
    "partial_json", "response", "query",
];
/// Members that tell pieces of one text from those of another.
const INDEXES: [&str; 4] = ["index", "output_index", "content_index", "item_id"];
const NOT_READ: Fault = "An event of the stream is not JSON.";

/// How a body holds its documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Json,
    /// `data:` lines (HTML Living Standard §9.2.6).
    Events,
    /// A document on each line.
    Lines,
    /// Binary messages of AWS, which are read as lines (`event_messages`).
    Messages,
}

/// One text: a string, or the pieces of one in the documents of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// Where the pieces are in the body, with their quotation marks.
    pub spans: Vec<(usize, usize)>,
    pub text: String,
    /// It is for or from the model.
    pub named: bool,
    /// An event at the end of a stream repeats what its pieces said.
    repeats: bool,
    key: String,
}

/// All strings of a body.
pub fn texts(body: &str, form: Form) -> Result<Vec<Text>, Fault> {
    let mut found = Found { body, texts: Vec::new(), stream: form != Form::Json };
    for document in documents(body, form)? {
        let root = document.member("type").and_then(Json::text).unwrap_or(Cow::Borrowed(""));
        let repeats = root.ends_with(".done") || root.ends_with(".completed");
        if document.is_array() {
            // Documents of a stream, one after another.
            found.stream = true;
            document.items().for_each(|item| found.walk(item, "", &root, repeats));
        } else {
            found.walk(document, "", &root, repeats);
        }
    }
    Ok(found.texts)
}

/// The documents of a body, each checked.
pub fn documents(body: &str, form: Form) -> Result<Vec<Json<'_>>, Fault> {
    let each: Vec<&str> = match form {
        Form::Json => return Ok(vec![read(body.as_bytes())?]),
        Form::Events => body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:")).collect(),
        Form::Lines | Form::Messages => body.lines().collect(),
    };
    let said = each.into_iter().map(str::trim).filter(|text| !text.is_empty() && *text != "[DONE]");
    said.map(|text| read(text.as_bytes()).map_err(|_| NOT_READ)).collect()
}

struct Found<'a> {
    body: &'a str,
    texts: Vec<Text>,
    stream: bool,
}

impl Found<'_> {
    fn walk(&mut self, value: Json, name: &str, key: &str, repeats: bool) {
        if let Some(text) = value.text() {
            self.add(span(self.body, value), &text, name, key, repeats);
        } else if value.is_array() {
            value.items().for_each(|item| self.walk(item, name, key, repeats));
        } else if value.is_object() {
            let mut own = key.to_owned();
            if self.stream {
                INDEXES.iter().filter_map(|index| value.member(index)).for_each(|index| own.extend(["#", index.raw()]));
            }
            for (member, inner) in value.members() {
                let below = if self.stream { [own.as_str(), &member].join(".") } else { String::new() };
                self.walk(inner, &member, &below, repeats);
            }
        }
    }

    fn add(&mut self, span: (usize, usize), text: &str, name: &str, key: &str, repeats: bool) {
        let named = NAMED.contains(&name);
        // Members that name things (`id`, `model`, `type`) are the same in every event, not pieces of one text.
        if self.stream && named {
            if let Some(known) = self.texts.iter_mut().find(|known| known.key == key) {
                known.spans.push(span);
                known.text.push_str(text);
                return;
            }
        }
        self.texts.push(Text { spans: vec![span], text: text.to_owned(), named, repeats, key: key.to_owned() });
    }
}

/// Where a value is in the body that it was read from.
pub fn span(body: &str, value: Json) -> (usize, usize) {
    let start = value.raw().as_ptr() as usize - body.as_ptr() as usize;
    (start, start + value.raw().len())
}

/// The texts for or from the model as one.
pub fn joined(texts: &[Text]) -> String {
    let has_pieces = texts.iter().any(|text| text.named && !text.repeats);
    let wanted = texts.iter().filter(|text| text.named && !(text.repeats && has_pieces));
    wanted.map(|text| text.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// A step of a path: `.name`, `[3]`, `[-1]` or `[*]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    Member(String),
    Index(i64),
    All,
}

/// A path as `kapi.policies.guardrails.conf` accepts it (a part of RFC 9535).
pub fn path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(if &after[..end] == "*" { Step::All } else { Step::Member(after[..end].to_owned()) });
            rest = &after[end..];
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(if inside == "*" { Step::All } else { Step::Index(inside.parse().ok()?) });
            rest = after;
        }
    }
    Some(steps)
}

/// The values at a path.
pub fn at<'a>(root: Json<'a>, steps: &[Step]) -> Vec<Json<'a>> {
    let mut found = vec![root];
    for step in steps {
        found = found.into_iter().flat_map(|value| next(value, step)).collect();
    }
    found
}

fn next<'a>(value: Json<'a>, step: &Step) -> Vec<Json<'a>> {
    match step {
        Step::Member(name) => value.member(name).into_iter().collect(),
        Step::All if value.is_object() => value.members().map(|(_, inner)| inner).collect(),
        Step::All => value.items().collect(),
        Step::Index(number) => {
            let items: Vec<Json> = value.items().collect();
            let place = if *number < 0 { items.len() as i64 + number } else { *number };
            usize::try_from(place).ok().and_then(|place| items.get(place).copied()).into_iter().collect()
        }
    }
}

/// All strings at a path or below it.
pub fn texts_at(body: &str, steps: &[Step]) -> Result<Vec<Text>, Fault> {
    let mut found = Found { body, texts: Vec::new(), stream: false };
    for value in at(read(body.as_bytes())?, steps) {
        found.walk(value, "content", "", false);
    }
    found.texts.iter_mut().for_each(|text| text.named = true);
    Ok(found.texts)
}

/// The body with other values at some places.
pub fn edited(body: &str, mut edits: Vec<((usize, usize), String)>) -> String {
    edits.sort_by_key(|((start, _), _)| *start);
    let mut made = String::with_capacity(body.len());
    let mut after = 0;
    for ((start, end), text) in edits {
        made.push_str(&body[after..start]);
        made.push_str(&text);
        after = end;
    }
    made.push_str(&body[after..]);
    made
}

/// The body in which each text is what `change` makes of it; None where it changes nothing. The first piece of a text takes all of it.
pub fn rewritten(body: &str, texts: &[Text], mut change: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut edits = Vec::new();
    for text in texts {
        if let Some(made) = change(&text.text) {
            let mut all = Some(quoted(&made));
            edits.extend(text.spans.iter().map(|span| (*span, all.take().unwrap_or_else(|| "\"\"".to_owned()))));
        }
    }
    (!edits.is_empty()).then(|| edited(body, edits))
}
