//! Gzip (RFC 1952) that comes in pieces. `miniz_oxide` reads the DEFLATE data (RFC 1951) of each member; the header and the
//! trailer are read here. Checksums are not verified: the client does that.

use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{decompress, DecompressorOxide};
use miniz_oxide::inflate::TINFLStatus;

/// The longest distance of a repetition (RFC 1951 §2).
const WINDOW: usize = 32 * 1024;
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;

/// ID1, ID2 and CM (RFC 1952 §2.3.1).
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const FLAGS_OFFSET: usize = 3;
const FIXED_HEADER: usize = 10;
const TRAILER: usize = 8;

const HEADER_CHECKSUM: u8 = 2;
const EXTRA_FIELD: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// What the next byte belongs to.
#[derive(Clone, Copy)]
enum At {
    /// The fixed part of a header, with the number of its bytes that were read.
    Header(usize),
    /// The length of the extra field, with its first byte if that was read.
    ExtraLength(Option<u8>),
    /// The extra field or the checksum of the header, with the number of its bytes to come.
    Skipped(usize),
    /// The name or the comment, which a zero ends.
    Text,
    Data,
    /// The trailer, with the number of its bytes that were read.
    Trailer(usize),
    /// Not gzip: nothing that follows is read.
    Broken,
}

pub struct Inflate {
    at: At,
    /// The optional fields of the header that are still to come.
    announced: u8,
    decompressor: Box<DecompressorOxide>,
    /// Output of the current member: at least the last `WINDOW` bytes of it.
    output: Box<[u8]>,
    written: usize,
}

impl Inflate {
    pub fn new() -> Self {
        Inflate {
            at: At::Header(0),
            announced: 0,
            decompressor: Box::default(),
            output: vec![0; 2 * WINDOW].into_boxed_slice(),
            written: 0,
        }
    }

    /// Take the next piece; `each` gets what comes out of it, in order.
    pub fn feed(&mut self, piece: &[u8], each: &mut impl FnMut(&[u8])) {
        let mut rest = piece;
        loop {
            match self.at {
                At::Broken => return,
                At::Data => {
                    let (read, more) = self.decompress(rest, each);
                    rest = &rest[read..];
                    if !more {
                        return;
                    }
                }
                _ => {
                    let Some((byte, after)) = rest.split_first() else { return };
                    self.at = self.frame(*byte);
                    rest = after;
                }
            }
        }
    }

    /// Decompress what the output has room for: how much was read, and whether there may be more to do.
    fn decompress(&mut self, input: &[u8], each: &mut impl FnMut(&[u8])) -> (usize, bool) {
        let (status, read, written) =
            decompress(&mut self.decompressor, input, &mut self.output, self.written, FLAGS);
        let end = self.written + written;
        each(&self.output[self.written..end]);
        self.written = end;
        match status {
            TINFLStatus::Done => self.at = At::Trailer(0),
            TINFLStatus::HasMoreOutput => {
                self.output.copy_within(end - WINDOW..end, 0);
                self.written = WINDOW;
            }
            TINFLStatus::NeedsMoreInput => return (read, false),
            _ => self.at = At::Broken,
        }
        (read, true)
    }

    /// Take a byte of a header or a trailer.
    fn frame(&mut self, byte: u8) -> At {
        match self.at {
            At::Header(read) if MAGIC.get(read).is_some_and(|magic| *magic != byte) => At::Broken,
            At::Header(read) => {
                if read == FLAGS_OFFSET {
                    self.announced = byte;
                }
                if read + 1 < FIXED_HEADER { At::Header(read + 1) } else { self.next_field() }
            }
            At::ExtraLength(None) => At::ExtraLength(Some(byte)),
            At::ExtraLength(Some(low)) => self.skip(usize::from(u16::from_le_bytes([low, byte]))),
            At::Skipped(left) => self.skip(left - 1),
            At::Text if byte == 0 => self.next_field(),
            At::Trailer(read) if read + 1 == TRAILER => At::Header(0),
            At::Trailer(read) => At::Trailer(read + 1),
            other => other,
        }
    }

    fn skip(&mut self, left: usize) -> At {
        if left == 0 { self.next_field() } else { At::Skipped(left) }
    }

    /// The next optional field that the header announces; after the last one, the data.
    fn next_field(&mut self) -> At {
        let fields = [
            (EXTRA_FIELD, At::ExtraLength(None)),
            (NAME, At::Text),
            (COMMENT, At::Text),
            (HEADER_CHECKSUM, At::Skipped(2)),
        ];
        for (flag, field) in fields {
            if self.announced & flag != 0 {
                self.announced &= !flag;
                return field;
            }
        }
        self.decompressor.init();
        self.written = 0;
        At::Data
    }
}
