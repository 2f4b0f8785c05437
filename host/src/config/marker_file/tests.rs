use std::fs;

use super::*;

const TEXT: &str = "# ours\r\ntelemetryKeepFlushed: true # stays";

fn repo(text: &str) -> (tempfile::TempDir, MarkerFile) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(MARKER), text).unwrap();
    let marker = MarkerFile::new(directory.path(), Owners::Any);
    (directory, marker)
}

fn without_place(error: &ConfigFileError, directory: &tempfile::TempDir) -> String {
    error
        .to_string()
        .replace(&directory.path().display().to_string(), "REPO")
}

#[test]
fn the_nearest_marker_at_or_above_is_the_repository() {
    let (directory, _) = repo("");
    let inner = directory.path().join("a/b");
    fs::create_dir_all(inner.join("c").join(MARKER)).unwrap();
    assert_eq!(
        find_repo(&inner.join("c")).as_deref(),
        Some(directory.path())
    );
    fs::write(inner.join(MARKER), "").unwrap();
    assert_eq!(find_repo(&inner.join("c")), Some(inner));
    assert_eq!(find_repo(Path::new("/")), None);
}

#[test]
fn a_marker_is_created_once() {
    let directory = tempfile::tempdir().unwrap();
    let marker = MarkerFile::new(directory.path(), Owners::Any);
    marker.create("logLevel: debug\n").unwrap();
    assert_eq!(marker.read().unwrap().log_level.as_deref(), Some("debug"));
    assert!(matches!(marker.create(""), Err(ConfigFileError::Exists(_))));
    assert_eq!(
        fs::read_to_string(marker.path()).unwrap(),
        "logLevel: debug\n"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_repo_id_is_added_and_nothing_else_changes() {
    let (_directory, marker) = repo(TEXT);
    let id = marker.ensure_repo_id().unwrap();
    assert_eq!(
        fs::read_to_string(marker.path()).unwrap(),
        format!("{TEXT}\r\nrepoId: \"{id}\"")
    );
    assert_eq!(marker.ensure_repo_id().unwrap(), id);
}

#[test]
fn without_edits_nothing_is_written() {
    let (_directory, marker) = repo(TEXT);
    let before = fs::metadata(marker.path()).unwrap();
    marker.update(|_| Vec::new()).unwrap();
    marker
        .update(|_| vec![Edit::Set("telemetryKeepFlushed", Scalar::Bool(true))])
        .unwrap();
    let after = fs::metadata(marker.path()).unwrap();
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::MetadataExt::ino(&before),
        std::os::unix::fs::MetadataExt::ino(&after)
    );
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn all_who_migrate_at_once_get_one_id() {
    let (_directory, marker) = repo(TEXT);
    let ids: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| marker.ensure_repo_id().unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let written = marker.read().unwrap().repo_id.unwrap();
    assert!(ids.iter().all(|id| *id == written), "{ids:?}");
}

#[test]
fn a_lock_that_is_held_is_not_waited_for_for_ever() {
    let (directory, marker) = repo(TEXT);
    let held = marker.lock().unwrap();
    let why = marker.ensure_repo_id().unwrap_err();
    insta::assert_snapshot!(without_place(&why, &directory), @"could not change the marker: another process has held REPO/.swamp/marker.lock for a second");
    drop(held);
    marker.ensure_repo_id().unwrap();
}

#[test]
fn what_is_no_marker_is_left_alone_with_a_reason() {
    let why = |text: &[u8]| {
        let (directory, marker) = repo("");
        fs::write(marker.path(), text).unwrap();
        let why = marker.ensure_repo_id().unwrap_err();
        assert_eq!(fs::read(marker.path()).unwrap(), text);
        without_place(&why, &directory)
    };
    insta::assert_snapshot!([why(b"a: ["), why(b"a: \xff"), why(b"repoId: [x]"), why(b"~")].join("\n"), @r"
    could not parse REPO/.swamp.yaml: line 1 is not valid YAML (while parsing a node, did not find expected node content)
    could not read REPO/.swamp.yaml: it is not UTF-8 text
    could not parse REPO/.swamp.yaml: line 1: invalid value for repoId: expected a UUID
    could not change REPO/.swamp.yaml: repoId cannot be added without changing other lines
    ");
}

#[test]
fn a_marker_that_is_a_directory_or_missing_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let marker = MarkerFile::new(directory.path(), Owners::Any);
    insta::assert_snapshot!(without_place(&marker.read().unwrap_err(), &directory), @"could not read REPO/.swamp.yaml: No such file or directory (os error 2)");
    fs::create_dir(marker.path()).unwrap();
    insta::assert_snapshot!(without_place(&marker.ensure_repo_id().unwrap_err(), &directory), @"could not read REPO/.swamp.yaml: it is not a regular file");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn the_mode_stays_and_the_private_directory_is_private() {
        let (directory, marker) = repo(TEXT);
        fs::set_permissions(marker.path(), fs::Permissions::from_mode(0o640)).unwrap();
        marker.ensure_repo_id().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(marker.path()), 0o640);
        assert_eq!(mode(&directory.path().join(".swamp")), 0o700);
        let lock = directory.path().join(".swamp/marker.lock");
        assert!(!lock.exists(), "it is there only while it is held");
        let _held = marker.lock().unwrap();
        assert_eq!(mode(&lock), 0o600);
    }

    #[test]
    fn as_root_the_owner_stays() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (directory, marker) = repo(TEXT);
        for path in [marker.path(), directory.path()] {
            std::os::unix::fs::chown(path, Some(12345), Some(23456)).unwrap();
        }
        marker.ensure_repo_id().unwrap();
        let _held = marker.lock().unwrap();
        for name in [MARKER, ".swamp", ".swamp/marker.lock"] {
            let metadata = fs::metadata(directory.path().join(name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (12345, 23456), "{name}");
        }
    }

    /// A repository whose marker is a link to `sub/real.yaml` in it.
    fn linked() -> (tempfile::TempDir, MarkerFile) {
        let (directory, marker) = repo(TEXT);
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::rename(marker.path(), directory.path().join("sub/real.yaml")).unwrap();
        symlink("sub/real.yaml", marker.path()).unwrap();
        assert_eq!(
            find_repo(directory.path()).as_deref(),
            Some(directory.path())
        );
        (directory, marker)
    }

    const EDIT: [Edit; 1] = [Edit::Set("telemetryDisabled", Scalar::Bool(true))];

    #[test]
    fn a_link_is_not_written_through_unless_the_marker_is_to_be_changed() {
        let (directory, marker) = linked();
        let target = directory.path().join("sub/real.yaml");
        let why = marker.ensure_repo_id().unwrap_err();
        insta::assert_snapshot!(without_place(&why, &directory), @"could not write REPO/.swamp.yaml: it is a symbolic link, which this command does not write through");
        assert_eq!(fs::read_to_string(&target).unwrap(), TEXT);

        marker.update(|_| EDIT.into()).unwrap();
        assert!(fs::symlink_metadata(marker.path()).unwrap().is_symlink());
        let text = fs::read_to_string(target).unwrap();
        assert_eq!(text, format!("{TEXT}\r\ntelemetryDisabled: true"));
    }

    #[test]
    fn a_link_to_what_somebody_else_could_have_put_there_is_never_written_through() {
        let refused = |open_up: &dyn Fn(&Path)| {
            let (directory, marker) = linked();
            open_up(directory.path());
            let why = marker.update(|_| EDIT.into()).unwrap_err();
            assert_eq!(marker.read_with_text().unwrap().0, TEXT);
            without_place(&why, &directory)
        };
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        insta::assert_snapshot!(refused(&|root| chmod(&root.join("sub"), 0o777)), @"could not write REPO/.swamp.yaml: it is a symbolic link to a file that is not yours alone (REPO/sub can be written by other users)");
        insta::assert_snapshot!(refused(&|root| chmod(root, 0o707)), @"could not write REPO/.swamp.yaml: it is a symbolic link to a file that is not yours alone (REPO can be written by other users)");
        insta::assert_snapshot!(refused(&|root| chmod(&root.join("sub/real.yaml"), 0o666)), @"could not write REPO/.swamp.yaml: it is a symbolic link to a file that is not yours alone (REPO/sub/real.yaml: other users can write to it)");
        if nix::unistd::geteuid().is_root() {
            let chown = |path: &Path| {
                std::os::unix::fs::chown(path, Some(12345), Some(23456)).unwrap();
            };
            insta::assert_snapshot!(refused(&|root| chown(&root.join("sub/real.yaml"))), @"could not write REPO/.swamp.yaml: it is a symbolic link to a file that is not yours alone (REPO/sub/real.yaml: it belongs to another user)");
            insta::assert_snapshot!(refused(&|root| chown(root)), @"could not write REPO/.swamp.yaml: it is a symbolic link to a file that is not yours alone (REPO belongs to another user)");
        }
    }

    #[test]
    fn what_was_there_is_never_given_away() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (directory, marker) = repo(TEXT);
        let own = directory.path().join(".swamp");
        fs::create_dir(&own).unwrap();
        let root_only = directory.path().join("root-only");
        fs::write(&root_only, "").unwrap();
        fs::hard_link(&root_only, own.join("marker.lock")).unwrap();
        for path in [directory.path(), &own] {
            std::os::unix::fs::chown(path, Some(12345), Some(23456)).unwrap();
        }
        marker.ensure_repo_id().unwrap();
        assert_eq!(fs::metadata(root_only).unwrap().uid(), 0);
    }

    #[test]
    fn a_broken_link_is_no_marker_and_no_place_for_one() {
        let directory = tempfile::tempdir().unwrap();
        let marker = MarkerFile::new(directory.path(), Owners::Any);
        symlink("nowhere", marker.path()).unwrap();
        assert_eq!(find_repo(directory.path()), None);
        assert!(matches!(
            marker.ensure_repo_id(),
            Err(ConfigFileError::Read { .. })
        ));
        assert!(matches!(marker.create(""), Err(ConfigFileError::Exists(_))));
        assert!(!directory.path().join("nowhere").exists());
    }

    #[test]
    fn a_private_directory_or_lock_that_is_a_link_is_refused() {
        let (directory, marker) = repo(TEXT);
        let elsewhere = tempfile::tempdir().unwrap();
        let own = directory.path().join(".swamp");
        symlink(elsewhere.path(), &own).unwrap();
        let why = marker.ensure_repo_id().unwrap_err();
        insta::assert_snapshot!(without_place(&why, &directory), @"could not lock REPO/.swamp/marker.lock: .swamp is not a directory");
        fs::remove_file(&own).unwrap();
        fs::create_dir(&own).unwrap();
        symlink(elsewhere.path().join("made"), own.join("marker.lock")).unwrap();
        assert!(matches!(
            marker.ensure_repo_id(),
            Err(ConfigFileError::Lock { .. })
        ));
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(marker.path()).unwrap(), TEXT);
    }
}
