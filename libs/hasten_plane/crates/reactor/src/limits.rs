use std::time::Duration;

/// Bounds of what peers can take. Each has a test that goes beyond it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest message; also of one that is unpacked.
    pub message_bytes_max: usize,
    /// All metadata of a call, as HTTP/2 counts them.
    pub metadata_bytes_max: u32,
    /// Calls open at once on one connection.
    pub streams_max: u32,
    /// Calls open at once on all of them; further ones are refused.
    pub calls_max: usize,
    /// Calls of the quick method that wait to be polled; further ones are refused.
    pub waiting_max: usize,
    /// Once a call of the quick method has waited so long, the newest are given first, and only
    /// every fourth time the oldest.
    pub newest_first: Duration,
    /// Bytes of all requests inside; while there are more, whoever sends more is refused.
    pub held_bytes_max: usize,
    /// While the answers that a connection's client has not taken have more bytes, no further
    /// calls are taken from it.
    pub unread_bytes_max: usize,
    /// Frames of one second that carry nothing, beside those that calls bring with them.
    pub control_frames_max: u64,
    /// A connection has so long for its greeting.
    pub handshake: Duration,
    /// A connection that is silent for so long is pinged...
    pub ping: Duration,
    /// ... and lost if nothing comes for so long after that.
    pub ping_timeout: Duration,
    /// A connection as old as this is closed in order; None keeps them.
    pub age: Option<Duration>,
    /// Time for the open calls of such a connection.
    pub age_grace: Duration,
    /// Events of one poll.
    pub batch_max: usize,
    /// Bytes read from one connection in one poll.
    pub read_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 << 20,
            metadata_bytes_max: 32 << 10,
            streams_max: 1000,
            calls_max: usize::MAX,
            waiting_max: 4096,
            newest_first: Duration::from_millis(5),
            held_bytes_max: 1 << 30,
            unread_bytes_max: 8 << 20,
            control_frames_max: 1000,
            handshake: Duration::from_secs(3),
            ping: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(5),
            age: None,
            age_grace: Duration::from_secs(30),
            batch_max: 64,
            read_bytes_max: 1 << 20,
        }
    }
}
