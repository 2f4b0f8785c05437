//! The conformance kit: puts a sender component through everything that the contract speaks of, against receivers on
//! this machine, and tells where it does not what it should.
//!
//! It asks for no format: an entry was sent once when its id is in the body of one request, as often as the other
//! ids of the batch are in theirs. So it does not see that every single entry stands twice in one body. What is sent to a
//! path of a format that `telemetry receive` takes must be what that takes without a warning, by the same rules; in the
//! ingest format every entry must be there with its id, the repository's id, and its data byte for byte.

mod entries;
mod faulty;
mod heard;
mod judge;
mod report;
mod request;
mod rules;
mod scenario;
mod server;
mod since_0_2;
mod trial;

use std::time::{Duration, Instant};

use glob::Pattern;

use crate::config::SenderLimits;
use crate::domain::{
    Deadline, Delivered, Endpoint, EntryOutcome, SendError, SpooledEntry, TelemetrySender as _,
};
use crate::egress::{Environment, Network, Reach};
use crate::process::cpu::Stopwatch;
use crate::process::timer::Timer;
use crate::sender::{
    CONTRACT_VERSIONS, Compiled, ComponentSender, Inspection, SenderConfig, inspect,
};

use heard::Heard;
use judge::{Evidence, Finding};
pub use report::{Outcome, Report, ScenarioReport};
pub use request::SeenRequest;
use rules::Rule;
use scenario::{Expected, Scenario, Work, of_every_contract};
use server::Server;
use since_0_2::since_0_2;
use trial::NotPassed;

/// The scenario that looks at the component from outside.
const IMPORTS: &str = "imports-what-is-granted";

/// How a refusal's body begins.
const REASON_BEGINS: &str = r#"{"error":"#;

/// The deadline of a batch that is never answered: long enough for a slow guest to send it.
const SILENCE: Duration = Duration::from_secs(1);

/// The repository that all entries are from.
const DISTINCT_ID: &str = "0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5";

/// The export of what checks its configuration, without its version.
const CONFIGURATION: &str = "swamp:telemetry/configuration@";

/// What a sender is put through.
#[derive(Clone, Debug)]
pub struct Kit {
    /// The status, 200 to 299, by which the sender's endpoint takes responsibility for a batch.
    pub accept_status: u16,
    /// The path of every endpoint: empty, or with a slash at its beginning and none at its end.
    pub endpoint_path: String,
    /// The options that the sender gets.
    pub options: Vec<(String, String)>,
    /// The user agent that the sender gets.
    pub user_agent: String,
    /// The scenarios to run, by patterns of their names (`*` and `?`); all of them where this is empty.
    pub only: Vec<Pattern>,
}

/// A scenario that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The words of the newest contract that it is about.
    pub rule: &'static str,
    /// The versions of the contract that it is for, oldest first.
    pub contracts: Vec<&'static str>,
}

impl Kit {
    /// All scenarios for an endpoint whose success is `accept_status`, in their order.
    #[must_use]
    pub fn list(accept_status: u16) -> Vec<Listed> {
        let listed = |name: String, rule: Rule| Listed {
            name,
            rule: rule.newest(),
            contracts: rule.versions(),
        };
        let rest = scenarios(accept_status);
        std::iter::once(listed(IMPORTS.to_owned(), rules::IMPORTS))
            .chain(
                rest.into_iter()
                    .map(|scenario| listed(scenario.name, scenario.rule)),
            )
            .collect()
    }

    /// The names of all scenarios, in their order.
    #[must_use]
    pub fn scenario_names(&self) -> Vec<String> {
        let all = Self::list(self.accept_status);
        all.into_iter().map(|listed| listed.name).collect()
    }

    /// Puts `compiled` through the scenarios. Tells `progress` of each when it begins, and again when it is over.
    ///
    /// Nothing else may run `compiled` meanwhile: what ends a batch that is out of time ends all of its engine.
    ///
    /// # Errors
    ///
    /// When the component's machine code cannot be loaded.
    pub fn run(
        &self,
        compiled: &Compiled,
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<Report, SendError> {
        let is_wanted =
            |name: &str| self.only.is_empty() || self.only.iter().any(|one| one.matches(name));
        progress(Progress::Begins(IMPORTS));
        let began = Instant::now();
        let inspection = inspect(compiled)?;
        let runs = inspection.verdict.is_ok();
        let mut run = Run::new(self, compiled, &inspection);
        run.report.runs = runs;
        let imports = run.imports(&inspection, began.elapsed());
        // Where it does not run, that is the one thing to be told.
        if is_wanted(IMPORTS) || !runs {
            progress(Progress::Over(&imports));
            run.report.scenarios.push(imports);
        }
        let mut all = scenarios(self.accept_status);
        all.retain(|scenario| is_wanted(&scenario.name));
        for scenario in all {
            progress(Progress::Begins(&scenario.name));
            let over = if runs {
                run.scenario(&scenario)
            } else {
                run.skipped(&scenario, "the component does not run".to_owned())
            };
            progress(Progress::Over(&over));
            run.report.scenarios.push(over);
        }
        Ok(run.report)
    }
}

/// All scenarios in their order, for an endpoint whose success is `accept`.
fn scenarios(accept: u16) -> Vec<Scenario> {
    [of_every_contract(accept), since_0_2(accept)].concat()
}

/// What has just happened.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The scenario of this name begins.
    Begins(&'a str),
    /// A scenario is over.
    Over(&'a ScenarioReport),
}

struct Run<'a> {
    kit: &'a Kit,
    compiled: &'a Compiled,
    /// The version of the contract that the component is for.
    contract: String,
    /// Whether it exports what checks its configuration.
    checks_config: bool,
    limits: SenderLimits,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(kit: &'a Kit, compiled: &'a Compiled, inspection: &Inspection) -> Self {
        let limits = SenderLimits::default();
        let newest = CONTRACT_VERSIONS.last().copied().unwrap_or_default();
        let mut exports = inspection.exports.iter();
        Self {
            kit,
            compiled,
            contract: inspection.contract.as_deref().unwrap_or(newest).to_owned(),
            checks_config: exports.any(|export| export.starts_with(CONFIGURATION)),
            limits,
            report: Report {
                scenarios: Vec::new(),
                runs: true,
                format: None,
                memory: 0,
                memory_limit: limits.memory_mib * 1024 * 1024,
                batch_time: Duration::ZERO,
                batch_time_limit: limits.deadline,
            },
        }
    }

    /// What the component asks for, and whether it runs at all.
    fn imports(&self, inspection: &Inspection, duration: Duration) -> ScenarioReport {
        let refused: Vec<_> = inspection
            .imports
            .iter()
            .filter(|import| !import.grant.is_offered())
            .map(|import| import.name.as_str())
            .collect();
        let received = match &inspection.verdict {
            _ if !refused.is_empty() => Some(format!("it imports {}", refused.join(", "))),
            Ok(()) => None,
            Err(error) => Some(error.to_string()),
        };
        ScenarioReport {
            name: IMPORTS.to_owned(),
            outcome: match received {
                None => Outcome::Passed,
                Some(_) => Outcome::Failed,
            },
            expected: received
                .is_some()
                .then(|| "a component that runs with what this host offers".into()),
            received: received.map(Into::into),
            rule: self.words(rules::IMPORTS),
            duration,
            computed: None,
            output: Vec::new(),
            frames: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn skipped(&self, scenario: &Scenario, why: String) -> ScenarioReport {
        ScenarioReport {
            name: scenario.name.clone(),
            outcome: Outcome::Skipped,
            expected: None,
            received: Some(why.into()),
            rule: self.words(scenario.rule),
            duration: Duration::ZERO,
            computed: None,
            output: Vec::new(),
            frames: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// The words of a rule in the component's contract, or where that does not have it, in the newest.
    fn words(&self, rule: Rule) -> &'static str {
        rule.of(&self.contract).unwrap_or(rule.newest())
    }

    fn scenario(&mut self, scenario: &Scenario) -> ScenarioReport {
        if scenario.rule.of(&self.contract).is_none() {
            return self.skipped(scenario, format!("not for contract {}", self.contract));
        }
        let began = Instant::now();
        let server = match Server::start(&scenario.conduct, scenario.place) {
            Ok(server) => server,
            Err(why) => return self.skipped(scenario, why),
        };
        let stopwatch = Stopwatch::start();
        let mut heard = Heard::default();
        let tried = self.try_with(scenario, &server, &mut heard);
        let computed = stopwatch.computed();
        let requests = server.requests();
        let formats = || requests.iter().map(SeenRequest::format);
        if let Some(format) = scenario.format
            && !requests.is_empty()
            && formats().all(|found| found != Some(format))
        {
            let why = format!("the sender does not send {}", format.name());
            return self.skipped(scenario, why);
        }
        self.report.format = self.report.format.or(formats().flatten().next());
        let (expected, received) = match tried {
            Ok(()) => (None, None),
            Err(NotPassed::Skipped(why)) => return self.skipped(scenario, why),
            Err(NotPassed::Failed(Finding { expected, received })) => {
                (Some(expected), Some(received))
            }
        };
        ScenarioReport {
            name: scenario.name.clone(),
            outcome: match expected {
                None => Outcome::Passed,
                Some(_) => Outcome::Failed,
            },
            expected,
            received,
            rule: self.words(scenario.rule),
            duration: began.elapsed(),
            computed,
            output: heard.output,
            frames: heard.frames,
            requests,
        }
    }

    /// Tries what the scenario asks for. `heard` is what the component let out when it was called last.
    fn try_with(
        &mut self,
        scenario: &Scenario,
        server: &Server,
        heard: &mut Heard,
    ) -> Result<(), NotPassed> {
        let path = format!("{}{}", self.kit.endpoint_path, scenario.place.suffix());
        let endpoint = format!("{}{path}", server.origin());
        let mut options = self.kit.options.clone();
        if scenario.unknown_option {
            options.push((
                "optionThatNobodyKnows".into(),
                "value \" with\nodd text".into(),
            ));
        }
        match &scenario.work {
            Work::Batches(batches) => {
                let mut sender = self.alive(&endpoint, options, heard)?;
                let mut entries = Vec::new();
                for (batch, expected) in batches {
                    entries = batch.entries(&entries);
                    self.batch(&mut sender, &entries, *expected, (server, &path), heard)?;
                }
                Ok(())
            }
            Work::Describe(what) => self.describes(*what, server, &endpoint, heard),
            Work::Options(which) => self.takes_options(*which, (server, &path), heard),
            Work::CheckConfig => self.checks_config(&endpoint, heard),
        }
    }

    /// Gives a sender one batch. `at` is where its endpoint is, and with which path.
    fn batch(
        &mut self,
        sender: &mut ComponentSender,
        entries: &[SpooledEntry],
        expected: Expected,
        (server, path): (&Server, &str),
        heard: &mut Heard,
    ) -> Result<(), Finding> {
        let before = server.requests().len();
        let limit = match expected {
            Expected::Unanswered => SILENCE,
            _ => self.limits.deadline,
        };
        let began = Instant::now();
        let delivered = sender.send_batch(entries, DISTINCT_ID, Deadline::after(limit));
        *heard = Heard::of(sender);
        let outcomes = match &delivered {
            Ok(Delivered::Whole) => vec![EntryOutcome::Taken; entries.len()],
            Ok(Delivered::Each(outcomes)) => outcomes.clone(),
            Err(_) => Vec::new(),
        };
        let said = delivered.and_then(Delivered::in_full);
        if said.is_ok() {
            self.report.batch_time = self.report.batch_time.max(began.elapsed());
        }
        self.report.memory = self.report.memory.max(sender.peak_memory());
        let requests = server.requests();
        let evidence = Evidence {
            entries,
            said: &said,
            outcomes: &outcomes,
            requests: requests.get(before..).unwrap_or_default(),
            user_agent: &self.kit.user_agent,
            distinct_id: DISTINCT_ID,
            path: path.trim_end_matches('/'),
        };
        evidence.judge(expected)
    }

    /// An instance for this endpoint, with these options.
    fn alive(
        &self,
        endpoint: &str,
        options: Vec<(String, String)>,
        heard: &mut Heard,
    ) -> Result<ComponentSender, Finding> {
        let alive = || {
            let mut sender = self.sender(endpoint, options)?;
            let done = sender.instantiate(Deadline::after(self.limits.deadline));
            *heard = Heard::of(&mut sender);
            done.map(|()| sender)
        };
        alive().map_err(|error: SendError| Finding {
            expected: "a component that comes to life".into(),
            received: error.to_string().into(),
        })
    }

    fn sender(
        &self,
        endpoint: &str,
        options: Vec<(String, String)>,
    ) -> Result<ComponentSender, SendError> {
        let endpoint = Endpoint::parse(endpoint)
            .map_err(|error| SendError::InvalidConfiguration(error.to_string()))?;
        let config = SenderConfig {
            endpoint,
            user_agent: self.kit.user_agent.clone(),
            options,
            limits: self.limits,
            // Everything is on this machine, where no proxy is of use.
            network: Network::live(Environment::read(|_| None)),
            reach: Reach::default(),
            headers: Vec::new(),
            timer: Timer::default(),
        };
        Ok(ComponentSender::new(self.compiled, config)?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_the_accepted_status_is_no_refusal() {
        for accept in [200, 202] {
            let all = Kit::list(accept);
            let names: HashSet<_> = all.iter().map(|listed| &listed.name).collect();
            assert_eq!(names.len(), all.len());
            assert!(!names.contains(&format!("status-{accept}")));
        }
    }
}
