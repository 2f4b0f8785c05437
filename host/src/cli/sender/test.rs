//! `sender test`: the conformance kit, for those who write senders.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use swamp::conformance::{Kit, Outcome, Progress, Report, ScenarioReport, SeenRequest};
use swamp::domain::printable;

use super::check::component;
use super::{compiled, spinner};
use crate::cli::args::SenderTest;
use crate::cli::context::{Context, VERSION};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::ui::{BAD, DIM, GOOD};

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested<'a> {
    component: &'a str,
    digest: String,
    passed: usize,
    failed: usize,
    skipped: usize,
    duration_ms: u128,
    /// The most memory that an instance took, and the limit.
    memory_bytes: u64,
    memory_limit_bytes: u64,
    /// The longest that a delivered batch took, and the limit.
    batch_ms: u128,
    batch_limit_ms: u128,
    scenarios: Vec<Scenario<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scenario<'a> {
    name: &'a str,
    /// Missing where the scenario was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    /// What came instead, or why the scenario was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<&'a str>,
    rule: &'a str,
    duration_ms: u128,
    /// With `--verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<&'a [SeenRequest]>,
}

pub(crate) fn run(args: &SenderTest, context: &Context) -> Result<(), CommandError> {
    let kit = Kit {
        accept_status: args.accept_status,
        endpoint_path: args.endpoint_path.clone().unwrap_or_default(),
        options: args.option.clone(),
        user_agent: format!("swamp/{VERSION}"),
        only: args.only.clone(),
    };
    let names = kit.scenario_names();
    check_names(&args.only, &names)?;
    let file = component(&args.file)?;
    let (compiled, _) = compiled(&file, context)?;
    let began = Instant::now();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let verbose = context.globals.verbose;
    let spinner = spinner(context);
    spinner.enable_steady_tick(Duration::from_millis(100));
    let mut printed: io::Result<()> = Ok(());
    let report = kit.run(&compiled, |progress| match progress {
        Progress::Begins(name) => spinner.set_message(name.to_owned()),
        Progress::Over(scenario) => {
            if printed.is_ok() && !context.ui.wants_json() {
                let lines = in_words(scenario, width, verbose);
                printed = spinner.suspend(|| context.ui.answer(&lines));
            }
        }
    });
    spinner.finish_and_clear();
    let report = report?;
    printed?;
    let took = began.elapsed();
    if context.ui.wants_json() {
        let digest = file.digest().to_string();
        context
            .ui
            .json(&tested(file.name(), digest, &report, took, verbose))?;
    } else {
        context.ui.answer(&totals(&report, took))?;
    }
    match report.count(Outcome::Failed) {
        0 => Ok(()),
        failed => Err(CommandError::msg(
            ErrorKind::Sender,
            format!(
                "{} failed {failed} of {} scenarios",
                printable(file.name()),
                report.scenarios.len()
            ),
        )),
    }
}

/// Whether each of `only` is the name of a scenario.
fn check_names(only: &[String], names: &[String]) -> Result<(), CommandError> {
    let known: BTreeSet<_> = names.iter().collect();
    match only.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(unknown) => Err(CommandError::msg(
            ErrorKind::Usage,
            format!(
                "there is no scenario {}; name one of {}",
                printable(unknown),
                names.join(", ")
            ),
        )),
    }
}

fn in_words(scenario: &ScenarioReport, width: usize, verbose: bool) -> String {
    let (style, word) = match scenario.outcome {
        Outcome::Passed => (GOOD, "pass"),
        Outcome::Failed => (BAD, "FAIL"),
        Outcome::Skipped => (DIM, "skip"),
    };
    let mut lines = vec![format!(
        "{style}{word}{style:#}  {:<width$}  {:>5} ms",
        scenario.name,
        scenario.duration.as_millis()
    )];
    let mut more = |key: &str, value: &str| lines.push(format!("      {key:<10}{value}"));
    if let Some(expected) = &scenario.expected {
        more("expected", &printable(expected));
    }
    if let Some(received) = &scenario.received {
        let key = match scenario.outcome {
            Outcome::Skipped => "why",
            Outcome::Passed | Outcome::Failed => "received",
        };
        more(key, &printable(received));
    }
    if scenario.outcome == Outcome::Failed {
        more("rule", &format!("\"{}\"", scenario.rule));
    }
    if verbose {
        for request in &scenario.requests {
            more("request", &printable(&request.to_string()));
            for (name, value) in &request.headers {
                more("", &printable(&format!("{name}: {value}")));
            }
        }
    }
    lines.join("\n")
}

fn totals(report: &Report, took: Duration) -> String {
    const MIB: u64 = 1024 * 1024;
    let count = |outcome| report.count(outcome);
    format!(
        "\n{} passed, {} failed, {} skipped in {:.1} s\nmemory {}.{} of {} MiB, slowest delivered batch {} of {} ms",
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::Skipped),
        took.as_secs_f64(),
        report.memory / MIB,
        report.memory % MIB * 10 / MIB,
        report.memory_limit / MIB,
        report.batch_time.as_millis(),
        report.batch_time_limit.as_millis(),
    )
}

fn tested<'a>(
    component: &'a str,
    digest: String,
    report: &'a Report,
    took: Duration,
    verbose: bool,
) -> Tested<'a> {
    let scenario = |one: &'a ScenarioReport| Scenario {
        name: &one.name,
        passed: match one.outcome {
            Outcome::Passed => Some(true),
            Outcome::Failed => Some(false),
            Outcome::Skipped => None,
        },
        expected: one.expected.as_deref(),
        received: one.received.as_deref(),
        rule: one.rule,
        duration_ms: one.duration.as_millis(),
        requests: verbose.then_some(one.requests.as_slice()),
    };
    Tested {
        component,
        digest,
        passed: report.count(Outcome::Passed),
        failed: report.count(Outcome::Failed),
        skipped: report.count(Outcome::Skipped),
        duration_ms: took.as_millis(),
        memory_bytes: report.memory,
        memory_limit_bytes: report.memory_limit,
        batch_ms: report.batch_time.as_millis(),
        batch_limit_ms: report.batch_time_limit.as_millis(),
        scenarios: report.scenarios.iter().map(scenario).collect(),
    }
}
