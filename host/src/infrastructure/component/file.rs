//! A component's file, as it was read.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::domain::{BuiltinSender, Digest, SenderFailure};

use super::limits;

/// The bytes of a component, and what they are called.
#[derive(Clone, Debug)]
pub struct ComponentFile {
    name: String,
    bytes: Cow<'static, [u8]>,
    digest: Digest,
}

impl ComponentFile {
    /// A component that is part of this program.
    #[must_use]
    pub fn builtin(sender: BuiltinSender) -> Self {
        let bytes: &'static [u8] = match sender {
            BuiltinSender::Ingest => {
                include_bytes!("../../../prebuilt/ingest.wasm")
            }
            BuiltinSender::Otlp => {
                include_bytes!("../../../prebuilt/otlp.wasm")
            }
        };
        Self::new(sender.to_string(), Cow::Borrowed(bytes))
    }

    /// Reads the component at `path`. `name` is what it is called in messages.
    ///
    /// # Errors
    ///
    /// [`SenderFailure::Missing`] where it is not there, is no regular file, or is larger than
    /// [`limits::COMPONENT_BYTES`].
    pub fn read(path: &Path, name: &str) -> Result<Self, SenderFailure> {
        match read(path) {
            Ok(bytes) => Ok(Self::new(name.to_owned(), Cow::Owned(bytes))),
            Err(error) => Err(SenderFailure::Missing {
                component: name.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    fn new(name: String, bytes: Cow<'static, [u8]>) -> Self {
        let digest = Digest::of(&bytes);
        Self {
            name,
            bytes,
            digest,
        }
    }

    /// What the component is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's content: binary, or the text format.
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

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a FIFO waits for its writer.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limits::COMPONENT_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > limits::COMPONENT_BYTES) {
        return Err(io::Error::other(format!(
            "it is larger than {} MiB",
            limits::COMPONENT_BYTES / (1024 * 1024)
        )));
    }
    Ok(bytes)
}
