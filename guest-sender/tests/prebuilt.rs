//! `prebuilt/*.wasm` are committed, so that nobody needs a wasm target to build the host. These tests hold them to
//! the sources they were built from; the ignored one is how `guest-sender/build` writes that down.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The components, by the names of their files.
const SENDERS: [&str; 2] = ["ingest", "otlp"];

/// Files and directories that the components are made of, from the root of the workspace.
const SOURCES: [&str; 6] = [
    "guest-sender/Cargo.toml",
    "guest-sender/component.rs",
    "guest-sender/ingest",
    "guest-sender/otlp",
    "guest-sender/src",
    "wit/0.2.0",
];

#[test]
fn the_prebuilt_components_were_built_from_these_sources() -> Outcome {
    for sender in SENDERS {
        assert_eq!(
            recorded(sender)?["sources"],
            sources_digest()?,
            "guest-sender/prebuilt/{sender}.wasm is out of date: run `guest-sender/build` and commit \
             guest-sender/prebuilt"
        );
    }
    Ok(())
}

#[test]
fn the_prebuilt_components_are_the_recorded_ones() -> Outcome {
    for sender in SENDERS {
        let component = fs::read(component_file(sender))?;
        let recorded = recorded(sender)?;
        assert_eq!(recorded["size"], component.len(), "{sender}");
        assert_eq!(recorded["sha256"], hex(&component), "{sender}");
    }
    Ok(())
}

#[test]
fn only_what_the_component_depends_on_counts_of_the_lock_file() -> Outcome {
    let lock = text("Cargo.lock")?;
    let manifest = manifests()?;
    let of = |name: &str| lock_without_checksum(&lock, name);
    let locked = locked_dependencies(&lock, &manifest);

    assert_ne!(locked_dependencies(&of("wasip2")?, &manifest), locked);
    assert_ne!(
        locked_dependencies(&of("wit-bindgen-rust-macro")?, &manifest),
        locked
    );
    assert_eq!(locked_dependencies(&of("wasmtime")?, &manifest), locked);
    assert_eq!(locked_dependencies(&of("sha2")?, &manifest), locked);
    Ok(())
}

#[test]
#[ignore = "guest-sender/build runs it after a build, with the compiler in SWAMP_GUEST_RUSTC"]
fn record() -> Outcome {
    let rustc = env::var("SWAMP_GUEST_RUSTC").map_err(|_| "only guest-sender/build runs this")?;
    for sender in SENDERS {
        let component = fs::read(component_file(sender))?;
        let record = json!({
            "rustc": rustc,
            "sha256": hex(&component),
            "size": component.len(),
            "sources": sources_digest()?,
        });
        fs::write(record_file(sender), format!("{record:#}\n"))?;
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn component_file(sender: &str) -> PathBuf {
    root().join(format!("guest-sender/prebuilt/{sender}.wasm"))
}

fn record_file(sender: &str) -> PathBuf {
    root().join(format!("guest-sender/prebuilt/{sender}.json"))
}

fn recorded(sender: &str) -> Outcome<Value> {
    Ok(serde_json::from_slice(&fs::read(record_file(sender))?)?)
}

/// A file's text, from the root of the workspace. Line ends are those of Unix, however git checked it out.
fn text(name: &str) -> Outcome<String> {
    let text = fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"))?;
    Ok(text.replace("\r\n", "\n"))
}

fn hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// One digest of everything in this repository that decides over the component's bytes.
fn sources_digest() -> Outcome<String> {
    let mut inputs = Vec::new();
    for name in SOURCES {
        for file in files(name)? {
            let content = text(&file)?;
            inputs.push((file, content));
        }
    }
    inputs.push((
        "profiles".to_owned(),
        sections(&text("Cargo.toml")?, |header| {
            header.starts_with("[profile.guest") || header == "[profile.release]"
        }),
    ));
    inputs.push((
        "dependencies".to_owned(),
        locked_dependencies(&text("Cargo.lock")?, &manifests()?),
    ));

    let mut digest = Sha256::new();
    for (name, content) in inputs {
        digest.update(format!("{name}\n{}\n{content}", content.len()));
    }
    Ok(format!("{:x}", digest.finalize()))
}

/// All files at or below `name`, in one order everywhere.
fn files(name: &str) -> Outcome<Vec<String>> {
    let path = root().join(name);
    if !path.is_dir() {
        return Ok(vec![name.to_owned()]);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(format!("{name}/{}", entry?.file_name().to_string_lossy()));
    }
    names.sort();
    let mut all = Vec::new();
    for name in names {
        all.extend(files(&name)?);
    }
    Ok(all)
}

/// The sections of a TOML file whose header is wanted, without comments and blank lines.
fn sections(toml: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in toml.lines().map(str::trim_end) {
        if line.starts_with('[') {
            inside = wanted(line);
        }
        if inside && !line.is_empty() && !line.starts_with('#') {
            text += line;
            text.push('\n');
        }
    }
    text
}

/// A package of Cargo.lock, which cargo always writes in the same form.
struct Locked<'a> {
    name: &'a str,
    version: &'a str,
    checksum: &'a str,
    /// `name`, or `name version` where the name is not enough.
    dependencies: Vec<&'a str>,
}

impl<'a> Locked<'a> {
    fn all(lock: &'a str) -> Vec<Self> {
        lock.split("[[package]]\n")
            .skip(1)
            .map(Self::parse)
            .collect()
    }

    fn parse(block: &'a str) -> Self {
        let value = |key: &str| {
            block
                .lines()
                .find_map(|line| {
                    line.strip_prefix(key)?
                        .strip_prefix(" = \"")?
                        .strip_suffix('"')
                })
                .unwrap_or_default()
        };
        Self {
            name: value("name"),
            version: value("version"),
            checksum: value("checksum"),
            dependencies: block
                .lines()
                .filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\","))
                .collect(),
        }
    }

    fn is(&self, dependency: &str) -> bool {
        let mut parts = dependency.split(' ');
        parts.next() == Some(self.name)
            && parts.next().is_none_or(|version| version == self.version)
    }
}

/// The packages that the components are built from, with their manifests.
const PACKAGES: [(&str, &str); 3] = [
    ("guest-sender", "guest-sender/Cargo.toml"),
    ("ingest-sender", "guest-sender/ingest/Cargo.toml"),
    ("otlp-sender", "guest-sender/otlp/Cargo.toml"),
];

fn manifests() -> Outcome<String> {
    PACKAGES.iter().map(|(_, file)| text(file)).collect()
}

/// Name, version and checksum of each package that the components are built with, however indirectly: neither
/// the host's dependencies nor those of these tests.
fn locked_dependencies(lock: &str, manifests: &str) -> String {
    let packages = Locked::all(lock);
    let ours = |name: &str| PACKAGES.iter().any(|(package, _)| *package == name);
    let direct = sections(manifests, |header| header == "[dependencies]");
    let is_direct = |dependency: &&str| {
        let name = dependency.split(' ').next().unwrap_or_default();
        !ours(name)
            && direct
                .lines()
                .any(|line| line.starts_with(&format!("{name} = ")))
    };

    let mut wanted: Vec<&str> = packages
        .iter()
        .filter(|package| ours(package.name))
        .flat_map(|guest| guest.dependencies.iter().copied().filter(is_direct))
        .collect();
    let mut found = BTreeSet::new();
    while let Some(dependency) = wanted.pop() {
        for package in packages.iter().filter(|package| package.is(dependency)) {
            if found.insert(format!(
                "{} {} {}\n",
                package.name, package.version, package.checksum
            )) {
                wanted.extend(&package.dependencies);
            }
        }
    }
    found.into_iter().collect()
}

/// The lock file with another checksum for the package `name`.
fn lock_without_checksum(lock: &str, name: &str) -> Outcome<String> {
    let package = lock
        .find(&format!("\nname = \"{name}\"\n"))
        .ok_or("no such package")?;
    let checksum = lock[package..].find("checksum = \"").ok_or("no checksum")? + package;
    let (before, after) = lock.split_at(checksum);
    Ok(before.to_owned() + &after.replacen("checksum = \"", "checksum = \"other", 1))
}
