use std::time::Instant;

use bytes::Bytes;
use hasten_plane_reactor as reactor;
use hasten_plane_reactor::Fault;
use hasten_plane_wire::head;
use hasten_plane_wire::metadata::{from_base64, is_binary, is_reserved};
use http::HeaderMap;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// A call of the quick method, with its request.
#[pyclass(frozen, module = "hasten_plane")]
pub(crate) struct Asked {
    call: reactor::Asked,
}

impl Asked {
    pub(crate) fn call(&self) -> &reactor::Asked {
        &self.call
    }
}

#[pymethods]
impl Asked {
    #[getter]
    fn call_id(&self) -> u64 {
        self.call.call_id
    }

    #[getter]
    fn peer(&self) -> &str {
        &self.call.peer
    }

    /// Seconds until its deadline, from now; None without one, NaN where it is none.
    #[getter]
    fn left_s(&self) -> Option<f64> {
        left_s(self.call.deadline, self.call.bad_deadline, Instant::now())
    }

    /// Why there is no request: "" when there is one.
    #[getter]
    fn fault(&self) -> &'static str {
        self.call.request.as_ref().err().map_or("", |fault| name_of(*fault))
    }

    /// Bytes of the request, also of one that is too large to be read; 0 when not known.
    #[getter]
    fn size_bytes(&self) -> usize {
        match &self.call.request {
            Ok(request) => request.len(),
            Err(fault) => size_of(*fault),
        }
    }

    /// The request; empty when there is none.
    fn payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.call.request.as_deref().unwrap_or_default())
    }

    /// What a plain request says in front of its tensors: model, version, id, rows, elements,
    /// priority class, timeout in microseconds or None, tenant, sequence, wish for the timing.
    /// None when it is not plain, and has to be looked at by whoever can refuse it.
    fn head<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.call.request.as_ref().map_or(Ok(None), |request| read_head(py, request))
    }

    /// The first value of a header that is text; "" when there is none.
    fn header(&self, name: &str) -> &str {
        self.call.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The caller's metadata.
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        metadata_of(py, &self.call.headers)
    }
}

/// The head of a serialised ModelInferRequest, as `Asked.head` gives it.
#[pyfunction]
pub(crate) fn read_head<'py>(
    py: Python<'py>,
    message: &[u8],
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let Some(head) = head::read(message) else { return Ok(None) };
    let facts = (
        head.model,
        head.version,
        head.request_id,
        head.rows,
        head.elements,
        head.priority,
        head.timeout_us,
        head.tenant,
        head.sequence,
        head.wants_timing,
    );
    facts.into_pyobject(py).map(Some)
}

/// A call of any other method.
#[pyclass(frozen, get_all, module = "hasten_plane")]
pub(crate) struct Opened {
    call_id: u64,
    path: String,
    metadata: Py<PyTuple>,
    left_s: Option<f64>,
    peer: String,
}

/// The message that was asked for; None: the client has sent its last.
#[pyclass(frozen, get_all, module = "hasten_plane")]
pub(crate) struct Message {
    call_id: u64,
    data: Option<Py<PyBytes>>,
    fault: &'static str,
    size_bytes: usize,
}

/// Nobody waits for this call any more.
#[pyclass(frozen, get_all, module = "hasten_plane")]
pub(crate) struct Gone {
    call_id: u64,
}

/// All that was written is on its way.
#[pyclass(frozen, get_all, module = "hasten_plane")]
pub(crate) struct Drained {
    call_id: u64,
}

/// The event for Python.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    event: reactor::Event,
    now: Instant,
) -> PyResult<Bound<'py, PyAny>> {
    match event {
        reactor::Event::Asked(call) => Asked { call }.into_bound_py_any(py),
        reactor::Event::Opened(opened) => Opened {
            call_id: opened.call_id,
            path: opened.path,
            metadata: metadata_of(py, &opened.headers)?.unbind(),
            left_s: left_s(opened.deadline, opened.bad_deadline, now),
            peer: opened.peer,
        }
        .into_bound_py_any(py),
        reactor::Event::Message(call_id, message) => {
            let (data, fault, size_bytes) = match message {
                Ok(data) => {
                    let size = data.as_ref().map_or(0, Bytes::len);
                    (data.map(|data| PyBytes::new(py, &data).unbind()), "", size)
                }
                Err(fault) => (None, name_of(fault), size_of(fault)),
            };
            Message { call_id, data, fault, size_bytes }.into_bound_py_any(py)
        }
        reactor::Event::Gone(call_id) => Gone { call_id }.into_bound_py_any(py),
        reactor::Event::Drained(call_id) => Drained { call_id }.into_bound_py_any(py),
    }
}

fn name_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Empty => "empty",
        Fault::TooLarge(_) => "too_large",
        Fault::UnpackedTooLarge => "unpacked_too_large",
        Fault::Malformed => "malformed",
    }
}

fn size_of(fault: Fault) -> usize {
    if let Fault::TooLarge(size) = fault { size } else { 0 }
}

fn left_s(deadline: Option<Instant>, bad: bool, now: Instant) -> Option<f64> {
    if bad {
        return Some(f64::NAN);
    }
    // Negative when it has passed.
    deadline.map(|at| match at.checked_duration_since(now) {
        Some(left) => left.as_secs_f64(),
        None => -now.duration_since(at).as_secs_f64(),
    })
}

fn metadata_of<'py>(py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyTuple>> {
    let pairs = PyList::empty(py);
    for (name, value) in headers {
        let name = name.as_str();
        if is_reserved(name) {
            continue;
        }
        if is_binary(name) {
            // Several values may stand in one header.
            for part in value.as_bytes().split(|&byte| byte == b',') {
                if let Some(decoded) = from_base64(part.trim_ascii()) {
                    pairs.append((name, PyBytes::new(py, &decoded)))?;
                }
            }
        } else {
            let text = String::from_utf8_lossy(value.as_bytes());
            pairs.append((name, PyString::new(py, &text)))?;
        }
    }
    Ok(pairs.to_tuple())
}
