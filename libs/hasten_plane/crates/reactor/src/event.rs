use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;

/// What is wrong with a call of the quick method, so that there is no request to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call ended without a message.
    Empty,
    /// A message of so many bytes, more than are taken; not read.
    TooLarge(usize),
    /// A packed message is longer than is taken.
    UnpackedTooLarge,
    /// The message cannot be unpacked, or the stream is no gRPC.
    Malformed,
}

/// A call of the quick method, with its request.
#[derive(Debug)]
pub struct Asked {
    pub call_id: u64,
    pub request: Result<Bytes, Fault>,
    pub headers: HeaderMap,
    pub peer: String,
    /// When the call must be over; None without a deadline.
    pub deadline: Option<Instant>,
    /// There was a deadline that is none.
    pub bad_deadline: bool,
}

/// A call of any other method; its messages come one by one, when they are read.
#[derive(Debug)]
pub struct Opened {
    pub call_id: u64,
    pub path: String,
    pub headers: HeaderMap,
    pub peer: String,
    pub deadline: Option<Instant>,
    pub bad_deadline: bool,
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    Asked(Asked),
    Opened(Opened),
    /// The message that was asked for; None: the client has sent its last.
    Message(u64, Result<Option<Bytes>, Fault>),
    /// The client cancelled or went away, or its deadline passed: nobody hears an answer.
    Gone(u64),
    /// All that was written is on its way; told after a `write` that had to wait.
    Drained(u64),
}

impl Event {
    pub(crate) fn call_id(&self) -> u64 {
        match self {
            Self::Asked(asked) => asked.call_id,
            Self::Opened(opened) => opened.call_id,
            Self::Message(call_id, _) | Self::Gone(call_id) | Self::Drained(call_id) => *call_id,
        }
    }
}
