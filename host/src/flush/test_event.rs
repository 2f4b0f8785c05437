//! Delivering one event that is in no spool.

use super::setup::{FlushSetup, start};
use super::watch::Watch;
use crate::domain::{Deadline, SendError, SpooledEntry, TelemetryEntry, TelemetrySender as _};

impl FlushSetup {
    /// Delivers `entry` alone, through the sender and to the endpoint of the repository.
    ///
    /// # Errors
    ///
    /// As a flush: when the component cannot be run, or the endpoint did not take the event.
    pub fn send_alone(&self, entry: &TelemetryEntry, watch: &Watch) -> Result<(), SendError> {
        let content = entry.to_json().into_bytes();
        let spooled = SpooledEntry::parse(entry.name(), content)
            .map_err(|flaw| SendError::Other(flaw.to_string()))?;
        let prepared = self.prepare(watch)?;
        let deadline = Deadline::after(self.marker.telemetry_sender_limits.deadline);
        let mut sender = start(prepared, watch.timer(), deadline)?;
        let delivered = sender.send_batch(&[spooled], self.repo_id.as_str(), deadline)?;
        delivered.in_full()
    }
}
