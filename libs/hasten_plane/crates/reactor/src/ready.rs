//! Who has something to do: an executor in its smallest form.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Connection(u64),
    Call(u64),
}

/// Tasks to be driven, each once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<Vec<Task>>>);

impl Queue {
    /// All that there are; the given room is left in their place.
    pub(crate) fn swap(&self, tasks: &mut Vec<Task>) {
        let mut queued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *queued, tasks);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn push(&self, task: Task) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

/// Puts one task into the queue when it is woken; not again before it was driven.
#[derive(Debug)]
pub(crate) struct Alarm {
    task: Task,
    queued: AtomicBool,
    queue: Queue,
}

impl Alarm {
    pub(crate) fn new(task: Task, queue: &Queue) -> Arc<Self> {
        Arc::new(Self { task, queued: AtomicBool::new(false), queue: queue.clone() })
    }

    /// The task is about to be driven: the next wake counts.
    pub(crate) fn begin(&self) {
        self.queued.store(false, Ordering::Relaxed);
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.queue.push(self.task);
        }
    }
}
