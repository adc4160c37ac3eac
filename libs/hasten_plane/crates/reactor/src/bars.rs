//! Refusals that stand for a moment: calls that whoever polls would refuse are not even given out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use hasten_plane_wire::head::{self, Head};
use http::HeaderMap;

use crate::event::Asked;
use crate::status::Status;

/// Bars that one model may have at a time; the oldest makes room.
const OF_MODEL_MAX: usize = 4;
/// Models that may have one.
const MODELS_MAX: usize = 256;
const SAMPLED: u8 = 1;

/// Calls like this one whose deadline comes too soon hear a refusal.
#[derive(Debug, Clone)]
pub struct Bar {
    pub version: String,
    pub priority: u64,
    /// Calls of at least so many rows ...
    pub rows: u64,
    /// ... and elements.
    pub elements: u64,
    /// Calls whose deadline is before this are refused.
    pub before: Instant,
    /// From then on it does not hold.
    pub until: Instant,
    /// Those whose deadline is at least this hear `again`, the others `never`.
    pub again_from: Instant,
    pub again: Arc<Status>,
    pub never: Arc<Status>,
}

/// Calls of a model, version and class that were kept out.
pub type Kept = (String, String, u64, u64);

#[derive(Default)]
pub(crate) struct Bars {
    of: HashMap<String, Vec<Bar>>,
    kept: HashMap<(String, String, u64), u64>,
}

impl Bars {
    /// Adds a bar, in place of those that keep out no more than it.
    pub(crate) fn set(&mut self, model: String, bar: Bar, now: Instant) {
        if self.of.len() >= MODELS_MAX && !self.of.contains_key(&model) {
            self.of.retain(|_, bars| bars.iter().any(|bar| bar.until > now));
            if self.of.len() >= MODELS_MAX {
                return;
            }
        }
        let bars = self.of.entry(model).or_default();
        bars.retain(|old| old.until > now && !covers(&bar, old));
        if bars.len() >= OF_MODEL_MAX {
            bars.remove(0);
        }
        bars.push(bar);
    }

    /// Of this model and version, none holds any more.
    pub(crate) fn lift(&mut self, model: &str, version: &str) {
        if let Some(bars) = self.of.get_mut(model) {
            bars.retain(|bar| bar.version != version);
            if bars.is_empty() {
                self.of.remove(model);
            }
        }
    }

    /// What the call hears that is not to be given out.
    pub(crate) fn refusal(&mut self, asked: &Asked, now: Instant) -> Option<Arc<Status>> {
        if self.of.is_empty() || is_sampled(&asked.headers) || asked.bad_deadline {
            return None;
        }
        let head = head::read(asked.request.as_deref().ok()?)?;
        if !head.sequence.is_empty() {
            return None;
        }
        let bars = self.of.get_mut(head.model)?;
        bars.retain(|bar| bar.until > now);
        // Of those that came with no time at all, the machine says so.
        let deadline = deadline(asked, &head, now).filter(|at| *at > Instant::now())?;
        let bar = bars.iter().find(|bar| bar.holds(&head) && deadline < bar.before)?;
        let status = if deadline >= bar.again_from { &bar.again } else { &bar.never };
        let key = (head.model.to_owned(), bar.version.clone(), bar.priority);
        *self.kept.entry(key).or_default() += 1;
        Some(Arc::clone(status))
    }

    /// What was kept out since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<Kept> {
        let kept = self.kept.drain();
        kept.map(|((model, version, priority), calls)| (model, version, priority, calls)).collect()
    }
}

impl Bar {
    fn holds(&self, head: &Head<'_>) -> bool {
        // Without elements the size of the work was not known when it was set.
        let size =
            if self.elements == 0 { head.elements == 0 } else { head.elements >= self.elements };
        head.version == self.version
            && head.priority == self.priority
            && head.rows >= self.rows
            && size
    }
}

/// Whether one bar keeps out all that another does, except for a moment.
fn covers(bar: &Bar, other: &Bar) -> bool {
    bar.version == other.version
        && bar.priority == other.priority
        && bar.rows <= other.rows
        && (bar.elements == other.elements || 0 < bar.elements && bar.elements < other.elements)
}

/// The earlier of the call's deadline and the end of its own time-out.
fn deadline(asked: &Asked, head: &Head<'_>, now: Instant) -> Option<Instant> {
    let timeout = head.timeout_us.and_then(|us| u64::try_from(us).ok());
    let own = timeout.and_then(|us| now.checked_add(std::time::Duration::from_micros(us)));
    match (asked.deadline, own) {
        (Some(deadline), Some(own)) => Some(deadline.min(own)),
        (deadline, own) => deadline.or(own),
    }
}

/// Whether the call belongs to a trace that is recorded: its refusal is to be seen there.
fn is_sampled(headers: &HeaderMap) -> bool {
    headers.get("traceparent").is_some_and(|value| {
        let flags = value.as_bytes().rsplit(|&byte| byte == b'-').next();
        let flags = flags.and_then(|flags| std::str::from_utf8(flags).ok());
        flags.and_then(|flags| u8::from_str_radix(flags, 16).ok()).unwrap_or(SAMPLED) & SAMPLED != 0
    })
}
