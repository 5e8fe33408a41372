//! A stored answer, and its form in memory: numbers, and texts with their lengths before them.

pub struct Entry {
    pub key: String,
    /// What the routes of the API were when it came; a deployment that changes them changes it.
    pub mark: String,
    pub stored: u64,
    pub fresh: u64,
    pub age: u64,
    pub public: bool,
    pub varies: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Entry {
    pub fn written(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 1024);
        for number in [self.stored, self.fresh, self.age, u64::from(self.public), self.varies.len() as u64, self.headers.len() as u64] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let pairs = self.varies.iter().chain(&self.headers).flat_map(|pair| [pair.0.as_bytes(), pair.1.as_bytes()]);
        for text in [self.key.as_bytes(), self.mark.as_bytes(), &self.body].into_iter().chain(pairs) {
            out.extend_from_slice(&(text.len() as u64).to_le_bytes());
            out.extend_from_slice(text);
        }
        out
    }

    pub fn read(bytes: &[u8]) -> Option<Entry> {
        let mut left = bytes;
        let (stored, fresh, age, public) = (number(&mut left)?, number(&mut left)?, number(&mut left)?, number(&mut left)? != 0);
        let (varies, headers) = (number(&mut left)?, number(&mut left)?);
        let (key, mark, body) = (text(&mut left)?, text(&mut left)?, bytes_of(&mut left)?.to_vec());
        let varies = pairs(&mut left, varies)?;
        let headers = pairs(&mut left, headers)?;
        Some(Entry { key, mark, stored, fresh, age, public, varies, headers, body })
    }
}

fn number(left: &mut &[u8]) -> Option<u64> {
    let (first, rest) = left.split_at_checked(8)?;
    *left = rest;
    Some(u64::from_le_bytes(first.try_into().ok()?))
}

fn bytes_of<'a>(left: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = number(left)? as usize;
    let (first, rest) = left.split_at_checked(size)?;
    *left = rest;
    Some(first)
}

fn text(left: &mut &[u8]) -> Option<String> {
    String::from_utf8(bytes_of(left)?.to_vec()).ok()
}

fn pairs(left: &mut &[u8], count: u64) -> Option<Vec<(String, String)>> {
    (0..count).map(|_| Some((text(left)?, text(left)?))).collect()
}
