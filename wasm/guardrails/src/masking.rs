//! Personal data: each find becomes a placeholder, and the answer gets the original back; or each becomes `*****`.

use regex::Regex;

use crate::strict_json::Fault;
use crate::texts::{rewritten, texts, texts_at, Form, Step};

const REDACTED: &str = "*****";
/// More finds than this in one body are an attempt to use up memory.
const MOST: usize = 10_000;

pub struct Entity {
    pub name: String,
    pub regex: Regex,
}

/// Placeholders and what is behind them, of one request.
pub type Masked = Vec<(String, String)>;

/// The body with placeholders; None where there is nothing to mask. Without `masked`, the finds are redacted.
pub fn mask(
    body: &str,
    form: Form,
    path: &Option<Vec<Step>>,
    entities: &[Entity],
    mut masked: Option<&mut Masked>,
) -> Result<Option<String>, Fault> {
    let found = match (path, form) {
        (Some(steps), Form::Json) => texts_at(body, steps)?,
        _ => texts(body, form)?,
    };
    let mut full = false;
    let made = rewritten(body, &found, |text| {
        let mut made = std::borrow::Cow::Borrowed(text);
        for entity in entities {
            let next = entity.regex.replace_all(&made, |hit: &regex::Captures| match masked.as_deref_mut() {
                None => REDACTED.to_owned(),
                Some(masked) => placeholder(masked, &entity.name, &hit[0], &mut full),
            });
            if let std::borrow::Cow::Owned(next) = next {
                made = std::borrow::Cow::Owned(next);
            }
        }
        matches!(made, std::borrow::Cow::Owned(_)).then(|| made.into_owned())
    });
    if full { Err("The text has too much personal data.") } else { Ok(made) }
}

fn placeholder(masked: &mut Masked, entity: &str, original: &str, full: &mut bool) -> String {
    if let Some((known, _)) = masked.iter().rev().take(100).find(|(_, text)| text == original) {
        return known.clone();
    }
    *full |= masked.len() >= MOST;
    let made = format!("[{entity}_{:04}]", masked.len());
    if !*full {
        masked.push((made.clone(), original.to_owned()));
    }
    made
}

/// The body with the originals; None where it has no placeholder.
pub fn unmask(body: &str, form: Form, masked: &Masked) -> Result<Option<String>, Fault> {
    let found = texts(body, form)?;
    Ok(rewritten(body, &found, |text| {
        let mut made = String::with_capacity(text.len());
        let (mut rest, mut changed) = (text, false);
        while let Some(start) = rest.find('[') {
            made.push_str(&rest[..start]);
            rest = &rest[start..];
            match rest.find(']').and_then(|end| original(&rest[..=end], masked)) {
                Some((placeholder, original)) => {
                    made.push_str(original);
                    rest = &rest[placeholder.len()..];
                    changed = true;
                }
                None => {
                    made.push('[');
                    rest = &rest[1..];
                }
            }
        }
        made.push_str(rest);
        changed.then_some(made)
    }))
}

/// The number in a placeholder is its place in the list.
fn original<'a>(text: &str, masked: &'a Masked) -> Option<&'a (String, String)> {
    let number: usize = text.strip_suffix(']')?.rsplit_once('_')?.1.parse().ok()?;
    masked.get(number).filter(|(placeholder, _)| placeholder == text)
}
