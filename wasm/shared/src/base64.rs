//! Base64 (RFC 4648 §4).

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes letters as they come.
#[derive(Default)]
pub struct Decoder {
    bits: u32,
    count: u32,
}

impl Decoder {
    /// The byte that a letter completes, if it completes one; an error for what is no letter.
    pub fn take(&mut self, letter: u8) -> Result<Option<u8>, ()> {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(()),
        };
        self.bits = (self.bits << 6 | u32::from(value)) & 0xfff;
        self.count += 6;
        if self.count < 8 {
            return Ok(None);
        }
        self.count -= 8;
        Ok(Some((self.bits >> self.count) as u8))
    }
}

/// All bytes of a text, padded or not; None if it is none.
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = Decoder::default();
    let end = text.iter().rposition(|letter| *letter != b'=').map_or(0, |last| last + 1);
    text[..end].iter().filter_map(|letter| decoder.take(*letter).map_or(Some(None), |byte| byte.map(Some))).collect()
}

/// The text of bytes, padded.
pub fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0u32, |bits, (index, byte)| bits | u32::from(*byte) << (16 - 8 * index));
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index)) as usize & 63];
            text.push(if index > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}
