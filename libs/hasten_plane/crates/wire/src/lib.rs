//! What no HTTP/2 crate does for gRPC: framing, deadlines, metadata, the head of a request.
//!
//! Nothing here touches a socket, a clock or Python: bytes in, values out.
#![forbid(unsafe_code)]

pub mod framing;
pub mod head;
pub mod inflate;
pub mod metadata;
pub mod meter;
mod protobuf;
pub mod timeout;
