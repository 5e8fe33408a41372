//! Subscriptions over a WebSocket (protocol `graphql-transport-ws`): each message of the client is held until it is complete and judged.
//!
//! A refused `subscribe` does not reach the backend. In its place goes a `ping`, whose `pong` lets the gateway answer with an `error` for
//! the same id. What is no message of the protocol ends the connection: a Close frame goes to the backend, and when the backend answers,
//! the client gets one with the same code.

use crate::frames::{close_frame, server_close_frame, Frames};
use crate::graphql::{self, Asked, Fault, Options, Persisted};
use crate::strict_json;

pub const PROTOCOL: &str = "graphql-transport-ws";
const LARGEST: usize = 1024 * 1024;
const PING: &str = "{\"type\":\"ping\"}";
/// Close codes (RFC 6455 §7.4.1, and graphql-transport-ws).
const PROTOCOL_ERROR: u16 = 1002;
const TOO_BIG: u16 = 1009;
const BAD_REQUEST: u16 = 4400;

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ruling {
    Pass,
    /// The client gets this message.
    Answer(String),
    Close(u16, &'static str),
}

/// One open connection.
pub struct Socket {
    largest: usize,
    /// What came and is not part of a complete frame.
    piece: Vec<u8>,
    /// Frames of a message that is not complete, and their payload.
    held: Vec<u8>,
    message: Vec<u8>,
    is_open: bool,
    is_closing: bool,
    answers: Vec<String>,
    /// The Close frame for the client; empty when it was sent, and nothing follows it.
    last: Option<Vec<u8>>,
    server: Frames,
    server_is_open: bool,
}

impl Socket {
    /// `largest` message in bytes; 0 leaves it to the gateway.
    pub fn new(largest: usize) -> Self {
        Socket {
            largest: if largest == 0 { LARGEST } else { largest.min(LARGEST) },
            piece: Vec::new(),
            held: Vec::new(),
            message: Vec::new(),
            is_open: false,
            is_closing: false,
            answers: Vec::new(),
            last: None,
            server: Frames::default(),
            server_is_open: false,
        }
    }

    /// A piece from the client; what goes on to the backend in its place.
    pub fn from_client(&mut self, piece: &[u8], mut judge: impl FnMut(&[u8]) -> Ruling) -> Vec<u8> {
        let mut passed = Vec::with_capacity(piece.len());
        if self.is_closing {
            return passed;
        }
        self.piece.extend_from_slice(piece);
        let piece = core::mem::take(&mut self.piece);
        let mut at = 0;
        while !self.is_closing {
            match Frame::read(&piece[at..], self.largest) {
                Ok(Some(frame)) => {
                    at += frame.whole.len();
                    self.take(&frame, &mut passed, &mut judge);
                }
                Ok(None) => break,
                Err((code, why)) => self.close(code, why, &mut passed),
            }
        }
        if !self.is_closing {
            self.piece.extend_from_slice(&piece[at..]);
        }
        passed
    }

    fn close(&mut self, code: u16, why: &str, passed: &mut Vec<u8>) {
        self.is_closing = true;
        (self.piece, self.held, self.message) = (Vec::new(), Vec::new(), Vec::new());
        passed.extend_from_slice(&close_frame(code, why));
        self.last = Some(server_close_frame(code, why));
    }

    fn take(&mut self, frame: &Frame, passed: &mut Vec<u8>, judge: &mut impl FnMut(&[u8]) -> Ruling) {
        match frame.opcode {
            8..=10 => return passed.extend_from_slice(frame.whole),
            1 if !self.is_open => {}
            0 if self.is_open => {}
            2 => return self.close(BAD_REQUEST, "only text messages are taken", passed),
            _ => return self.close(PROTOCOL_ERROR, "unexpected frame", passed),
        }
        if self.message.len() + frame.payload.len() > self.largest {
            return self.close(TOO_BIG, "the message is too large", passed);
        }
        self.held.extend_from_slice(frame.whole);
        self.message.extend(frame.payload.iter().zip(frame.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.is_open = !frame.is_last;
        if self.is_open {
            return;
        }
        let (held, message) = (core::mem::take(&mut self.held), core::mem::take(&mut self.message));
        match judge(&message) {
            Ruling::Pass => passed.extend_from_slice(&held),
            Ruling::Answer(text) => {
                self.answers.push(text);
                passed.extend_from_slice(&text_frame(PING, true));
            }
            Ruling::Close(code, why) => self.close(code, why, passed),
        }
    }

    /// A piece from the backend; None if it goes on as it is. Answers are put between two messages.
    pub fn from_backend(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        if self.last.as_ref().is_some_and(Vec::is_empty) {
            return Some(Vec::new());
        }
        let (ends, waits, mut is_open) = (self.last.is_some(), !self.answers.is_empty(), self.server_is_open);
        let place = self.server.feed(piece, |first| !(ends || (waits && !is_open)) && starts(first, &mut is_open));
        self.server_is_open = is_open;
        let place = place?;
        let mut made = piece[..place].to_vec();
        if let Some(last) = &mut self.last {
            made.append(last);
            return Some(made);
        }
        for answer in core::mem::take(&mut self.answers) {
            made.extend_from_slice(&text_frame(&answer, false));
        }
        made.extend_from_slice(&piece[place..]);
        self.server.feed(&piece[place..], |first| starts(first, &mut is_open));
        self.server_is_open = is_open;
        Some(made)
    }
}

/// Note whether a message goes on after the frame that begins here. Control frames may stand within one (RFC 6455 §5.4).
fn starts(first: u8, is_open: &mut bool) -> bool {
    if first & 0x0f < 8 {
        *is_open = first & 0x80 == 0;
    }
    true
}

/// A complete frame of a client (RFC 6455 §5.2).
struct Frame<'a> {
    opcode: u8,
    is_last: bool,
    mask: [u8; 4],
    payload: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of the bytes, or None while it is not complete. One that is too large is refused by its header.
    fn read(bytes: &'a [u8], largest: usize) -> Result<Option<Self>, (u16, &'static str)> {
        let Some([first, second]) = bytes.first_chunk().copied() else { return Ok(None) };
        let opcode = first & 0x0f;
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err((PROTOCOL_ERROR, "the frame is compressed or not masked"));
        }
        let (size_bytes, short) = match second & 0x7f {
            126 => (2, 0),
            127 => (8, 0),
            short => (0, usize::from(short)),
        };
        if opcode >= 8 && (size_bytes > 0 || first & 0x80 == 0) {
            return Err((PROTOCOL_ERROR, "a control frame is too large"));
        }
        let Some(sizes) = bytes.get(2..2 + size_bytes) else { return Ok(None) };
        let size = sizes.iter().fold(short as u64, |sum, byte| (sum << 8) | u64::from(*byte));
        if size > largest as u64 {
            return Err((TOO_BIG, "the message is too large"));
        }
        let start = 6 + size_bytes;
        let Some(whole) = bytes.get(..start + size as usize) else { return Ok(None) };
        let mask = [whole[start - 4], whole[start - 3], whole[start - 2], whole[start - 1]];
        Ok(Some(Frame { opcode, is_last: first & 0x80 != 0, mask, payload: &whole[start..], whole }))
    }
}

/// A text message in one frame; that of a client is masked with zeros.
fn text_frame(text: &str, of_client: bool) -> Vec<u8> {
    let (mask, size) = (if of_client { 0x80 } else { 0 }, text.len());
    let mut frame = vec![0x81];
    match size {
        0..=125 => frame.push(mask | size as u8),
        126..=0xffff => {
            frame.push(mask | 126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    if of_client {
        frame.extend_from_slice(&[0; 4]);
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// What a message asks for.
pub enum Said {
    /// Nothing that is checked.
    Other,
    /// The id as JSON, and the request.
    Subscribe(String, Result<Asked, Fault>),
    Wrong,
}

/// Read a message of a client.
pub fn read(message: &[u8], options: &Options, persisted: &impl Persisted) -> Said {
    let Ok(json) = strict_json::read(message) else { return Said::Wrong };
    match json.member("type").and_then(|value| value.text()).as_deref() {
        Some("connection_init" | "ping" | "pong" | "complete") => Said::Other,
        Some("subscribe") => {
            let known = json.members().all(|(name, _)| matches!(name.as_ref(), "id" | "type" | "payload"));
            let id = json.member("id").filter(|id| id.text().is_some_and(|text| !text.is_empty()));
            match (id, json.member("payload")) {
                (Some(id), Some(payload)) if known => Said::Subscribe(id.raw().to_owned(), graphql::subscribe(payload, options, persisted)),
                _ => Said::Wrong,
            }
        }
        _ => Said::Wrong,
    }
}

/// The `error` for an operation. `errors` is a JSON list.
pub fn error(id: &str, errors: &str) -> String {
    format!("{{\"id\":{id},\"type\":\"error\",\"payload\":{errors}}}")
}

pub const WRONG: Ruling = Ruling::Close(BAD_REQUEST, "not a message of graphql-transport-ws");
