//! `telemetry status --everywhere` and `telemetry flush --everywhere`: the repository of the command, the user's own, and
//! all whose entries are remembered to wait.

use std::path::PathBuf;

use chrono::Utc;
use serde::Serialize;
use swamp::config::backlogs::Backlogs;
use swamp::config::user_repo;
use swamp::domain::ForeignText;
use swamp::flush::Watch;
use swamp::process::worker;
use swamp::spool::FailureRecord;

use super::flush::{self, FlushReport};
use super::status::{self, Status};
use super::table::{Cell, Column, table};
use crate::cli::context::{Context, ENDPOINT_VARIABLE, env_var};
use crate::cli::elsewhere::{at, has_one_endpoint, may_flush, off_in_words};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint;
use crate::cli::interrupt::Interrupt;

/// What is said of one repository. `docs/json.md` describes it in words, since it is made of other answers.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Status(Box<Status>),
    Flushed {
        repository: ForeignText,
        #[serde(flatten)]
        report: FlushReport,
    },
    Skipped {
        repository: ForeignText,
        /// Why nothing is sent from it.
        skipped: ForeignText,
    },
    Problem {
        repository: ForeignText,
        /// Why it cannot be looked at or flushed.
        problem: ForeignText,
    },
}

const NONE: &str = "no repository has pending entries";

fn roots(context: &Context) -> Vec<PathBuf> {
    let own = context.repo.as_ref().map(|repo| repo.root.clone());
    let remembered = Backlogs::of(own.as_deref(), env_var).all();
    let all = own.into_iter().chain(user_repo::find(env_var));
    let mut roots: Vec<PathBuf> = Vec::new();
    for root in all.chain(remembered) {
        let root = root.canonicalize().unwrap_or(root);
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

const COLUMNS: [Column; 5] = [
    Column::text("telemetry", 3),
    Column::number("pending", 0),
    Column::number("quarantined", 2),
    Column::text("last flush", 1),
    Column::text("repository", 0),
];

pub(super) fn show(context: &Context) -> Result<(), CommandError> {
    let mut all = Vec::new();
    for root in roots(context) {
        let shown = match status::status(&at(&root, &context.globals)) {
            Ok(status) => Shown::Status(Box::new(status)),
            Err(why) => Shown::Problem {
                repository: root.as_path().into(),
                problem: why.with_hints().into(),
            },
        };
        all.push(shown);
    }
    if context.ui.wants_json() {
        return Ok(context.ui.json(&all)?);
    }
    if all.is_empty() {
        return Ok(context.ui.answer(NONE)?);
    }
    let now = Utc::now();
    let rows: Vec<_> = all.iter().filter_map(|shown| shown.row(now)).collect();
    let width = context.ui.terminal_size().map(|(_, columns)| columns);
    Ok(context.ui.answer(&table(&COLUMNS, &rows, width))?)
}

pub(super) fn flush(context: &Context) -> Result<(), CommandError> {
    if has_one_endpoint() {
        return Err(CommandError::msg(
            ErrorKind::Endpoint,
            format!("{ENDPOINT_VARIABLE} names one endpoint for all repositories"),
        )
        .hint(format!(
            "unset {ENDPOINT_VARIABLE}, so that each uses its own"
        )));
    }
    let watch = Watch::start()?;
    worker::forbid_core_dumps();
    let interrupt = Interrupt::watch()?;
    let own = context.repo.as_ref().map(|repo| &repo.root);
    let own = own.map(|root| root.canonicalize().unwrap_or_else(|_| root.clone()));
    let (mut all, mut failed) = (Vec::new(), 0);
    for root in roots(context) {
        if interrupt.is_requested() {
            break;
        }
        let at = at(&root, &context.globals);
        // In the command's own repository the person who gave it knows best, as with `telemetry flush`.
        let may_flush = if Some(&root) == own.as_ref() {
            at.repo()
                .map_err(|why| why.with_hints())
                .and_then(|(_, marker)| match at.off_switch(marker) {
                    Some(switch) => Err(off_in_words(&switch)),
                    None => Ok(()),
                })
        } else {
            may_flush(&at)
        };
        let repository = root.as_path().into();
        let shown = match may_flush {
            Err(skipped) => Shown::Skipped {
                repository,
                skipped: skipped.into(),
            },
            Ok(()) => match flush::flush(true, &at, &watch, &interrupt) {
                Ok(done) => Shown::Flushed {
                    repository,
                    report: done.report(),
                },
                Err(why) => Shown::Problem {
                    repository,
                    problem: why.with_hints().into(),
                },
            },
        };
        failed += u64::from(shown.has_failed());
        if !context.ui.wants_json() {
            context.ui.answer(&shown.in_words())?;
        }
        all.push(shown);
    }
    if context.ui.wants_json() {
        context.ui.json(&all)?;
    } else if all.is_empty() {
        context.ui.answer(NONE)?;
    }
    if interrupt.is_requested() {
        let sentence = "interrupted before every repository was flushed";
        return Err(CommandError::msg(ErrorKind::Interrupted, sentence).told_in_answer());
    }
    match failed {
        0 => Ok(()),
        1 => Err(
            CommandError::msg(ErrorKind::Flush, "1 repository was not flushed").told_in_answer(),
        ),
        failed => {
            let sentence = format!("{failed} repositories were not flushed");
            Err(CommandError::msg(ErrorKind::Flush, sentence).told_in_answer())
        }
    }
}

impl Shown {
    const fn has_failed(&self) -> bool {
        match self {
            Self::Flushed { report, .. } => report.failure.is_some(),
            Self::Problem { .. } => true,
            Self::Status(_) | Self::Skipped { .. } => false,
        }
    }

    /// How its flush went.
    fn in_words(&self) -> String {
        match self {
            Self::Status(_) => String::new(),
            Self::Flushed { repository, report } => {
                let failure = report.failure.as_ref();
                let hint = failure.and_then(FailureRecord::cause).map(hint::of_cause);
                let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
                let why = failure.map_or_else(String::new, |failure| {
                    format!("; could not deliver the rest: {}{hint}", failure.reason)
                });
                format!("{repository}: {}{why}", report.in_words())
            }
            Self::Skipped {
                repository,
                skipped: why,
            } => {
                format!("{repository}: skipped, because {why}")
            }
            Self::Problem {
                repository,
                problem: why,
            } => {
                format!("{repository}: {why}")
            }
        }
    }

    /// What waits there.
    fn row(&self, now: chrono::DateTime<Utc>) -> Option<[Cell; 5]> {
        let row = match self {
            Self::Status(status) => [
                if status.enabled { "on" } else { "off" }.into(),
                status.pending.to_string().into(),
                status.quarantined.to_string().into(),
                status.last_flush_in_words(now).into(),
                status.repository.as_written().into(),
            ],
            Self::Problem {
                repository,
                problem,
            } => [
                "off".into(),
                "".into(),
                "".into(),
                "".into(),
                format!("{repository}: {problem}").into(),
            ],
            Self::Flushed { .. } | Self::Skipped { .. } => return None,
        };
        Some(row)
    }
}
