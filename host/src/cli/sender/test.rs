//! `sender test`: the conformance kit, for those who write senders.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use glob::Pattern;
use serde::Serialize;
use swamp::conformance::{Kit, Listed, Outcome, Progress, Report, ScenarioReport, SeenRequest};
use swamp::domain::{ForeignText, shown};
use swamp::receiver::Format;
use swamp::sender::{CONTRACT_VERSIONS, describe};

use super::check::component;
use super::{compiled, hint_at_use, junit, watch};
use crate::cli::args::SenderTest;
use crate::cli::context::{Context, VERSION};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::progress::Work;
use crate::cli::ui::{BAD, DIM, GOOD};

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested<'a> {
    /// The sender that was tested.
    component: &'a ForeignText,
    /// The digest of its bytes.
    digest: String,
    /// How many scenarios it passed.
    passed: usize,
    /// How many it failed.
    failed: usize,
    /// How many were skipped.
    skipped: usize,
    /// The format, if it is one that `telemetry receive` checks: `ingest` or `otlp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// How long all of it took.
    duration_ms: u128,
    /// The most memory that an instance took.
    memory_bytes: u64,
    /// The most memory that an instance may take.
    memory_limit_bytes: u64,
    /// The longest that a delivered batch took.
    batch_ms: u128,
    /// The longest that a batch may take.
    batch_limit_ms: u128,
    /// The scenarios.
    scenarios: Vec<Scenario<'a>>,
}

/// A line of `--list`.
#[derive(Serialize)]
struct ListedScenario<'a> {
    /// The name, as in `--only`.
    name: &'a str,
    /// The rule of the contract that it tests.
    rule: &'a str,
    /// The versions of the contract that it is for.
    contracts: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scenario<'a> {
    /// The name, as in `--only`.
    name: &'a str,
    /// Whether it passed; missing if the scenario was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// What the contract requires; missing if the scenario was skipped.
    expected: Option<&'a ForeignText>,
    /// What was received instead, or why the scenario was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<&'a ForeignText>,
    /// The rule of the contract that it tests.
    rule: &'a str,
    /// How long it took.
    duration_ms: u128,
    /// How much of the duration was processor time of the sender and its host. Missing if the system does not report
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    computed_ms: Option<u128>,
    /// The last lines that the sender wrote to stdout and stderr, if the scenario failed or with `--verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a [String]>,
    /// The functions that the sender was in when it trapped or ran out of time, innermost first; with file and line if
    /// it contains DWARF. Missing if it did neither.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    frames: &'a [String],
    /// The requests of the sender, with `--verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<&'a [SeenRequest]>,
}

pub(crate) fn run(args: &SenderTest, context: &Context) -> Result<(), CommandError> {
    let known = Kit::list(args.accept_status);
    if args.list {
        return list(&known, context);
    }
    let only = patterns(&args.only, &known)?;
    let kit = Kit {
        accept_status: args.accept_status,
        endpoint_path: args.endpoint_path.clone().unwrap_or_default(),
        options: args.option.clone(),
        user_agent: format!("swamp/{VERSION}"),
        only,
    };
    // clap asks for it where nothing is to be listed.
    let file = args.file.as_deref().unwrap_or_else(|| Path::new(""));
    if args.watch {
        return watch_and_test(&kit, file, args, context);
    }
    test(&kit, file, args, context)?;
    hint_at_use(file, context);
    Ok(())
}

/// Tests the component now and after each change of its file, until Ctrl-C.
fn watch_and_test(
    kit: &Kit,
    file: &Path,
    args: &SenderTest,
    context: &Context,
) -> Result<(), CommandError> {
    if context.ui.wants_json() {
        let why = "--json cannot be used with --watch, which does not end";
        return Err(CommandError::msg(ErrorKind::Usage, why).hint("leave out --watch"));
    }
    loop {
        let seen = watch::version(file);
        if let Err(error) = test(kit, file, args, context) {
            context.ui.failure(&error);
        }
        context.ui.note(&format!(
            "waiting for {} to change; press Ctrl-C to stop",
            shown(file)
        ));
        watch::wait_for_change(file, seen);
    }
}

fn test(kit: &Kit, file: &Path, args: &SenderTest, context: &Context) -> Result<(), CommandError> {
    let names = kit.scenario_names();
    let file = component(file)?;
    let (compiled, _) = compiled(&file, context)?;
    // One that does not describe itself fails the scenarios about that.
    let description = describe(&compiled).ok().flatten();
    let problems = description.map(|description| description.problems(&kit.options));
    if let Some(problem) = problems.iter().flatten().next() {
        let sentence = format!("could not test {}: {problem}", file.name());
        return Err(CommandError::msg(ErrorKind::Usage, sentence).hint(format!(
            "set its options with --option KEY=VALUE; `swamp sender check {}` lists them",
            file.name().in_shell()
        )));
    }
    let began = Instant::now();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let verbose = context.globals.verbose;
    let work = Work::begin(context.ui, "testing");
    let mut printed: io::Result<()> = Ok(());
    let report = kit.run(&compiled, |progress| match progress {
        Progress::Begins(name) => work.says(format!("testing {name}")),
        Progress::Over(scenario) => {
            if printed.is_ok() && !context.ui.wants_json() {
                let lines = in_words(scenario, width, verbose);
                printed = work.suspend(|| context.ui.answer(&lines));
            }
        }
    });
    drop(work);
    let report = report?;
    printed?;
    let took = began.elapsed();
    if let Some(path) = &args.junit {
        junit::write(path, file.name(), &report, took)?;
    }
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
        failed => {
            let name = file.name();
            let all = report.scenarios.len();
            let sentence = format!("{name} failed {failed} of {all} scenarios");
            let hint =
                (!report.runs).then(|| format!("run `swamp sender check {}`", name.in_shell()));
            Err(CommandError::msg(ErrorKind::Sender, sentence)
                .told_in_answer()
                .hints(hint))
        }
    }
}

/// Prints the scenarios instead of running them.
fn list(known: &[Listed], context: &Context) -> Result<(), CommandError> {
    if context.ui.wants_json() {
        let listed: Vec<_> = known
            .iter()
            .map(|listed| ListedScenario {
                name: &listed.name,
                rule: listed.rule,
                contracts: &listed.contracts,
            })
            .collect();
        return Ok(context.ui.json(&listed)?);
    }
    let width = known.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let lines: Vec<_> = known
        .iter()
        .map(
            |Listed {
                 name,
                 rule,
                 contracts,
             }| {
                let since = match contracts.first() {
                    Some(first) if *first != CONTRACT_VERSIONS[0] => {
                        format!(" (since contract {first})")
                    }
                    _ => String::new(),
                };
                format!("{name:<width$}  {DIM}{rule}{since}{DIM:#}")
            },
        )
        .collect();
    Ok(context.ui.answer(&lines.join("\n"))?)
}

/// The patterns of `--only`, each of which stands for one scenario at least.
fn patterns(only: &[String], known: &[Listed]) -> Result<Vec<Pattern>, CommandError> {
    let pattern = |text: &String| {
        let pattern = Pattern::new(text).ok();
        pattern
            .filter(|pattern| known.iter().any(|one| pattern.matches(&one.name)))
            .ok_or_else(|| {
                let names: Vec<_> = known.iter().map(|one| one.name.as_str()).collect();
                let why = format!("there is no scenario {}", ForeignText::from(text.as_str()));
                let hint = format!("use one of {}", names.join(", "));
                CommandError::msg(ErrorKind::Usage, why).hint(hint)
            })
    };
    only.iter().map(pattern).collect()
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
        more("expected", &expected.to_string());
    }
    if let Some(received) = &scenario.received {
        let key = match scenario.outcome {
            Outcome::Skipped => "why",
            Outcome::Passed | Outcome::Failed => "received",
        };
        more(key, &received.to_string());
    }
    if scenario.outcome == Outcome::Failed {
        more("rule", &format!("\"{}\"", scenario.rule));
        if let Some(computed) = scenario.computed {
            let waited = scenario.duration.saturating_sub(computed);
            let (computed, waited) = (computed.as_millis(), waited.as_millis());
            more(
                "time",
                &format!("computed {computed} ms, waited {waited} ms"),
            );
        }
    }
    if verbose || scenario.outcome == Outcome::Failed {
        for line in &scenario.output {
            more("wrote", line);
        }
        for frame in &scenario.frames {
            more("in", frame);
        }
    }
    if verbose {
        for request in &scenario.requests {
            more("request", &request.to_string());
            for (name, value) in &request.headers {
                more(
                    "",
                    &ForeignText::from(format!("{name}: {value}")).to_string(),
                );
            }
        }
    }
    lines.join("\n")
}

fn totals(report: &Report, took: Duration) -> String {
    const MIB: u64 = 1024 * 1024;
    let count = |outcome| report.count(outcome);
    let sends = match report.format {
        Some(format) => format!(
            "\nformat {}, checked as `telemetry receive` checks it",
            format.name()
        ),
        None => String::new(),
    };
    format!(
        "\n{} passed, {} failed, {} skipped in {:.1} s\nmemory {}.{} of {} MiB, slowest delivered batch {} of {} ms{sends}",
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
    component: &'a ForeignText,
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
        expected: one.expected.as_ref(),
        received: one.received.as_ref(),
        rule: one.rule,
        duration_ms: one.duration.as_millis(),
        computed_ms: one.computed.map(|time| time.as_millis()),
        output: (verbose || one.outcome == Outcome::Failed).then_some(one.output.as_slice()),
        frames: &one.frames,
        requests: verbose.then_some(one.requests.as_slice()),
    };
    Tested {
        component,
        digest,
        passed: report.count(Outcome::Passed),
        failed: report.count(Outcome::Failed),
        skipped: report.count(Outcome::Skipped),
        format: report.format.map(Format::name),
        duration_ms: took.as_millis(),
        memory_bytes: report.memory,
        memory_limit_bytes: report.memory_limit,
        batch_ms: report.batch_time.as_millis(),
        batch_limit_ms: report.batch_time_limit.as_millis(),
        scenarios: report.scenarios.iter().map(scenario).collect(),
    }
}
