//! Metadata values as they stand in headers: base64 of binary ones, percents of status messages.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Senders leave the padding out; receivers must take both.
const BINARY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Headers that belong to HTTP/2 or gRPC and are none of the caller's metadata.
const RESERVED: [&str; 10] = [
    "content-type",
    "te",
    "grpc-timeout",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-message-type",
    "grpc-status",
    "grpc-message",
    "host",
    "content-length",
];

/// The name is one of the protocol's own.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Values under this name are binary.
pub fn is_binary(name: &str) -> bool {
    name.ends_with("-bin")
}

/// A binary value as it stands in a header.
pub fn to_base64(value: &[u8]) -> String {
    BINARY.encode(value)
}

/// A binary value out of a header; None for one that is no base64.
pub fn from_base64(value: &[u8]) -> Option<Vec<u8>> {
    BINARY.decode(value).ok()
}

/// A status message as it stands in `grpc-message`: what is no printable ASCII as percents.
pub fn to_percents(message: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}
