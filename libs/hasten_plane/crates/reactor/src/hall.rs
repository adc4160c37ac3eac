//! The calls that are inside, and what is to be told of them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use hasten_plane_wire::inflate::Encoding;
use hasten_plane_wire::timeout;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use slab::Slab;

use crate::bars::{Bar, Bars, Kept};
use crate::call::{self, Beginning, Call, Read, Written};
use crate::connection::Accepted;
use crate::event::{Asked, Event, Fault, Opened};
use crate::limits::Limits;
use crate::ready::{Alarm, Queue, Task};
use crate::socket::Shared;
use crate::status::Status;

/// Deadlines beyond this are none: so far ahead no clock can count.
const DEADLINE_MAX: Duration = Duration::from_secs(1 << 30);
/// While the newest are given out first, every so many-th is the oldest.
const OLDEST_EVERY: u64 = 4;
/// Waiting calls that one turn looks at, of which most may be refused.
const LOOKED_AT_MAX: usize = 128;
const GENERATION_BITS: u32 = 32;
const CANCELLED: u32 = 1;
const DEADLINE_EXCEEDED: u32 = 4;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const TOO_MUCH_METADATA: &str = "the call has more metadata than this server takes";
/// What HTTP/2 counts for a header beside its name and value.
const HEADER_BYTES: usize = 32;

struct Inside {
    call: Call,
    generation: u32,
    since: Instant,
    /// Of a call of which nobody has been told: what they are to be told.
    headers: HeaderMap,
    peer: String,
    path: String,
    bad_deadline: bool,
}

/// A call of the quick method, with its request, that nobody has asked for yet.
struct Waiting {
    asked: Asked,
    since: Instant,
}

pub(crate) struct Hall {
    inside: Slab<Inside>,
    generation: u32,
    events: VecDeque<Event>,
    waiting: VecDeque<Waiting>,
    /// What calls must have left to be given out, and what those hear that have not.
    bar: Option<(Duration, Arc<Status>)>,
    below_bar: u64,
    bars: Bars,
    taken: u64,
    held: usize,
    deadlines: BTreeSet<(Instant, u64)>,
    queue: Queue,
    limits: Limits,
    quick_path: String,
    overloaded: Arc<Status>,
}

impl Hall {
    pub(crate) fn new(
        limits: Limits,
        quick_path: String,
        overloaded: Status,
        queue: Queue,
    ) -> Self {
        Self {
            inside: Slab::new(),
            generation: 0,
            events: VecDeque::new(),
            waiting: VecDeque::new(),
            bar: None,
            below_bar: 0,
            bars: Bars::default(),
            taken: 0,
            held: 0,
            deadlines: BTreeSet::new(),
            queue,
            limits,
            quick_path,
            overloaded: Arc::new(overloaded),
        }
    }

    /// Calls inside.
    pub(crate) fn len(&self) -> usize {
        self.inside.len()
    }

    /// Bytes of requests inside.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held
    }

    /// When the next deadline passes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    // --- coming in ---------------------------------------------------------------------

    /// Takes a call in, or refuses it.
    pub(crate) fn arrive(
        &mut self,
        call: Accepted,
        shared: &Arc<Shared>,
        peer: &str,
        now: Instant,
    ) {
        let (request, mut respond) = call;
        let (parts, receive) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        if parts.method != Method::POST || !kind.starts_with(b"application/grpc") {
            let _ = respond.send_response(call::no_grpc(), true);
            return;
        }
        if size_of(&parts.headers) > self.limits.metadata_bytes_max as usize {
            refuse(&mut respond, &Status::plain(RESOURCE_EXHAUSTED, TOO_MUCH_METADATA));
            return;
        }
        let encoding =
            parts.headers.get("grpc-encoding").map_or(&b"identity"[..], HeaderValue::as_bytes);
        let Some(encoding) = Encoding::named(encoding) else {
            refuse(&mut respond, &Status::plain(UNIMPLEMENTED, "grpc-encoding: unknown here"));
            return;
        };
        let path = parts.uri.path();
        let quick = path == self.quick_path;
        if self.inside.len() >= self.limits.calls_max {
            refuse(&mut respond, &self.overloaded);
            return;
        }
        let timeout = parts.headers.get("grpc-timeout").map(HeaderValue::as_bytes);
        let left = timeout.and_then(timeout::parse);
        let bad_deadline = timeout.is_some() && left.is_none();
        let deadline = left.filter(|left| *left < DEADLINE_MAX).map(|left| now + left);
        self.generation = self.generation.wrapping_add(1);
        let entry = self.inside.vacant_entry();
        let call_id = u64::from(self.generation) << GENERATION_BITS | entry.key() as u64;
        if let Some(at) = deadline {
            self.deadlines.insert((at, call_id));
        }
        entry.insert(Inside {
            call: Call::new(Beginning {
                alarm: Alarm::new(Task::Call(call_id), &self.queue),
                shared: Arc::clone(shared),
                receive,
                respond,
                encoding,
                message_bytes_max: self.limits.message_bytes_max,
                quick,
                deadline,
            }),
            generation: self.generation,
            since: now,
            path: if quick { String::new() } else { path.to_owned() },
            headers: parts.headers,
            peer: peer.to_owned(),
            bad_deadline,
        });
        if !quick {
            self.tell_opened(call_id);
        }
        self.drive(call_id);
    }

    fn tell_opened(&mut self, call_id: u64) {
        let Some(inside) = self.find(call_id) else { return };
        let opened = Opened {
            call_id,
            path: std::mem::take(&mut inside.path),
            headers: std::mem::take(&mut inside.headers),
            peer: std::mem::take(&mut inside.peer),
            deadline: inside.call.deadline,
            bad_deadline: inside.bad_deadline,
        };
        self.events.push_back(Event::Opened(opened));
    }

    fn tell_asked(&mut self, call_id: u64, request: Result<Bytes, Fault>) {
        if self.waiting.len() >= self.limits.waiting_max {
            let overloaded = Arc::clone(&self.overloaded);
            return self.finish(call_id, &overloaded);
        }
        let Some(inside) = self.find(call_id) else { return };
        let since = inside.since;
        inside.call.wanted = false;
        inside.call.deaf = true;
        let asked = Asked {
            call_id,
            request,
            headers: std::mem::take(&mut inside.headers),
            peer: std::mem::take(&mut inside.peer),
            deadline: inside.call.deadline,
            bad_deadline: inside.bad_deadline,
        };
        self.waiting.push_back(Waiting { asked, since });
    }

    // --- driving -----------------------------------------------------------------------

    /// Reads and writes what can be.
    pub(crate) fn drive(&mut self, call_id: u64) {
        let Some(inside) = self.find(call_id) else { return };
        inside.call.alarm.begin();
        if inside.call.wanted && !inside.call.deaf {
            self.read(call_id);
        }
        self.write(call_id);
        let Some(inside) = self.find(call_id) else { return };
        if inside.call.is_gone() {
            self.over(call_id, true);
        }
    }

    fn read(&mut self, call_id: u64) {
        let Some(inside) = self.find(call_id) else { return };
        let quick = inside.call.quick;
        let came = inside.call.read();
        let partial = inside.call.partial_bytes();
        match came {
            Read::Nothing => self.hold(call_id, partial),
            Read::Gone => self.over(call_id, true),
            Read::Message(message) if quick => {
                self.hold(call_id, message.len());
                self.tell_asked(call_id, Ok(message));
            }
            Read::End if quick => self.tell_asked(call_id, Err(Fault::Empty)),
            Read::Fault(fault) if quick => self.tell_asked(call_id, Err(fault)),
            Read::Message(message) => {
                self.hold(call_id, partial);
                self.tell_message(call_id, Ok(Some(message)));
            }
            Read::End => self.tell_message(call_id, Ok(None)),
            Read::Fault(fault) => self.tell_message(call_id, Err(fault)),
        }
    }

    fn tell_message(&mut self, call_id: u64, message: Result<Option<Bytes>, Fault>) {
        if let Some(inside) = self.find(call_id) {
            inside.call.wanted = false;
            inside.call.deaf = !matches!(message, Ok(Some(_)));
            self.events.push_back(Event::Message(call_id, message));
        }
    }

    /// So many bytes of the call are inside; refuses it if that is too much for all.
    fn hold(&mut self, call_id: u64, bytes: usize) {
        let Some(inside) = self.find(call_id) else { return };
        let more = bytes > inside.call.held;
        let before = std::mem::replace(&mut inside.call.held, bytes);
        self.held = self.held + bytes - before;
        if more && self.held > self.limits.held_bytes_max {
            let overloaded = Arc::clone(&self.overloaded);
            self.finish(call_id, &overloaded);
        }
    }

    fn write(&mut self, call_id: u64) {
        let Some(inside) = self.find(call_id) else { return };
        match inside.call.write() {
            Written::Waiting => {}
            Written::All if inside.call.tells_drained => {
                inside.call.tells_drained = false;
                self.events.push_back(Event::Drained(call_id));
            }
            Written::All => {}
            Written::Ended => self.over(call_id, false),
            Written::Gone => self.over(call_id, true),
        }
    }

    /// Forgets the call; whoever polls is told if nobody will hear what they say.
    fn over(&mut self, call_id: u64, gone: bool) {
        let key = key_of(call_id);
        if self.find(call_id).is_none() {
            return;
        }
        let inside = self.inside.remove(key);
        self.held -= inside.call.held;
        if let Some(at) = inside.call.deadline {
            self.deadlines.remove(&(at, call_id));
        }
        if gone && inside.call.known && !inside.call.is_ending() {
            self.events.push_back(Event::Gone(call_id));
        }
    }

    /// Ends the calls whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(at, call_id)) = self.deadlines.first() {
            if at > now {
                return;
            }
            self.deadlines.pop_first();
            let Some(inside) = self.find(call_id) else { continue };
            inside.call.deadline = None;
            let known = inside.call.known;
            if inside.call.expire(&Status::plain(DEADLINE_EXCEEDED, "Deadline Exceeded")) {
                if known {
                    self.events.push_back(Event::Gone(call_id));
                }
                self.write(call_id);
            } else {
                self.over(call_id, false);
            }
        }
    }

    /// There is something to take.
    pub(crate) fn has_events(&self) -> bool {
        !(self.events.is_empty() && self.waiting.is_empty())
    }

    /// From now on only calls with so much time left are given out; the others hear the status.
    pub(crate) fn set_bar(&mut self, bar: Option<(Duration, Arc<Status>)>) {
        self.bar = bar;
    }

    /// For a moment calls like this are not given out.
    pub(crate) fn add_bar(&mut self, model: String, bar: Bar) {
        self.bars.set(model, bar, Instant::now());
    }

    /// They are again.
    pub(crate) fn lift_bars(&mut self, model: &str, version: &str) {
        self.bars.lift(model, version);
    }

    /// Ends a call that was given out before a bar was set, if the bar keeps it out.
    pub(crate) fn keeps_out(&mut self, asked: &Asked) -> bool {
        let status = self.bars.refusal(asked, Instant::now());
        if let Some(status) = &status {
            self.finish(asked.call_id, status);
        }
        status.is_some()
    }

    /// What those bars have kept out since this was asked last.
    pub(crate) fn take_kept(&mut self) -> Vec<Kept> {
        self.bars.take()
    }

    /// Calls that the bar has kept out since this was asked last.
    pub(crate) fn take_below_bar(&mut self) -> u64 {
        std::mem::take(&mut self.below_bar)
    }

    /// Up to so many events, for whoever polls. Calls that have ended since are left out.
    pub(crate) fn take(&mut self, into: &mut Vec<Event>, now: Instant) {
        while into.len() < self.limits.batch_max {
            let Some(event) = self.events.pop_front() else { break };
            match (&event, self.find(event.call_id())) {
                (Event::Opened(_), Some(inside)) => inside.call.known = true,
                (Event::Gone(_), _) | (_, Some(_)) => {}
                (_, None) => continue,
            }
            into.push(event);
        }
        self.sweep(now);
        for _ in 0..LOOKED_AT_MAX {
            if into.len() >= self.limits.batch_max {
                break;
            }
            let Some(waiting) = self.next_waiting(now) else { break };
            let call_id = waiting.asked.call_id;
            if !self.passes(&waiting.asked, now) {
                self.keep_out(call_id);
            } else if let Some(status) = self.bars.refusal(&waiting.asked, now) {
                self.finish(call_id, &status);
            } else if let Some(inside) = self.find(call_id) {
                inside.call.known = true;
                into.push(Event::Asked(waiting.asked));
            }
        }
    }

    /// The oldest; when that has waited for long, the newest but every fourth time: whatever is
    /// given out then has most of its time left, and nobody is forgotten.
    fn next_waiting(&mut self, now: Instant) -> Option<Waiting> {
        let oldest = self.waiting.front()?;
        self.taken += 1;
        let waited = now.saturating_duration_since(oldest.since);
        if waited < self.limits.newest_first || self.taken % OLDEST_EVERY == 0 {
            self.waiting.pop_front()
        } else {
            self.waiting.pop_back()
        }
    }

    fn passes(&self, asked: &Asked, now: Instant) -> bool {
        match (&self.bar, asked.deadline) {
            (Some((least, _)), Some(deadline)) => deadline >= now + *least,
            _ => true,
        }
    }

    /// Lets those go that are gone or kept out, as far as they are the oldest.
    fn sweep(&mut self, now: Instant) {
        while let Some(oldest) = self.waiting.front() {
            let call_id = oldest.asked.call_id;
            let passes = self.passes(&oldest.asked, now);
            if passes && self.find(call_id).is_some() {
                return;
            }
            self.waiting.pop_front();
            if !passes {
                self.keep_out(call_id);
            }
        }
    }

    fn keep_out(&mut self, call_id: u64) {
        let Some((_, status)) = &self.bar else { return };
        let status = Arc::clone(status);
        let Some(inside) = self.find(call_id) else { return };
        // Whoever came with no time at all was not kept out for what there is to do.
        if inside.call.deadline.is_some_and(|at| at <= Instant::now()) {
            self.finish(call_id, &Status::plain(DEADLINE_EXCEEDED, "Deadline Exceeded"));
        } else {
            self.finish(call_id, &status);
            self.below_bar += 1;
        }
    }

    // --- what is to be done ------------------------------------------------------------

    /// Notes a message of the answer; how many bytes wait for the client.
    pub(crate) fn put(&mut self, call_id: u64, message: Bytes, packed: bool) -> usize {
        let Some(inside) = self.find(call_id) else { return 0 };
        if inside.call.is_ending() {
            return 0;
        }
        inside.call.put(message, packed);
        self.write(call_id);
        let Some(inside) = self.find(call_id) else { return 0 };
        let waiting = inside.call.waiting_bytes();
        inside.call.tells_drained = waiting > 0;
        waiting
    }

    /// A message and the end, for a call of one answer.
    pub(crate) fn answer(&mut self, call_id: u64, message: Bytes, packed: bool, status: &Status) {
        let Some(inside) = self.find(call_id) else { return };
        if !inside.call.is_ending() {
            inside.call.put(message, packed);
            self.finish(call_id, status);
        }
    }

    /// Ends the call with a status.
    pub(crate) fn finish(&mut self, call_id: u64, status: &Status) {
        let Some(inside) = self.find(call_id) else { return };
        inside.call.end(status);
        self.write(call_id);
    }

    /// Asks for the next message.
    pub(crate) fn want(&mut self, call_id: u64) {
        let Some(inside) = self.find(call_id) else { return };
        if inside.call.deaf {
            self.events.push_back(Event::Message(call_id, Ok(None)));
            return;
        }
        inside.call.wanted = true;
        inside.call.waker.wake_by_ref();
    }

    /// Ends all calls at once.
    pub(crate) fn clear(&mut self) {
        let keys: Vec<usize> = self.inside.iter().map(|(key, _)| key).collect();
        for key in keys {
            let call_id = u64::from(self.inside[key].generation) << GENERATION_BITS | key as u64;
            self.finish(call_id, &Status::plain(CANCELLED, "this server has closed"));
            if let Some(inside) = self.find(call_id) {
                inside.call.reset(Reason::CANCEL);
                self.over(call_id, true);
            }
        }
    }

    fn find(&mut self, call_id: u64) -> Option<&mut Inside> {
        let inside = self.inside.get_mut(key_of(call_id))?;
        (u64::from(inside.generation) == call_id >> GENERATION_BITS).then_some(inside)
    }
}

fn key_of(call_id: u64) -> usize {
    usize::try_from(call_id & ((1 << GENERATION_BITS) - 1)).unwrap_or(usize::MAX)
}

fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES).sum()
}

fn refuse(respond: &mut SendResponse<Bytes>, status: &Status) {
    let _ = respond.send_response(call::headers(status.headers().clone()), true);
}
