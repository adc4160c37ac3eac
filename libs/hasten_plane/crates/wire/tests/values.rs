//! Timeouts, metadata, packed messages, counting of frames.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use hasten_plane_wire::inflate::{Encoding, Fault};
use hasten_plane_wire::metadata::{from_base64, to_base64, to_percents};
use hasten_plane_wire::meter::Meter;
use hasten_plane_wire::timeout;

#[test]
fn timeouts_are_read_in_all_units() {
    for (header, left) in [
        ("1H", Duration::from_secs(3600)),
        ("2M", Duration::from_secs(120)),
        ("99999999S", Duration::from_secs(99_999_999)),
        ("50m", Duration::from_millis(50)),
        ("1u", Duration::from_micros(1)),
        ("7n", Duration::from_nanos(7)),
        ("0m", Duration::ZERO),
    ] {
        assert_eq!(timeout::parse(header.as_bytes()), Some(left), "{header}");
    }
}

#[test]
fn what_is_no_timeout_is_none() {
    for header in ["", "m", "5", "123456789m", "-1m", "1.5S", "1 S", "5x", "mm", "\u{661}m"] {
        assert_eq!(timeout::parse(header.as_bytes()), None, "{header:?}");
    }
}

#[test]
fn binary_metadata_are_read_with_and_without_padding() {
    assert_eq!(to_base64(b"\0\xff\x10\x01"), "AP8QAQ");
    for text in ["AP8QAQ", "AP8QAQ=="] {
        assert_eq!(from_base64(text.as_bytes()).as_deref(), Some(&b"\0\xff\x10\x01"[..]));
    }
    assert_eq!(from_base64(b"?"), None);
}

#[test]
fn messages_of_a_status_are_printable_ascii() {
    assert_eq!(to_percents("a % of \u{fc}\n"), "a %25 of %C3%BC%0A");
    assert_eq!(to_percents("plain: 'text'"), "plain: 'text'");
}

#[test]
fn packed_messages_are_unpacked_up_to_the_limit() {
    let plain = vec![7_u8; 10_000];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(&plain).unwrap();
    let deflate = deflate.finish().unwrap();
    for (encoding, packed) in [(Encoding::Gzip, gzip), (Encoding::Deflate, deflate)] {
        assert_eq!(encoding.unpack(&packed, 10_000).as_ref(), Ok(&plain));
        assert_eq!(encoding.unpack(&packed, 9_999), Err(Fault::TooLarge));
        assert_eq!(encoding.unpack(&packed[..packed.len() / 2], 10_000), Err(Fault::Malformed));
        assert_eq!(encoding.unpack(b"no archive", 10_000), Err(Fault::Malformed));
    }
    assert_eq!(Encoding::Identity.unpack(&plain, 10_000), Err(Fault::Malformed));
    assert_eq!(Encoding::named(b"snappy"), None);
}

/// A frame of a connection, as RFC 9113 lays it out.
fn frame(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn frames_that_carry_nothing_are_counted_however_they_are_cut() {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for part in [
        frame(4, 0, b"123456"),       // SETTINGS
        frame(1, 4, b"headers"),      // HEADERS
        frame(0, 0, b"data"),         // DATA
        frame(0, 0, b""),             // DATA, empty
        frame(0, 1, b""),             // DATA, empty, the stream's last
        frame(6, 0, b"12345678"),     // PING
        frame(9, 4, b"continuation"), // CONTINUATION
        frame(8, 0, b"1234"),         // WINDOW_UPDATE
        frame(2, 0, b"12345"),        // PRIORITY
    ] {
        bytes.extend_from_slice(&part);
    }
    for size in 1..bytes.len() {
        let mut meter = Meter::default();
        for piece in bytes.chunks(size) {
            meter.feed(piece);
        }
        assert_eq!(meter.control_frames(), 5);
    }
}
