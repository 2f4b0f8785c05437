//! Asking a sender what it is: once, and then the cache.

use std::time::Duration;

use tracing::debug;

use super::cache::{Cache, DESCRIPTION_BYTES, Key};
use super::compiled::Compiled;
use super::description::Description;
use super::engine::{self, EngineKind};
use super::file::ComponentFile;
use super::run::{ComponentSender, SenderConfig};
use crate::domain::{Deadline, SendError, SenderFailureKind};

/// How long a sender that describes itself is waited for: ten times what the contract allows, since a busy machine is not
/// its fault.
const DESCRIBE_TIME: Duration = Duration::from_secs(1);

/// Asks a sender what it is, or the cache, which remembers. `None` for a sender whose contract does not have it say.
///
/// # Errors
///
/// When it does not run, or does not answer within a second without a request.
pub fn describe(compiled: &Compiled) -> Result<Option<Description>, SendError> {
    if let Some(known) = cached(compiled.cache(), compiled.key()) {
        return Ok(Some(known));
    }
    let config = SenderConfig::without_network()?;
    let limit = config.limits.deadline;
    let mut sender = ComponentSender::new(compiled, config)?;
    sender.instantiate(Deadline::after(limit))?;
    let Some(description) = sender.describe(Deadline::after(DESCRIBE_TIME))? else {
        return Ok(None);
    };
    let text = serde_json::to_vec(&description).unwrap_or_default();
    if text.len() > DESCRIPTION_BYTES {
        let answer = format!(
            "its description is larger than {} KiB",
            DESCRIPTION_BYTES / 1024
        );
        let failure = SenderFailureKind::OutOfContract { answer };
        return Err(failure.by(compiled.name().clone()).into());
    }
    compiled.cache().keep_description(compiled.key(), &text);
    Ok(Some(description))
}

/// What the cache remembers of what `file` says of itself. Nothing runs.
#[must_use]
pub fn cached_description(file: &ComponentFile, cache: &Cache) -> Option<Description> {
    EngineKind::ALL.into_iter().find_map(|kind| {
        let engine = engine::running(kind).ok()?;
        cached(cache, &Key::new(file.digest(), &engine))
    })
}

fn cached(cache: &Cache, key: &Key) -> Option<Description> {
    let text = cache.find_description(key)?;
    serde_json::from_slice(&text)
        .inspect_err(|error| debug!("ignored a description in the cache: {error}"))
        .ok()
}
