//! Tokens of a GraphQL document (GraphQL specification, September 2025, §2.1). At most `MOST_TOKENS` of them.

pub const MOST_TOKENS: usize = 20_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    Name(&'a str),
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Mark(u8),
    /// `...`
    Spread,
    Number,
    Text,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No token is here.
    Unexpected,
    TooManyTokens,
}

pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    count: usize,
    /// Where the current token begins.
    pub start: usize,
    pub token: Token<'a>,
}

impl<'a> Lexer<'a> {
    /// Before the first token.
    pub fn new(text: &'a str) -> Self {
        Lexer { text, at: 0, count: 0, start: 0, token: Token::End }
    }

    /// Take the next token.
    pub fn advance(&mut self) -> Result<(), Fault> {
        self.blanks();
        self.start = self.at;
        self.count += 1;
        if self.count > MOST_TOKENS {
            return Err(Fault::TooManyTokens);
        }
        let Some(first) = self.byte(0) else {
            self.token = Token::End;
            return Ok(());
        };
        self.token = match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                self.at += 1;
                Token::Mark(first)
            }
            b'.' if self.rest().starts_with(b"...") => {
                self.at += 3;
                Token::Spread
            }
            b'"' if self.rest().starts_with(b"\"\"\"") => self.block()?,
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ if begins_name(first) => self.name(),
            _ => return Err(Fault::Unexpected),
        };
        Ok(())
    }

    /// Line and column of the current token, from 1.
    pub fn place(&self) -> (usize, usize) {
        let before = &self.text[..self.start.min(self.text.len())];
        let line = before.replace("\r\n", "\n").matches(['\n', '\r']).count() + 1;
        let column = before.chars().rev().take_while(|char| !matches!(char, '\n' | '\r')).count() + 1;
        (line, column)
    }

    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Blanks, line ends, commas, byte order marks and comments say nothing (§2.1.7).
    fn blanks(&mut self) {
        while let Some(byte) = self.byte(0) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.at += 1,
                0xef if self.rest().starts_with("\u{feff}".as_bytes()) => self.at += 3,
                b'#' => {
                    let rest = self.rest();
                    self.at += rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn name(&mut self) -> Token<'a> {
        let start = self.at;
        while self.byte(0).is_some_and(|byte| begins_name(byte) || byte.is_ascii_digit()) {
            self.at += 1;
        }
        Token::Name(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.byte(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Fault::Unexpected) }
    }

    fn take(&mut self, bytes: &[u8]) -> bool {
        let there = self.byte(0).is_some_and(|byte| bytes.contains(&byte));
        self.at += usize::from(there);
        there
    }

    /// A number ends where neither a digit, a point nor a name follows (§2.9.1, §2.9.2).
    fn number(&mut self) -> Result<Token<'a>, Fault> {
        self.take(b"-");
        if !self.take(b"0") {
            self.digits()?;
        }
        if self.take(b".") {
            self.digits()?;
        }
        if self.take(b"eE") {
            self.take(b"+-");
            self.digits()?;
        }
        match self.byte(0) {
            Some(byte) if byte == b'.' || byte.is_ascii_digit() || begins_name(byte) => Err(Fault::Unexpected),
            _ => Ok(Token::Number),
        }
    }

    fn string(&mut self) -> Result<Token<'a>, Fault> {
        self.at += 1;
        loop {
            match self.byte(0) {
                None | Some(b'\n' | b'\r') => return Err(Fault::Unexpected),
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(Token::Text)
    }

    fn block(&mut self) -> Result<Token<'a>, Fault> {
        self.at += 3;
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Err(Fault::Unexpected);
            }
            if rest.starts_with(b"\"\"\"") {
                break;
            }
            self.at += if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 };
        }
        self.at += 3;
        Ok(Token::Text)
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let letter = self.byte(1).ok_or(Fault::Unexpected)?;
        self.at += 2;
        match letter {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.unicode()? {
                0xd800..=0xdbff if self.rest().starts_with(b"\\u") => {
                    self.at += 2;
                    if matches!(self.hex(4)?, 0xdc00..=0xdfff) { Ok(()) } else { Err(Fault::Unexpected) }
                }
                0xd800..=0xdfff => Err(Fault::Unexpected),
                _ => Ok(()),
            },
            _ => Err(Fault::Unexpected),
        }
    }

    /// Four digits, or some between braces, which name no half of a surrogate pair.
    fn unicode(&mut self) -> Result<u32, Fault> {
        if !self.take(b"{") {
            return self.hex(4);
        }
        let digits = self.rest().iter().position(|byte| *byte == b'}').filter(|count| *count > 0).ok_or(Fault::Unexpected)?;
        let value = self.hex(digits)?;
        self.at += 1;
        char::from_u32(value).map(u32::from).ok_or(Fault::Unexpected)
    }

    fn hex(&mut self, count: usize) -> Result<u32, Fault> {
        let digits = self.text.as_bytes().get(self.at..self.at + count).ok_or(Fault::Unexpected)?;
        let value = digits.iter().try_fold(0_u32, |number, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            number.checked_mul(16)?.checked_add(digit)
        });
        self.at += count;
        value.ok_or(Fault::Unexpected)
    }
}

fn begins_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic()
}
