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

pub fn tokens(characters: u64) -> u64 {
    characters.div_ceil(CHARACTERS)
}
