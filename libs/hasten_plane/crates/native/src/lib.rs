//! The plane for Python: it is polled, and never calls back.

mod events;
mod limits;
mod plane;

use pyo3::prelude::*;

/// Grows whenever the Python side has to change with this.
const ABI: u32 = 2;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::events::{Asked, Drained, Gone, Message, Opened, read_head};
    #[pymodule_export]
    use super::plane::{Plane, Status};
    use super::{ABI as ABI_NUMBER, *};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("ABI", ABI_NUMBER)
    }
}
