//! Calls Hasten: machine-learning inference that keeps deadlines.

mod refusal;
mod routers;
mod tensors;

pub use refusal::Refusal;
pub use tensors::{add_bytes, add_f32, add_raw, f32s, i64s, raw, strings};

use std::time::Duration;
use inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use inference::{ModelInferRequest, ModelInferResponse};
use tokio::time::{sleep, timeout_at, Instant};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Error};
use tonic::{Code, Request, Response};

/// The public protocol.
pub mod inference {
    tonic::include_proto!("inference");
}
/// Where the time of a request went.
pub mod timing {
    tonic::include_proto!("hasten.common.v1");
}
/// Health of a server.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}
/// Details of refusals.
pub mod rpc {
    tonic::include_proto!("google.rpc");
}

/// Calls the inference service of one or several routers; cheap to clone.
#[derive(Clone)]
pub struct Client {
    routers: routers::Routers,
    gzip: bool,
}

impl Client {
    /// Of routers that are each "host:port", without TLS. Call it on a tokio runtime, where the
    /// health of the routers is watched from then on.
    pub fn connect<S: AsRef<str>>(addresses: &[S]) -> Result<Self, Error> {
        let uris = addresses.iter().map(|address| format!("http://{}", address.as_ref()));
        let endpoints = uris.map(Channel::from_shared).map(|made| made.expect("host:port"));
        Ok(Self::over(endpoints.map(|endpoint| endpoint.connect_lazy()).collect()))
    }

    /// The same over channels of your own making: with TLS or keepalive.
    pub fn over(channels: Vec<Channel>) -> Self {
        Self { routers: routers::Routers::watched(channels), gzip: false }
    }

    /// Sends requests in gzip, and takes answers in gzip.
    pub fn gzip(self) -> Self {
        Self { gzip: true, ..self }
    }

    /// The stub of the router whose turn it is, for calls that this does not wrap.
    pub fn stub(&self) -> GrpcInferenceServiceClient<Channel> {
        let stub = GrpcInferenceServiceClient::new(self.routers.next())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        if self.gzip { stub.send_compressed(Gzip).accept_compressed(Gzip) } else { stub }
    }

    /// Asks for an answer within the deadline; drop the future to give the call up. What is
    /// UNAVAILABLE is tried elsewhere, as the service config says. Trailers are in the metadata.
    pub async fn infer(
        &self,
        request: ModelInferRequest,
        deadline: Duration,
        metadata: MetadataMap,
    ) -> Result<Response<ModelInferResponse>, Refusal> {
        let ends = Instant::now() + deadline;
        let mut attempts = 1;
        loop {
            let mut asked = Request::new(request.clone());
            *asked.metadata_mut() = metadata.clone();
            asked.set_timeout(ends.saturating_duration_since(Instant::now()));
            let refusal = match timeout_at(ends, self.stub().model_infer(asked)).await {
                Ok(Ok(response)) => {
                    self.routers.answered();
                    return Ok(response);
                }
                Ok(Err(status)) => Refusal::from(status),
                Err(_) => Refusal::late(),
            };
            let wait = refusal.pushback.unwrap_or_else(|| self.routers.backoff(attempts));
            let again = refusal.code == Code::Unavailable && !refusal.retry_forbidden;
            if !again || !self.routers.may_retry(attempts) || Instant::now() + wait >= ends {
                return Err(refusal);
            }
            sleep(wait).await;
            attempts += 1;
        }
    }
}
