//! The contracts between host and component: a module a published version. Nothing outside of here knows which of them a
//! component is for.

mod v0_1;
mod v0_2;
mod v0_3;

use thiserror::Error;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

use super::description::Description;
use super::limits;
use super::sandbox::Guest;
use crate::domain::{Cause, Delivered, Reason, SendError, SpooledEntry, printable};
use crate::egress::Secrets;

/// The export that a sender is known by, without its version.
const INTERFACE: &str = "swamp:telemetry/sender";

/// The versions of the contract that this host runs, oldest first.
pub const CONTRACT_VERSIONS: [&str; 3] = [v0_1::VERSION, v0_2::VERSION, v0_3::VERSION];

/// The version of the contract that a component of these exports is for, if it exports any: of several, the newest that
/// this host runs.
pub(super) fn version_of<'a>(exports: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let version = |export: &'a str| {
        let (name, version) = export.split_once('@')?;
        (name == INTERFACE).then_some(version)
    };
    let exported: Vec<_> = exports.into_iter().filter_map(version).collect();
    let is_exported = |version: &&&str| exported.contains(*version);
    let ours = CONTRACT_VERSIONS.iter().rev().find(is_exported);
    ours.or(exported.first()).copied()
}

/// A component whose export of the right name has another type than the contract's.
#[derive(Debug, Error)]
#[error("its sender is not that of contract {0}")]
pub(super) struct TypeMismatch(
    /// The version of the contract.
    pub(super) &'static str,
);

/// The versions that this host runs, in words.
#[must_use]
pub fn contract_versions() -> String {
    let [earlier @ .., newest] = CONTRACT_VERSIONS;
    format!("{} and {newest}", earlier.join(", "))
}

/// A version of the contract that this host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    V0_1,
    V0_2,
    V0_3,
}

/// The version of the contract whose senders are async.
pub(super) const ASYNC_VERSION: &str = v0_3::VERSION;

/// Whether a component of these exports is for a contract that needs the component model's async.
pub(super) fn needs_async<'a>(exports: impl IntoIterator<Item = &'a str>) -> bool {
    version_of(exports) == Some(ASYNC_VERSION)
}

impl Contract {
    /// That of a component with these exports.
    ///
    /// # Errors
    ///
    /// Says what it exports instead.
    pub(super) fn of<'a>(exports: impl IntoIterator<Item = &'a str>) -> Result<Self, Reason> {
        match version_of(exports) {
            Some(v0_1::VERSION) => Ok(Self::V0_1),
            Some(v0_2::VERSION) => Ok(Self::V0_2),
            Some(v0_3::VERSION) => Ok(Self::V0_3),
            Some(other) => Err(Reason::new(
                Cause::UnsupportedContract,
                format!(
                    "it is for version {} of the contract, and this host runs {}",
                    reason(other),
                    contract_versions()
                ),
            )),
            None => Err(format!(
                "it does not export {INTERFACE}@{}, so it is not a telemetry sender",
                v0_2::VERSION
            )
            .into()),
        }
    }

    /// The version.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::V0_1 => v0_1::VERSION,
            Self::V0_2 => v0_2::VERSION,
            Self::V0_3 => v0_3::VERSION,
        }
    }

    /// Checks that a function of the contract is async where the contract has it so, and only there.
    ///
    /// # Errors
    ///
    /// Says what it is instead.
    pub(super) fn check_async(self, function: &str, is_async: bool) -> Result<(), Reason> {
        let version = self.version();
        let should_be = self == Self::V0_3 && v0_3::ASYNC_FUNCTIONS.contains(&function);
        match (should_be, is_async) {
            (true, false) => Err(Reason::new(
                Cause::NotAsync,
                format!("its {function} is not async, and contract {version} requires that"),
            )),
            (false, true) => Err(Reason::new(
                Cause::AsyncContract,
                format!("its {function} is async, which contract {version} does not have"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether the interface of this name is one of the contract's.
    pub(super) fn has(self, interface: &str) -> bool {
        let named = interface.split_once('@');
        named.is_some_and(|(name, version)| {
            name.starts_with("swamp:telemetry/") && version == self.version()
        })
    }

    /// Finds the contract's exports in a component that is linked.
    pub(super) fn find(self, linked: InstancePre<Guest>) -> wasmtime::Result<SenderPre> {
        Ok(match self {
            Self::V0_1 => SenderPre::V0_1(v0_1::SenderPre::new(linked)?),
            Self::V0_2 => SenderPre::V0_2(v0_2::SenderPre::new(linked)?),
            Self::V0_3 => SenderPre::V0_3(v0_3::SenderPre::new(linked)),
        })
    }
}

/// What contracts offer to import that has functions.
pub(super) const OFFERED: [&str; 2] = [v0_2::BATCH, v0_3::BATCH];

/// Adds what contracts offer to import: nothing that a component can use unless it is for that contract.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    v0_2::add_to_linker(linker)?;
    v0_3::add_to_linker(linker)
}

/// A component that is linked.
pub(super) enum SenderPre {
    V0_1(v0_1::SenderPre),
    V0_2(v0_2::SenderPre),
    V0_3(v0_3::SenderPre),
}

impl SenderPre {
    /// Brings it to life.
    ///
    /// # Errors
    ///
    /// When it traps, or has a [`TypeMismatch`].
    pub(super) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Sender> {
        Ok(match self {
            Self::V0_1(linked) => Sender::V0_1(linked.instantiate(store).await?),
            Self::V0_2(linked) => Sender::V0_2(linked.instantiate(store).await?),
            Self::V0_3(linked) => Sender::V0_3(linked.instantiate(store).await?),
        })
    }

    /// Whether the contract promises senders entries such as this one.
    pub(super) fn promises(&self, entry: &SpooledEntry) -> bool {
        match self {
            Self::V0_1(_) => v0_1::promises(entry),
            Self::V0_2(_) | Self::V0_3(_) => true,
        }
    }
}

/// What a sender is called with.
pub(super) struct Batch<'a> {
    pub(super) endpoint: &'a str,
    pub(super) user_agent: &'a str,
    pub(super) options: &'a [(String, String)],
    pub(super) distinct_id: &'a str,
    pub(super) entries: &'a [SpooledEntry],
    /// Kept out of whatever the guest says.
    pub(super) secrets: &'a Secrets,
}

impl Batch<'_> {
    fn options(&self) -> Vec<(&str, &str)> {
        let options = self.options.iter();
        options
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    /// A guest's or an endpoint's words, without the user's secrets, which an endpoint may have echoed.
    fn reason(&self, text: &str) -> String {
        reason(&self.secrets.mask(text))
    }
}

/// An instance of a component.
pub(super) enum Sender {
    V0_1(v0_1::Sender),
    V0_2(v0_2::Sender),
    V0_3(v0_3::Sender),
}

impl Sender {
    /// Calls it. What it answers is not believed yet.
    ///
    /// # Errors
    ///
    /// When it traps.
    pub(super) async fn send_batch(
        &self,
        store: &mut Store<Guest>,
        batch: &Batch<'_>,
    ) -> wasmtime::Result<Result<Delivered, SendError>> {
        match self {
            Self::V0_1(sender) => sender.send_batch(store, batch).await,
            Self::V0_2(sender) => sender.send_batch(store, batch).await,
            Self::V0_3(sender) => sender.send_batch(store, batch).await,
        }
    }

    /// Asks it what it is. `None` where its contract does not have it say.
    ///
    /// # Errors
    ///
    /// When it traps.
    pub(super) async fn describe(
        &self,
        store: &mut Store<Guest>,
    ) -> wasmtime::Result<Option<Description>> {
        match self {
            Self::V0_1(_) => Ok(None),
            Self::V0_2(sender) => sender.describe(store).await.map(Some),
            Self::V0_3(sender) => sender.describe(store).await.map(Some),
        }
    }

    /// Asks it whether it could work with the destination and the options of `batch`. Where it has no answer, it could.
    ///
    /// # Errors
    ///
    /// When it traps. Its own answer says what is wrong.
    pub(super) async fn check_config(
        &self,
        store: &mut Store<Guest>,
        batch: &Batch<'_>,
    ) -> wasmtime::Result<Result<(), String>> {
        match self {
            Self::V0_1(_) => Ok(Ok(())),
            Self::V0_2(sender) => sender.check_config(store, batch).await,
            Self::V0_3(sender) => sender.check_config(store, batch).await,
        }
    }
}

/// A guest's or an endpoint's words, cut short and escaped.
pub(super) fn reason(text: &str) -> String {
    let short: String = text.trim().chars().take(limits::REASON_CHARS).collect();
    printable(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_versions_the_newest_that_this_host_runs_counts() {
        for (exports, version) in [
            (&["wasi:cli/run@0.2.0"][..], None),
            (&["swamp:telemetry/sender"], None),
            (&["swamp:telemetry/sender@0.1.0"], Some("0.1.0")),
            (&["swamp:telemetry/sender@9.0.0"], Some("9.0.0")),
            (
                &[
                    "swamp:telemetry/sender@9.0.0",
                    "swamp:telemetry/sender@0.1.0",
                    "swamp:telemetry/sender@0.2.0",
                ],
                Some("0.2.0"),
            ),
            (
                &[
                    "swamp:telemetry/sender@0.3.0",
                    "swamp:telemetry/sender@0.2.0",
                ],
                Some("0.3.0"),
            ),
            (
                &[
                    "swamp:telemetry/sender@0.1.0",
                    "swamp:telemetry/description@0.2.0",
                ],
                Some("0.1.0"),
            ),
        ] {
            assert_eq!(version_of(exports.iter().copied()), version, "{exports:?}");
        }
    }
}
