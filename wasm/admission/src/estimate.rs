//! Tokens of a text whose provider does not say them: one for each four characters, rounded up. Most tokenizers need about that for
//! English; for other languages and for code they need more.

/// Members of requests and answers whose texts are for or from the model: chat, completions, responses, messages, embeddings, Gemini,
/// Ollama.
const TEXTS: [&[u8]; 13] = [
    b"content", b"text", b"input", b"prompt", b"system", b"instructions", b"arguments", b"delta", b"thinking", b"reasoning_content",
    b"partial_json", b"response", b"query",
];
const CHARACTERS: u64 = 4;

/// Whether a member holds such a text.
pub fn is_text(name: &[u8]) -> bool {
    TEXTS.contains(&name)
}

/// Characters of a piece of UTF-8; a piece may begin or end within one.
pub fn characters(piece: &[u8]) -> i64 {
    piece.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as i64
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Bytes before the first quotation mark or backslash, and the characters among them. Eight bytes at once: texts are most of what passes.
pub fn plain_run(piece: &[u8]) -> (usize, i64) {
    // The high bit of each byte that is zero; bits above the first are not exact.
    let zeros = |value: u64| value.wrapping_sub(ONES) & !value & HIGH;
    let (mut at, mut count) = (0, 0);
    while let Some(eight) = piece.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let value = u64::from_le_bytes(*eight);
        if zeros(value ^ (ONES * u64::from(b'"'))) | zeros(value ^ (ONES * u64::from(b'\\'))) != 0 {
            break;
        }
        let within = (value >> 7) & !(value >> 6) & ONES;
        count += 8 - i64::from(within.count_ones());
        at += 8;
    }
    let rest = piece[at..].iter().position(|byte| matches!(byte, b'"' | b'\\')).map_or(piece.len(), |end| at + end);
    (rest, count + characters(&piece[at..rest]))
}

pub fn tokens(characters: u64) -> u64 {
    characters.div_ceil(CHARACTERS)
}
