//! The binary stream of events of AWS (`application/vnd.amazon.eventstream`): read as a document on each line, and written with other ones.
//!
//! A message is its length, the length of its headers, a checksum of both (4 bytes each, big-endian), headers, payload, and a checksum of
//! all (CRC-32 of IEEE 802.3). The payload is a document, or has it as base64: `{"bytes":"…"}`.

use std::borrow::Cow;

use crate::base64;
use crate::json_text::quoted;
use crate::strict_json;
use crate::texts::{edited, span};

const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
const WRAPPED: &str = "bytes";

/// One message as it came.
pub struct EventMessage<'a> {
    whole: &'a [u8],
    headers: &'a [u8],
    payload: &'a str,
    /// The document, on one line.
    document: String,
    /// Where in the payload the document is as base64, with its quotation marks.
    wrapped: Option<(usize, usize)>,
}

/// The messages of a body; None if it is no such stream, or has a document that is no text.
pub fn read(body: &[u8]) -> Option<Vec<EventMessage<'_>>> {
    let mut rest = body;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| rest.get(at..at + 4).map(|bytes| bytes.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)));
        let (whole, headers) = (number(0)?, number(4)?);
        let payload = whole.checked_sub(CHECKSUM).filter(|end| PRELUDE.checked_add(headers).is_some_and(|start| start <= *end))?;
        let bytes = rest.get(..whole)?;
        found.push(message(bytes, &bytes[PRELUDE..PRELUDE + headers], core::str::from_utf8(&bytes[PRELUDE + headers..payload]).ok()?)?);
        rest = &rest[whole..];
    }
    Some(found)
}

fn message<'a>(whole: &'a [u8], headers: &'a [u8], payload: &'a str) -> Option<EventMessage<'a>> {
    let inner = strict_json::read(payload.as_bytes()).ok().and_then(|json| json.member(WRAPPED)).and_then(|value| Some((value, value.text()?)));
    let (document, wrapped) = match inner {
        Some((value, text)) => {
            let bytes = base64::decoded(text.as_bytes())?;
            (Cow::Owned(String::from_utf8(bytes).ok()?), Some(span(payload, value)))
        }
        None => (Cow::Borrowed(payload), None),
    };
    // Between the values of a document a line may end; within a text it cannot.
    Some(EventMessage { whole, headers, payload, document: document.replace(['\n', '\r'], " "), wrapped })
}

/// The documents as lines.
pub fn lines(messages: &[EventMessage]) -> String {
    messages.iter().map(|message| message.document.as_str()).collect::<Vec<_>>().join("\n")
}

/// The body with these documents in place of those that came. Messages whose documents are the same pass as they came.
pub fn written(messages: &[EventMessage], lines: &str) -> Vec<u8> {
    let mut made = Vec::with_capacity(lines.len() * 2);
    for (message, line) in messages.iter().zip(lines.split('\n')) {
        if message.document == line {
            made.extend_from_slice(message.whole);
        } else {
            write(&mut made, message, line);
        }
    }
    made
}

fn write(made: &mut Vec<u8>, message: &EventMessage, line: &str) {
    let payload = match message.wrapped {
        Some(place) => edited(message.payload, vec![(place, quoted(&base64::encoded(line.as_bytes())))]),
        None => line.to_owned(),
    };
    let start = made.len();
    let whole = PRELUDE + message.headers.len() + payload.len() + CHECKSUM;
    made.extend((whole as u32).to_be_bytes());
    made.extend((message.headers.len() as u32).to_be_bytes());
    made.extend(crc32(&made[start..]).to_be_bytes());
    made.extend_from_slice(message.headers);
    made.extend_from_slice(payload.as_bytes());
    made.extend(crc32(&made[start..]).to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _: u32| sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
    !bytes.iter().fold(!0u32, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}
