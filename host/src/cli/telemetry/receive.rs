//! `telemetry receive`: an endpoint on one's own machine, which prints what arrives.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use swamp::domain::{ForeignText, Status};
use swamp::receiver::{Arrival, ReceivedEvent, Receiver, ReceiverOptions, Summary};

use super::format::{duration, entries};
use crate::cli::args::Receive;
use crate::cli::context::Context;
use crate::cli::error::{CommandError, ErrorKind};
use crate::cli::hint;
use crate::cli::interrupt::Interrupt;
use crate::cli::ui::{BAD, DIM, GOOD, WARN};

/// How often Ctrl-C is looked for while nothing arrives.
const TICK: Duration = Duration::from_millis(50);

/// A line of `--json`. The keys are stable.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Line<'a> {
    /// `listening`.
    #[serde(rename_all = "camelCase")]
    Listening {
        /// The URL to send to.
        endpoint: String,
    },
    /// `request`.
    #[serde(rename_all = "camelCase")]
    Request {
        /// When it arrived.
        at: String,
        /// Its method.
        method: &'a str,
        /// Its path.
        path: &'a str,
        /// `ingest`, or `otlp` for requests to a path for OTLP logs.
        format: &'static str,
        /// The length of the uncompressed body.
        bytes: usize,
        /// How many events in it are new.
        fresh: usize,
        /// How many events in it had been received before.
        repeated: usize,
        /// The status of the answer; missing if the connection was closed instead.
        answered: Option<u16>,
        /// Why it was refused.
        refusal: Option<&'a str>,
        /// Problems in events that were accepted.
        warnings: Vec<&'a str>,
        /// The new events, unchanged.
        events: Vec<Box<RawValue>>,
    },
    /// `summary`.
    #[serde(rename_all = "camelCase")]
    Summary {
        /// How many requests there were.
        requests: u64,
        /// How many events there were, including repeated ones.
        events: u64,
        /// How many different events there were.
        unique: u64,
        /// How many of the events had been received before.
        repeated: u64,
        /// How many requests were refused because of their content.
        bad_requests: u64,
    },
}

pub(crate) fn run(args: &Receive, context: &Context) -> Result<(), CommandError> {
    let receiver = Receiver::start(ReceiverOptions {
        listen: args.listen,
        allow_remote: args.allow_remote,
        respond: args.respond,
        delay: Duration::from_millis(args.delay),
        fail_every: args.fail_every,
        drop_every: args.drop_every,
        save: args.save.clone(),
        page: true,
        ..ReceiverOptions::default()
    })
    .map_err(|error| {
        let hint = hint::of_receiver(&error);
        CommandError::new(ErrorKind::Receiver, error).hint(hint)
    })?;
    let interrupt = Interrupt::watch()?;

    // Before anybody is told where to send: what arrived earlier would not be printed.
    let arrivals = receiver.arrivals();
    let endpoint = receiver.endpoint();
    if context.ui.wants_json() {
        context.ui.json_line(&Line::Listening { endpoint })?;
    } else {
        context.ui.note(&format!(
            "listening on {endpoint}; open it in a browser to see what arrives; run `swamp init --endpoint {endpoint}` in a repository to send here; press Ctrl-C to stop"
        ));
    }
    let mut has_header = false;
    while !interrupt.is_requested() {
        match arrivals.recv_timeout(TICK) {
            Ok(arrival) => show(&arrival, &mut has_header, context)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let summary = receiver.shut_down();
    if context.ui.wants_json() {
        context.ui.json_line(&Line::of_summary(&summary))?;
    } else {
        context.ui.answer(&summary_in_words(&summary))?;
    }
    if interrupt.is_requested() {
        return Err(CommandError::msg(ErrorKind::Interrupted, "").told_in_answer());
    }
    Ok(())
}

/// Prints what arrived; before the first event, what the columns are.
fn show(arrival: &Arrival, has_header: &mut bool, context: &Context) -> Result<(), CommandError> {
    if context.ui.wants_json() {
        context.ui.json_line(&Line::of_arrival(arrival))?;
        return Ok(());
    }
    if !*has_header && arrival.fresh() > 0 {
        context.ui.answer(&format!("{DIM}{HEADER}{DIM:#}"))?;
        *has_header = true;
    }
    for event in arrival.fresh_events() {
        context.ui.answer(&event_in_words(arrival, event))?;
    }
    let time = arrival.at.format("%H:%M:%S");
    if let Some(refusal) = &arrival.refusal {
        let status = arrival
            .answered
            .map_or_else(|| "-".to_owned(), |status| status.to_string());
        context.ui.answer(&format!(
            "{time}  {BAD}{status}{BAD:#} {}: {}",
            request_line(arrival),
            ForeignText::from(refusal.as_str())
        ))?;
    } else if arrival.answered.is_none() {
        context.ui.answer(&format!(
            "{time}  {BAD}closed{BAD:#} without a response (--drop-every)"
        ))?;
    }
    for warning in arrival.warnings() {
        context.ui.answer(&format!(
            "{time}  {WARN}warning{WARN:#} {}: {}",
            request_line(arrival),
            ForeignText::from(warning)
        ))?;
    }
    if arrival.repeated() > 0 {
        let repeated = entries(u64::try_from(arrival.repeated()).unwrap_or(u64::MAX));
        context
            .ui
            .answer(&format!("{time}  {DIM}{repeated} received before{DIM:#}"))?;
    }
    Ok(())
}

fn request_line(arrival: &Arrival) -> ForeignText {
    format!("{} {}", arrival.method, arrival.path).into()
}

/// What the columns of [`event_in_words`] are.
const HEADER: &str = "time      repo      result  exit    duration  command";

fn event_in_words(arrival: &Arrival, event: &ReceivedEvent) -> String {
    let words = [event.command(), event.subcommand()];
    let command = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let shown = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    let repo = shown(event.distinct_id().chars().take(8).collect());
    let result = match event.status() {
        Some(Status::Success) => format!("{GOOD}ok{GOOD:#}    "),
        Some(Status::Error | Status::UserError) => format!("{BAD}failed{BAD:#}"),
        None => "-     ".to_owned(),
    };
    let exit = event
        .exit_code()
        .map_or_else(|| "-".to_owned(), |code| code.to_string());
    let duration = event.duration_ms().map_or_else(|| "-".to_owned(), duration);
    format!(
        "{}  {:<8}  {result}  {exit:>4}  {duration:>10}  {}",
        arrival.at.format("%H:%M:%S"),
        ForeignText::from(repo),
        ForeignText::from(shown(command))
    )
}

fn summary_in_words(summary: &Summary) -> String {
    format!(
        "{} requests, {} events: {} different, {} repeated; {} bad requests",
        summary.requests, summary.events, summary.unique, summary.repeated, summary.bad_requests
    )
}

impl<'a> Line<'a> {
    fn of_arrival(arrival: &'a Arrival) -> Self {
        Self::Request {
            at: arrival
                .at
                .to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            method: &arrival.method,
            path: &arrival.path,
            format: arrival.format.name(),
            bytes: arrival.body.len(),
            fresh: arrival.fresh(),
            repeated: arrival.repeated(),
            answered: arrival.answered,
            refusal: arrival.refusal.as_deref(),
            warnings: arrival.warnings().collect(),
            events: arrival
                .fresh_events()
                .filter_map(|event| RawValue::from_string(event.to_line()).ok())
                .collect(),
        }
    }

    fn of_summary(summary: &Summary) -> Self {
        Self::Summary {
            requests: summary.requests,
            events: summary.events,
            unique: summary.unique,
            repeated: summary.repeated,
            bad_requests: summary.bad_requests,
        }
    }
}
