use std::time::Duration;

use hasten_plane_reactor as reactor;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// `hasten_plane.Limits`, read by its attributes.
#[derive(FromPyObject)]
pub(crate) struct Limits {
    message_bytes_max: usize,
    metadata_bytes_max: u32,
    streams_max: u32,
    calls_max: Option<usize>,
    waiting_max: usize,
    newest_first_s: f64,
    held_bytes_max: usize,
    unread_bytes_max: usize,
    control_frames_max: u64,
    handshake_s: f64,
    ping_s: f64,
    ping_timeout_s: f64,
    connection_age_s: Option<f64>,
    connection_grace_s: f64,
    batch_max: usize,
    read_bytes_max: usize,
}

impl Limits {
    pub(crate) fn checked(self) -> PyResult<reactor::Limits> {
        Ok(reactor::Limits {
            message_bytes_max: self.message_bytes_max,
            metadata_bytes_max: self.metadata_bytes_max,
            streams_max: self.streams_max,
            calls_max: self.calls_max.unwrap_or(usize::MAX),
            waiting_max: self.waiting_max,
            newest_first: seconds("newest_first_s", self.newest_first_s)?,
            held_bytes_max: self.held_bytes_max,
            unread_bytes_max: self.unread_bytes_max,
            control_frames_max: self.control_frames_max,
            handshake: seconds("handshake_s", self.handshake_s)?,
            ping: seconds("ping_s", self.ping_s)?,
            ping_timeout: seconds("ping_timeout_s", self.ping_timeout_s)?,
            age: self
                .connection_age_s
                .map(|age_s| seconds("connection_age_s", age_s))
                .transpose()?,
            age_grace: seconds("connection_grace_s", self.connection_grace_s)?,
            batch_max: self.batch_max,
            read_bytes_max: self.read_bytes_max,
        })
    }
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err(format!("{name} must be seconds, is {value}")))
}
