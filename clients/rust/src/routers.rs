//! What other languages' gRPC does by the service config: turns, health, retries.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;

use crate::health::health_check_response::ServingStatus;
use crate::health::health_client::HealthClient;
use crate::health::HealthCheckRequest;
use serde_json::Value;
use tokio::time::sleep;
use tonic::transport::Channel;

const REWATCH: Duration = Duration::from_millis(200);
static CONFIG: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../service_config.json")).expect("it is JSON")
});

struct Router {
    channel: Channel,
    // Ready until its health says otherwise.
    unready: AtomicBool,
}

struct Shared {
    routers: Vec<Arc<Router>>,
    turn: AtomicUsize,
    tokens: Mutex<f64>,
}

#[derive(Clone)]
pub(crate) struct Routers(Arc<Shared>);

impl Routers {
    pub fn watched(channels: Vec<Channel>) -> Self {
        let router = |channel| Arc::new(Router { channel, unready: AtomicBool::new(false) });
        let routers: Vec<_> = channels.into_iter().map(router).collect();
        for router in &routers {
            tokio::spawn(watch(Arc::downgrade(router)));
        }
        let tokens = Mutex::new(number("/retryThrottling/maxTokens"));
        Self(Arc::new(Shared { routers, turn: AtomicUsize::new(0), tokens }))
    }

    /// The channel of the next router that is ready; of the next one where none is.
    pub fn next(&self) -> Channel {
        let routers = &self.0.routers;
        let turn = self.0.turn.fetch_add(1, Relaxed);
        let mut round = (0..routers.len()).map(|more| &routers[(turn + more) % routers.len()]);
        let ready = round.clone().find(|router| !router.unready.load(Relaxed));
        ready.or_else(|| round.next()).expect("there is a router").channel.clone()
    }

    pub fn answered(&self) {
        let mut tokens = self.0.tokens.lock().expect("nobody panics with it");
        let most = number("/retryThrottling/maxTokens");
        *tokens = (*tokens + number("/retryThrottling/tokenRatio")).min(most);
    }

    /// Counts a failure; the call may be tried again after so many attempts.
    pub fn may_retry(&self, attempts: u32) -> bool {
        let mut tokens = self.0.tokens.lock().expect("nobody panics with it");
        *tokens = (*tokens - 1.0).max(0.0);
        let enough = *tokens > number("/retryThrottling/maxTokens") / 2.0;
        enough && f64::from(attempts) < number("/methodConfig/0/retryPolicy/maxAttempts")
    }

    /// The wait where the server gave no hint.
    pub fn backoff(&self, attempts: u32) -> Duration {
        let policy = |name| number(&format!("/methodConfig/0/retryPolicy/{name}"));
        let grown = policy("backoffMultiplier").powi(attempts as i32 - 1);
        Duration::from_secs_f64((policy("initialBackoff") * grown).min(policy("maxBackoff")))
    }
}

/// A number of the service config, or a duration in seconds.
fn number(pointer: &str) -> f64 {
    let value = CONFIG.pointer(pointer).expect("it is in the config");
    let text = value.as_str().and_then(|text| text.trim_end_matches('s').parse().ok());
    value.as_f64().or(text).expect("it is a number")
}

/// Follows a router's health for as long as somebody uses it.
async fn watch(watched: Weak<Router>) {
    let service = CONFIG.pointer("/healthCheckConfig/serviceName").and_then(Value::as_str);
    let asked = HealthCheckRequest { service: service.expect("it has a name").to_owned() };
    while let Some(router) = watched.upgrade() {
        let mut client = HealthClient::new(router.channel.clone());
        drop(router);
        match client.watch(asked.clone()).await {
            Ok(answer) => {
                let mut states = answer.into_inner();
                while let Ok(Some(state)) = states.message().await {
                    let Some(router) = watched.upgrade() else { return };
                    router.unready.store(state.status() != ServingStatus::Serving, Relaxed);
                }
            }
            Err(status) => {
                // A server without health is taken as ready.
                let unready = status.code() != tonic::Code::Unimplemented;
                if let Some(router) = watched.upgrade() {
                    router.unready.store(unready, Relaxed);
                }
            }
        }
        sleep(REWATCH).await;
    }
}
