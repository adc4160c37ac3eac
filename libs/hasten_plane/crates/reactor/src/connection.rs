//! One connection: greeting, streams, pings, age.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use mio::net::TcpStream;

use crate::limits::Limits;
use crate::ready::Alarm;
use crate::socket::{Shared, Socket};

/// Local resets for a peer's mistakes after which `h2` ends the connection. They never expire, and
/// late data of a call that was refused unread is one.
const MISTAKES_MAX: usize = 1 << 20;
/// Metadata up to so many times the limit are read, so that they can be refused with a status.
const METADATA_SLACK: u32 = 4;
const WINDOW_STREAM: u32 = 4 << 20;
const WINDOW_CONNECTION: u32 = 64 << 20;
/// Pings, window updates and the like that one call may bring with it.
const CONTROL_FRAMES_PER_CALL: u64 = 4;
const SECOND: Duration = Duration::from_secs(1);

pub(crate) type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

enum State {
    Greeting(server::Handshake<Socket, Bytes>),
    Open(server::Connection<Socket, Bytes>),
}

pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) peer: String,
    alarm: Arc<Alarm>,
    waker: Waker,
    state: State,
    pings: Option<PingPong>,
    born: Instant,
    /// When it was silent last, as far as was looked.
    heard_at: Instant,
    pinged_at: Option<Instant>,
    leaving_since: Option<Instant>,
    calls: u64,
    /// When frames were counted last, and how many of what there were.
    counted: (Instant, u64, u64),
}

/// From its first moment on, a connection is looked at after so long.
pub(crate) fn first_look(limits: &Limits) -> Duration {
    let first = limits.handshake.min(limits.ping);
    limits.age.map_or(first, |age| first.min(age))
}

/// How the bounds are told to `h2`.
pub(crate) fn builder(limits: &Limits) -> server::Builder {
    let mut builder = server::Builder::new();
    let streams = usize::try_from(limits.streams_max).unwrap_or(usize::MAX);
    builder
        .initial_window_size(WINDOW_STREAM)
        .initial_connection_window_size(WINDOW_CONNECTION)
        .max_concurrent_streams(limits.streams_max)
        // Beyond this `h2` answers by itself, and without a gRPC status.
        .max_header_list_size(limits.metadata_bytes_max.saturating_mul(METADATA_SLACK))
        // Calls that were cancelled before they were looked at are honest when this process is
        // late; each costs no more than one that is answered.
        .max_pending_accept_reset_streams(streams)
        .max_concurrent_reset_streams(streams)
        .max_local_error_reset_streams(Some(MISTAKES_MAX));
    builder
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        peer: String,
        alarm: Arc<Alarm>,
        builder: &server::Builder,
        now: Instant,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let socket = Socket::new(stream, Arc::clone(&shared));
        Self {
            shared,
            peer,
            waker: alarm.waker(),
            alarm,
            state: State::Greeting(builder.handshake(socket)),
            pings: None,
            born: now,
            heard_at: now,
            pinged_at: None,
            leaving_since: None,
            calls: 0,
            counted: (now, 0, 0),
        }
    }

    /// Reads and writes what can be; false when it is over.
    pub(crate) fn drive(
        &mut self,
        limits: &Limits,
        now: Instant,
        accepted: &mut Vec<Accepted>,
    ) -> bool {
        self.alarm.begin();
        let mut context = Context::from_waker(&self.waker);
        if let State::Greeting(greeting) = &mut self.state {
            match Pin::new(greeting).poll(&mut context) {
                Poll::Pending => return true,
                Poll::Ready(Err(_)) => return false,
                Poll::Ready(Ok(mut open)) => {
                    self.pings = open.ping_pong();
                    if self.leaving_since.is_some() {
                        open.graceful_shutdown();
                    }
                    self.state = State::Open(open);
                }
            }
        }
        let State::Open(open) = &mut self.state else { return true };
        let begun = accepted.len();
        let alive = loop {
            if self.shared.unread.get() > limits.unread_bytes_max {
                // Windows must still be heard of, or nothing would ever be taken.
                break open.poll_closed(&mut context).is_pending();
            }
            match open.poll_accept(&mut context) {
                Poll::Pending => break true,
                Poll::Ready(Some(Ok(call))) => accepted.push(call),
                Poll::Ready(Some(Err(_)) | None) => break false,
            }
        };
        self.calls += (accepted.len() - begun) as u64;
        if alive && self.floods(limits, now) {
            self.end(Reason::ENHANCE_YOUR_CALM);
        }
        alive
    }

    fn end(&mut self, reason: Reason) {
        if let State::Open(open) = &mut self.state {
            open.abrupt_shutdown(reason);
            self.waker.wake_by_ref();
        }
    }

    /// It sends far more of what brings nothing than its calls can need.
    fn floods(&mut self, limits: &Limits, now: Instant) -> bool {
        let control = self.shared.control_frames();
        let (at, control_before, calls_before) = self.counted;
        if now.saturating_duration_since(at) >= SECOND {
            self.counted = (now, control, self.calls);
            return false;
        }
        let calls = self.calls - calls_before;
        control - control_before > limits.control_frames_max + CONTROL_FRAMES_PER_CALL * calls
    }

    /// It is driven in this turn.
    pub(crate) fn wake(&self) {
        self.waker.wake_by_ref();
    }

    /// GOAWAY: no new calls here, those inside end.
    pub(crate) fn leave(&mut self, now: Instant) {
        if self.leaving_since.is_none() {
            self.leaving_since = Some(now);
            if let State::Open(open) = &mut self.state {
                open.graceful_shutdown();
            }
            self.waker.wake_by_ref();
        }
    }

    /// Does what time demands; when to look again, or None when it is over.
    pub(crate) fn look(&mut self, limits: &Limits, now: Instant) -> Option<Instant> {
        if let State::Greeting(_) = self.state {
            let over = self.born + limits.handshake;
            return (now < over).then_some(over.min(now + first_look(limits)));
        }
        let mut next = self.look_at_silence(limits, now)?;
        if let Some(age) = limits.age {
            if now >= self.born + age {
                self.leave(now);
            } else {
                next = next.min(self.born + age);
            }
            if let Some(since) = self.leaving_since {
                let over = since + limits.age_grace;
                if now >= over {
                    return None;
                }
                next = next.min(over);
            }
        }
        Some(next)
    }

    fn look_at_silence(&mut self, limits: &Limits, now: Instant) -> Option<Instant> {
        if self.shared.heard.take() || self.shared.starved.get() {
            self.heard_at = now;
            self.pinged_at = None;
        }
        if let Some(pinged_at) = self.pinged_at {
            let over = pinged_at + limits.ping_timeout;
            return (now < over).then_some(over);
        }
        let due = self.heard_at + limits.ping;
        if now < due {
            return Some(due);
        }
        if let Some(pings) = &mut self.pings {
            // A pong that came is taken, or there could be no second ping.
            let _ = pings.poll_pong(&mut Context::from_waker(Waker::noop()));
            let _ = pings.send_ping(Ping::opaque());
            self.waker.wake_by_ref();
        }
        self.pinged_at = Some(now);
        Some(now + limits.ping_timeout)
    }
}
