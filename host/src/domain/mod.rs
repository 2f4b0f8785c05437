//! What telemetry is, whatever stores or sends it: entries, the marker, endpoints, and the flush itself.
//!
//! Nothing here does I/O; the two ports, [`TelemetryRepository`] and [`TelemetrySender`], say what the
//! adapters in [`infrastructure`](crate::infrastructure) do.

mod backlog;
mod deadline;
mod digest;
#[cfg(feature = "sender")]
mod endpoint;
mod entry_name;
mod ingest_event;
mod marker;
mod marker_edit;
mod off_switch;
mod printable;
mod recorded_entry;
mod repo_id;
mod repositories;
mod scaffold;
mod telemetry_entry;
mod telemetry_sender;
mod telemetry_service;
mod user_config;
mod yaml;

pub use backlog::Backlog;
pub use deadline::Deadline;
pub use digest::Digest;
#[cfg(feature = "sender")]
pub use endpoint::{DEFAULT_ENDPOINT, Endpoint, EndpointError, Host, Origin};
pub use entry_name::{EntryId, EntryName, EntryState};
pub use ingest_event::{EventField, Flaw, IngestError, IngestEvent, JsonKind, parse_body};
pub use marker::{BuiltinSender, Marker, MarkerError, SenderLimits, SenderSource};
pub use marker_edit::{Edit, EditError, Scalar, edit};
pub use off_switch::{OFF_VARIABLES, OffSwitch};
pub use printable::printable;
pub use recorded_entry::{EntryFlaw, RecordedEntry, Recording};
pub use repo_id::RepoId;
pub use repositories::{Expired, SpoolError, TelemetryRepository};
pub use scaffold::{
    ScaffoldFile, ScaffoldLang, ScaffoldProbe, ScaffoldTemplate, ScaffoldTool, SenderName,
    SenderNameError, scaffold,
};
pub use telemetry_entry::{
    EntryFields, Invocation, InvocationResult, Platform, REDACTED, SpooledEntry, Status,
    TelemetryEntry, Undeliverable,
};
pub use telemetry_sender::{SendError, SenderFailure, TelemetrySender};
pub use telemetry_service::{
    BATCH_SIZE, FlushConfig, FlushFailure, FlushOutcome, TelemetryService,
};
pub use user_config::{AllowSenders, UserConfig, UserConfigError};
#[cfg(feature = "sender")]
pub use user_config::{HeaderTemplate, MissingVariable, OriginHeaders};
pub(crate) use yaml::MAX_BYTES as MAX_MARKER_BYTES;
pub use yaml::YamlError;
