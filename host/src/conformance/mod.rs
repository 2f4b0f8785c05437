//! The conformance kit: puts a sender component through everything that the contract speaks of, against receivers on
//! this machine, and tells where it does not what it should.
//!
//! It asks for no format: an entry was sent once when its id is in the body of one request, as often as the other
//! ids of the batch are in theirs. So it does not see that every single entry stands twice in one body. What is sent to a
//! path of a format that `telemetry receive` takes must be what that takes without a warning, by the same rules; in the
//! ingest format every entry must be there with its id, the repository's id, and its data byte for byte.

mod entries;
mod faulty;
mod judge;
mod report;
mod request;
mod rules;
mod scenario;
mod server;

use std::time::{Duration, Instant};

use glob::Pattern;

use crate::config::SenderLimits;
use crate::domain::{Deadline, Delivered, Endpoint, SendError, TelemetrySender as _};
use crate::egress::{Environment, Network, Reach};
use crate::process::cpu::Stopwatch;
use crate::process::timer::Timer;
use crate::sender::{Compiled, ComponentSender, SenderConfig, describe, inspect};

use judge::{Evidence, Finding};
pub use report::{Outcome, Report, ScenarioReport};
pub use request::SeenRequest;
use scenario::{Expected, Scenario, scenarios};
use server::Server;

/// The scenario that looks at the component from outside.
const IMPORTS: &str = "imports-what-is-granted";

/// How a refusal's body begins.
const REASON_BEGINS: &str = r#"{"error":"#;

/// The deadline of a batch that is never answered: long enough for a slow guest to send it.
const SILENCE: Duration = Duration::from_secs(1);

/// The repository that all entries are from.
const DISTINCT_ID: &str = "0191d0f8-4e43-7c43-b54c-7e8b23c1f3a5";

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

impl Kit {
    /// The names of all scenarios for an endpoint whose success is `accept_status`, in their order, each with the
    /// contract's words that it is about.
    #[must_use]
    pub fn list(accept_status: u16) -> Vec<(String, &'static str)> {
        let rest = scenarios(accept_status);
        std::iter::once((IMPORTS.to_owned(), rules::IMPORTS))
            .chain(
                rest.into_iter()
                    .map(|scenario| (scenario.name, scenario.rule)),
            )
            .collect()
    }

    /// The names of all scenarios, in their order.
    #[must_use]
    pub fn scenario_names(&self) -> Vec<String> {
        let all = Self::list(self.accept_status);
        all.into_iter().map(|(name, _)| name).collect()
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
        let mut run = Run::new(self, compiled);
        let is_wanted =
            |name: &str| self.only.is_empty() || self.only.iter().any(|one| one.matches(name));
        progress(Progress::Begins(IMPORTS));
        let (imports, runs) = imports(compiled)?;
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
                let why = "the component does not run; see `swamp sender check`".to_owned();
                skipped(&scenario, why)
            };
            progress(Progress::Over(&over));
            run.report.scenarios.push(over);
        }
        Ok(run.report)
    }
}

/// What has just happened.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The scenario of this name begins.
    Begins(&'a str),
    /// A scenario is over.
    Over(&'a ScenarioReport),
}

/// What the component asks for, and whether it runs at all.
fn imports(compiled: &Compiled) -> Result<(ScenarioReport, bool), SendError> {
    let began = Instant::now();
    let inspection = inspect(compiled)?;
    let refused: Vec<_> = inspection
        .imports
        .iter()
        .filter(|import| !import.grant.is_offered())
        .map(|import| import.name.as_str())
        .collect();
    let received = match &inspection.verdict {
        _ if !refused.is_empty() => Some(format!("it imports {}", refused.join(", "))),
        Ok(()) => describe(compiled).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let report = ScenarioReport {
        name: IMPORTS.to_owned(),
        outcome: match received {
            None => Outcome::Passed,
            Some(_) => Outcome::Failed,
        },
        expected: received
            .is_some()
            .then(|| "a component that runs with what this host offers".into()),
        received: received.map(Into::into),
        rule: rules::IMPORTS,
        duration: began.elapsed(),
        computed: None,
        output: Vec::new(),
        requests: Vec::new(),
    };
    Ok((report, inspection.verdict.is_ok()))
}

fn skipped(scenario: &Scenario, why: String) -> ScenarioReport {
    ScenarioReport {
        name: scenario.name.clone(),
        outcome: Outcome::Skipped,
        expected: None,
        received: Some(why.into()),
        rule: scenario.rule,
        duration: Duration::ZERO,
        computed: None,
        output: Vec::new(),
        requests: Vec::new(),
    }
}

struct Run<'a> {
    kit: &'a Kit,
    compiled: &'a Compiled,
    limits: SenderLimits,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(kit: &'a Kit, compiled: &'a Compiled) -> Self {
        let limits = SenderLimits::default();
        Self {
            kit,
            compiled,
            limits,
            report: Report {
                scenarios: Vec::new(),
                format: None,
                memory: 0,
                memory_limit: limits.memory_mib * 1024 * 1024,
                batch_time: Duration::ZERO,
                batch_time_limit: limits.deadline,
            },
        }
    }

    fn scenario(&mut self, scenario: &Scenario) -> ScenarioReport {
        let began = Instant::now();
        let server = match Server::start(&scenario.conduct, scenario.place) {
            Ok(server) => server,
            Err(why) => return skipped(scenario, why),
        };
        let stopwatch = Stopwatch::start();
        let mut output = Vec::new();
        let tried = self.try_with(scenario, &server, &mut output);
        let computed = stopwatch.computed();
        let requests = server.requests();
        let formats = || requests.iter().map(SeenRequest::format);
        if let Some(format) = scenario.format
            && !requests.is_empty()
            && formats().all(|found| found != Some(format))
        {
            let why = format!("the sender does not send {}", format.name());
            return skipped(scenario, why);
        }
        self.report.format = self.report.format.or(formats().flatten().next());
        let (expected, received) = match tried {
            Ok(()) => (None, None),
            Err(Finding { expected, received }) => (Some(expected), Some(received)),
        };
        ScenarioReport {
            name: scenario.name.clone(),
            outcome: match expected {
                None => Outcome::Passed,
                Some(_) => Outcome::Failed,
            },
            expected,
            received,
            rule: scenario.rule,
            duration: began.elapsed(),
            computed,
            output,
            requests,
        }
    }

    /// Tries what the scenario asks for. `output` is what the component wrote during its last batch.
    fn try_with(
        &mut self,
        scenario: &Scenario,
        server: &Server,
        output: &mut Vec<String>,
    ) -> Result<(), Finding> {
        let stopped = |error: SendError| Finding {
            expected: "a component that comes to life".into(),
            received: error.to_string().into(),
        };
        let path = format!("{}{}", self.kit.endpoint_path, scenario.place.suffix());
        let mut sender = self
            .sender(scenario, &format!("{}{path}", server.origin()))
            .map_err(stopped)?;
        sender
            .instantiate(Deadline::after(self.limits.deadline))
            .map_err(stopped)?;
        for (batch, expected) in &scenario.batches {
            let entries = batch.entries();
            let before = server.requests().len();
            let limit = match expected {
                Expected::Unanswered => SILENCE,
                _ => self.limits.deadline,
            };
            let began = Instant::now();
            let said = sender
                .send_batch(&entries, DISTINCT_ID, Deadline::after(limit))
                .and_then(Delivered::in_full);
            *output = sender.take_output();
            if said.is_ok() {
                self.report.batch_time = self.report.batch_time.max(began.elapsed());
            }
            self.report.memory = self.report.memory.max(sender.peak_memory());
            let requests = server.requests();
            let evidence = Evidence {
                entries: &entries,
                said: &said,
                requests: requests.get(before..).unwrap_or_default(),
                user_agent: &self.kit.user_agent,
                distinct_id: DISTINCT_ID,
                path: path.trim_end_matches('/'),
            };
            evidence.judge(*expected)?;
        }
        Ok(())
    }

    fn sender(&self, scenario: &Scenario, endpoint: &str) -> Result<ComponentSender, SendError> {
        let endpoint = Endpoint::parse(endpoint)
            .map_err(|error| SendError::InvalidConfiguration(error.to_string()))?;
        let mut options = self.kit.options.clone();
        if scenario.unknown_option {
            options.push((
                "optionThatNobodyKnows".into(),
                "value \" with\nodd text".into(),
            ));
        }
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
