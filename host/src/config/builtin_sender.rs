//! The senders that come with the program.

use std::fmt;

/// A sender that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinSender {
    /// `builtin:ingest`, which posts to `{endpoint}/ingest`.
    Ingest,
    /// `builtin:otlp`, which posts log records to `{endpoint}/v1/logs`, as OpenTelemetry collectors take them.
    Otlp,
}

impl BuiltinSender {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ingest, Self::Otlp];

    /// All of them, as messages name them.
    pub const NAMES: &str = "builtin:ingest or builtin:otlp";

    /// What `telemetrySender` can be.
    pub(super) const EXPECTED: &str =
        "the path of a component file, builtin:ingest or builtin:otlp";

    /// What every name of one begins with, and no path of a file.
    pub const PREFIX: &str = "builtin:";

    /// The sender that `text` names as `telemetrySender` does, if it is one that comes with the program.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sender| sender.name() == text)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "builtin:ingest",
            Self::Otlp => "builtin:otlp",
        }
    }

    /// The component, and the record of how it was built.
    #[cfg(feature = "sender")]
    pub(crate) const fn prebuilt(self) -> (&'static [u8], &'static str) {
        match self {
            Self::Ingest => (
                include_bytes!("../../prebuilt/ingest.wasm"),
                include_str!("../../prebuilt/ingest.json"),
            ),
            Self::Otlp => (
                include_bytes!("../../prebuilt/otlp.wasm"),
                include_str!("../../prebuilt/otlp.json"),
            ),
        }
    }
}

/// As `telemetrySender` names it.
impl fmt::Display for BuiltinSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
