//! The manual pages.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use swamp::domain::variables::DOCUMENTED;

use crate::support::{TestRepo, not_installed};

/// The paths of the commands in the snapshot of all help, as `telemetry-status`.
fn commands() -> BTreeSet<String> {
    include_str!("snapshots/swamp__help__help.snap")
        .lines()
        .filter_map(|line| line.strip_prefix("$ swamp")?.strip_suffix(" --help"))
        .map(|path| format!("swamp{}", path.replace(' ', "-")))
        .collect()
}

#[test]
fn every_command_has_a_page_that_names_it_and_its_version() {
    let repo = TestRepo::new();
    let run = repo.swamp(&["man", "pages/man1"]);
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (0, "", "")
    );
    let dir = repo.root().join("pages/man1");
    let mut pages = BTreeSet::new();
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let name = name.strip_suffix(".1").unwrap().to_owned();
        let page = fs::read_to_string(file.path()).unwrap();
        let title = format!(
            ".TH {name} 1  \"swamp {}\" swamp\n",
            env!("CARGO_PKG_VERSION")
        );
        assert!(page.contains(&title), "{page}");
        pages.insert(name);
    }
    assert_eq!(pages, commands());
    assert!(repo.entries().is_empty(), "it was recorded");
}

/// What `man` makes of a page.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let (_, section) = page.split_once(&format!(".SH {title}\n")).unwrap();
    section.split("\n.SH ").next().unwrap()
}

#[test]
fn the_page_of_swamp_has_examples_every_variable_the_files_and_the_exit_status() {
    let repo = TestRepo::new();
    let page = repo.swamp(&["man"]);
    assert_eq!((page.code, page.stderr.as_str()), (0, ""));
    // As roff has it, in which a dash is to be escaped.
    let page = page
        .stdout
        .replace("\\-", "-")
        .replace("\\*(Aq", "'")
        .replace("\"EXIT STATUS\"", "EXIT STATUS");
    for (name, meaning) in DOCUMENTED {
        let of_name = format!(".TP\n\\fB{name}\\fR\n");
        let environment = section(&page, "ENVIRONMENT");
        let (_, text) = environment.split_once(&of_name).expect(name);
        assert!(text.starts_with(meaning), "{name}: {text}");
    }
    for (title, part) in [
        ("EXAMPLES", "swamp init --endpoint"),
        ("FILES", ".swamp/telemetry"),
        ("EXIT STATUS", "130"),
    ] {
        assert!(section(&page, title).contains(part), "{title}");
    }
}

#[test]
fn readme_and_documentation_name_every_variable() {
    for (file, text) in [
        ("README.md", include_str!("../README.md")),
        (
            "docs/configuration.md",
            include_str!("../docs/configuration.md"),
        ),
    ] {
        for (name, _) in DOCUMENTED {
            assert!(text.contains(&format!("`{name}`")), "{file}: {name}");
        }
    }
}

#[test]
fn man_reads_every_page_without_a_warning() {
    let repo = TestRepo::new();
    assert_eq!(repo.swamp(&["man", "pages"]).code, 0);
    for file in fs::read_dir(repo.root().join("pages")).unwrap() {
        let path = file.unwrap().path();
        let mut groff = Command::new("groff");
        let output = groff
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .output();
        let Ok(output) = output else {
            not_installed("groff");
            return;
        };
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.success(), said.as_str()),
            (true, ""),
            "{path:?}"
        );
    }
}

#[test]
fn pages_that_cannot_be_written_are_a_failure_that_names_the_directory() {
    let repo = TestRepo::new();
    fs::write(repo.root().join("taken"), "").unwrap();
    let run = repo.swamp(&["man", "taken"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr
            .contains("could not write the manual pages to taken: "),
        "{}",
        run.stderr
    );
}
