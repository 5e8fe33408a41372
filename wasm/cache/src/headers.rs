//! The headers of a message, by their names in small letters.

pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// As the ABI passes them: a number, the lengths of each name and value, and the texts with a zero behind each.
    pub fn read(packed: &[u8]) -> Headers {
        let mut found = Vec::new();
        let number = |at: usize| packed.get(at..at + 4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize);
        let count = number(0).unwrap_or(0);
        let mut text = 4 + 8 * count;
        for item in 0..count {
            let (Some(name), Some(value)) = (number(4 + 8 * item), number(8 + 8 * item)) else { break };
            let (Some(first), Some(second)) = (packed.get(text..text + name), packed.get(text + name + 1..text + name + 1 + value)) else { break };
            found.push((String::from_utf8_lossy(first).to_ascii_lowercase(), String::from_utf8_lossy(second).into_owned()));
            text += name + value + 2;
        }
        Headers(found)
    }

    /// All values of a name, joined as RFC 9110 §5.3 allows; None without one.
    pub fn get(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.0.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pair| pair.0 == name)
    }
}
