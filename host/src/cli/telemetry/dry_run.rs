//! `telemetry flush --dry-run`: what would leave the machine, without any network.

use serde::Serialize;
use serde_json::Value;
use swamp::domain::{ForeignText, RepoId};
use swamp::egress::DryRunRequest;
use swamp::flush::Watch;
use swamp::spool::FileSpool;

use crate::cli::context::{Context, flush_setup};
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint;
use crate::cli::progress::Work;
use crate::cli::ui::BOLD;

/// One request. The keys of the answer, a list of these, are stable.
#[derive(Serialize)]
struct Request {
    /// The method.
    method: String,
    /// The URL.
    url: ForeignText,
    /// The header fields in order; the user's headers with `${NAME}` for each variable.
    headers: Vec<(ForeignText, ForeignText)>,
    /// The body: JSON if it is JSON, otherwise text.
    body: Value,
}

pub(crate) fn run(context: &Context) -> Result<(), CommandError> {
    let watch = Watch::start()?;
    let (root, marker) = context.repo()?;
    // A repository without an id gets one when something is sent, which this is not.
    let repo_id = marker.repo_id.clone().unwrap_or_else(RepoId::generate);
    let setup = flush_setup(context, root, marker, repo_id)?;
    let work = Work::begin(context.ui, "making the request");
    let requests = match FileSpool::open(root, context.owners())? {
        Some(spool) => setup.dry_run(spool, &watch).map_err(|failure| {
            CommandError::msg(
                ErrorKind::Flush,
                format!("could not build the request of this batch: {failure}"),
            )
            .hints(hint::of_failure(
                failure.kind(),
                failure.cause(),
                &marker.telemetry_sender.to_string().into(),
            ))
        })?,
        None => Vec::new(),
    };
    drop(work);
    let requests: Vec<_> = requests.into_iter().map(Request::from).collect();
    if context.ui.wants_json() {
        context.ui.json(&requests)?;
    } else if requests.is_empty() {
        context.ui.answer("no pending entries")?;
    } else {
        let shown: Vec<_> = requests.iter().map(Request::in_words).collect();
        context.ui.answer(&shown.join("\n\n"))?;
    }
    Ok(())
}

impl From<DryRunRequest> for Request {
    fn from(request: DryRunRequest) -> Self {
        let body = serde_json::from_slice(&request.body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into());
        let headers = request.headers.into_iter();
        let headers = headers.map(|(name, value)| (name.into(), value.into()));
        Self {
            method: request.method.to_string(),
            url: request.url.into(),
            headers: headers.collect(),
            body,
        }
    }
}

impl Request {
    fn in_words(&self) -> String {
        let mut lines = vec![format!("{BOLD}{} {}{BOLD:#}", self.method, self.url)];
        lines.extend(
            self.headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        lines.push(String::new());
        let body = match &self.body {
            Value::String(text) => text.clone(),
            json => format!("{json:#}"),
        };
        lines.extend(body.lines().map(|line| ForeignText::from(line).to_string()));
        lines.join("\n")
    }
}
