//! The head of a serialised `inference.ModelInferRequest`, read without parsing its tensors.
//!
//! Only plain requests are read: those in which every field says just one thing in the usual way.
//! Whatever else comes is handed to the reader in Python, which alone knows how to refuse it. So the
//! two can differ only in what this one takes for plain, which a test compares.

use crate::protobuf::Reader;

const MODEL_NAME: u8 = 1 << 3 | LENGTH_DELIMITED;
const MODEL_VERSION: u8 = 2 << 3 | LENGTH_DELIMITED;
const ID: u8 = 3 << 3 | LENGTH_DELIMITED;
const PARAMETERS: u8 = 4 << 3 | LENGTH_DELIMITED;
const INPUTS: u8 = 5 << 3 | LENGTH_DELIMITED;
const TENSOR_NAME: u8 = 1 << 3 | LENGTH_DELIMITED;
const TENSOR_DATATYPE: u8 = 2 << 3 | LENGTH_DELIMITED;
const SHAPE_PACKED: u8 = 3 << 3 | LENGTH_DELIMITED;
const SHAPE_LOOSE: u8 = 3 << 3;
const LENGTH_DELIMITED: u8 = 2;

// What exceeds one of these is not plain. All together stay below the bounds of the reader in Python,
// which counts fields and dimensions of all inputs and refuses what has too many.
const FIELDS_MAX: usize = 128;
const NAME_BYTES_MAX: usize = 1024;
const TENSOR_FIELDS_MAX: usize = 16;
const DIMS_MAX: usize = 8;
const ELEMENTS_MAX: u64 = 1 << 40;
const PARAMETERS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 128;

const NORMAL: u64 = 1;
const LOWEST: u64 = 3;
const RESERVED_PREFIX: &str = "triton_";

/// What a plain request says in front of its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Head<'a> {
    pub model: &'a str,
    /// Digits, or "" for the server's choice.
    pub version: &'a str,
    pub request_id: &'a str,
    /// First dimension of the first input that has one; at least 1.
    pub rows: u64,
    /// Of all inputs together, by their shapes.
    pub elements: u64,
    /// Class 0 (most urgent) to 3.
    pub priority: u64,
    /// Longest stay that is wished for; None for none.
    pub timeout_us: Option<i64>,
    pub tenant: &'a str,
    /// Requests with the same one stay together; "" for none.
    pub sequence: String,
    /// The caller asks where the time went.
    pub wants_timing: bool,
}

/// The head of a plain request; None for any other.
pub fn read(message: &[u8]) -> Option<Head<'_>> {
    let mut head = Head {
        model: "",
        version: "",
        request_id: "",
        rows: 0,
        elements: 0,
        priority: NORMAL,
        timeout_us: None,
        tenant: "",
        sequence: String::new(),
        wants_timing: false,
    };
    let mut reader = Reader::new(message);
    let mut parameters = 0;
    for _ in 0..FIELDS_MAX {
        if reader.is_empty() {
            break;
        }
        let key = reader.key()?;
        if key & 7 != LENGTH_DELIMITED {
            return None;
        }
        let value = reader.bytes()?;
        match key {
            MODEL_NAME => head.model = name(value)?,
            MODEL_VERSION => head.version = name(value)?,
            ID => head.request_id = name(value)?,
            PARAMETERS => {
                parameters += 1;
                read_parameter(value, &mut head)?;
            }
            INPUTS => read_shape(value, &mut head)?,
            _ => {}
        }
    }
    let plain = reader.is_empty()
        && parameters <= PARAMETERS_MAX
        && !head.model.is_empty()
        && head.version.bytes().all(|byte| byte.is_ascii_digit());
    head.rows = head.rows.max(1);
    plain.then_some(head)
}

fn name(value: &[u8]) -> Option<&str> {
    if value.len() > NAME_BYTES_MAX { None } else { std::str::from_utf8(value).ok() }
}

fn read_shape(tensor: &[u8], head: &mut Head<'_>) -> Option<()> {
    let mut reader = Reader::new(tensor);
    let mut dims = [0_u64; DIMS_MAX];
    let mut count = 0;
    for _ in 0..TENSOR_FIELDS_MAX {
        if reader.is_empty() {
            break;
        }
        match reader.key()? {
            SHAPE_PACKED => {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    *dims.get_mut(count)? = packed.varint()?.min(ELEMENTS_MAX);
                    count += 1;
                }
            }
            SHAPE_LOOSE => {
                *dims.get_mut(count)? = reader.varint()?.min(ELEMENTS_MAX);
                count += 1;
            }
            key if key & 7 == LENGTH_DELIMITED => {
                let value = reader.bytes()?;
                if matches!(key, TENSOR_NAME | TENSOR_DATATYPE) && value.len() > NAME_BYTES_MAX {
                    return None;
                }
            }
            _ => return None,
        }
    }
    if !reader.is_empty() {
        return None;
    }
    let dims = &dims[..count];
    if head.rows == 0 {
        head.rows = dims.first().copied().unwrap_or(1);
    }
    let product = dims
        .iter()
        .fold(1_u128, |product, &dim| (product * u128::from(dim)).min(u128::from(ELEMENTS_MAX)));
    head.elements = head.elements.checked_add(u64::try_from(product).ok()?)?;
    Some(())
}

/// One of the kinds of value that a parameter may have.
enum Value<'a> {
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Uint(u64),
    Double,
}

fn read_parameter<'a>(entry: &'a [u8], head: &mut Head<'a>) -> Option<()> {
    let mut reader = Reader::new(entry);
    if reader.key()? != 1 << 3 | LENGTH_DELIMITED {
        return None;
    }
    let name = std::str::from_utf8(reader.bytes()?).ok()?;
    if reader.key()? != 2 << 3 | LENGTH_DELIMITED {
        return None;
    }
    let value = read_value(reader.bytes()?)?;
    if !reader.is_empty() {
        return None;
    }
    match (name, value) {
        ("priority", Value::Uint(number)) => head.priority = class_of(number),
        ("priority", Value::Int(number)) => head.priority = class_of(u64::try_from(number).ok()?),
        ("timeout", Value::Int(timeout_us)) if timeout_us >= 0 => {
            head.timeout_us = (timeout_us > 0).then_some(timeout_us);
        }
        ("sequence_id", Value::Int(0)) => head.sequence.clear(),
        ("sequence_id", Value::Int(number)) => head.sequence = number.to_string(),
        ("sequence_id", Value::Text(text)) => short(text)?.clone_into(&mut head.sequence),
        ("tenant", Value::Text(text)) => head.tenant = short(text)?,
        ("hasten_timing", Value::Bool(wish)) => head.wants_timing = wish,
        ("triton_enable_empty_final_response", Value::Bool(_)) => {}
        ("sequence_start" | "sequence_end", Value::Bool(_)) => {}
        ("priority" | "timeout" | "sequence_id" | "tenant" | "hasten_timing", _) => return None,
        ("sequence_start" | "sequence_end", _) => return None,
        (name, _) if name.starts_with(RESERVED_PREFIX) => return None,
        _ => {}
    }
    Some(())
}

fn read_value(choice: &[u8]) -> Option<Value<'_>> {
    let mut reader = Reader::new(choice);
    let value = match reader.key()? {
        0x08 => match reader.varint()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return None,
        },
        // A negative number is the upper half of the unsigned ones.
        0x10 => Value::Int(i64::from_ne_bytes(reader.varint()?.to_ne_bytes())),
        0x1a => Value::Text(std::str::from_utf8(reader.bytes()?).ok()?),
        0x21 => {
            reader.fixed64()?;
            Value::Double
        }
        0x28 => Value::Uint(reader.varint()?),
        _ => return None,
    };
    reader.is_empty().then_some(value)
}

fn class_of(number: u64) -> u64 {
    if number == 0 { NORMAL } else { (number - 1).min(LOWEST) }
}

fn short(text: &str) -> Option<&str> {
    (text.chars().count() <= TEXT_CHARS_MAX).then_some(text)
}
