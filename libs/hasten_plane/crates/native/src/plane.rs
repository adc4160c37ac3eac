use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hasten_plane_reactor as reactor;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use crate::events;
use crate::limits::Limits;

/// Answers from this size on are sent from where Python has them.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// How a call ends: gRPC status, message and trailers, ready to be sent many times.
#[pyclass(frozen, module = "hasten_plane")]
pub(crate) struct Status(Arc<reactor::Status>);

#[pymethods]
impl Status {
    #[new]
    #[pyo3(signature = (code, message="", trailers=Vec::new()))]
    fn new(code: u32, message: &str, trailers: Vec<(String, Value)>) -> PyResult<Self> {
        let pairs = trailers.iter().map(|(name, value)| (name.as_str(), value.bytes()));
        reactor::Status::new(code, message, pairs)
            .map(|status| Self(Arc::new(status)))
            .map_err(PyValueError::new_err)
    }
}

#[derive(FromPyObject)]
enum Value {
    Text(String),
    Binary(PyBackedBytes),
}

impl Value {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// A server's sockets and calls. See `_native.pyi`.
#[pyclass(frozen, module = "hasten_plane")]
pub(crate) struct Plane {
    // One thread uses it; which one drops it, the garbage collector chooses.
    plane: Mutex<reactor::Plane>,
    answered: reactor::Status,
}

impl Plane {
    fn lock(&self) -> MutexGuard<'_, reactor::Plane> {
        self.plane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Plane {
    #[new]
    fn new(limits: Limits, quick_path: String, overloaded: &Status) -> PyResult<Self> {
        let plane = reactor::Plane::new(limits.checked()?, quick_path, (*overloaded.0).clone())?;
        Ok(Self { plane: Mutex::new(plane), answered: reactor::Status::ok() })
    }

    fn listen(&self, host: IpAddr, port: u16, reuse_port: bool) -> PyResult<u16> {
        let listening = self.lock().listen(SocketAddr::new(host, port), reuse_port);
        match listening {
            Ok(address) => Ok(address.port()),
            Err(error) => Err(PyOSError::new_err((error.raw_os_error(), text_of(&error)))),
        }
    }

    fn fileno(&self) -> i32 {
        self.lock().fd()
    }

    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut came = Vec::new();
        // Not locked any more when Python's objects are made, as that may run any code.
        self.lock().poll(&mut came)?;
        let now = Instant::now();
        let list = PyList::empty(py);
        for event in came {
            list.append(events::to_python(py, event, now)?)?;
        }
        Ok(list)
    }

    #[pyo3(signature = (least_left_s, status))]
    fn set_bar(&self, least_left_s: f64, status: Option<&Status>) -> PyResult<u64> {
        let least = Duration::try_from_secs_f64(least_left_s)
            .map_err(|_| PyValueError::new_err("least_left_s must be seconds"))?;
        let mut plane = self.lock();
        plane.set_bar(status.map(|status| (least, Arc::clone(&status.0))));
        Ok(plane.take_below_bar())
    }

    #[expect(clippy::too_many_arguments, reason = "named in Python")]
    #[pyo3(signature = (model, version, *, priority, rows, elements, left_s, life_s, again_left_s, again, never))]
    fn add_bar(
        &self,
        model: String,
        version: String,
        priority: u64,
        rows: u64,
        elements: u64,
        left_s: f64,
        life_s: f64,
        again_left_s: f64,
        again: &Status,
        never: &Status,
    ) -> PyResult<()> {
        let now = Instant::now();
        let bar = reactor::Bar {
            version,
            priority,
            rows,
            elements,
            before: after(now, left_s)?,
            until: after(now, life_s)?,
            again_from: after(now, again_left_s)?,
            again: Arc::clone(&again.0),
            never: Arc::clone(&never.0),
        };
        self.lock().add_bar(model, bar);
        Ok(())
    }

    fn lift_bars(&self, model: &str, version: &str) {
        self.lock().lift_bars(model, version);
    }

    fn keeps_out(&self, asked: &events::Asked) -> bool {
        self.lock().keeps_out(asked.call())
    }

    fn take_kept(&self) -> Vec<reactor::Kept> {
        self.lock().take_kept()
    }

    fn flush(&self) {
        self.lock().flush();
    }

    fn has_more(&self) -> bool {
        self.lock().has_more()
    }

    fn next_timer_s(&self) -> Option<f64> {
        self.lock().next_timer(Instant::now()).map(|left| left.as_secs_f64())
    }

    #[pyo3(signature = (call_id, message, status=None, *, packed=false))]
    fn answer(
        &self,
        call_id: u64,
        message: &Bound<'_, PyBytes>,
        status: Option<&Status>,
        packed: bool,
    ) {
        let status = status.map_or(&self.answered, |status| &status.0);
        self.lock().answer(call_id, bytes_of(message), packed, status);
    }

    fn finish(&self, call_id: u64, status: &Status) {
        self.lock().finish(call_id, &status.0);
    }

    #[pyo3(signature = (call_id, message, *, packed=false))]
    fn write(&self, call_id: u64, message: &Bound<'_, PyBytes>, packed: bool) -> usize {
        self.lock().write(call_id, bytes_of(message), packed)
    }

    fn read(&self, call_id: u64) {
        self.lock().read(call_id);
    }

    fn leave(&self) {
        self.lock().leave();
    }

    fn close(&self) {
        self.lock().close();
    }

    #[getter]
    fn calls(&self) -> usize {
        self.lock().calls()
    }

    #[getter]
    fn connections(&self) -> usize {
        self.lock().connections()
    }

    #[getter]
    fn held_bytes(&self) -> usize {
        self.lock().held_bytes()
    }
}

fn bytes_of(message: &Bound<'_, PyBytes>) -> Bytes {
    let bytes = message.as_bytes();
    if bytes.len() < SHARED_BYTES_MIN {
        Bytes::copy_from_slice(bytes)
    } else {
        Bytes::from_owner(PyBackedBytes::from(message.clone()))
    }
}

fn after(now: Instant, seconds: f64) -> PyResult<Instant> {
    let later = Duration::try_from_secs_f64(seconds).ok().and_then(|left| now.checked_add(left));
    later.ok_or_else(|| PyValueError::new_err("a bar's times must be seconds from now"))
}

fn text_of(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
