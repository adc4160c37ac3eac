use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::rpc::{ErrorInfo, RetryInfo, Status as Details};
use prost::Message;
use tonic::{Code, Status};

/// Why a call was not answered.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The gRPC status. A timer of tonic's own is a deadline here, where tonic says cancelled.
    pub code: Code,
    /// One of docs/errors.md; empty when only gRPC said something.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// To wait before this server is asked again.
    pub retry_after: Option<Duration>,
    /// The facts of the case.
    pub facts: HashMap<String, String>,
    /// The model began to run the request, or nobody knows.
    pub begun: bool,
    pub(crate) pushback: Option<Duration>,
    pub(crate) retry_forbidden: bool,
}

impl Refusal {
    pub(crate) fn late() -> Self {
        Status::deadline_exceeded("the deadline passed").into()
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let mut info = None;
        let mut retry_after = None;
        let details = Details::decode(status.details()).unwrap_or_default().details;
        for detail in details {
            let bytes = detail.value.as_slice();
            if detail.type_url.ends_with("/google.rpc.ErrorInfo") {
                info = ErrorInfo::decode(bytes).ok();
            } else if detail.type_url.ends_with("/google.rpc.RetryInfo") {
                let delay = RetryInfo::decode(bytes).ok().and_then(|found| found.retry_delay);
                retry_after = delay.and_then(|found| Duration::try_from(found).ok());
            }
        }
        let local = status.code() == Code::Cancelled && status.message() == "Timeout expired";
        let pushback = status.metadata().get("grpc-retry-pushback-ms");
        let pushback_ms = pushback.map(|text| text.to_str().unwrap_or("").parse::<u64>());
        let begun = info.as_ref().is_none_or(|found| found.metadata.contains_key("started"));
        let ErrorInfo { reason, metadata: facts, .. } = info.unwrap_or_default();
        Self {
            code: if local { Code::DeadlineExceeded } else { status.code() },
            reason,
            message: status.message().to_owned(),
            retry_after,
            facts,
            begun,
            retry_forbidden: matches!(pushback_ms, Some(Err(_))),
            pushback: pushback_ms.and_then(Result::ok).map(Duration::from_millis),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for Refusal {}
