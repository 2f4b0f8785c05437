//! The log on stderr: one line an event, `level: message`, and one for the hint where the event names a cause.

use std::fmt;
use std::io;

use swamp::domain::{Cause, printable};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::hint;
use super::ui::Color;

/// The environment variable that sets the level.
pub(crate) use swamp::flush::background::LOG_VARIABLE as VARIABLE;

/// Starts logging. At trace level, the events of libraries (wasmtime, hyper) are shown too, and each line has its time.
pub(crate) fn start(level: LevelFilter, color: Color) {
    // Everything is logged at debug level. What a person must see is printed.
    if level < LevelFilter::DEBUG {
        return;
    }
    let is_trace = level == LevelFilter::TRACE;
    let libraries = if is_trace { level } else { LevelFilter::OFF };
    let targets = Targets::new()
        .with_target("swamp", level)
        .with_default(libraries);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(color.applies_to(&io::stderr()))
        .event_format(Line { has_time: is_trace })
        .fmt_fields(debug_fn(|writer, field, value| match field.name() {
            "message" => write!(writer, "{value:?}"),
            CAUSE => Ok(()),
            name => write!(writer, " {name}={value:?}"),
        }))
        .with_filter(targets);
    // A process logs once; a second start would change nothing.
    tracing_subscriber::registry().with(lines).try_init().ok();
}

/// The field in which an event names a [`Cause`]. It is shown as a hint.
const CAUSE: &str = "cause";

struct Line {
    has_time: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let time = if self.has_time {
            chrono::Utc::now().format("%H:%M:%S%.3f ").to_string()
        } else {
            String::new()
        };
        let mut message = String::new();
        context.format_fields(Writer::new(&mut message), event)?;
        // One line per event, even if the text in it contains line breaks.
        writeln!(writer, "{time}{level}: {}", printable(&message))?;
        let mut cause = CauseOf(None);
        event.record(&mut cause);
        match cause.0 {
            Some(cause) => writeln!(writer, "{time}{level}: hint: {}", hint::of_cause(cause)),
            None => Ok(()),
        }
    }
}

/// The cause that an event names in its field `cause`.
struct CauseOf(Option<Cause>);

impl Visit for CauseOf {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == CAUSE {
            self.0 = Cause::parse(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
