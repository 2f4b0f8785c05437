//! What telemetry is, whatever stores or sends it: entries, endpoints, and the flush itself.
//!
//! Nothing here does I/O; the two ports, [`TelemetryRepository`] and [`TelemetrySender`], say what the adapters in
//! [`spool`](crate::spool) and `sender` do.

mod backlog;
#[cfg(feature = "sender")]
mod connection_header;
mod deadline;
mod delivery;
mod digest;
mod durations;
#[cfg(feature = "sender")]
mod endpoint;
mod entry_data;
mod entry_name;
mod foreign_text;
mod history;
mod in_shell;
mod json_text;
mod listing;
mod printable;
mod reason;
mod recorded_entry;
mod repo_id;
mod repositories;
mod retention;
mod secret_key;
mod shown_path;
mod surroundings;
mod telemetry_entry;
mod telemetry_sender;
mod telemetry_service;
mod tool;
#[cfg(feature = "sender")]
mod url_scope;
pub mod variables;
mod waiting;

/// The name of a repository's marker: where it is, there is a repository.
pub const MARKER: &str = ".swamp.yaml";

pub use backlog::Backlog;
#[cfg(feature = "sender")]
pub use connection_header::is_connection_header;
pub use deadline::Deadline;
pub use digest::Digest;
pub use durations::Durations;
#[cfg(feature = "sender")]
pub use endpoint::{DEFAULT_ENDPOINT, Endpoint, EndpointError, Host, Origin};
pub use entry_data::field;
pub use entry_name::{EntryId, EntryName, EntryState, NameParts};
pub use foreign_text::ForeignText;
pub use history::{HISTORY_DAYS, History, Usage, UsageKind};
pub use in_shell::in_shell;
pub use listing::Listing;
pub use printable::printable;
pub use reason::{Cause, Reason};
pub use recorded_entry::{EntryFlaw, RecordContext, RecordedEntry, entry_example, entry_schema};
pub use repo_id::RepoId;
pub use repositories::{Expired, SpoolError, TelemetryRepository};
pub use retention::{CleanUps, Cutoffs, Retention, UnsentRule};
pub use secret_key::takes_secret;
pub use shown_path::{ShownPath, shown};
pub use surroundings::{InvocationContext, Surroundings, parent_invocation};
pub use telemetry_entry::{
    EntryFields, Invocation, InvocationResult, Platform, REDACTED, SpooledEntry, Status,
    TelemetryEntry, Undeliverable, with_dashes,
};
pub use telemetry_sender::{
    Delivered, Doing, EntryOutcome, SendError, SenderFailure, SenderFailureKind, TelemetrySender,
};
pub use telemetry_service::{
    BATCH_SIZE, Batches, FlushConfig, FlushFailure, FlushOutcome, Stuck, TelemetryService,
};
pub use tool::{Label, Positions, Subcommands, Tool, Tools, UNKNOWN_VERSION, command_path};
#[cfg(feature = "sender")]
pub use url_scope::UrlScope;
pub use waiting::WaitingNames;
