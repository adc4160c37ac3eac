//! Counts the frames of a connection that cost the receiver work and bring it none.
//!
//! It reads nothing but frame headers, beside whoever reads the frames themselves.

/// Bytes of the client's greeting, which is no frame.
const GREETING_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// Follows the bytes of one connection from its first byte on.
#[derive(Debug)]
pub struct Meter {
    /// Bytes to pass over before the next frame header.
    skip: usize,
    header: [u8; HEADER_BYTES],
    header_len: usize,
    control: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self { skip: GREETING_BYTES, header: [0; HEADER_BYTES], header_len: 0, control: 0 }
    }
}

impl Meter {
    /// Takes the next bytes that came.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let taken = (HEADER_BYTES - self.header_len).min(bytes.len());
            self.header[self.header_len..self.header_len + taken].copy_from_slice(&bytes[..taken]);
            self.header_len += taken;
            bytes = &bytes[taken..];
            if self.header_len == HEADER_BYTES {
                self.frame();
            }
        }
    }

    /// PING, SETTINGS, PRIORITY, CONTINUATION and empty DATA frames so far.
    pub fn control_frames(&self) -> u64 {
        self.control
    }

    fn frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        self.header_len = 0;
        self.skip = length;
        let empty = kind == DATA && length == 0 && flags & END_STREAM == 0;
        if empty || matches!(kind, PRIORITY | SETTINGS | PING | CONTINUATION) {
            self.control += 1;
        }
    }
}
