use crate::inference::model_infer_request::InferInputTensor;
use crate::inference::{ModelInferRequest, ModelInferResponse};

/// Adds an input as it travels: row-major, little-endian.
pub fn add_raw(to: &mut ModelInferRequest, name: &str, datatype: &str, shape: &[i64], raw: Vec<u8>) {
    let (name, datatype, shape) = (name.to_owned(), datatype.to_owned(), shape.to_vec());
    to.inputs.push(InferInputTensor { name, datatype, shape, ..Default::default() });
    to.raw_input_contents.push(raw);
}

/// Adds an input of FP32.
pub fn add_f32(to: &mut ModelInferRequest, name: &str, shape: &[i64], values: &[f32]) {
    let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    add_raw(to, name, "FP32", shape, raw);
}

/// Adds an input of BYTES.
pub fn add_bytes<B: AsRef<[u8]>>(to: &mut ModelInferRequest, name: &str, shape: &[i64], values: &[B]) {
    let mut raw = Vec::new();
    for value in values {
        raw.extend((value.as_ref().len() as u32).to_le_bytes());
        raw.extend(value.as_ref());
    }
    add_raw(to, name, "BYTES", shape, raw);
}

/// An output as it travels.
pub fn raw<'a>(of: &'a ModelInferResponse, name: &str) -> Option<&'a [u8]> {
    let at = of.outputs.iter().position(|output| output.name == name)?;
    of.raw_output_contents.get(at).map(Vec::as_slice)
}

/// An output of FP32.
pub fn f32s(of: &ModelInferResponse, name: &str) -> Option<Vec<f32>> {
    let values = raw(of, name)?.chunks_exact(4);
    Some(values.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect())
}

/// An output of INT64.
pub fn i64s(of: &ModelInferResponse, name: &str) -> Option<Vec<i64>> {
    let values = raw(of, name)?.chunks_exact(8);
    Some(values.map(|bytes| i64::from_le_bytes(bytes.try_into().expect("eight"))).collect())
}

/// An output of BYTES.
pub fn strings(of: &ModelInferResponse, name: &str) -> Option<Vec<Vec<u8>>> {
    let mut rest = raw(of, name)?;
    let mut values = Vec::new();
    while let Some((size, more)) = rest.split_first_chunk() {
        let (value, left) = more.split_at_checked(u32::from_le_bytes(*size) as usize)?;
        values.push(value.to_vec());
        rest = left;
    }
    Some(values)
}
