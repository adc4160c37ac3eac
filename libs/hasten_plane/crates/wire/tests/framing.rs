//! However the bytes are cut, the messages are the same.

use bytes::Bytes;
use hasten_plane_wire::framing::{Deframer, Fault, Message, prefix};

const SPLITS: u64 = 2000;

/// A generator of numbers that is the same everywhere (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn stream_of(sizes: &[usize]) -> (Vec<u8>, Vec<Message>) {
    let mut stream = Vec::new();
    let mut messages = Vec::new();
    for (index, &size) in sizes.iter().enumerate() {
        let data: Vec<u8> = (0..size).map(|at| (at * 7 + index) as u8).collect();
        let mut head = prefix(size, false);
        head[0] = (index % 2) as u8;
        stream.extend_from_slice(&head);
        stream.extend_from_slice(&data);
        messages.push(Message { compressed: index % 2 == 1, data: data.into() });
    }
    (stream, messages)
}

fn read(deframer: &mut Deframer, pieces: &[&[u8]]) -> Result<Vec<Message>, Fault> {
    let mut messages = Vec::new();
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(message) = deframer.next(&mut piece)? {
            messages.push(message);
        }
        assert!(piece.is_empty(), "something was left of a piece");
    }
    Ok(messages)
}

#[test]
fn random_splits_give_the_same_messages() {
    let mut numbers = Numbers(88_172_645_463_325_252);
    for _ in 0..SPLITS {
        let sizes: Vec<usize> =
            (0..numbers.below(6)).map(|_| [0, 1, 5, 100, 3000][numbers.below(5)]).collect();
        let (stream, messages) = stream_of(&sizes);
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(1 + numbers.below(rest.len().min(1500)));
            pieces.push(piece);
            rest = later;
        }
        let mut deframer = Deframer::new(4000);
        assert_eq!(read(&mut deframer, &pieces), Ok(messages));
        assert!(deframer.at_boundary());
    }
}

#[test]
fn byte_by_byte_gives_the_same_messages() {
    let (stream, messages) = stream_of(&[3, 0, 70]);
    let pieces: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&mut Deframer::new(70), &pieces), Ok(messages));
}

#[test]
fn a_message_in_one_piece_is_not_copied() {
    let (stream, _) = stream_of(&[1000]);
    let mut piece = Bytes::from(stream);
    let there = piece.as_ptr() as usize + 5;
    let message = Deframer::new(1000).next(&mut piece).unwrap().unwrap();
    assert_eq!(message.data.as_ptr() as usize, there);
}

#[test]
fn a_stream_that_ends_within_a_message_is_not_at_a_boundary() {
    for end in [1, 4, 5, 7] {
        let mut deframer = Deframer::new(10);
        assert_eq!(read(&mut deframer, &[&stream_of(&[3]).0[..end]]), Ok(vec![]));
        assert!(!deframer.at_boundary());
    }
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_prefix() {
    let mut deframer = Deframer::new(99);
    assert_eq!(read(&mut deframer, &[&prefix(100, false)]), Err(Fault::TooLarge(100)));
}

#[test]
fn an_announced_message_costs_no_memory_before_it_comes() {
    let mut deframer = Deframer::new(usize::MAX);
    let announced = [0, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(read(&mut deframer, &[&announced]), Ok(vec![]));
    assert_eq!(deframer.held_bytes(), 1);
}

#[test]
fn a_flag_that_is_none_is_refused() {
    assert_eq!(read(&mut Deframer::new(9), &[&[2, 0, 0, 0, 0]]), Err(Fault::Flag(2)));
}
