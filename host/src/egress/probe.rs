//! Trying out the way to an endpoint, without sending anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;

use super::EgressLimits;
use super::connect::{Connector, Tasks};
use super::environment::Environment;
use super::failure::{Limit, Phase};
use super::reach::Reach;
use super::report::BatchLog;
use super::resolve::Resolver;
use super::secrets::Secrets;
use super::target::Target;
use crate::domain::{Deadline, Endpoint, Reason};

/// The way to an endpoint that was found open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// `host:port` of the proxy that it leads through.
    pub proxy: Option<String>,
}

/// Resolves, connects and shakes hands as a sender's request would, within `limit`, and closes the connection.
///
/// # Errors
///
/// Says in one sentence what is in the way.
pub fn probe(
    endpoint: &Endpoint,
    environment: &Environment,
    reach: Reach,
    limit: Duration,
) -> Result<Reached, Reason> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the system could not create an event loop: {error}"))?;
    let target = Target::new(endpoint.origin());
    let tasks = Arc::new(Tasks::default());
    let waiting = Phase::Waiting {
        origin: Arc::clone(&target.name),
    };
    let connector = Connector::new(
        target,
        environment,
        Resolver::system(),
        reach,
        EgressLimits::default().max_head,
        &tasks,
    );
    let batch = Arc::new(BatchLog::new(Deadline::after(limit), Secrets::default()));
    let Some(open) = batch.admit(1, waiting) else {
        return Err("the request was not admitted".into());
    };
    let opened = runtime.block_on(async { timeout(limit, connector.open(&open)).await });
    match opened {
        Ok(Ok(_)) => Ok(Reached {
            proxy: connector.proxy(),
        }),
        Ok(Err(failure)) => Err(failure.reason()),
        Err(_) => Err(open.late(Limit::Deadline).to_string().into()),
    }
}
