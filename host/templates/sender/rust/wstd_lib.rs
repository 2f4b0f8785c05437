//! A telemetry sender for swamp. `wit/sender.wit` says what is asked of it.

mod mapping;

#[allow(warnings, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "telemetry-sender", additional_derives: [PartialEq] });
}

use bindings::exports::swamp::telemetry::{description, sender};
use bindings::swamp::telemetry::types::{
    Destination, Entry, Failure, Outcome, Rejection, SenderDescription,
};
use wstd::future::FutureExt as _;
use wstd::http::{Body, Client, Request, body::util::BodyExt as _};
use wstd::time::Duration;

pub struct Answer {
    pub status: u16,
    text: Option<String>,
}

pub struct Sender;

impl sender::Guest for Sender {
    fn send_batch(destination: Destination, entries: Vec<Entry>) -> Result<Vec<Outcome>, Failure> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let body = mapping::body(&entries, &destination.distinct_id);
        if body.len() > 8 * 1024 * 1024 {
            // More than the host sends. It sends smaller batches then.
            let (status, body) = (413, "the batch is larger than 8 MiB".to_owned());
            return Err(Failure::Rejected(Rejection { status, body }));
        }
        let url = destination.endpoint.trim_end_matches('/').to_owned() + mapping::PATH;
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("user-agent", destination.user_agent)
            .body(body)
            .map_err(|error| Failure::InvalidConfiguration(error.to_string()))?;
        wstd::runtime::block_on(async {
            let response = Client::new().send(request).await;
            let response = response.map_err(|error| Failure::Unreachable(error.to_string()))?;
            let status = response.status().as_u16();
            if let 429 | 503 = status {
                let wait = response.headers().get("retry-after");
                let seconds = wait.and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
                return Err(Failure::Throttled(seconds));
            }
            // Less than the batch has, so that the status is told.
            let text = first_bytes(response.into_body()).timeout(Duration::from_secs(2));
            let text = text.await.ok().flatten();
            mapping::outcomes(&entries, &Answer { status, text })
        })
    }
}

/// The first 64 KiB of an answer's body as text, or a little more, unless it breaks off.
async fn first_bytes(body: Body) -> Option<String> {
    let (mut body, mut bytes) = (body.into_boxed_body(), Vec::new());
    while bytes.len() < 64 * 1024
        && let Some(frame) = body.frame().await
    {
        bytes.extend(frame.ok()?.into_data().unwrap_or_default());
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Answer {
    /// The body; an error if it broke off or did not come.
    pub fn text(&self) -> Result<String, Failure> {
        let text = self.text.clone();
        text.ok_or_else(|| Failure::Unreachable("the answer was cut short".to_owned()))
    }
}

impl description::Guest for Sender {
    fn describe() -> SenderDescription {
        SenderDescription {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            homepage: None,
            license: None,
            // Those of `telemetrySenderOptions` that this sender takes; `swamp sender use` refuses others.
            options: Vec::new(),
        }
    }
}

// Natively, for the tests, there is no host to export to.
#[cfg(target_arch = "wasm32")]
bindings::export!(Sender with_types_in bindings);
