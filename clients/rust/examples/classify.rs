//! Classifies a sentence within five seconds.
use std::time::Duration;

use hasten::{inference::ModelInferRequest, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    let client = Client::connect(&addresses)?;
    let mut request = ModelInferRequest { model_name: "tickets".into(), ..Default::default() };
    hasten::add_bytes(&mut request, "text", &[1, 1], &["the parcel is late"]);
    match client.infer(request, Duration::from_secs(5), Default::default()).await {
        Ok(response) => println!("{:?}", hasten::f32s(response.get_ref(), "probabilities")),
        Err(refusal) => {
            eprintln!("not answered: {refusal}; come back in {:?}", refusal.retry_after);
            std::process::exit(1);
        }
    }
    Ok(())
}
