//! One call: its request as it comes, its answer as it goes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use hasten_plane_wire::framing::{self, Deframer};
use hasten_plane_wire::inflate::{self, Encoding};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::event::Fault;
use crate::ready::Alarm;
use crate::socket::Shared;
use crate::status::Status;

/// A message up to this size is put behind its prefix; a larger one goes as it is.
const JOINED_BYTES_MAX: usize = 16 << 10;

/// What came of reading.
#[derive(Debug)]
pub(crate) enum Read {
    /// Nothing yet.
    Nothing,
    /// A message.
    Message(Bytes),
    /// The client has sent its last.
    End,
    /// It cannot be read further.
    Fault(Fault),
    /// The client has cancelled or is gone.
    Gone,
}

/// What came of writing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Something waits for the client to take what it has.
    Waiting,
    /// All that there was.
    All,
    /// And the status: the call is over.
    Ended,
    /// The client has cancelled or is gone.
    Gone,
}

pub(crate) struct Call {
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) waker: Waker,
    pub(crate) deadline: Option<Instant>,
    /// Bytes of it that count as held.
    pub(crate) held: usize,
    /// Nothing more is wanted of the client, or everything was had.
    pub(crate) deaf: bool,
    /// Whoever polls has been told of this call.
    pub(crate) known: bool,
    /// A message is to be read.
    pub(crate) wanted: bool,
    /// It is a call of the quick method.
    pub(crate) quick: bool,
    /// Whoever wrote waits to hear that all is on its way.
    pub(crate) tells_drained: bool,
    shared: Arc<Shared>,
    receive: RecvStream,
    piece: Bytes,
    deframer: Deframer,
    encoding: Encoding,
    message_bytes_max: usize,
    respond: SendResponse<Bytes>,
    send: Option<SendStream<Bytes>>,
    out: VecDeque<Bytes>,
    /// Messages of the answer are in gzip.
    packs: bool,
    ending: Option<HeaderMap>,
}

/// Of a call that has just come.
pub(crate) struct Beginning {
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) receive: RecvStream,
    pub(crate) respond: SendResponse<Bytes>,
    pub(crate) encoding: Encoding,
    pub(crate) message_bytes_max: usize,
    pub(crate) quick: bool,
    pub(crate) deadline: Option<Instant>,
}

impl Call {
    pub(crate) fn new(beginning: Beginning) -> Self {
        Self {
            waker: beginning.alarm.waker(),
            alarm: beginning.alarm,
            deadline: beginning.deadline,
            held: 0,
            deaf: false,
            known: false,
            wanted: beginning.quick,
            quick: beginning.quick,
            tells_drained: false,
            shared: beginning.shared,
            receive: beginning.receive,
            piece: Bytes::new(),
            deframer: Deframer::new(beginning.message_bytes_max),
            encoding: beginning.encoding,
            message_bytes_max: beginning.message_bytes_max,
            respond: beginning.respond,
            send: None,
            out: VecDeque::new(),
            packs: false,
            ending: None,
        }
    }

    /// Bytes of the answer that wait for the client.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.out.iter().map(Bytes::len).sum()
    }

    /// Bytes of a message that is not all there.
    pub(crate) fn partial_bytes(&self) -> usize {
        self.piece.len() + self.deframer.held_bytes()
    }

    /// Reads up to the next message.
    pub(crate) fn read(&mut self) -> Read {
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        loop {
            match self.deframer.next(&mut self.piece) {
                Ok(Some(message)) => return self.unpacked(message),
                Ok(None) => {}
                Err(framing::Fault::TooLarge(size)) => return Read::Fault(Fault::TooLarge(size)),
                Err(framing::Fault::Flag(_)) => return Read::Fault(Fault::Malformed),
            }
            match self.receive.poll_data(&mut context) {
                Poll::Pending => return Read::Nothing,
                Poll::Ready(None) if self.deframer.at_boundary() => return Read::End,
                Poll::Ready(None) => return Read::Fault(Fault::Malformed),
                Poll::Ready(Some(Err(_))) => return Read::Gone,
                Poll::Ready(Some(Ok(piece))) => {
                    // What a message takes is bounded by what is held, not by the window.
                    let _ = self.receive.flow_control().release_capacity(piece.len());
                    self.piece = piece;
                }
            }
        }
    }

    fn unpacked(&self, message: framing::Message) -> Read {
        if !message.compressed {
            return Read::Message(message.data);
        }
        match self.encoding.unpack(&message.data, self.message_bytes_max) {
            Ok(unpacked) => Read::Message(unpacked.into()),
            Err(inflate::Fault::TooLarge) => Read::Fault(Fault::UnpackedTooLarge),
            Err(inflate::Fault::Malformed) => Read::Fault(Fault::Malformed),
        }
    }

    /// The client has cancelled or is gone.
    pub(crate) fn is_gone(&mut self) -> bool {
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        match &mut self.send {
            Some(send) => send.poll_reset(&mut context).is_ready(),
            None => self.respond.poll_reset(&mut context).is_ready(),
        }
    }

    /// Notes a message of the answer, one in gzip if it is packed. Either all are or none is.
    pub(crate) fn put(&mut self, message: Bytes, packed: bool) {
        let prefix = framing::prefix(message.len(), packed);
        self.packs |= packed;
        let before = self.waiting_bytes();
        if message.len() <= JOINED_BYTES_MAX {
            let mut joined = BytesMut::with_capacity(prefix.len() + message.len());
            joined.extend_from_slice(&prefix);
            joined.extend_from_slice(&message);
            self.out.push_back(joined.freeze());
        } else {
            self.out.push_back(Bytes::copy_from_slice(&prefix));
            self.out.push_back(message);
        }
        self.count_unread(before);
    }

    /// Notes how the call ends. It may end once.
    pub(crate) fn end(&mut self, status: &Status) {
        if self.ending.is_none() {
            self.ending = Some(status.headers().clone());
        }
    }

    /// How it ends is known.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Gives `h2` what the client may be sent.
    pub(crate) fn write(&mut self) -> Written {
        let before = self.waiting_bytes();
        let written = self.write_on();
        self.count_unread(before);
        written
    }

    fn write_on(&mut self) -> Written {
        if self.send.is_none() {
            if self.out.is_empty() {
                return self.end_at_once();
            }
            let mut first = HeaderMap::new();
            if self.packs {
                first.insert("grpc-encoding", HeaderValue::from_static("gzip"));
            }
            match self.respond.send_response(headers(first), false) {
                Ok(send) => self.send = Some(send),
                Err(_) => return Written::Gone,
            }
        }
        let Some(send) = &mut self.send else { return Written::Gone };
        let mut context = Context::from_waker(&self.waker);
        while let Some(piece) = self.out.front_mut() {
            if !piece.is_empty() {
                send.reserve_capacity(piece.len());
                let mut room = send.capacity();
                if room == 0 {
                    room = match send.poll_capacity(&mut context) {
                        Poll::Pending => return Written::Waiting,
                        Poll::Ready(Some(Ok(0))) => continue,
                        Poll::Ready(Some(Ok(room))) => room,
                        Poll::Ready(_) => return Written::Gone,
                    };
                }
                if send.send_data(piece.split_to(room.min(piece.len())), false).is_err() {
                    return Written::Gone;
                }
            }
            if piece.is_empty() {
                self.out.pop_front();
            }
        }
        match self.ending.take() {
            None => Written::All,
            Some(status) => ended(send.send_trailers(status)),
        }
    }

    fn end_at_once(&mut self) -> Written {
        match self.ending.take() {
            None => Written::All,
            Some(status) => ended(self.respond.send_response(headers(status), true)),
        }
    }

    /// Its deadline has passed: what the client has not taken it need not take any more. False when
    /// part of the answer was to follow, so that no status can be told.
    pub(crate) fn expire(&mut self, status: &Status) -> bool {
        if self.is_ending() {
            self.reset(Reason::CANCEL);
            return false;
        }
        let before = self.waiting_bytes();
        self.out.clear();
        self.count_unread(before);
        self.end(status);
        true
    }

    /// Ends it without a status.
    pub(crate) fn reset(&mut self, reason: Reason) {
        match &mut self.send {
            Some(send) => send.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    fn count_unread(&self, before: usize) {
        let unread = self.shared.unread.get() + self.waiting_bytes();
        self.shared.unread.set(unread.saturating_sub(before));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let unread = self.shared.unread.get();
        self.shared.unread.set(unread.saturating_sub(self.waiting_bytes()));
    }
}

fn ended<T, E>(sent: Result<T, E>) -> Written {
    if sent.is_ok() { Written::Ended } else { Written::Gone }
}

/// The headers of an answer, with a status if it has no messages.
pub(crate) fn headers(status: HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", HeaderValue::from_static(inflate::ACCEPTED));
    response
}

/// The answer to a request that is no gRPC.
pub(crate) fn no_grpc() -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}
