//! A request as it arrived.

use std::fmt;

use serde::Serialize;

use crate::domain::ForeignText;
use crate::receiver::{Arrival, Asked, Format, ReceivedEvent, Refusal};

/// The most characters of a request's body that are shown.
const SHOWN_BODY: usize = 120;

/// One request of the sender's. Its texts are the component's. Where it is shown as a whole, they are escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The header fields in order; values that could be secret are not shown.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
    /// The body as it came, but not compressed any more.
    #[serde(skip)]
    pub(super) bytes: Vec<u8>,
}

impl SeenRequest {
    /// The value of the header field `name`, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

impl SeenRequest {
    /// The path without the query.
    fn plain_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The format that it is in, where `telemetry receive` takes it.
    pub(super) fn format(&self) -> Option<Format> {
        Format::known(self.plain_path())
    }

    /// The events in it, as `telemetry receive` sees them; or what it would answer instead.
    pub(super) fn received(&self, format: Format) -> Result<Vec<ReceivedEvent>, String> {
        let events = format.parse(&self.bytes);
        let asked = Asked {
            method: &self.method,
            path: self.plain_path(),
            content_type: self.header("content-type"),
            content_encoding: self.header("content-encoding"),
        };
        if let Some(Refusal(status, why)) = asked.objection(&events) {
            return Err(format!("{}: {why}", status.as_u16()));
        }
        events.map_err(|error| error.to_string())
    }
}

impl From<&Arrival> for SeenRequest {
    fn from(arrival: &Arrival) -> Self {
        Self {
            method: arrival.method.clone(),
            path: arrival.path.clone(),
            headers: arrival.headers.clone(),
            body: String::from_utf8_lossy(&arrival.body).into_owned(),
            bytes: arrival.body.to_vec(),
        }
    }
}

/// In one line, shortened, with the body's white space as single spaces.
impl fmt::Display for SeenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.header("content-type").unwrap_or("no content-type");
        write!(
            f,
            "{} {} ({}, {} bytes)",
            ForeignText::from(self.method.as_str()),
            ForeignText::from(self.path.as_str()),
            ForeignText::from(kind),
            self.body.len()
        )?;
        if self.body.is_empty() {
            return Ok(());
        }
        let mut words = String::new();
        for word in self.body.split_ascii_whitespace() {
            words.push(' ');
            words.push_str(word);
            if words.len() > SHOWN_BODY * 4 {
                break;
            }
        }
        let shown: String = words.chars().take(SHOWN_BODY).collect();
        let more = if shown.len() < words.len() { "…" } else { "" };
        write!(f, "{}{more}", ForeignText::from(shown))
    }
}
