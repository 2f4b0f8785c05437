//! `sender show`: which sender delivers for this repository.

use serde::Serialize;
use swamp::config::SenderSource;
use swamp::config::known::Known;
use swamp::config::trust::Sender;
use swamp::domain::ForeignText;
use swamp::flush::component_file;
use swamp::process::worker::Program;
use swamp::sender::{Compiled, Compiler, ComponentFile, Description, cached_description, describe};

use super::check::row;
use super::described;
use crate::cli::context::{Context, known};
use crate::cli::error::CommandError;

/// The answer. Its keys are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Show {
    /// The sender, as `telemetrySender` names it.
    component: ForeignText,
    /// Where it is set: `marker` or `default`.
    source: &'static str,
    /// The digest of its bytes, `sha256:` and 64 hexadecimal digits.
    digest: String,
    /// Its size in bytes.
    bytes: usize,
    /// The digest that the marker pins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_digest: Option<String>,
    /// Whether the sender has that digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin_matches: Option<bool>,
    /// Whether the repository is known.
    known: bool,
    /// Why it is known or not.
    known_because: ForeignText,
    /// Whether it gets this user's headers for the endpoint.
    trusted: bool,
    /// Why it gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    untrusted_because: Option<ForeignText>,
    /// Whether its machine code is in the cache.
    cached: bool,
    /// Its description of itself; missing if its contract has none, or if it has not run yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
}

pub(crate) fn run(context: &Context) -> Result<(), CommandError> {
    let (root, marker) = context.repo()?;
    let source = &marker.telemetry_sender;
    let file = component_file(root, source, context.owners())?;
    let pinned = marker.telemetry_sender_digest;
    let sender = Sender {
        digest: file.digest(),
        is_builtin: matches!(source, SenderSource::Builtin(_)),
    };
    let known = known(root, marker);
    let is_vouched_for = known
        .as_ref()
        .is_some_and(|known| known.may_be_async(sender));
    let file = file.vouched_for(is_vouched_for);
    let untrusted_because = match &known {
        Some(known) => known
            .may_spend(sender)
            .err()
            .map(|why| why.to_string().into()),
        None => Some("its endpoint is not valid".into()),
    };
    let show = Show {
        component: file.name().clone(),
        source: if *source == SenderSource::default() {
            "default"
        } else {
            "marker"
        },
        digest: file.digest().to_string(),
        bytes: file.bytes().len(),
        pinned_digest: pinned.map(|digest| digest.to_string()),
        pin_matches: pinned.map(|digest| digest == file.digest()),
        known: known.as_ref().is_some_and(Known::is_known),
        known_because: match known.as_ref().map(Known::answer) {
            Some(Ok(by)) => by.in_words().into(),
            Some(Err(why)) => why.to_string().into(),
            None => "its endpoint is not valid".into(),
        },
        trusted: untrusted_because.is_none(),
        untrusted_because,
        cached: Compiled::is_cached(&file, &context.cache()),
        description: description(&file, context),
    };
    if context.ui.wants_json() {
        context.ui.json(&show)?;
    } else {
        context.ui.answer(&show.in_words())?;
    }
    Ok(())
}

/// What it says of itself, as the cache remembers it, or by running it where it is compiled already.
fn description(file: &ComponentFile, context: &Context) -> Option<Description> {
    let cache = context.cache();
    if let Some(known) = cached_description(file, &cache) {
        return Some(known);
    }
    if !Compiled::is_cached(file, &cache) {
        return None;
    }
    let program = Program::current().ok()?;
    let cached = Compiled::obtain(file, &cache, &Compiler::new(program)).ok()?;
    describe(&cached).ok().flatten()
}

impl Show {
    fn in_words(&self) -> String {
        let pinned = match self.pin_matches {
            None => "no",
            Some(true) => "yes, to this digest",
            Some(false) => {
                "no, to another digest, so it does not run; run `swamp sender use` to pin this one"
            }
        };
        let trusted = match &self.untrusted_because {
            None => {
                "yes: it sends the headers that your config.yaml has for the endpoint".to_owned()
            }
            Some(why) => {
                format!("no: it sends none of your headers, since {why}; run `swamp trust`")
            }
        };
        let known = if self.known { "yes" } else { "no" };
        let cached = if self.cached { "yes" } else { "not yet" };
        let mut rows = vec![
            row(
                "component",
                &format!("{} ({})", self.component, self.source),
            ),
            row("digest", &self.digest),
            row("size", &format!("{} bytes", self.bytes)),
            row("pinned", pinned),
            row("known", &format!("{known}: {}", self.known_because)),
            row("trusted", &trusted),
            row("compiled", cached),
        ];
        let described = self.description.iter().flat_map(described);
        rows.extend(described.map(|(name, text)| row(name, &text)));
        rows.join("\n")
    }
}
