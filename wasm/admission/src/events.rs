//! The data of server-sent events (HTML Living Standard §9.2.6) that come in pieces.

use crate::json::Scanner;

const FIELD: &[u8] = b"data:";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many characters of `data:` have been read.
    Name(usize),
    Data,
    Other,
}

pub struct Events {
    line: Line,
    /// The last character was a carriage return: a line feed after it ends no other line.
    returned: bool,
}

impl Events {
    pub fn new() -> Self {
        Events { line: Line::Name(0), returned: false }
    }

    /// Give the data of each event to the scanner as one document.
    pub fn feed(&mut self, piece: &[u8], scanner: &mut Scanner, each: &mut impl FnMut(&[Option<u64>])) {
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            let ends = matches!(byte, b'\n' | b'\r');
            let second = *byte == b'\n' && core::mem::replace(&mut self.returned, *byte == b'\r');
            if second {
                rest = after;
                continue;
            }
            match self.line {
                Line::Name(0) if ends => scanner.end(each),
                _ if ends => {
                    scanner.feed(b"\n", each);
                    self.line = Line::Name(0);
                }
                Line::Name(read) if FIELD.get(read) == Some(byte) => {
                    self.line = if read + 1 == FIELD.len() { Line::Data } else { Line::Name(read + 1) };
                }
                Line::Name(_) => self.line = Line::Other,
                Line::Data | Line::Other => {
                    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
                    if self.line == Line::Data {
                        scanner.feed(&rest[..end], each);
                    }
                    rest = &rest[end..];
                    continue;
                }
            }
            rest = after;
        }
    }
}
