//! gRPC servers on one thread, driven by whoever polls: sockets, HTTP/2 by `h2`, calls, limits.
//!
//! It knows no Python and decides nothing: what happens becomes an [`Event`], and what is to be
//! done is a method of [`Plane`].
#![forbid(unsafe_code)]

mod bars;
mod call;
mod connection;
mod event;
mod hall;
mod limits;
mod plane;
mod ready;
mod socket;
mod status;

pub use bars::{Bar, Kept};
pub use event::{Asked, Event, Fault, Opened};
pub use limits::Limits;
pub use plane::Plane;
pub use status::Status;
