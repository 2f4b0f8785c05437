//! The files of each language's project.

use super::contract::filled;
use super::{
    NoProject, ScaffoldContract, ScaffoldFile, ScaffoldLang, ScaffoldTemplate, SenderName,
};

macro_rules! template {
    ($path:expr) => {
        include_str!(concat!("../../templates/sender/", $path))
    };
}

/// All files of a new sender project.
///
/// # Errors
///
/// When the language has no project for the contract.
pub fn scaffold(
    lang: ScaffoldLang,
    template: ScaffoldTemplate,
    contract: ScaffoldContract,
    name: &SenderName,
) -> Result<Vec<ScaffoldFile>, NoProject> {
    if !lang.has(contract) {
        return Err(NoProject(contract));
    }
    let mut files = vec![
        (".gitignore", gitignore(lang).to_owned()),
        ("README.md", readme(lang, template, name)),
        (lang.contract_path(), contract.text().to_owned()),
        (lang.mapping_path(), mapping(lang, template, contract)),
    ];
    match lang {
        ScaffoldLang::Rust | ScaffoldLang::RustWstd | ScaffoldLang::RustCargoComponent => {
            files.extend(rust(lang, contract));
        }
        ScaffoldLang::JavaScript => files.extend(javascript(template, contract)),
        ScaffoldLang::Python => files.extend(python(contract)),
        ScaffoldLang::C => files.extend(c()),
        ScaffoldLang::Go => files.extend(go(template, contract)),
    }
    let mut files: Vec<_> = files
        .into_iter()
        .map(|(path, text)| ScaffoldFile {
            path,
            contents: filled(&text, contract, template, name),
        })
        .collect();
    files.sort_by_key(|file| file.path);
    Ok(files)
}

/// The one file that knows what the endpoint understands.
fn mapping(lang: ScaffoldLang, template: ScaffoldTemplate, contract: ScaffoldContract) -> String {
    let (ingest, otlp) = match lang {
        ScaffoldLang::Rust | ScaffoldLang::RustWstd | ScaffoldLang::RustCargoComponent => {
            (template!("rust/ingest.rs"), template!("rust/otlp.rs"))
        }
        ScaffoldLang::JavaScript => (
            template!("javascript/ingest.js"),
            template!("javascript/otlp.js"),
        ),
        ScaffoldLang::Python => (template!("python/ingest.py"), template!("python/otlp.py")),
        ScaffoldLang::C => (template!("c/ingest.c"), template!("c/otlp.c")),
        ScaffoldLang::Go => (template!("go/ingest.go"), template!("go/otlp.go")),
    };
    let mapping = match template {
        ScaffoldTemplate::Ingest => ingest,
        ScaffoldTemplate::Otlp => otlp,
    };
    if is_one_file(lang, contract) {
        return mapping.replace("crate::http::Answer", "crate::Answer");
    }
    mapping.to_owned()
}

/// Whether the project has one file beside the mapping, since the HTTP client leaves little to do.
fn is_one_file(lang: ScaffoldLang, contract: ScaffoldContract) -> bool {
    lang == ScaffoldLang::RustWstd && contract != ScaffoldContract::V0_1
}

fn rust(
    lang: ScaffoldLang,
    contract: ScaffoldContract,
) -> impl Iterator<Item = (&'static str, String)> {
    let (wasi, bindgen, rust) = match (lang, contract) {
        (ScaffoldLang::RustWstd, _) => (
            r#"wstd = { version = "0.6", default-features = false }"#,
            "0.63",
            "1.91.1",
        ),
        (_, ScaffoldContract::V0_3) => (
            r#"wasip3 = { version = "0.10", features = ["async-spawn"] }"#,
            "0.63",
            "1.88",
        ),
        _ => (r#"wasip2 = "1.0""#, "0.61", "1.85"),
    };
    let mut manifest = template!("rust/manifest.toml")
        .replace("{{wasi}}", wasi)
        .replace("{{bindgen}}", bindgen)
        .replace("{{rust}}", rust);
    let (mut export, http) = if is_one_file(lang, contract) {
        (template!("rust/wstd_lib.rs").to_owned(), None)
    } else if lang == ScaffoldLang::RustWstd {
        (
            template!("rust/lib.rs").to_owned(),
            Some(template!("rust/wstd.rs")),
        )
    } else {
        (
            template!("rust/lib.rs").to_owned(),
            Some(template!("rust/http.rs")),
        )
    };
    if lang == ScaffoldLang::RustCargoComponent {
        // Under the name that cargo knows, the directory would be a package of its own, and no part of this one.
        manifest.push_str(template!("rust/component.toml"));
        export = export
            .replace("`wit/", "`contract/")
            .replace("path: \"wit\"", "path: \"contract\"");
    }
    let http = http.map(|http| ("src/http.rs", http.to_owned()));
    [("Cargo.toml", manifest), ("src/lib.rs", export)]
        .into_iter()
        .chain(http)
}

/// What of WASI a POST needs.
const WASI: (&str, &str) = ("wit/deps/wasi.wit", template!("wit/wasi.wit"));

/// The world that the bindings of C and Go are generated from, beside the contract.
const WORLD: [(&str, &str); 2] = [WASI, ("wit/world.wit", template!("wit/world.wit"))];

fn javascript(
    template: ScaffoldTemplate,
    contract: ScaffoldContract,
) -> impl Iterator<Item = (&'static str, String)> {
    let test = match template {
        ScaffoldTemplate::Ingest => template!("javascript/ingest.test.js"),
        ScaffoldTemplate::Otlp => template!("javascript/otlp.test.js"),
    };
    let files = [
        ("package.json", template!("javascript/package.json")),
        ("src/http.js", template!("javascript/http.js")),
        ("src/sender.js", template!("javascript/sender.js")),
        ("test/mapping.test.js", test),
        ("tsconfig.json", template!("javascript/tsconfig.json")),
        ("types/sender.d.ts", template!("javascript/sender.d.ts")),
    ];
    let of_contract: &[_] = match contract {
        ScaffoldContract::V0_1 => &[],
        ScaffoldContract::V0_2 | ScaffoldContract::V0_3 => {
            &[("types/batch.d.ts", template!("javascript/batch.d.ts"))]
        }
    };
    owned(files.into_iter().chain(of_contract.iter().copied()))
}

fn c() -> impl Iterator<Item = (&'static str, String)> {
    let files = [
        ("bindings/sender.c", template!("c/bindings/sender.c")),
        ("bindings/sender.h", template!("c/bindings/sender.h")),
        ("requirements.txt", "ziglang==0.17.1\n"),
        ("src/contract.c", template!("c/contract.c")),
        ("src/contract.h", template!("c/contract.h")),
        ("src/http.c", template!("c/http.c")),
        ("src/http.h", template!("c/http.h")),
        ("src/mapping.h", template!("c/mapping.h")),
        ("src/sender.c", template!("c/sender.c")),
        ("src/text.c", template!("c/text.c")),
        ("src/text.h", template!("c/text.h")),
    ];
    owned(files.into_iter().chain(WORLD))
}

fn go(
    template: ScaffoldTemplate,
    contract: ScaffoldContract,
) -> impl Iterator<Item = (&'static str, String)> {
    macro_rules! bindings {
        ($($package:literal),*) => {
            [$(
                (concat!($package, "/empty.s"), template!("go/bindings/empty.s")),
                (
                    concat!($package, "/wit_bindings.go"),
                    template!(concat!("go/bindings/", $package, ".go")),
                ),
            )*]
        };
    }
    let test = match template {
        ScaffoldTemplate::Ingest => template!("go/ingest_test.go"),
        ScaffoldTemplate::Otlp => template!("go/otlp_test.go"),
    };
    let files = [
        (
            "export_swamp_telemetry_sender/http.go",
            template!("go/http.go"),
        ),
        ("export_swamp_telemetry_sender/mapping_test.go", test),
        (
            "export_swamp_telemetry_sender/sender.go",
            template!("go/sender.go"),
        ),
        ("go.mod", template!("go/go.mod")),
        ("wit_exports.go", template!("go/bindings/exports.go")),
        ("wit_support/go.mod", template!("go/support.mod")),
        (
            "wit_support/wit/runtime/runtime.go",
            template!("go/runtime.go"),
        ),
        ("wit_support/wit/types/types.go", template!("go/types.go")),
    ];
    let bindings = bindings![
        "swamp_telemetry_sender",
        "wasi_clocks_monotonic_clock",
        "wasi_http_outgoing_handler",
        "wasi_http_types",
        "wasi_io_error",
        "wasi_io_poll",
        "wasi_io_streams"
    ];
    let mut all: Vec<_> = files.into_iter().chain(bindings).chain(WORLD).collect();
    match contract {
        ScaffoldContract::V0_1 => {}
        ScaffoldContract::V0_2 | ScaffoldContract::V0_3 => {
            all.push((
                "export_swamp_telemetry_description/describe.go",
                template!("go/describe.go"),
            ));
            all.extend(bindings![
                "swamp_telemetry_batch",
                "swamp_telemetry_description",
                "swamp_telemetry_types"
            ]);
        }
    }
    owned(all.into_iter())
}

fn owned(
    files: impl Iterator<Item = (&'static str, &'static str)>,
) -> impl Iterator<Item = (&'static str, String)> {
    files.map(|(path, text)| (path, text.to_owned()))
}

fn python(contract: ScaffoldContract) -> impl Iterator<Item = (&'static str, String)> {
    let files = [
        ("app.py", template!("python/app.py")),
        ("http_post.py", template!("python/http_post.py")),
        ("requirements.txt", template!("python/requirements.txt")),
        ("wit/world.wit", template!("python/world.wit")),
    ];
    let wasi: &[_] = match contract {
        ScaffoldContract::V0_1 | ScaffoldContract::V0_2 => &PYTHON_WASI,
        ScaffoldContract::V0_3 => &[WASI],
    };
    owned(files.into_iter().chain(wasi.iter().copied()))
}

/// WASI 0.2 as componentize-py needs it, whose own libraries use more of it than a POST does.
const PYTHON_WASI: [(&str, &str); 9] = [
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
];

const fn gitignore(lang: ScaffoldLang) -> &'static str {
    match lang {
        ScaffoldLang::Rust | ScaffoldLang::RustWstd | ScaffoldLang::RustCargoComponent => {
            "/target\n"
        }
        ScaffoldLang::JavaScript => "/node_modules\n/sender.wasm\n",
        ScaffoldLang::Python => "/.venv\n/sender.wasm\n__pycache__\n",
        ScaffoldLang::C => "/.venv\n/core.wasm\n/sender.wasm\n",
        ScaffoldLang::Go => "/core.wasm\n/sender.wasm\n",
    }
}

/// What else a person should know of the language's tools.
const fn note(lang: ScaffoldLang) -> &'static str {
    match lang {
        ScaffoldLang::C => template!("c/NOTE.md"),
        ScaffoldLang::Go => template!("go/NOTE.md"),
        ScaffoldLang::RustCargoComponent => template!("rust/NOTE.md"),
        ScaffoldLang::JavaScript => template!("javascript/NOTE.md"),
        ScaffoldLang::Rust | ScaffoldLang::RustWstd | ScaffoldLang::Python => "",
    }
}

pub(super) fn readme(lang: ScaffoldLang, template: ScaffoldTemplate, name: &SenderName) -> String {
    let needs: Vec<String> = lang
        .tools()
        .iter()
        .map(|tool| format!("- {}: `{}`\n", tool.name, tool.install))
        .collect();
    let tests = lang.unit_tests().map_or_else(String::new, |command| {
        format!("\n`{command}` tests the mapping without swamp.\n")
    });
    let more = tests + note(lang);
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
