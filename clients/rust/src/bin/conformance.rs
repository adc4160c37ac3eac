//! Makes the call that the words of a row describe, and prints how it went as one JSON line: one row
//! in the arguments, or many on standard input. clients/README.md says what the words mean.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hasten::health::{health_client::HealthClient, HealthCheckRequest};
use hasten::inference::infer_parameter::ParameterChoice;
use hasten::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use hasten::inference::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse};
use hasten::timing::Timing;
use hasten::{Client, Refusal};
use prost::Message;
use serde_json::{json, Value};
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

struct Words(HashMap<String, String>);

impl Words {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str, otherwise: u64) -> u64 {
        self.text(name).parse().unwrap_or(otherwise)
    }

    fn deadline(&self) -> Duration {
        Duration::from_micros(self.number("deadline_us", 20_000_000))
    }

    fn request(&self) -> ModelInferRequest {
        let (model_name, id) = (self.text("model").to_owned(), self.text("id").to_owned());
        let mut request = ModelInferRequest { model_name, id, ..Default::default() };
        let shape: Vec<i64> = self.text("shape").split(',').map(|dim| dim.parse().unwrap()).collect();
        let mut values = vec![0.0; self.number("zeros", 0) as usize];
        values.extend(self.text("values").split(',').filter_map(|text| text.parse::<f32>().ok()));
        let input = self.text("input");
        if !self.text("text").is_empty() {
            hasten::add_bytes(&mut request, input, &shape, &[self.text("text")]);
        } else if !self.text("typed").is_empty() {
            request.inputs.push(InferInputTensor {
                name: input.to_owned(),
                datatype: "FP32".to_owned(),
                shape,
                contents: Some(InferTensorContents { fp32_contents: values, ..Default::default() }),
                ..Default::default()
            });
        } else {
            hasten::add_f32(&mut request, input, &shape, &values);
        }
        let parameter = |choice| InferParameter { parameter_choice: Some(choice) };
        if !self.text("classes").is_empty() {
            let top = parameter(ParameterChoice::Int64Param(self.number("classes", 1) as i64));
            request.outputs.push(InferRequestedOutputTensor {
                name: self.text("output").to_owned(),
                parameters: HashMap::from([("classification".to_owned(), top)]),
            });
        }
        if !self.text("priority").is_empty() {
            let priority = parameter(ParameterChoice::Uint64Param(self.number("priority", 0)));
            request.parameters.insert("priority".to_owned(), priority);
        }
        if !self.text("tenant").is_empty() {
            let tenant = parameter(ParameterChoice::StringParam(self.text("tenant").to_owned()));
            request.parameters.insert("tenant".to_owned(), tenant);
        }
        request
    }

    fn answered(&self, response: &ModelInferResponse) -> Value {
        let mut said = json!({"status": "OK", "id": response.id});
        let name = self.text("output");
        let Some(output) = response.outputs.iter().find(|output| output.name == name) else {
            return said;
        };
        said["bytes"] = json!(hasten::raw(response, name).map(<[u8]>::len));
        match output.datatype.as_str() {
            "BYTES" => {
                let texts = hasten::strings(response, name).unwrap_or_default();
                said["texts"] = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
            }
            "INT64" => said["values"] = json!(hasten::i64s(response, name)),
            _ => {
                let values = hasten::f32s(response, name).unwrap_or_default();
                said["values"] = json!(&values[..values.len().min(4)]);
            }
        }
        said
    }
}

fn refused(refusal: &Refusal) -> Value {
    // As `NotFound` is spelt in all other languages.
    let mut status = String::new();
    for (at, letter) in format!("{:?}", refusal.code).chars().enumerate() {
        if at > 0 && letter.is_uppercase() {
            status.push('_');
        }
        status.push(letter.to_ascii_uppercase());
    }
    let mut said = json!({
        "status": status, "reason": refusal.reason, "facts": refusal.facts, "begun": refusal.begun,
    });
    if let Some(wait) = refusal.retry_after {
        said["retry_after_s"] = json!(wait.as_secs_f64());
    }
    said
}

async fn infer(w: &Words, client: &Client) -> Value {
    let mut metadata = MetadataMap::new();
    if !w.text("gzip").is_empty() {
        metadata.insert("hasten-compress", "gzip".parse().unwrap());
    }
    if !w.text("timing").is_empty() {
        metadata.insert("hasten-timing", "1".parse().unwrap());
    }
    let (mut said, mut count, mut worst_ms) = (json!({"status": "OK"}), 0, 0.0_f64);
    while said["status"] == "OK" && count < w.number("repeat", 1) {
        let began = Instant::now();
        let ended = client.infer(w.request(), w.deadline(), metadata.clone()).await;
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        match ended {
            Ok(response) => {
                count += 1;
                said = w.answered(response.get_ref());
                if let Some(bytes) = response.metadata().get_bin("hasten-timing-bin") {
                    let timing = Timing::decode(bytes.to_bytes().unwrap()).unwrap();
                    said["compute_us"] = json!(timing.compute_us);
                    said["worker"] = json!(timing.worker_id);
                }
            }
            Err(refusal) => said = refused(&refusal),
        }
        worst_ms = worst_ms.max(took_ms);
        said["took_ms"] = json!(took_ms);
    }
    said["answered"] = json!(count);
    said["late_ms"] = json!(worst_ms - w.deadline().as_secs_f64() * 1000.0);
    said
}

/// Sends one request for each model of the list at once; the model's name is its id.
async fn stream(w: &Words, client: &Client) -> Result<Value, Refusal> {
    let one = |model: &str| {
        let mut words = w.0.clone();
        words.extend([("model".to_owned(), model.to_owned()), ("id".to_owned(), model.to_owned())]);
        Words(words).request()
    };
    let requests: Vec<_> = w.text("models").split(',').map(one).collect();
    let mut asked = Request::new(tokio_stream::iter(requests));
    asked.set_timeout(w.deadline());
    let mut answers = client.stub().model_stream_infer(asked).await?.into_inner();
    let (mut order, mut failed) = (vec![], vec![]);
    while let Some(answer) = answers.message().await? {
        let response = answer.infer_response.unwrap_or_default();
        if !answer.error_message.is_empty() {
            match &response.parameters["hasten_reason"].parameter_choice {
                Some(ParameterChoice::StringParam(reason)) => failed.push(reason.clone()),
                other => failed.push(format!("{other:?}")),
            }
        }
        order.push(response.id);
    }
    Ok(json!({"status": "OK", "order": order, "failed": failed}))
}

/// Looks at health until it was told two states.
async fn watch(w: &Words) -> Result<Value, Refusal> {
    let uri = format!("http://{}", w.text("to"));
    let channel = tonic::transport::Channel::from_shared(uri).unwrap().connect_lazy();
    let asked = HealthCheckRequest { service: "readiness".to_owned() };
    let mut states = HealthClient::new(channel).watch(asked).await?.into_inner();
    let mut saw = vec![];
    while saw.len() < 2 {
        let state = states.message().await?.expect("it goes on");
        saw.push(state.status().as_str_name().to_owned());
    }
    saw.sort();
    Ok(json!({"status": "OK", "saw": saw}))
}

/// Gives a call up after a while.
async fn cancel(w: &Words, client: &Client) -> Value {
    let call = client.infer(w.request(), w.deadline(), MetadataMap::new());
    match timeout(Duration::from_millis(w.number("after_ms", 100)), call).await {
        Ok(Ok(response)) => w.answered(response.get_ref()),
        Ok(Err(refusal)) => refused(&refusal),
        // The future is dropped, and nobody is there to hear of it.
        Err(_) => refused(&tonic::Status::new(Code::Cancelled, "given up").into()),
    }
}

async fn run(row: &[String]) {
    let pairs = row[1..].iter().filter_map(|word| word.split_once('='));
    let w = Words(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    let routers: Vec<&str> = w.text("to").split(',').collect();
    let mut client = Client::connect(&routers).expect("addresses");
    if !w.text("gzip").is_empty() {
        client = client.gzip();
    }
    let said = match row[0].as_str() {
        "infer" => infer(&w, &client).await,
        "stream" => stream(&w, &client).await.unwrap_or_else(|refusal| refused(&refusal)),
        "watch" => watch(&w).await.unwrap_or_else(|refusal| refused(&refusal)),
        _ => cancel(&w, &client).await,
    };
    println!("{said}");
}

#[tokio::main]
async fn main() {
    let row: Vec<String> = std::env::args().skip(1).collect();
    if !row.is_empty() {
        return run(&row).await;
    }
    for line in std::io::stdin().lines() {
        let row: Vec<String> = line.unwrap().split_whitespace().map(str::to_owned).collect();
        run(&row).await;
    }
}
