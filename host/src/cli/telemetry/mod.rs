//! `telemetry …`.

mod dry_run;
mod everywhere;
mod flush;
pub(crate) mod format;
mod install_id;
mod list;
mod purge;
mod receive;
mod record;
mod stats;
mod status;
mod switch;
mod table;

use super::args::Telemetry;
use super::context::Context;
use super::error::CommandError;

pub(crate) fn run(command: &Telemetry, context: &Context) -> Result<(), CommandError> {
    match command {
        Telemetry::Status { everywhere: true } => everywhere::show(context),
        Telemetry::Status { .. } => status::run(context),
        Telemetry::Stats(args) => stats::run(args, context),
        Telemetry::List(args) => list::run(args, context),
        Telemetry::Enable { global } => switch::run(true, *global, context),
        Telemetry::Disable { global } => switch::run(false, *global, context),
        Telemetry::InstallId { state, dry_run } => install_id::run(*state, *dry_run, context),
        Telemetry::Purge { yes, dry_run } => purge::run(*yes, *dry_run, context),
        Telemetry::Receive(args) => receive::run(args, context),
        Telemetry::Record(args) => record::run(args, context),
        Telemetry::Flush { dry_run: true, .. } => dry_run::run(context),
        Telemetry::Flush {
            everywhere: true, ..
        } => everywhere::flush(context),
        Telemetry::Flush { all, .. } => flush::run(*all, context),
    }
}
