//! The log on stderr: one line an event, `level: message`.

use std::fmt;
use std::io;

use swamp::domain::printable;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::ui::Color;

/// The environment variable that sets the level.
pub(crate) use swamp::flush::background::LOG_VARIABLE as VARIABLE;

/// Starts logging. At trace level, the events of libraries (wasmtime, hyper) are shown too, and each line has its time.
pub(crate) fn start(level: LevelFilter, color: Color) {
    // Nothing is logged above debug level: what a person is to see is printed.
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
        .with_filter(targets);
    // A process logs once; a second start would change nothing.
    tracing_subscriber::registry().with(lines).try_init().ok();
}

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
        if self.has_time {
            let now = chrono::Utc::now();
            write!(writer, "{} ", now.format("%H:%M:%S%.3f"))?;
        }
        write!(writer, "{level}: ")?;
        let mut message = String::new();
        context.format_fields(Writer::new(&mut message), event)?;
        // One line an event, whoever wrote what is in it.
        writeln!(writer, "{}", printable(&message))
    }
}
