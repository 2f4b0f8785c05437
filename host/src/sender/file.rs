//! A component's file, as it was read.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;

use crate::config::BuiltinSender;
use crate::config::ownership::Owners;
use crate::domain::{Digest, ForeignText, Reason, SenderFailure, SenderFailureKind};
use crate::files::regular::RegularFile;
use crate::files::stranger::of_stranger;

use super::limits;

/// The bytes of a component, and what they are called.
#[derive(Clone, Debug)]
pub struct ComponentFile {
    name: ForeignText,
    bytes: Cow<'static, [u8]>,
    digest: Digest,
    is_vouched_for: bool,
}

impl ComponentFile {
    /// A component that is part of this program.
    #[must_use]
    pub fn builtin(sender: BuiltinSender) -> Self {
        let (bytes, record) = sender.prebuilt();
        Self {
            name: sender.to_string().into(),
            bytes: Cow::Borrowed(bytes),
            digest: recorded_digest(record).unwrap_or_else(|| Digest::of(bytes)),
            is_vouched_for: true,
        }
    }

    /// Reads the component at `path`, which a person has named, and so vouches for. `name` is what it is called in
    /// messages.
    ///
    /// # Errors
    ///
    /// [`SenderFailureKind::Missing`] where it is not there, is no regular file, or is larger than
    /// [`limits::COMPONENT_BYTES`].
    pub fn read(path: &Path, name: impl Into<ForeignText>) -> Result<Self, SenderFailure> {
        Ok(Self::read_of(path, name, Owners::Any)?.vouched_for(true))
    }

    /// The same for a component that a marker names. The file must be one of the `owners`, and nobody vouches for it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and where somebody else owns it.
    pub fn read_of(
        path: &Path,
        name: impl Into<ForeignText>,
        owners: Owners,
    ) -> Result<Self, SenderFailure> {
        let name = name.into();
        match read(path, owners) {
            Ok(bytes) => Ok(Self::new(name, Cow::Owned(bytes))),
            Err(reason) => Err(SenderFailureKind::Missing { reason }.by(name)),
        }
    }

    fn new(name: ForeignText, bytes: Cow<'static, [u8]>) -> Self {
        let digest = Digest::of(&bytes);
        Self {
            name,
            bytes,
            digest,
            is_vouched_for: false,
        }
    }

    /// The same component, for which this user vouches, or does not: one that needs the component model's async is not
    /// run otherwise. See `SECURITY.md`.
    #[must_use]
    pub fn vouched_for(self, is_vouched_for: bool) -> Self {
        Self {
            is_vouched_for,
            ..self
        }
    }

    pub(super) const fn is_vouched_for(&self) -> bool {
        self.is_vouched_for
    }

    /// What the component is called in messages.
    #[must_use]
    pub const fn name(&self) -> &ForeignText {
        &self.name
    }

    /// The file's content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the content.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// The digest of a component that is part of this program, from what its build wrote beside it: it is the same in
/// every flush.
fn recorded_digest(record: &str) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Record<'a> {
        sha256: &'a str,
    }
    let record: Record<'_> = serde_json::from_str(record).ok()?;
    Digest::parse(&format!("sha256:{}", record.sha256))
}

fn read(path: &Path, owners: Owners) -> Result<Vec<u8>, Reason> {
    let file = RegularFile::find_at(path).map_err(|why| Reason::from(&why))?;
    if let Some(owner) = owners.refuse(file.owner()) {
        return Err(of_stranger(&owner));
    }
    if file.len() == 0 {
        return Err("it is empty".into());
    }
    if file.len() > limits::COMPONENT_BYTES {
        let mib = limits::COMPONENT_BYTES / (1024 * 1024);
        return Err(format!("it is larger than {mib} MiB").into());
    }
    file.read(limits::COMPONENT_BYTES)
        .map_err(|why| Reason::from(&why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_built_in_components_are_those_of_their_bytes() {
        for sender in BuiltinSender::ALL {
            let file = ComponentFile::builtin(sender);
            assert_eq!(file.digest(), Digest::of(file.bytes()), "{sender}");
        }
    }
}
