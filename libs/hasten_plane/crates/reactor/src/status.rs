use hasten_plane_wire::metadata::{is_binary, to_base64, to_percents};
use http::{HeaderMap, HeaderName, HeaderValue};

/// How a call ends, as headers: made once, sent as often as it is needed.
#[derive(Debug, Clone)]
pub struct Status {
    headers: HeaderMap,
}

impl Status {
    /// A gRPC status.
    ///
    /// # Errors
    /// A sentence, when a trailer cannot stand in a header.
    pub fn new<'a>(
        code: u32,
        message: &str,
        trailers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, String> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert("grpc-status", HeaderValue::from(code));
        if !message.is_empty() {
            let text = HeaderValue::try_from(to_percents(message)).map_err(|e| e.to_string())?;
            headers.insert("grpc-message", text);
        }
        for (name, value) in trailers {
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("{name:?} is no name of metadata"))?;
            let value = if is_binary(name) {
                HeaderValue::try_from(to_base64(value))
            } else {
                HeaderValue::from_bytes(value)
            };
            let value =
                value.map_err(|_| format!("the value of {name} cannot stand in a header"))?;
            headers.append(key, value);
        }
        Ok(Self { headers })
    }

    /// A status whose message is plain text.
    pub(crate) fn plain(code: u32, message: &'static str) -> Self {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert("grpc-status", HeaderValue::from(code));
        headers.insert("grpc-message", HeaderValue::from_static(message));
        Self { headers }
    }

    /// Answered, with nothing beside.
    pub fn ok() -> Self {
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        Self { headers }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}
