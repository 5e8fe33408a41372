//! Frames of a WebSocket (RFC 6455 §5.2) that come in pieces: where each begins. Nothing is kept but the header of one frame.

/// Close codes (RFC 6455 §7.4.1).
pub const GOING_AWAY: u16 = 1001;
pub const POLICY_VIOLATION: u16 = 1008;
/// Those of graphql-transport-ws.
pub const UNAUTHORIZED: u16 = 4401;
pub const FORBIDDEN: u16 = 4403;

const LONGEST_HEADER: usize = 14;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frames {
    header: [u8; LONGEST_HEADER],
    read: usize,
    /// Bytes of the payload that have not come yet.
    left: u64,
}

impl Frames {
    /// Read the next piece. `begins` gets the first byte of each frame; where it answers false, the place of that frame is the result, and
    /// nothing after it was read.
    pub fn feed(&mut self, piece: &[u8], mut begins: impl FnMut(u8) -> bool) -> Option<usize> {
        let mut at = 0;
        while at < piece.len() {
            if self.left > 0 {
                let here = self.left.min((piece.len() - at) as u64);
                self.left -= here;
                at += here as usize;
                continue;
            }
            if self.read == 0 && !begins(piece[at]) {
                return Some(at);
            }
            self.header[self.read] = piece[at];
            self.read += 1;
            at += 1;
            if self.read == self.header_size() {
                self.left = self.payload_size();
                self.read = 0;
            }
        }
        None
    }

    /// Size of the header, as far as what was read of it says.
    fn header_size(&self) -> usize {
        if self.read < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.header[1] & 0x80 == 0 { 0 } else { 4 }
    }

    fn payload_size(&self) -> u64 {
        let bytes = |from: usize, to: usize| self.header[from..to].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        match self.header[1] & 0x7f {
            126 => bytes(2, 4),
            127 => bytes(2, 10),
            short => u64::from(short),
        }
    }
}

/// A Close frame as a client sends it, masked with zeros. `reason` has at most 123 bytes.
pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let reason = &reason.as_bytes()[..reason.len().min(123)];
    let mut frame = vec![0x88, 0x80 | (reason.len() + 2) as u8, 0, 0, 0, 0];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(reason);
    frame
}

/// A Close frame as a server sends it.
pub fn server_close_frame(code: u16, reason: &str) -> Vec<u8> {
    let mut frame = vec![0x88, (reason.len() + 2) as u8];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(reason.as_bytes());
    frame
}
