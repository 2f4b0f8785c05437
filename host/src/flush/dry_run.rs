//! A flush that sends nothing and changes nothing.

use super::flusher::{Course, deliver};
use super::held_back::held_back;
use super::setup::{FlushSetup, start};
use super::watch::Watch;
use crate::domain::{
    BATCH_SIZE, Batches, Cutoffs, EntryName, Expired, FlushFailure, Listing, SendError, SpoolError,
    SpooledEntry, TelemetryEntry, TelemetryRepository, TelemetryService,
};
use crate::egress::{DryRunRequest, Network};
use crate::spool::FileSpool;

/// A spool whose entries stay as they are, whatever becomes of them: damaged ones are not set aside either.
struct Untouched(FileSpool);

impl TelemetryRepository for Untouched {
    fn save(&self, _: &TelemetryEntry) -> Result<(), SpoolError> {
        Ok(())
    }

    fn list(&self) -> Result<Listing, SpoolError> {
        self.0.list()
    }

    fn read(&self, name: &EntryName) -> Option<SpooledEntry> {
        self.0.load(name).ok()
    }

    fn mark_flushed(&self, _: &EntryName, _: bool) -> Result<(), SpoolError> {
        Ok(())
    }

    fn quarantine(&self, _: &EntryName) -> Result<(), SpoolError> {
        Ok(())
    }

    fn delete_older_than(&self, _: &Listing, _: &Cutoffs) -> Expired {
        Expired::default()
    }
}

impl FlushSetup {
    /// Gives the requests that a flush of one batch would make, by making them to a host that answers 202 itself.
    ///
    /// # Errors
    ///
    /// As a flush: when the component cannot be run, or would not deliver the batch.
    pub fn dry_run(
        mut self,
        mut spool: FileSpool,
        watch: &Watch,
    ) -> Result<Vec<DryRunRequest>, FlushFailure> {
        self.network = Network::DryRun;
        spool.hold_back(held_back(&self.root, &spool));
        let service = TelemetryService::new(Untouched(spool));
        let course = Course {
            batches: Batches::One,
            batch_size: BATCH_SIZE,
            stuck: None,
            watch,
        };
        let (outcome, sender) = deliver(
            &service,
            &self.job(),
            course,
            &mut service.repository().list()?.into_backlog(),
            || self.prepare(watch),
            start,
            |_, _| false,
        );
        let requests = sender.map_or_else(Vec::new, |mut sender| sender.take_dry_run_requests());
        match outcome.failure {
            // The answer was made up here: that it is no success to this sender says nothing about the endpoint.
            Some(FlushFailure::Send(SendError::Rejected { .. })) if !requests.is_empty() => {
                Ok(requests)
            }
            Some(failure) => Err(failure),
            None => Ok(requests),
        }
    }
}
