//! What became of a sender's scenarios.

use std::time::Duration;

use super::request::SeenRequest;
use crate::domain::ForeignText;
use crate::receiver::Format;

/// What became of one scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was as expected.
    Passed,
    /// Something was not.
    Failed,
    /// It could not be tried here, or is not for this sender.
    Skipped,
}

/// One scenario, once it is over.
#[derive(Clone, Debug)]
pub struct ScenarioReport {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was expected, where it failed.
    pub expected: Option<ForeignText>,
    /// What came instead, where it failed; why it was skipped, where it was.
    pub received: Option<ForeignText>,
    /// The rule of the contract that it tests.
    pub rule: &'static str,
    /// How long it took.
    pub duration: Duration,
    /// How long the component and its host computed meanwhile; the rest of `duration` was waiting. `None` where the
    /// system does not tell.
    pub computed: Option<Duration>,
    /// The last lines that the component wrote to its stdout and stderr.
    pub output: Vec<String>,
    /// The functions that it was in when it trapped or was interrupted, innermost first, with file and line where it
    /// has DWARF.
    pub frames: Vec<String>,
    /// The requests that arrived.
    pub requests: Vec<SeenRequest>,
}

/// All scenarios, once they are over.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each of them, in their order.
    pub scenarios: Vec<ScenarioReport>,
    /// Whether this host runs the component. Where it does not, scenarios that need that are skipped.
    pub runs: bool,
    /// The format that the sender sends, where it is one that `telemetry receive` takes: then what it sent was held
    /// against the same rules.
    pub format: Option<Format>,
    /// The most memory that an instance took, in bytes.
    pub memory: u64,
    /// The most memory that it may take, in bytes.
    pub memory_limit: u64,
    /// The longest that a batch took that was delivered.
    pub batch_time: Duration,
    /// The longest that a batch may take.
    pub batch_time_limit: Duration,
}

impl Report {
    /// How many scenarios had this outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        let with = self.scenarios.iter().filter(|one| one.outcome == outcome);
        with.count()
    }
}
