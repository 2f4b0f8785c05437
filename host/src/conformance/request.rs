//! A request as it arrived, whoever took it.

use std::fmt;

use serde::Serialize;

use crate::receiver::Arrival;

/// The most characters of a request's body that are shown.
const SHOWN_BODY: usize = 120;

/// One request of the sender's. Its texts are the component's: what shows them makes them
/// [`printable`](crate::domain::printable) first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// The path, with the query where there was one.
    pub path: String,
    /// The header fields in their order; where a value could be a secret, it is not shown.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
}

impl SeenRequest {
    /// The value of the header field `name`, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

impl From<&Arrival> for SeenRequest {
    fn from(arrival: &Arrival) -> Self {
        Self {
            method: arrival.method.clone(),
            path: arrival.path.clone(),
            headers: arrival.headers.clone(),
            body: String::from_utf8_lossy(&arrival.body).into_owned(),
        }
    }
}

/// In one line, shortened, with the body's white space as single spaces.
impl fmt::Display for SeenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.header("content-type").unwrap_or("no content-type");
        write!(
            f,
            "{} {} ({kind}, {} bytes)",
            self.method,
            self.path,
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
        write!(f, "{shown}{more}")
    }
}
