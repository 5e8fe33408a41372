//! What a call of an AI model costs: tokens times the prices of its model, in whole trillionths of the currency, so that nothing is rounded.

/// Digits after the point.
const DIGITS: usize = 12;

/// `currency, before, after` (what is around the name of a model in a path), then `model, prompt, completion` of each, between tabs. A
/// price is that of one token in trillionths. A model of the name `*` is any other.
pub struct Prices<'a>(&'a str);

impl<'a> Prices<'a> {
    pub fn new(text: &'a str) -> Self {
        Prices(text)
    }

    fn fields(&self) -> impl Iterator<Item = &'a str> {
        self.0.split('\t')
    }

    /// The model that a path names, if paths do: without percent-encoding (RFC 3986 §2.1), as SDKs write `:` and `/` of a name.
    pub fn model_in(&self, path: &str) -> String {
        let mut fields = self.fields().skip(1);
        let (before, after) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        if before.is_empty() {
            return String::new();
        }
        let path = path.split('?').next().unwrap_or("");
        let Some((_, rest)) = path.split_once(before) else { return String::new() };
        decoded(rest.split(|letter| after.contains(letter)).next().unwrap_or(""))
    }

    /// Prices of a token of the prompt and of the completion: of the model of this name, or of the longest name that it begins with.
    fn of(&self, model: &str) -> Option<(u128, u128)> {
        let mut fields = self.fields().skip(3);
        let mut best: Option<(usize, u128, u128)> = None;
        while let (Some(name), Some(prompt), Some(completion)) = (fields.next(), fields.next(), fields.next()) {
            let length = if name == "*" { Some(0) } else { model.starts_with(name).then(|| name.len() + 1) };
            let (Some(length), Ok(prompt), Ok(completion)) = (length, prompt.parse(), completion.parse()) else { continue };
            if best.is_none_or(|(before, ..)| length > before) {
                best = Some((length, prompt, completion));
            }
        }
        best.map(|(_, prompt, completion)| (prompt, completion))
    }

    /// Amount and currency: `0.0125 USD`; None for a model without a price.
    pub fn cost(&self, model: &str, prompt: u64, completion: u64) -> Option<String> {
        let (of_prompt, of_completion) = self.of(model)?;
        let amount = u128::from(prompt).checked_mul(of_prompt)?.checked_add(u128::from(completion).checked_mul(of_completion)?)?;
        let unit = 10u128.pow(DIGITS as u32);
        let text = format!("{}.{:0DIGITS$}", amount / unit, amount % unit);
        Some(format!("{} {}", text.trim_end_matches('0').trim_end_matches('.'), self.fields().next()?))
    }
}

/// A name of a model without percent-encoding. What encodes no visible ASCII character stays as it is.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut found = String::from(pieces.next().unwrap_or(""));
    for piece in pieces {
        let letter = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii_graphic);
        match letter {
            Some(letter) => {
                found.push(char::from(letter));
                found.push_str(&piece[2..]);
            }
            None => {
                found.push('%');
                found.push_str(piece);
            }
        }
    }
    found
}
