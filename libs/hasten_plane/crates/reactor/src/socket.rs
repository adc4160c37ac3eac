//! A non-blocking socket as `h2` wants it. It wakes nobody: its connection is driven whenever epoll
//! says that something has changed.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hasten_plane_wire::meter::Meter;
use mio::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A number that several owners set, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Number(AtomicUsize);

impl Number {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// The same for a fact.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// It was raised; it is not any more.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// What the owner of a connection sees of its socket.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Bytes that may still be read in this turn.
    pub(crate) budget: Number,
    /// There may be more to read than the budget allowed.
    pub(crate) starved: Flag,
    /// Something came since this was taken back.
    pub(crate) heard: Flag,
    /// Bytes of answers that the client has not taken.
    pub(crate) unread: Number,
    meter: Mutex<Meter>,
}

impl Shared {
    /// Frames so far that carry nothing.
    pub(crate) fn control_frames(&self) -> u64 {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).control_frames()
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    shared: Arc<Shared>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Self { stream, shared }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let budget = self.shared.budget.get();
        if budget == 0 {
            self.shared.starved.raise();
            return Poll::Pending;
        }
        let room = into.initialize_unfilled();
        let most = room.len().min(budget);
        let read = still(|| self.stream.read(&mut room[..most]));
        if let Poll::Ready(Ok(read)) = read {
            self.shared.budget.set(budget - read);
            self.shared.heard.raise();
            let mut meter = self.shared.meter.lock().unwrap_or_else(PoisonError::into_inner);
            meter.feed(&room[..read]);
            drop(meter);
            into.advance(read);
        }
        read.map_ok(drop)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        still(|| self.stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        still(|| self.stream.write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}

/// The call's result, with "would block" as pending; again when a signal came between.
fn still<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}
