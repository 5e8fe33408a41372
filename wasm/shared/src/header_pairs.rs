//! Headers as Proxy-Wasm packs them: their number, the lengths of each name and value, then all of them, each with a zero byte after it.

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four) as usize)
}

/// The first value of a name in lower case, as Envoy keeps names; None also if the bytes are not what they must be.
pub fn first_value<'a>(pairs: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let count = number(pairs, 0)?;
    let mut start = count.checked_mul(8)?.checked_add(4)?;
    for index in 0..count {
        let (key, value) = (number(pairs, 4 + index * 8)?, number(pairs, 8 + index * 8)?);
        let after = start.checked_add(key)?.checked_add(1)?;
        if key == name.len() && pairs.get(start..start + key)? == name {
            return pairs.get(after..after.checked_add(value)?);
        }
        start = after.checked_add(value)?.checked_add(1)?;
    }
    None
}
