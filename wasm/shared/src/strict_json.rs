//! JSON of a request (RFC 8259) that has one meaning: no member twice, at most `DEEPEST` levels, at most `MOST_MEMBERS` members of
//! objects that are open at once. A parser that takes the first of two members and one that takes the last read the same.
//!
//! `read` checks the whole text once and allocates nothing but the names of open objects. A value is a part of the text; it is decoded
//! where it is asked for.

use std::borrow::Cow;

pub const DEEPEST: usize = 64;
pub const MOST_MEMBERS: usize = 10_000;

/// Why a text is not read, in words for the caller.
pub type Fault = &'static str;

const NO_JSON: Fault = "The body is not JSON.";
const TWICE: Fault = "A JSON object has a member twice.";
const TOO_DEEP: Fault = "The JSON is nested too deeply.";
const TOO_MANY: Fault = "A JSON object has too many members.";

/// A value in a text that was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Json<'a>(&'a str);

/// The one value of a text.
pub fn read(text: &[u8]) -> Result<Json<'_>, Fault> {
    let text = core::str::from_utf8(text).map_err(|_| "The body is not UTF-8.")?;
    let mut check = Check { text, at: 0, names: Vec::new() };
    check.blanks();
    let start = check.at;
    check.value(0)?;
    let value = &text[start..check.at];
    check.blanks();
    if check.at == text.len() { Ok(Json(value)) } else { Err(NO_JSON) }
}

struct Check<'a> {
    text: &'a str,
    at: usize,
    names: Vec<Cow<'a, str>>,
}

impl<'a> Check<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(NO_JSON) }
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{' | b'[') if depth == DEEPEST => Err(TOO_DEEP),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(NO_JSON),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        let there = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        if there { Ok(()) } else { Err(NO_JSON) }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(NO_JSON) }
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    /// The text between the quotes, not decoded.
    fn string(&mut self) -> Result<&'a str, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            self.at = end_of_run(self.text.as_bytes(), self.at);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(NO_JSON),
            }
        }
        self.at += 1;
        Ok(&self.text[start..self.at - 1])
    }

    /// A half of a surrogate pair alone has no meaning in UTF-8 (RFC 8259 §8.2).
    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let letter = self.peek().ok_or(NO_JSON)?;
        self.at += 1;
        match letter {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0xd800..=0xdbff => {
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    if matches!(self.hex()?, 0xdc00..=0xdfff) { Ok(()) } else { Err(NO_JSON) }
                }
                0xdc00..=0xdfff => Err(NO_JSON),
                _ => Ok(()),
            },
            _ => Err(NO_JSON),
        }
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(NO_JSON)?;
        self.at += 4;
        digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?)).ok_or(NO_JSON)
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        self.blanks();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.blanks();
            self.value(depth + 1)?;
            self.blanks();
            if !self.take(b',') {
                return self.expect(b']');
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        let first = self.names.len();
        self.blanks();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.blanks();
            let name = decoded(self.string()?);
            if self.names.len() == MOST_MEMBERS {
                return Err(TOO_MANY);
            }
            self.names.push(name);
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            self.value(depth + 1)?;
            self.blanks();
            if !self.take(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        let own = &mut self.names[first..];
        own.sort_unstable();
        if own.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(TWICE);
        }
        self.names.truncate(first);
        Ok(())
    }
}

/// A string without its escapes. What is between them is copied in one piece.
fn decoded(text: &str) -> Cow<'_, str> {
    let Some(mut next) = text.find('\\') else { return Cow::Borrowed(text) };
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        made.push_str(&rest[..next]);
        let mut chars = rest[next + 1..].chars();
        made.push(match chars.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => unicode(&mut chars),
            Some(other) => other,
            None => return Cow::Owned(made),
        });
        rest = chars.as_str();
        next = match rest.find('\\') {
            Some(found) => found,
            None => break,
        };
    }
    made.push_str(rest);
    Cow::Owned(made)
}

fn unicode(rest: &mut core::str::Chars) -> char {
    let mut hex = || rest.by_ref().take(4).fold(0, |number, digit| number * 16 + digit.to_digit(16).unwrap_or(0));
    let first = hex();
    if !matches!(first, 0xd800..=0xdbff) {
        return char::from_u32(first).unwrap_or('\u{fffd}');
    }
    // Checked to be the other half.
    rest.nth(1);
    let second = rest.by_ref().take(4).fold(0, |number, digit| number * 16 + digit.to_digit(16).unwrap_or(0));
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00)).unwrap_or('\u{fffd}')
}

impl<'a> Json<'a> {
    /// As it is written.
    pub fn raw(self) -> &'a str {
        self.0
    }

    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// The value of a string; None for any other value.
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(decoded)
    }

    /// The member of an object by its name.
    pub fn member(self, name: &str) -> Option<Json<'a>> {
        self.members().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Names and values of an object; nothing for any other value.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> {
        let mut parts = Parts::of(self.0, '{');
        core::iter::from_fn(move || {
            let name = parts.next()?.text()?;
            Some((name, parts.next()?))
        })
    }

    /// The items of an array; nothing for any other value.
    pub fn items(self) -> impl Iterator<Item = Json<'a>> {
        let mut parts = Parts::of(self.0, '[');
        core::iter::from_fn(move || parts.next())
    }
}

/// The values inside an object or array, names included. The text was checked, so that only the ends of values are looked for.
struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str, open: char) -> Self {
        if text.starts_with(open) { Parts { text: &text[..text.len() - 1], at: 1 } } else { Parts { text: "", at: 0 } }
    }

    fn next(&mut self) -> Option<Json<'a>> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':') {
            self.at += 1;
        }
        let (start, mut depth) = (self.at, 0);
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => self.at = end_of_string(bytes, self.at),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
            if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        Some(Json(&self.text[start..self.at]))
    }
}

/// Where the quote is that ends the string which begins at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    at = end_of_run(bytes, at + 1);
    while bytes.get(at) == Some(&b'\\') {
        at = end_of_run(bytes, at + 2);
    }
    at
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Where from `at` on the first quotation mark, backslash or control character is, or the end. Eight bytes at once.
fn end_of_run(bytes: &[u8], mut at: usize) -> usize {
    // The high bit of each byte that is below a number up to 128; bits above the first are not exact.
    let below = |value: u64, number: u8| value.wrapping_sub(ONES * u64::from(number)) & !value & HIGH;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let value = u64::from_le_bytes(*eight);
        let quote = below(value ^ (ONES * u64::from(b'"')), 1);
        let found = quote | below(value ^ (ONES * u64::from(b'\\')), 1) | below(value, b' ');
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        at += 1;
    }
    at
}
