//! As much of protobuf's wire format as plain requests use.

/// Walks over the fields of a message. Every method gives None where the bytes end too early.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A key of one byte, which those of all known fields are.
    pub(crate) fn key(&mut self) -> Option<u8> {
        let (&key, rest) = self.rest.split_first()?;
        self.rest = rest;
        (8..0x80).contains(&key).then_some(key)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for index in 0..10 {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if index == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A length and so many bytes.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        if length > self.rest.len() {
            return None;
        }
        let (value, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(value)
    }

    /// The next eight bytes are passed over.
    pub(crate) fn fixed64(&mut self) -> Option<()> {
        self.rest = self.rest.get(8..)?;
        Some(())
    }
}
