use super::files::readme;
use super::*;

const LANGS: [ScaffoldLang; 7] = [
    ScaffoldLang::Rust,
    ScaffoldLang::RustWstd,
    ScaffoldLang::RustCargoComponent,
    ScaffoldLang::JavaScript,
    ScaffoldLang::Python,
    ScaffoldLang::C,
    ScaffoldLang::Go,
];

const TEMPLATES: [ScaffoldTemplate; 2] = [ScaffoldTemplate::Ingest, ScaffoldTemplate::Otlp];

const CONTRACTS: [ScaffoldContract; 3] = [
    ScaffoldContract::V0_1,
    ScaffoldContract::V0_2,
    ScaffoldContract::V0_3,
];

fn files(
    lang: ScaffoldLang,
    template: ScaffoldTemplate,
    contract: ScaffoldContract,
) -> Vec<ScaffoldFile> {
    let name = SenderName::parse("my-sender", lang).unwrap();
    scaffold(lang, template, contract, &name).unwrap()
}

/// The paths of the files of `one` project that differ from those in their places in the `other`.
fn differing(one: &[ScaffoldFile], other: &[ScaffoldFile]) -> Vec<&'static str> {
    let pairs = one.iter().zip(other);
    pairs
        .filter(|(one, other)| one != other)
        .map(|(one, _)| one.path)
        .collect()
}

fn paths(lang: ScaffoldLang) -> String {
    paths_for(lang, ScaffoldContract::V0_2)
}

fn paths_for(lang: ScaffoldLang, contract: ScaffoldContract) -> String {
    let [ingest, otlp] = TEMPLATES.map(|template| {
        let files = files(lang, template, contract);
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
fn a_rust_project_with_wstd_is_one_file_and_the_mapping() {
    insta::assert_snapshot!(paths(ScaffoldLang::RustWstd), @r"
    .gitignore
    Cargo.toml
    README.md
    src/lib.rs
    src/mapping.rs
    wit/sender.wit
    ");
}

#[test]
fn a_rust_project_with_wstd_for_contract_0_1_differs_in_its_http_and_its_dependencies_only() {
    for template in TEMPLATES {
        let wstd = files(ScaffoldLang::RustWstd, template, ScaffoldContract::V0_1);
        let by_hand = files(ScaffoldLang::Rust, template, ScaffoldContract::V0_1);
        assert_eq!(differing(&by_hand, &wstd), ["Cargo.toml", "src/http.rs"]);
        let manifest = &wstd[1].contents;
        assert!(
            manifest.contains("\nwstd = ") && !manifest.contains("wasip2"),
            "{manifest}"
        );
    }
}

#[test]
fn a_c_project_has_these_files() {
    insta::assert_snapshot!(paths(ScaffoldLang::C), @r"
    .gitignore
    README.md
    bindings/sender.c
    bindings/sender.h
    requirements.txt
    src/contract.c
    src/contract.h
    src/http.c
    src/http.h
    src/mapping.c
    src/mapping.h
    src/sender.c
    src/text.c
    src/text.h
    wit/deps/telemetry/sender.wit
    wit/deps/wasi.wit
    wit/world.wit
    ");
}

#[test]
fn a_go_project_has_these_files() {
    insta::assert_snapshot!(paths(ScaffoldLang::Go), @r"
    .gitignore
    README.md
    export_swamp_telemetry_description/describe.go
    export_swamp_telemetry_sender/http.go
    export_swamp_telemetry_sender/mapping.go
    export_swamp_telemetry_sender/mapping_test.go
    export_swamp_telemetry_sender/sender.go
    go.mod
    swamp_telemetry_batch/empty.s
    swamp_telemetry_batch/wit_bindings.go
    swamp_telemetry_description/empty.s
    swamp_telemetry_description/wit_bindings.go
    swamp_telemetry_sender/empty.s
    swamp_telemetry_sender/wit_bindings.go
    swamp_telemetry_types/empty.s
    swamp_telemetry_types/wit_bindings.go
    wasi_clocks_monotonic_clock/empty.s
    wasi_clocks_monotonic_clock/wit_bindings.go
    wasi_http_outgoing_handler/empty.s
    wasi_http_outgoing_handler/wit_bindings.go
    wasi_http_types/empty.s
    wasi_http_types/wit_bindings.go
    wasi_io_error/empty.s
    wasi_io_error/wit_bindings.go
    wasi_io_poll/empty.s
    wasi_io_poll/wit_bindings.go
    wasi_io_streams/empty.s
    wasi_io_streams/wit_bindings.go
    wit/deps/telemetry/sender.wit
    wit/deps/wasi.wit
    wit/world.wit
    wit_exports.go
    wit_support/go.mod
    wit_support/wit/runtime/runtime.go
    wit_support/wit/types/types.go
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
    tsconfig.json
    types/batch.d.ts
    types/sender.d.ts
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
fn a_python_project_for_wasi_0_3_has_what_a_post_needs_of_it_in_one_file() {
    insta::assert_snapshot!(paths_for(ScaffoldLang::Python, ScaffoldContract::V0_3), @r"
    .gitignore
    README.md
    app.py
    http_post.py
    mapping.py
    requirements.txt
    wit/deps/telemetry/sender.wit
    wit/deps/wasi.wit
    wit/world.wit
    ");
}

#[test]
fn a_rust_project_for_wasi_0_3_differs_in_its_calls_and_not_in_its_mapping() {
    for template in TEMPLATES {
        let sync = files(ScaffoldLang::Rust, template, ScaffoldContract::V0_2);
        let by_wasi_0_3 = files(ScaffoldLang::Rust, template, ScaffoldContract::V0_3);
        let expected = [
            "Cargo.toml",
            "README.md",
            "src/http.rs",
            "src/lib.rs",
            "wit/sender.wit",
        ];
        assert_eq!(differing(&by_wasi_0_3, &sync), expected);
    }
}

#[test]
fn a_language_whose_toolchain_builds_no_async_functions_has_no_project_for_them() {
    for lang in LANGS {
        let name = SenderName::parse("my-sender", lang).unwrap();
        let made = scaffold(lang, ScaffoldTemplate::Otlp, ScaffoldContract::V0_3, &name);
        match lang {
            ScaffoldLang::Rust | ScaffoldLang::Python => assert!(made.is_ok(), "{lang:?}"),
            _ => assert_eq!(made, Err(NoProject(ScaffoldContract::V0_3)), "{lang:?}"),
        }
    }
}

#[test]
fn every_project_carries_the_contract_and_leaves_no_placeholder() {
    for (lang, template, contract) in LANGS
        .into_iter()
        .flat_map(|lang| TEMPLATES.map(|one| (lang, one)))
        .flat_map(|(lang, template)| CONTRACTS.map(|one| (lang, template, one)))
        .filter(|(lang, _, contract)| lang.has(*contract))
    {
        let files = files(lang, template, contract);
        assert!(
            files
                .iter()
                .any(|file| file.path == lang.contract_path() && file.contents == contract.text())
        );
        for file in files {
            let placeholder = file.contents.split("{{").skip(1).find_map(|rest| {
                let word = rest.split_once("}}")?.0;
                let is_word = !word.is_empty() && word.bytes().all(|one| one.is_ascii_alphabetic());
                is_word.then_some(word)
            });
            assert_eq!(placeholder, None, "{}", file.path);
            let marked = file
                .contents
                .lines()
                .find(|line| line.starts_with("@0.") || line.starts_with("@sync"));
            assert_eq!(marked, None, "{}", file.path);
            assert!(file.contents.ends_with('\n'), "{}", file.path);
        }
    }
}

#[test]
fn the_readme_says_where_a_sender_of_wasi_0_3_needs_trust() {
    for lang in [ScaffoldLang::Rust, ScaffoldLang::Python] {
        for contract in CONTRACTS {
            let files = files(lang, ScaffoldTemplate::Ingest, contract);
            let readme = files.iter().find(|file| file.path == "README.md").unwrap();
            let says_it = readme.contents.contains("`swamp trust`");
            assert_eq!(says_it, contract == ScaffoldContract::V0_3, "{contract:?}");
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
