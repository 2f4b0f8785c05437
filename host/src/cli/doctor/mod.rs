//! `doctor`: whether telemetry works here, and for each thing that is wrong, what mends it.

mod delivery;
mod machine;
mod settings;

use serde::Serialize;
use swamp::config::Marker;
use swamp::domain::ForeignText;

use self::delivery::Delivery;
use super::context::Context;
use super::error::{CommandError, ErrorKind};
use super::ui::{BAD, BOLD, GOOD};

/// The answer. Its keys are stable.
#[derive(Serialize)]
struct Report {
    /// Whether nothing is wrong.
    ok: bool,
    /// The checks, in the order in which they are shown.
    checks: Vec<Check>,
}

/// What was looked at, and what was found.
#[derive(Serialize)]
struct Check {
    /// A stable name.
    name: &'static str,
    /// Whether the check passed.
    ok: bool,
    /// What was found, in one sentence or less.
    found: ForeignText,
    /// How to fix it, if the check failed: a command if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<ForeignText>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<ForeignText>) -> Self {
        Self {
            name,
            ok: true,
            found: found.into(),
            fix: None,
        }
    }

    fn wrong(
        name: &'static str,
        found: impl Into<ForeignText>,
        fix: impl Into<ForeignText>,
    ) -> Self {
        Self {
            name,
            ok: false,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }
}

pub(crate) fn run(send: bool, context: &Context) -> Result<(), CommandError> {
    let checks = checks(send, context)?;
    let wrong = checks.iter().filter(|check| !check.ok).count();
    let all = checks.len();
    let report = Report {
        ok: wrong == 0,
        checks,
    };
    if context.ui.wants_json() {
        context.ui.json(&report)?;
    } else {
        let lines: Vec<_> = report.checks.iter().map(Check::in_words).collect();
        context.ui.answer(&lines.join("\n"))?;
    }
    if report.ok {
        Ok(())
    } else {
        let sentence = format!("{wrong} of {all} checks failed");
        Err(CommandError::msg(ErrorKind::Unwell, sentence).told_in_answer())
    }
}

fn checks(send: bool, context: &Context) -> Result<Vec<Check>, CommandError> {
    let mut checks = Vec::new();
    let marker = settings::repository(context, &mut checks);
    if let Some(found) = marker {
        settings::ownership(found, context, &mut checks);
    }
    let misspelled = settings::keys(context, &mut checks);
    settings::user(&mut checks);
    settings::environment(&mut checks);
    let Some((root, marker)) = marker else {
        checks.extend(machine::checks(None));
        return Ok(checks);
    };
    let is_on = settings::switch(context, marker, &mut checks);
    Delivery {
        context,
        root,
        marker,
        is_on,
        has_misspelled_endpoint: misspelled,
        send,
    }
    .check(&mut checks)?;
    checks.extend(machine::checks(Some(root)));
    Ok(checks)
}

impl Check {
    fn in_words(&self) -> String {
        let Self {
            name,
            ok,
            found,
            fix,
        } = self;
        if *ok {
            return format!("{GOOD}ok{GOOD:#}     {BOLD}{name:<12}{BOLD:#} {found}");
        }
        let wrong = format!("{BAD}wrong{BAD:#}  {BOLD}{name:<12}{BOLD:#} {found}");
        match fix {
            Some(fix) => format!("{wrong}\n       fix: {fix}"),
            None => wrong,
        }
    }
}

/// A marker and where it is.
type Found<'a> = (&'a std::path::Path, &'a Marker);
