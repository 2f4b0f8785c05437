//! What an entry's data tells beyond the contract's fields.

use alloc::string::String;

use serde_json::{Map, Value};

use guest_sender::bindings::swamp::telemetry::types::EntryFields;

/// What stands for the version of a tool that nobody has named.
const UNKNOWN_VERSION: &str = "unknown";

/// The parsed data of an entry; null where it is no JSON, which the host would not have sent.
#[derive(Debug)]
pub(super) struct Data(Value);

impl Data {
    pub(super) fn of(data: &str) -> Self {
        Self(serde_json::from_slice(data.as_bytes()).unwrap_or_default())
    }

    pub(super) fn fields(&self) -> Option<&Map<String, Value>> {
        self.0.as_object()
    }

    /// The tool whose run it is; `None` for a command of swamp's own. The Deno implementation writes the path of its own
    /// commands.
    pub(super) fn tool(&self) -> Option<&str> {
        if self.0.get("denoVersion").is_some() {
            return None;
        }
        let path = self.0.get("invocation")?.get("commandPath")?;
        path.get(0)?.as_str()
    }

    /// The version of what the entry is of, as far as it is known.
    pub(super) fn version<'a>(&self, fields: &'a EntryFields) -> Option<&'a str> {
        let version = fields.swamp_version.as_deref();
        version.filter(|version| self.tool().is_none() || *version != UNKNOWN_VERSION)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    pub(super) fn context(&self, key: &str) -> Option<&Value> {
        self.0.get("invocationContext")?.get(key)
    }
}
