//! Texts as JSON (RFC 8259 §7).

/// A text with quotation marks and escapes.
pub fn quoted(text: &str) -> String {
    let mut made = String::with_capacity(text.len() + 2);
    made.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => made.extend(['\\', char]),
            '\n' => made.push_str("\\n"),
            char if char.is_control() => made.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => made.push(char),
        }
    }
    made.push('"');
    made
}
