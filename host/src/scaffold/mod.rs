//! What a new sender project consists of, before anything is written.

mod name;

pub use name::{SenderName, SenderNameError};

/// The contract, as every scaffold carries it.
const CONTRACT: &str = include_str!("../../wit/sender.wit");

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../templates/sender/", $path))
    };
}

/// The language, and where there are several, the toolchain of a scaffold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaffoldLang {
    /// Rust for the target `wasm32-wasip2`.
    Rust,
    /// Rust by cargo-component.
    RustCargoComponent,
    /// JavaScript by componentize-js.
    JavaScript,
    /// Python by componentize-py.
    Python,
}

/// What the endpoint of a scaffold's sender understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaffoldTemplate {
    /// What the default sender speaks.
    Ingest,
    /// Log records of OpenTelemetry, as OTLP/HTTP JSON.
    Otlp,
}

/// A tool that building needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaffoldTool {
    /// Its name.
    pub name: &'static str,
    /// How to see that it is there.
    pub probe: ScaffoldProbe,
    /// The command, or the place, that brings it.
    pub install: &'static str,
}

/// How to see that a tool is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaffoldProbe {
    /// This program succeeds with these arguments.
    Succeeds(&'static str, &'static [&'static str]),
    /// The Rust compiler has the standard library of this target, whoever installed it.
    RustTarget(&'static str),
}

/// One file of a scaffold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaffoldFile {
    /// Relative to the project, with `/`.
    pub path: &'static str,
    /// Its text.
    pub contents: String,
}

const CARGO: ScaffoldTool = ScaffoldTool {
    name: "cargo",
    probe: ScaffoldProbe::Succeeds("cargo", &["--version"]),
    install: "https://rustup.rs",
};

impl ScaffoldLang {
    /// The commands that build the component, in the project.
    #[must_use]
    pub const fn build(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &["cargo build --release --target wasm32-wasip2"],
            Self::RustCargoComponent => &["cargo component build --release"],
            Self::JavaScript => &["npm install", "npm run build"],
            Self::Python => &[
                "python3 -m venv .venv",
                ".venv/bin/pip install -r requirements.txt",
                ".venv/bin/componentize-py -d wit -w python-sender componentize app -o sender.wasm",
            ],
        }
    }

    /// The command that runs the project's own tests, if it has any.
    #[must_use]
    pub const fn unit_tests(self) -> Option<&'static str> {
        match self {
            Self::Rust | Self::RustCargoComponent => Some("cargo test"),
            Self::JavaScript => Some("npm test"),
            Self::Python => None,
        }
    }

    /// What building needs.
    #[must_use]
    pub const fn tools(self) -> &'static [ScaffoldTool] {
        match self {
            Self::Rust => {
                const TARGET: ScaffoldTool = ScaffoldTool {
                    name: "the target wasm32-wasip2",
                    probe: ScaffoldProbe::RustTarget("wasm32-wasip2"),
                    install: "rustup target add wasm32-wasip2",
                };
                &[CARGO, TARGET]
            }
            Self::RustCargoComponent => {
                const COMPONENT: ScaffoldTool = ScaffoldTool {
                    name: "cargo-component",
                    probe: ScaffoldProbe::Succeeds("cargo-component", &["--version"]),
                    install: "cargo install cargo-component --version 0.21.1 --locked",
                };
                const TARGET: ScaffoldTool = ScaffoldTool {
                    name: "the target wasm32-wasip1",
                    probe: ScaffoldProbe::RustTarget("wasm32-wasip1"),
                    install: "rustup target add wasm32-wasip1",
                };
                &[CARGO, COMPONENT, TARGET]
            }
            Self::JavaScript => {
                const NPM: ScaffoldTool = ScaffoldTool {
                    name: "npm",
                    probe: ScaffoldProbe::Succeeds("npm", &["--version"]),
                    install: "https://nodejs.org",
                };
                &[NPM]
            }
            Self::Python => {
                const PYTHON: ScaffoldTool = ScaffoldTool {
                    name: "python3 with venv",
                    // Debian's has venv but not what it needs, until python3-venv is there.
                    probe: ScaffoldProbe::Succeeds("python3", &["-c", "import venv, ensurepip"]),
                    install: "https://www.python.org/downloads",
                };
                &[PYTHON]
            }
        }
    }

    /// Where the build leaves the component, relative to the project.
    #[must_use]
    pub fn component(self, name: &SenderName) -> String {
        let krate = name.as_str().replace('-', "_");
        match self {
            Self::Rust => format!("target/wasm32-wasip2/release/{krate}.wasm"),
            Self::RustCargoComponent => format!("target/wasm32-wasip1/release/{krate}.wasm"),
            Self::JavaScript | Self::Python => "sender.wasm".to_owned(),
        }
    }

    /// The command that puts the component of the sender `name` through the conformance kit.
    #[must_use]
    pub fn kit(self, template: ScaffoldTemplate, name: &SenderName) -> String {
        let component = self.component(name);
        match template {
            ScaffoldTemplate::Ingest => format!("swamp sender test {component}"),
            ScaffoldTemplate::Otlp => format!("swamp sender test {component} --accept-status 200"),
        }
    }

    const fn contract_path(self) -> &'static str {
        match self {
            Self::Python => "wit/deps/telemetry/sender.wit",
            // cargo-component would generate bindings, beside those of the macro, for what is in `wit`.
            Self::RustCargoComponent => "contract/sender.wit",
            _ => "wit/sender.wit",
        }
    }

    const fn mapping_path(self) -> &'static str {
        match self {
            Self::Rust | Self::RustCargoComponent => "src/mapping.rs",
            Self::JavaScript => "src/mapping.js",
            Self::Python => "mapping.py",
        }
    }
}

/// All files of a new sender project.
#[must_use]
pub fn scaffold(
    lang: ScaffoldLang,
    template: ScaffoldTemplate,
    name: &SenderName,
) -> Vec<ScaffoldFile> {
    let mut files = vec![
        (".gitignore", gitignore(lang).to_owned()),
        ("README.md", readme(lang, template, name)),
        (lang.contract_path(), CONTRACT.to_owned()),
        (lang.mapping_path(), mapping(lang, template).to_owned()),
    ];
    match lang {
        ScaffoldLang::Rust | ScaffoldLang::RustCargoComponent => {
            // Under the name that cargo knows, the directory would be a package of its own, and no part of this one.
            let mut manifest = template!("rust/manifest.toml").to_owned();
            let mut export = template!("rust/lib.rs").to_owned();
            if lang == ScaffoldLang::RustCargoComponent {
                manifest.push_str(template!("rust/component.toml"));
                export = export
                    .replace("`wit/", "`contract/")
                    .replace("path: \"wit\"", "path: \"contract\"");
            }
            files.extend([
                ("Cargo.toml", manifest.replace("{{name}}", name.as_str())),
                ("src/http.rs", template!("rust/http.rs").to_owned()),
                ("src/lib.rs", export),
            ]);
        }
        ScaffoldLang::JavaScript => files.extend([
            (
                "package.json",
                template!("javascript/package.json").replace("{{name}}", name.as_str()),
            ),
            ("src/http.js", template!("javascript/http.js").to_owned()),
            (
                "src/sender.js",
                template!("javascript/sender.js").to_owned(),
            ),
            (
                "test/mapping.test.js",
                match template {
                    ScaffoldTemplate::Ingest => template!("javascript/ingest.test.js"),
                    ScaffoldTemplate::Otlp => template!("javascript/otlp.test.js"),
                }
                .to_owned(),
            ),
        ]),
        ScaffoldLang::Python => files.extend(python()),
    }
    let mut files: Vec<_> = files
        .into_iter()
        .map(|(path, contents)| ScaffoldFile { path, contents })
        .collect();
    files.sort_by_key(|file| file.path);
    files
}

/// The one file that knows what the endpoint understands.
const fn mapping(lang: ScaffoldLang, template: ScaffoldTemplate) -> &'static str {
    use ScaffoldTemplate::{Ingest, Otlp};

    match (lang, template) {
        (ScaffoldLang::Rust | ScaffoldLang::RustCargoComponent, Ingest) => {
            template!("rust/ingest.rs")
        }
        (ScaffoldLang::Rust | ScaffoldLang::RustCargoComponent, Otlp) => template!("rust/otlp.rs"),
        (ScaffoldLang::JavaScript, Ingest) => template!("javascript/ingest.js"),
        (ScaffoldLang::JavaScript, Otlp) => template!("javascript/otlp.js"),
        (ScaffoldLang::Python, Ingest) => template!("python/ingest.py"),
        (ScaffoldLang::Python, Otlp) => template!("python/otlp.py"),
    }
}

fn python() -> impl Iterator<Item = (&'static str, String)> {
    [
        ("app.py", template!("python/app.py")),
        ("http_post.py", template!("python/http_post.py")),
        ("requirements.txt", template!("python/requirements.txt")),
        ("wit/world.wit", template!("python/world.wit")),
        (
            "wit/deps/LICENSE-WASI.md",
            template!("python/wasi/LICENSE.md"),
        ),
        (
            "wit/deps/clocks/monotonic-clock.wit",
            template!("python/wasi/monotonic-clock.wit"),
        ),
        (
            "wit/deps/http/handler.wit",
            template!("python/wasi/http-handler.wit"),
        ),
        ("wit/deps/http/package.wit", "package wasi:http@0.2.4;\n"),
        (
            "wit/deps/http/types.wit",
            template!("python/wasi/http-types.wit"),
        ),
        (
            "wit/deps/io/error.wit",
            template!("python/wasi/io-error.wit"),
        ),
        ("wit/deps/io/package.wit", "package wasi:io@0.2.4;\n"),
        ("wit/deps/io/poll.wit", template!("python/wasi/io-poll.wit")),
        (
            "wit/deps/io/streams.wit",
            template!("python/wasi/io-streams.wit"),
        ),
    ]
    .into_iter()
    .map(|(path, text)| (path, text.to_owned()))
}

const fn gitignore(lang: ScaffoldLang) -> &'static str {
    match lang {
        ScaffoldLang::Rust | ScaffoldLang::RustCargoComponent => "/target\n",
        ScaffoldLang::JavaScript => "/node_modules\n/sender.wasm\n",
        ScaffoldLang::Python => "/.venv\n/sender.wasm\n__pycache__\n",
    }
}

fn readme(lang: ScaffoldLang, template: ScaffoldTemplate, name: &SenderName) -> String {
    let needs: Vec<String> = lang
        .tools()
        .iter()
        .map(|tool| format!("- {}: `{}`\n", tool.name, tool.install))
        .collect();
    let more = lang.unit_tests().map_or_else(String::new, |command| {
        format!("\n`{command}` tests the mapping without swamp.\n")
    });
    let endpoint = match template {
        ScaffoldTemplate::Ingest => "`swamp telemetry receive` is an endpoint",
        ScaffoldTemplate::Otlp => {
            "run an OpenTelemetry collector; `http://127.0.0.1:4318` is its usual endpoint"
        }
    };
    template!("README.md")
        .replace("{{endpoint}}", endpoint)
        .replace("{{name}}", name.as_str())
        .replace("{{mapping}}", lang.mapping_path())
        .replace("{{contract}}", lang.contract_path())
        .replace("{{build}}", &lang.build().join("\n    "))
        .replace("{{kit}}", &lang.kit(template, name))
        .replace("{{component}}", &lang.component(name))
        .replace("{{needs}}\n", &needs.concat())
        .replace("{{more}}\n", &more)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGS: [ScaffoldLang; 4] = [
        ScaffoldLang::Rust,
        ScaffoldLang::RustCargoComponent,
        ScaffoldLang::JavaScript,
        ScaffoldLang::Python,
    ];

    const TEMPLATES: [ScaffoldTemplate; 2] = [ScaffoldTemplate::Ingest, ScaffoldTemplate::Otlp];

    fn files(lang: ScaffoldLang, template: ScaffoldTemplate) -> Vec<ScaffoldFile> {
        let name = SenderName::parse("my-sender", lang).unwrap();
        scaffold(lang, template, &name)
    }

    fn paths(lang: ScaffoldLang) -> String {
        let [ingest, otlp] = TEMPLATES.map(|template| {
            let files = files(lang, template);
            let paths: Vec<_> = files.iter().map(|file| file.path).collect();
            paths.join("\n")
        });
        assert_eq!(ingest, otlp);
        ingest
    }

    #[test]
    fn a_rust_project_has_these_files_whatever_builds_it() {
        insta::assert_snapshot!(paths(ScaffoldLang::Rust), @r"
        .gitignore
        Cargo.toml
        README.md
        src/http.rs
        src/lib.rs
        src/mapping.rs
        wit/sender.wit
        ");
        insta::assert_snapshot!(paths(ScaffoldLang::RustCargoComponent), @r"
        .gitignore
        Cargo.toml
        README.md
        contract/sender.wit
        src/http.rs
        src/lib.rs
        src/mapping.rs
        ");
    }

    #[test]
    fn a_javascript_project_has_these_files() {
        insta::assert_snapshot!(paths(ScaffoldLang::JavaScript), @r"
        .gitignore
        README.md
        package.json
        src/http.js
        src/mapping.js
        src/sender.js
        test/mapping.test.js
        wit/sender.wit
        ");
    }

    #[test]
    fn a_python_project_has_these_files() {
        insta::assert_snapshot!(paths(ScaffoldLang::Python), @r"
        .gitignore
        README.md
        app.py
        http_post.py
        mapping.py
        requirements.txt
        wit/deps/LICENSE-WASI.md
        wit/deps/clocks/monotonic-clock.wit
        wit/deps/http/handler.wit
        wit/deps/http/package.wit
        wit/deps/http/types.wit
        wit/deps/io/error.wit
        wit/deps/io/package.wit
        wit/deps/io/poll.wit
        wit/deps/io/streams.wit
        wit/deps/telemetry/sender.wit
        wit/world.wit
        ");
    }

    #[test]
    fn every_project_carries_the_contract_and_leaves_no_placeholder() {
        for (lang, template) in LANGS
            .into_iter()
            .flat_map(|lang| TEMPLATES.map(|one| (lang, one)))
        {
            let files = files(lang, template);
            assert!(
                files
                    .iter()
                    .any(|file| file.path == lang.contract_path() && file.contents == CONTRACT)
            );
            for file in files {
                for placeholder in [
                    "{{name}}",
                    "{{build}}",
                    "{{kit}}",
                    "{{endpoint}}",
                    "{{needs}}",
                    "{{more}}",
                ] {
                    assert!(!file.contents.contains(placeholder), "{}", file.path);
                }
                assert!(file.contents.ends_with('\n'), "{}", file.path);
            }
        }
    }

    #[test]
    fn the_readme_names_the_three_commands() {
        for lang in LANGS {
            let name = SenderName::parse("my-sender", lang).unwrap();
            let readme = readme(lang, ScaffoldTemplate::Ingest, &name);
            for command in lang.build() {
                assert!(readme.contains(&format!("    {command}\n")), "{readme}");
            }
            let component = lang.component(&name);
            assert!(readme.contains(&format!("    swamp sender test {component}\n")));
            assert!(readme.contains(&format!("    swamp sender use {component}\n")));
        }
    }

    #[test]
    fn the_kit_is_told_what_a_collector_answers() {
        let name = SenderName::parse("my-sender", ScaffoldLang::Python).unwrap();
        let readme = readme(ScaffoldLang::Python, ScaffoldTemplate::Otlp, &name);
        assert!(readme.contains("    swamp sender test sender.wasm --accept-status 200\n"));
    }
}
