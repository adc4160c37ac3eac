//! gRPC's length-prefixed messages, out of the pieces in which they come.

use bytes::{Bytes, BytesMut};

/// Bytes in front of each message: a flag and a length.
pub const PREFIX_BYTES: usize = 5;
/// Room made for a message before its bytes are there; what a stranger announces costs no more.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// It has to be unpacked, as the call's `grpc-encoding` says.
    pub compressed: bool,
    pub data: Bytes,
}

/// What is wrong with a stream of messages; nothing after it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A message of so many bytes was announced, more than are taken.
    TooLarge(usize),
    /// The flag in front of a message is neither 0 nor 1.
    Flag(u8),
}

/// Takes a stream apart into its messages. A message that lies in one piece is not copied.
#[derive(Debug)]
pub struct Deframer {
    bytes_max: usize,
    prefix: [u8; PREFIX_BYTES],
    prefix_len: usize,
    body: BytesMut,
    /// Bytes of the message that is being read; None between messages.
    wanted: Option<usize>,
}

impl Deframer {
    /// For messages of at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            prefix: [0; PREFIX_BYTES],
            prefix_len: 0,
            body: BytesMut::new(),
            wanted: None,
        }
    }

    /// The next message, if it ends within the piece; what was used is taken off the piece.
    ///
    /// To be called again until it gives none.
    pub fn next(&mut self, piece: &mut Bytes) -> Result<Option<Message>, Fault> {
        let wanted = match self.wanted {
            Some(wanted) => wanted,
            None => match self.read_prefix(piece)? {
                Some(wanted) => wanted,
                None => return Ok(None),
            },
        };
        if self.body.is_empty() && piece.len() >= wanted {
            return Ok(Some(self.finished(piece.split_to(wanted))));
        }
        let missing = wanted - self.body.len();
        let taken = piece.split_to(missing.min(piece.len()));
        if self.body.is_empty() {
            self.body.reserve(wanted.min(RESERVED_BYTES_MAX));
        }
        self.body.extend_from_slice(&taken);
        if self.body.len() < wanted {
            return Ok(None);
        }
        let data = std::mem::take(&mut self.body).freeze();
        Ok(Some(self.finished(data)))
    }

    /// Bytes of the message that is being read and has not ended.
    pub fn held_bytes(&self) -> usize {
        self.body.len()
    }

    /// No message was begun and left unfinished.
    pub fn at_boundary(&self) -> bool {
        self.wanted.is_none() && self.prefix_len == 0
    }

    fn finished(&mut self, data: Bytes) -> Message {
        let compressed = self.prefix[0] == 1;
        self.wanted = None;
        self.prefix_len = 0;
        Message { compressed, data }
    }

    fn read_prefix(&mut self, piece: &mut Bytes) -> Result<Option<usize>, Fault> {
        let taken = piece.split_to((PREFIX_BYTES - self.prefix_len).min(piece.len()));
        self.prefix[self.prefix_len..self.prefix_len + taken.len()].copy_from_slice(&taken);
        self.prefix_len += taken.len();
        if self.prefix_len < PREFIX_BYTES {
            return Ok(None);
        }
        if self.prefix[0] > 1 {
            return Err(Fault::Flag(self.prefix[0]));
        }
        let [_, length @ ..] = self.prefix;
        let wanted = u32::from_be_bytes(length) as usize;
        if wanted > self.bytes_max {
            return Err(Fault::TooLarge(wanted));
        }
        self.wanted = Some(wanted);
        Ok(Some(wanted))
    }
}

/// What stands in front of a message that is not compressed. `size` fits in 32 bits.
pub fn prefix(size: usize, packed: bool) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes();
    [u8::from(packed), a, b, c, d]
}
