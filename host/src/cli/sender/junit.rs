//! The kit's report as `JUnit` XML, for the pages of CI systems.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};
use swamp::conformance::{Outcome, Report, ScenarioReport};
use swamp::domain::{ForeignText, shown};

use crate::cli::error::{CommandError, ErrorKind};

/// Writes what became of the scenarios of `component` to `path`.
pub(super) fn write(
    path: &Path,
    component: &ForeignText,
    report: &Report,
    took: Duration,
) -> Result<(), CommandError> {
    let mut suite = TestSuite::new(component.to_string());
    suite.set_time(took);
    suite.add_test_cases(report.scenarios.iter().map(case));
    let mut document = quick_junit::Report::new("swamp sender test");
    document.set_time(took).add_test_suite(suite);
    let written = document
        .to_string()
        .map_err(std::io::Error::other)
        .and_then(|xml| std::fs::write(path, xml));
    written.map_err(|error| {
        CommandError::msg(
            ErrorKind::Io,
            format!("could not write the report {}: {error}", shown(path)),
        )
        .hint("use a file in a directory that you can write to")
    })
}

fn case(scenario: &ScenarioReport) -> TestCase {
    let mut status = match scenario.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Skipped => TestCaseStatus::skipped(),
    };
    if let Some(received) = &scenario.received {
        status.set_message(received.to_string());
    }
    if let Some(expected) = &scenario.expected {
        let rule = scenario.rule;
        status.set_description(format!("expected {expected}; rule: {rule}"));
    }
    let mut case = TestCase::new(scenario.name.as_str(), status);
    case.set_classname("swamp.sender");
    case.set_time(scenario.duration);
    let frames = scenario.frames.iter().map(|frame| format!("in {frame}"));
    let lines: Vec<_> = scenario.output.iter().cloned().chain(frames).collect();
    if !lines.is_empty() {
        case.set_system_err(XmlString::new(lines.join("\n")));
    }
    case
}
