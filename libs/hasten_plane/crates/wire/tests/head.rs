//! Plain requests are read; anything else is left to those who can refuse it.

use hasten_plane_wire::head::read;

/// A length-delimited field with a number below 16 and fewer than 128 bytes.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2, u8::try_from(value.len()).unwrap()];
    bytes.extend_from_slice(value);
    bytes
}

fn request(fields: &[Vec<u8>]) -> Vec<u8> {
    [field(1, b"m")].into_iter().chain(fields.iter().cloned()).flatten().collect()
}

fn parameter(name: &str, value: &[u8]) -> Vec<u8> {
    field(4, &[field(1, name.as_bytes()), field(2, value)].concat())
}

#[test]
fn the_whole_head_of_a_plain_request_is_read() {
    let tensor = [field(1, b"x"), field(3, &[4, 3]), field(2, b"FP32")].concat();
    let message = request(&[
        field(2, b"12"),
        field(3, b"id"),
        parameter("priority", &[0x28, 1]),
        parameter("timeout", &[0x10, 0xf4, 3]),
        parameter("tenant", &field(3, b"blue")),
        parameter("sequence_id", &[0x10, 7]),
        parameter("hasten_timing", &[0x08, 1]),
        parameter("anything", &field(3, b"else")),
        field(5, &tensor),
        field(5, &tensor),
        field(7, b"raw"),
    ]);
    let head = read(&message).unwrap();
    assert_eq!((head.model, head.version, head.request_id), ("m", "12", "id"));
    assert_eq!((head.rows, head.elements, head.priority), (4, 24, 0));
    assert_eq!((head.timeout_us, head.tenant, &head.sequence[..]), (Some(500), "blue", "7"));
    assert!(head.wants_timing);
}

#[test]
fn a_request_that_says_nothing_has_the_defaults() {
    let message = request(&[]);
    let head = read(&message).unwrap();
    assert_eq!((head.rows, head.elements, head.priority, head.timeout_us), (1, 0, 1, None));
}

#[test]
fn what_is_not_plain_is_left_alone() {
    for odd in [
        vec![],                                       // no model
        field(1, b"\xff"),                            // no UTF-8
        request(&[field(2, b"new")]),                 // no number
        request(&[vec![0x0a, 9, 1]]),                 // longer than the message
        request(&[vec![0x08, 1]]),                    // a field of another kind
        request(&[vec![0x8a, 0x10, 0]]),              // a key of two bytes
        request(&[parameter("timeout", &[0x28, 1])]), // of the wrong kind
        request(&[parameter("timeout", &[0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])]),
        request(&[parameter("triton_x", &[0x08, 1])]),
        request(&[parameter("tenant", &[])]),
        request(&[field(5, &[0x1a, 9, 1])]), // a shape that is longer than its tensor
        request(&[field(5, &[0x1b])]),       // a group
    ] {
        assert_eq!(read(&odd), None, "{odd:?}");
    }
}

#[test]
fn no_cut_and_no_change_of_a_byte_makes_it_panic() {
    let tensor = [field(1, b"x"), field(3, &[200, 1, 3])].concat();
    let message = request(&[parameter("tenant", &field(3, b"blue")), field(5, &tensor)]);
    for at in 0..message.len() {
        let _ = read(&message[..at]);
        for byte in 0..=255 {
            let mut changed = message.clone();
            changed[at] = byte;
            let _ = read(&changed);
        }
    }
}
