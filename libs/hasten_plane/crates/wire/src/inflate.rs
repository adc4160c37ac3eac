//! Unpacking compressed messages, never to more than is allowed.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};

/// What a call's `grpc-encoding` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

/// Why a message cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is longer than allowed; unpacking stopped there.
    TooLarge,
    /// It is no such archive, or the call named none.
    Malformed,
}

/// What a server here can unpack, as `grpc-accept-encoding` says it.
pub const ACCEPTED: &str = "identity,deflate,gzip";

impl Encoding {
    /// By its name; None for one that cannot be unpacked here.
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"identity" => Some(Self::Identity),
            b"gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            _ => None,
        }
    }

    /// The message as it was before it was packed, of at most `bytes_max` bytes.
    pub fn unpack(self, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Identity => Err(Fault::Malformed),
            Self::Gzip => read_all(GzDecoder::new(packed), bytes_max),
            Self::Deflate => read_all(ZlibDecoder::new(packed), bytes_max),
        }
    }
}

fn read_all(packed: impl Read, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut unpacked = Vec::new();
    // One byte more tells a message that is just long enough from one that goes on.
    let mut bounded = packed.take(bytes_max as u64 + 1);
    bounded.read_to_end(&mut unpacked).map_err(|_| Fault::Malformed)?;
    if unpacked.len() > bytes_max { Err(Fault::TooLarge) } else { Ok(unpacked) }
}
