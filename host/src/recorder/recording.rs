//! A command that is running.

use tracing::debug;

use super::file_limit::FileLimit;
use super::{Failure, flush};
use crate::domain::variables::PARENT_INVOCATION_ID;
use crate::domain::{InvocationResult, Status, TelemetryEntry, TelemetryRepository as _};
use crate::recorder::repo::{Repo, StartTime};
use crate::spool::{FileSpool, UnfinishedEntry};

/// A command that is running: what [`Recorder::begin`](super::Recorder::begin) gives.
///
/// Dropped before [`finish`](Self::finish), by a panic or an early return, it is recorded as an error. So it is when
/// the process ends in between, however it does.
#[derive(Debug)]
#[must_use = "what is dropped at once is recorded as an error"]
pub struct Recording(Option<OpenRecord>);

#[derive(Debug)]
pub(super) struct OpenRecord {
    repo: Repo,
    spool: FileSpool,
    start: StartTime,
    entry: TelemetryEntry,
    /// Where nothing could be left for the case that the process ends, the entry is written at the end only.
    unfinished: Option<UnfinishedEntry>,
}

impl Recording {
    pub(super) const fn new(running: Option<OpenRecord>) -> Self {
        Self(running)
    }

    /// What a program that this command starts is to find in its environment, so that what is recorded there names this
    /// invocation as its parent. `None` where nothing is recorded.
    ///
    /// ```no_run
    /// # fn start(recording: &swamp::recorder::Recording) -> std::io::Result<()> {
    /// std::process::Command::new("make").envs(recording.environment()).status()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn environment(&self) -> Option<(&'static str, String)> {
        let running = self.0.as_ref()?;
        Some((PARENT_INVOCATION_ID, running.entry.name().id.to_string()))
    }

    /// Records how the command ended: with this failure, or with `None` successfully. Starts the delivery where it
    /// succeeded.
    ///
    /// ```no_run
    /// use swamp::recorder::{Failure, Recorder, clap::Command};
    ///
    /// let command = Command::new("greet");
    /// let matches = command.clone().get_matches_from(["greet"]);
    /// let recorder = Recorder::new("greet", "1.2.3");
    ///
    /// let recording = recorder.begin(&command, &matches);
    /// recording.finish(Failure::new("Offline", "the server cannot be reached"));
    ///
    /// let recording = recorder.begin(&command, &matches);
    /// recording.finish(None);
    /// ```
    pub fn finish(mut self, failure: impl Into<Option<Failure>>) {
        let failure = failure.into();
        self.end(failure.map_or_else(InvocationResult::success, Failure::result));
    }

    fn end(&mut self, result: InvocationResult) {
        if let Some(running) = self.0.take() {
            running.end(result);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let left = if std::thread::panicking() {
            Failure::PANIC
        } else {
            Failure::UNFINISHED
        };
        self.end(left.result());
    }
}

impl OpenRecord {
    pub(super) fn begin(
        repo: Repo,
        spool: FileSpool,
        start: StartTime,
        entry: TelemetryEntry,
    ) -> Self {
        let unfinished = spool
            .begin(&entry)
            .inspect_err(|error| debug!("{error}"))
            .ok();
        Self {
            repo,
            spool,
            start,
            entry,
            unfinished,
        }
    }

    fn end(mut self, result: InvocationResult) {
        let succeeded = result.status == Status::Success;
        self.entry.end(result, self.start.elapsed_ms());
        let limit = FileLimit::outlive();
        let ended = match &self.unfinished {
            Some(unfinished) => self.spool.finish(unfinished, &self.entry),
            None => self.spool.save(&self.entry),
        };
        drop(limit);
        match ended {
            Ok(()) => flush(&self.repo, &self.spool, succeeded),
            Err(error) => debug!("{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, mem};

    use super::*;
    use crate::domain::{EntryId, Invocation, parent_invocation};

    #[test]
    fn what_a_command_starts_learns_its_id() {
        assert_eq!(Recording::new(None).environment(), None);
        let dir = tempfile::tempdir().unwrap();
        let marker = "telemetryEndpoint: http://127.0.0.1:9\n";
        fs::write(dir.path().join(".swamp.yaml"), marker).unwrap();
        let root = dir.path().canonicalize().unwrap();
        let repo = Repo::at(root, |_| None).unwrap();
        let spool = repo.spool(false, |_| None).unwrap();
        let start = StartTime::now();
        let entry = start.entry(Invocation::default(), Failure::UNFINISHED.result(), "1");
        let id = entry.name().id;
        let recording = Recording::new(Some(OpenRecord::begin(repo, spool, start, entry)));
        let (name, value) = recording.environment().unwrap();
        let parent = parent_invocation(|asked| (asked == name).then(|| value.clone().into()));
        assert_eq!(parent.as_ref().map(EntryId::as_str), Some(id.as_str()));
        // Its end would look for a program that delivers, and note the repository in the state directory of whoever tests.
        mem::forget(recording);
    }
}
