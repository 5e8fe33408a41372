//! Gzip (RFC 1952) and DEFLATE (RFC 1951) that come in pieces. Checksums are not checked: whoever gets the answer does that.

const WINDOW: usize = 32 * 1024;
/// Nothing that is read in one step is longer, but a header with a very long name.
const LONGEST_STEP: usize = 128 * 1024;
const LENGTHS: [u16; 29] = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS: [u8; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS: [u8; 30] = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

enum Stop {
    /// The piece ends too soon.
    More,
    /// This is no gzip.
    Broken,
}

/// A canonical Huffman code: how many symbols there are of each length, and the symbols in order.
#[derive(Default)]
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let of_length = |length| lengths.iter().enumerate().filter(move |(_, other)| **other == length).map(|(symbol, _)| symbol as u16);
        Code { counts, symbols: (1..16).flat_map(of_length).collect() }
    }
}

/// What has come in and was not used yet, read bit by bit.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// In bits.
    at: usize,
}

impl Bits {
    fn take(&mut self, count: u8) -> Result<u32, Stop> {
        let mut value = 0;
        for shift in 0..count {
            value |= self.bit()? << shift;
        }
        Ok(value)
    }

    fn bit(&mut self) -> Result<u32, Stop> {
        let byte = self.bytes.get(self.at / 8).ok_or(Stop::More)?;
        let bit = u32::from(byte >> (self.at % 8) & 1);
        self.at += 1;
        Ok(bit)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        self.at = (self.at + 7) & !7;
        Ok(self.take(8)? as u8)
    }

    fn symbol(&mut self, code: &Code) -> Result<usize, Stop> {
        let (mut word, mut first, mut index) = (0i32, 0i32, 0i32);
        for count in code.counts.iter().skip(1).map(|count| i32::from(*count)) {
            word |= self.bit()? as i32;
            if word - count < first {
                return code.symbols.get((index + word - first) as usize).map(|symbol| usize::from(*symbol)).ok_or(Stop::Broken);
            }
            index += count;
            first = (first + count) << 1;
            word <<= 1;
        }
        Err(Stop::Broken)
    }

    fn forget(&mut self) {
        self.bytes.drain(..(self.at / 8).min(self.bytes.len()));
        self.at %= 8;
    }
}

enum At {
    Header,
    Block,
    Stored(usize),
    Coded(Code, Code),
    Trailer,
    Broken,
}

pub struct Inflate {
    bits: Bits,
    at: At,
    last: bool,
    /// The end of what came out: at least a window of it, if there was so much.
    out: Vec<u8>,
}

impl Inflate {
    pub fn new() -> Self {
        Inflate { bits: Bits::default(), at: At::Header, last: false, out: Vec::new() }
    }

    /// Take the next piece; `each` gets what comes out of it, in order.
    pub fn feed(&mut self, piece: &[u8], each: &mut impl FnMut(&[u8])) {
        if matches!(self.at, At::Broken) {
            return;
        }
        self.bits.bytes.extend_from_slice(piece);
        let mut told = self.out.len();
        loop {
            // What is not wholly there yet is read again from its beginning.
            let before = self.bits.at;
            match self.step() {
                Ok(()) => {}
                Err(Stop::More) if self.bits.bytes.len() - before / 8 < LONGEST_STEP => {
                    self.bits.at = before;
                    break;
                }
                Err(_) => {
                    self.at = At::Broken;
                    self.bits = Bits::default();
                    break;
                }
            }
            if self.out.len() > 2 * WINDOW {
                each(&self.out[told..]);
                self.out.drain(..self.out.len() - WINDOW);
                told = WINDOW;
            }
        }
        each(&self.out[told..]);
        self.bits.forget();
    }

    fn step(&mut self) -> Result<(), Stop> {
        match &self.at {
            At::Header => {
                header(&mut self.bits)?;
                self.at = At::Block;
            }
            At::Block if self.last => {
                self.last = false;
                self.at = At::Trailer;
            }
            At::Block => {
                let last = self.bits.bit()? == 1;
                self.at = match self.bits.take(2)? {
                    0 => stored(&mut self.bits)?,
                    1 => fixed(),
                    2 => dynamic(&mut self.bits)?,
                    _ => return Err(Stop::Broken),
                };
                self.last = last;
            }
            At::Stored(0) => self.at = At::Block,
            At::Stored(left) => {
                let left = *left;
                self.out.push(self.bits.byte()?);
                self.at = At::Stored(left - 1);
            }
            At::Coded(lengths, distances) => {
                if coded(&mut self.bits, lengths, distances, &mut self.out)? {
                    self.at = At::Block;
                }
            }
            At::Trailer => {
                for _ in 0..8 {
                    self.bits.byte()?;
                }
                self.at = At::Header;
            }
            At::Broken => return Err(Stop::Broken),
        }
        Ok(())
    }
}

fn header(bits: &mut Bits) -> Result<(), Stop> {
    if [bits.byte()?, bits.byte()?, bits.byte()?] != [0x1f, 0x8b, 8] {
        return Err(Stop::Broken);
    }
    let flags = bits.byte()?;
    for _ in 0..6 {
        bits.byte()?;
    }
    if flags & 4 != 0 {
        let length = u16::from_le_bytes([bits.byte()?, bits.byte()?]);
        for _ in 0..length {
            bits.byte()?;
        }
    }
    // A name and a comment, each with a zero at its end.
    for flag in [8, 16] {
        while flags & flag != 0 && bits.byte()? != 0 {}
    }
    if flags & 2 != 0 {
        bits.byte()?;
        bits.byte()?;
    }
    Ok(())
}

fn stored(bits: &mut Bits) -> Result<At, Stop> {
    let length = u16::from_le_bytes([bits.byte()?, bits.byte()?]);
    let complement = u16::from_le_bytes([bits.byte()?, bits.byte()?]);
    if length == !complement { Ok(At::Stored(usize::from(length))) } else { Err(Stop::Broken) }
}

fn fixed() -> At {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    At::Coded(Code::new(&lengths), Code::new(&[5; 30]))
}

fn dynamic(bits: &mut Bits) -> Result<At, Stop> {
    let (literals, distances, count) = (bits.take(5)? as usize + 257, bits.take(5)? as usize + 1, bits.take(4)? as usize + 4);
    let mut lengths = [0; 19];
    for place in ORDER.iter().take(count) {
        lengths[*place] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths);
    let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        let (value, times) = match bits.symbol(&code)? {
            symbol @ 0..=15 => (symbol as u8, 1),
            16 => (*lengths.last().ok_or(Stop::Broken)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        lengths.resize(lengths.len() + times as usize, value);
    }
    if lengths.len() > literals + distances {
        return Err(Stop::Broken);
    }
    Ok(At::Coded(Code::new(&lengths[..literals]), Code::new(&lengths[literals..])))
}

/// One literal, or one repetition; whether the block ends instead.
fn coded(bits: &mut Bits, lengths: &Code, distances: &Code, out: &mut Vec<u8>) -> Result<bool, Stop> {
    let symbol = bits.symbol(lengths)?;
    if symbol < 256 {
        out.push(symbol as u8);
        return Ok(false);
    }
    if symbol == 256 {
        return Ok(true);
    }
    let index = symbol - 257;
    let length = usize::from(*LENGTHS.get(index).ok_or(Stop::Broken)?) + bits.take(LENGTH_BITS[index])? as usize;
    let index = bits.symbol(distances)?;
    let distance = usize::from(*DISTANCES.get(index).ok_or(Stop::Broken)?) + bits.take(DISTANCE_BITS[index])? as usize;
    let start = out.len().checked_sub(distance).ok_or(Stop::Broken)?;
    for at in start..start + length {
        out.push(out[at]);
    }
    Ok(false)
}
