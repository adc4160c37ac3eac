//! Listeners, connections, timers: the turn.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

use crate::bars::{Bar, Kept};
use crate::connection::{Accepted, Connection, builder, first_look};
use crate::event::{Asked, Event};
use crate::hall::Hall;
use crate::limits::Limits;
use crate::ready::{Alarm, Queue, Task};
use crate::status::Status;

const BACKLOG: i32 = 4096;
const EVENTS_MAX: usize = 1024;
const LISTENERS_MAX: usize = 16;
/// A process without free descriptors tries again after this.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

struct Peer {
    connection: Connection,
    generation: u32,
    look_at: Instant,
}

/// A server's sockets and calls. It belongs to one thread and never waits.
pub struct Plane {
    poll: Poll,
    events: Events,
    listeners: Vec<TcpListener>,
    accept_at: Option<Instant>,
    peers: Slab<Peer>,
    generation: u32,
    looks: BTreeSet<(Instant, u64)>,
    starved: Vec<u64>,
    hall: Hall,
    queue: Queue,
    tasks: Vec<Task>,
    accepted: Vec<Accepted>,
    limits: Limits,
    builder: server::Builder,
}

impl Plane {
    /// A plane that listens nowhere yet.
    ///
    /// `quick_path` is the method whose calls come with their request; `overloaded` is what those
    /// hear who are beyond a bound.
    ///
    /// # Errors
    /// The system gives no epoll.
    pub fn new(limits: Limits, quick_path: String, overloaded: Status) -> io::Result<Self> {
        let queue = Queue::default();
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            listeners: Vec::new(),
            accept_at: None,
            peers: Slab::new(),
            generation: 0,
            looks: BTreeSet::new(),
            starved: Vec::new(),
            hall: Hall::new(limits.clone(), quick_path, overloaded, queue.clone()),
            queue,
            tasks: Vec::new(),
            accepted: Vec::new(),
            builder: builder(&limits),
            limits,
        })
    }

    /// Listens; the address with the real port.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub fn listen(&mut self, address: SocketAddr, reuse_port: bool) -> io::Result<SocketAddr> {
        if self.listeners.len() == LISTENERS_MAX {
            return Err(io::Error::other("too many addresses"));
        }
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        if reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        let token = Token(self.listeners.len());
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        let address = listener.local_addr()?;
        self.listeners.push(listener);
        Ok(address)
    }

    /// Readable when there is something to poll for, timers apart.
    pub fn fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Calls inside.
    pub fn calls(&self) -> usize {
        self.hall.len()
    }

    /// Connections open.
    pub fn connections(&self) -> usize {
        self.peers.len()
    }

    /// Bytes of requests inside.
    pub fn held_bytes(&self) -> usize {
        self.hall.held_bytes()
    }

    /// There is more to poll for at once.
    pub fn has_more(&self) -> bool {
        self.hall.has_events() || !(self.starved.is_empty() && self.queue.is_empty())
    }

    /// How long until there is something to poll for though nothing comes; None for never.
    pub fn next_timer(&self, now: Instant) -> Option<Duration> {
        let look = self.looks.first().map(|(at, _)| *at);
        let next = [look, self.hall.next_deadline(), self.accept_at].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    // --- the turn ----------------------------------------------------------------------

    /// Reads what has come and does what time demands; what has happened is put into `into`.
    ///
    /// # Errors
    /// The system's epoll fails.
    pub fn poll(&mut self, into: &mut Vec<Event>) -> io::Result<()> {
        loop {
            match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                polled => break polled?,
            }
        }
        let now = Instant::now();
        let mut comes = self.accept_at.take_if(|at| *at <= now).is_some();
        for event in &self.events {
            match event.token().0.checked_sub(LISTENERS_MAX) {
                None => comes = true,
                Some(key) => {
                    if let Some(peer) = self.peers.get(key) {
                        peer.connection.wake();
                    }
                }
            }
        }
        for id in std::mem::take(&mut self.starved) {
            if let Some(peer) = find(&mut self.peers, id) {
                peer.connection.wake();
            }
        }
        for (_, peer) in &mut self.peers {
            peer.connection.shared.budget.set(self.limits.read_bytes_max);
        }
        if comes {
            self.accept(now);
        }
        self.run(now);
        // After what has come was read: a deadline that is over by then is over.
        self.look(now);
        self.hall.expire(now);
        self.run(now);
        self.hall.take(into, now);
        Ok(())
    }

    /// Writes what the effects left.
    pub fn flush(&mut self) {
        self.run(Instant::now());
    }

    fn run(&mut self, now: Instant) {
        let mut tasks = std::mem::take(&mut self.tasks);
        loop {
            tasks.clear();
            self.queue.swap(&mut tasks);
            if tasks.is_empty() {
                break;
            }
            for task in &tasks {
                match *task {
                    Task::Call(call_id) => self.hall.drive(call_id),
                    Task::Connection(id) => self.drive(id, now),
                }
            }
        }
        self.tasks = tasks;
    }

    fn drive(&mut self, id: u64, now: Instant) {
        let Some(peer) = find(&mut self.peers, id) else { return };
        let alive = peer.connection.drive(&self.limits, now, &mut self.accepted);
        if peer.connection.shared.starved.take() {
            self.starved.push(id);
        }
        for call in self.accepted.drain(..) {
            self.hall.arrive(call, &peer.connection.shared, &peer.connection.peer, now);
        }
        if !alive {
            self.close_peer(id);
        }
    }

    fn look(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.looks.first() {
            if at > now {
                return;
            }
            self.looks.pop_first();
            let Some(peer) = find(&mut self.peers, id) else { continue };
            match peer.connection.look(&self.limits, now) {
                Some(next) => {
                    peer.look_at = next;
                    self.looks.insert((next, id));
                }
                None => self.close_peer(id),
            }
        }
    }

    // --- connections -------------------------------------------------------------------

    fn accept(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            loop {
                match self.listeners[index].accept() {
                    Ok((stream, address)) => {
                        // Whoever is gone already needs no connection.
                        let _ = self.greet(stream, address, now);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if passes(&error) => {}
                    Err(_) => {
                        self.accept_at = Some(now + ACCEPT_AGAIN);
                        break;
                    }
                }
            }
        }
    }

    fn greet(
        &mut self,
        mut stream: TcpStream,
        address: SocketAddr,
        now: Instant,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        self.generation = self.generation.wrapping_add(1);
        let entry = self.peers.vacant_entry();
        let id = u64::from(self.generation) << 32 | entry.key() as u64;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(LISTENERS_MAX + entry.key()), both)?;
        let alarm = Alarm::new(Task::Connection(id), &self.queue);
        let connection = Connection::new(stream, name_of(address), alarm, &self.builder, now);
        connection.shared.budget.set(self.limits.read_bytes_max);
        connection.wake();
        let look_at = now + first_look(&self.limits);
        self.looks.insert((look_at, id));
        entry.insert(Peer { connection, generation: self.generation, look_at });
        Ok(())
    }

    fn close_peer(&mut self, id: u64) {
        if let Some(peer) = find(&mut self.peers, id) {
            self.looks.remove(&(peer.look_at, id));
            // Its calls are woken when it is dropped, and find that they are gone.
            drop(self.peers.remove(key_of(id)));
        }
    }

    /// Takes no new connections and tells those there are to send no new calls.
    pub fn leave(&mut self) {
        self.listeners.clear();
        self.accept_at = None;
        let now = Instant::now();
        for (_, peer) in &mut self.peers {
            peer.connection.leave(now);
        }
        self.run(now);
    }

    /// Ends all calls and connections.
    pub fn close(&mut self) {
        self.leave();
        self.hall.clear();
        self.run(Instant::now());
        self.peers.clear();
        self.looks.clear();
        self.starved.clear();
        self.run(Instant::now());
    }

    /// From now on only calls of the quick method with so much time left are given out; the others
    /// hear the status. None: all are.
    pub fn set_bar(&mut self, bar: Option<(Duration, Arc<Status>)>) {
        self.hall.set_bar(bar);
    }

    /// Calls that the bar has kept out since this was asked last.
    pub fn take_below_bar(&mut self) -> u64 {
        self.hall.take_below_bar()
    }

    /// For a moment calls of the quick method like this are not given out.
    pub fn add_bar(&mut self, model: String, bar: Bar) {
        self.hall.add_bar(model, bar);
    }

    /// Bars of this model and version hold no more.
    pub fn lift_bars(&mut self, model: &str, version: &str) {
        self.hall.lift_bars(model, version);
    }

    /// Ends a call that was given out before a bar was set, if the bar keeps it out.
    pub fn keeps_out(&mut self, asked: &Asked) -> bool {
        self.hall.keeps_out(asked)
    }

    /// Calls that those bars have kept out since this was asked last.
    pub fn take_kept(&mut self) -> Vec<Kept> {
        self.hall.take_kept()
    }

    // --- calls -------------------------------------------------------------------------

    /// Answers a call of one answer.
    pub fn answer(&mut self, call_id: u64, message: Bytes, packed: bool, status: &Status) {
        self.hall.answer(call_id, message, packed, status);
    }

    /// Ends a call with a status.
    pub fn finish(&mut self, call_id: u64, status: &Status) {
        self.hall.finish(call_id, status);
    }

    /// A message of a streaming answer; bytes that wait for the client. If any do,
    /// [`Event::Drained`] tells when none does.
    pub fn write(&mut self, call_id: u64, message: Bytes, packed: bool) -> usize {
        self.hall.put(call_id, message, packed)
    }

    /// Asks for the next message, which comes as [`Event::Message`].
    pub fn read(&mut self, call_id: u64) {
        self.hall.want(call_id);
    }
}

fn find(peers: &mut Slab<Peer>, id: u64) -> Option<&mut Peer> {
    let peer = peers.get_mut(key_of(id))?;
    (u64::from(peer.generation) == id >> 32).then_some(peer)
}

fn key_of(id: u64) -> usize {
    usize::try_from(id & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}

/// The peer went away before it was taken on.
fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// As gRPC names peers.
fn name_of(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => format!("ipv4:{address}"),
        SocketAddr::V6(address) => format!("ipv6:{address}"),
    }
}
