//! The binary stream of events of AWS (`application/vnd.amazon.eventstream`) that comes in pieces: the payload of each message is a document.
//!
//! In `invoke-with-response-stream` of Bedrock it is in the payload, as base64: `{"bytes":"…"}`.
//!
//! A message is its length, the length of its headers, a checksum of both (4 bytes each, big-endian), headers, payload, and a checksum of
//! all. Checksums are the client's to compare. Nothing is kept but twelve bytes.

use crate::base64::Decoder;
use crate::json::Scanner;

const PRELUDE: usize = 12;
const CHECKSUM: u64 = 4;
/// A message of more than this is none (AWS: 24 MB with a payload of 16).
const LARGEST: u64 = 32 * 1024 * 1024;

/// How a payload begins that has its document as base64.
const WRAPPED: &[u8] = b"{\"bytes\":\"";

/// Where in a payload the next byte is.
enum Payload {
    /// So many bytes are those of `WRAPPED`.
    Beginning(usize),
    Plain,
    Wrapped(Decoder),
    /// After the document.
    Over,
}

impl Payload {
    fn feed(&mut self, piece: &[u8], scanner: &mut Scanner, each: &mut impl FnMut(&[Option<u64>])) {
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            match self {
                Payload::Beginning(read) if WRAPPED[*read] == *byte => {
                    *read += 1;
                    if *read == WRAPPED.len() {
                        *self = Payload::Wrapped(Decoder::default());
                    }
                }
                Payload::Beginning(read) => {
                    scanner.feed(&WRAPPED[..*read], each);
                    *self = Payload::Plain;
                    continue;
                }
                Payload::Plain => return scanner.feed(rest, each),
                Payload::Wrapped(decoder) => match decoder.take(*byte) {
                    Ok(Some(decoded)) => scanner.feed(&[decoded], each),
                    Ok(None) => {}
                    // Some writers of JSON escape the slash.
                    Err(()) if *byte == b'\\' => {}
                    Err(()) => *self = Payload::Over,
                },
                Payload::Over => return,
            }
            rest = after;
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::Beginning(0)
    }
}

#[derive(Default)]
pub struct EventMessages {
    prelude: [u8; PRELUDE],
    read: usize,
    /// Bytes of headers, payload and checksum that have not come yet.
    left: [u64; 3],
    payload: Payload,
    lost: bool,
}

impl EventMessages {
    pub fn feed(&mut self, piece: &[u8], scanner: &mut Scanner, each: &mut impl FnMut(&[Option<u64>])) {
        let mut rest = piece;
        while !rest.is_empty() && !self.lost {
            if self.read < PRELUDE {
                let taken = rest.len().min(PRELUDE - self.read);
                self.prelude[self.read..self.read + taken].copy_from_slice(&rest[..taken]);
                self.read += taken;
                rest = &rest[taken..];
                if self.read == PRELUDE {
                    self.begin();
                }
                continue;
            }
            let Some(part) = self.left.iter().position(|left| *left > 0) else { return };
            let taken = self.left[part].min(rest.len() as u64) as usize;
            self.left[part] -= taken as u64;
            if part == 1 {
                self.payload.feed(&rest[..taken], scanner, each);
            }
            rest = &rest[taken..];
            if self.left == [0, 0, CHECKSUM] {
                scanner.end(each);
            }
            if self.left == [0; 3] {
                self.read = 0;
            }
        }
    }

    fn begin(&mut self) {
        let number = |from: usize| self.prelude[from..from + 4].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let (whole, headers) = (number(0), number(4));
        let payload = whole.checked_sub(PRELUDE as u64 + CHECKSUM + headers);
        match payload.filter(|_| whole <= LARGEST) {
            Some(payload) => {
                self.left = [headers, payload, CHECKSUM];
                self.payload = Payload::default();
            }
            None => self.lost = true,
        }
    }
}
