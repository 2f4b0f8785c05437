//! The manual pages.

use std::collections::BTreeSet;
use std::fs;

use crate::support::TestRepo;

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
