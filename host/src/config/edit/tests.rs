use super::*;
use proptest::prelude::*;

fn set(text: &str, key: &'static str, value: &str) -> Result<String, EditError> {
    edit(text, &[Edit::Set(key, Scalar::Text(value.to_owned()))])
}

fn turn(text: &str, key: &'static str, on: bool) -> Result<String, EditError> {
    edit(text, &[Edit::Set(key, Scalar::Bool(on))])
}

fn remove(text: &str, key: &'static str) -> Result<String, EditError> {
    edit(text, &[Edit::Remove(key)])
}

#[test]
fn a_value_is_replaced_in_its_place_and_its_quotes() {
    for (before, after) in [
        (
            "é: ü\nk: \"old\"  # why\nz: 1",
            "é: ü\nk: \"new\"  # why\nz: 1",
        ),
        ("k: 'it''s'# no comment\n", ""),
        ("k: 'it''s' # why\n", "k: 'new' # why\n"),
        ("k: \"a\\\"#b\" # why\n", "k: \"new\" # why\n"),
        ("k: old # why\r\nz: 1\r\n", "k: new # why\r\nz: 1\r\n"),
        ("\"k\": old\n", "\"k\": new\n"),
        ("'k' : old\n", "'k' : new\n"),
        ("k: 12\n", "k: new\n"),
        ("k:\nz: 1\n", "k: \"new\"\nz: 1\n"),
        ("k: # why\nz: 1\n", "k: \"new\" # why\nz: 1\n"),
        ("k: ~\n", "k: new\n"),
        ("k: one\n  two\nz: 1\n", "k: new\nz: 1\n"),
        (
            "k: \"one\n\n  two\" # why\nz: 1\n",
            "k: \"new\" # why\nz: 1\n",
        ),
        (
            "k: |-2 # why\r\n  one\r\n\r\n  two\r\n# next\r\nz: 1\r\n",
            "k: \"new\" # why\r\n# next\r\nz: 1\r\n",
        ),
        ("k: >\n  one\n\n\nz: 1\n", "k: \"new\"\n\n\nz: 1\n"),
        ("{a: 1, k: old, b: [2]}", "{a: 1, k: new, b: [2]}"),
        (
            "{\"k\": \"old\", \"b\": 2}\n",
            "{\"k\": \"new\", \"b\": 2}\n",
        ),
        ("--- # x\nk: old\n...\n", "--- # x\nk: new\n...\n"),
        ("\u{feff}k: old\nz: 1\n", "\u{feff}k: new\nz: 1\n"),
        ("k:\n  # within\n  old\n", "k:\n  # within\n  new\n"),
    ] {
        match set(before, "k", "new") {
            Ok(text) => assert_eq!(text, after),
            Err(why) => assert_eq!("", after, "{before:?}: {why}"),
        }
    }
}

#[test]
fn pairs_replace_what_was_there_but_never_a_comment() {
    let pairs = |text: &str| {
        let pairs = vec![("a".to_owned(), "1 \"x\"".to_owned())];
        edit(text, &[Edit::SetPairs("k", pairs)])
    };
    let now = r#"k: {"a": "1 \"x\""}"#;
    for before in [
        "k: {b: 2}",
        "k:\n  b: 2\n  c: 3",
        "k: 5",
        "k:",
        "k: [1]",
        "k: |\n  two",
    ] {
        let text = format!("x: 1\n{before}\nz: 1\n");
        match pairs(&text) {
            Ok(text) => assert_eq!(text, format!("x: 1\n{now}\nz: 1\n")),
            Err(why) => assert_eq!(before, "k: [1]", "{why}"),
        }
    }
    assert_eq!(pairs("x: 1\n"), Ok(format!("x: 1\n{now}\n")));
    assert!(pairs("k:\n  # why\n  b: 2\n").is_err());
    assert_eq!(pairs(now), Ok(now.to_owned()));
}

#[test]
fn a_new_key_comes_last_with_the_files_own_line_ending() {
    for (before, after) in [
        ("", "k: \"v\"\n"),
        ("a: 1\n", "a: 1\nk: \"v\"\n"),
        ("a: 1", "a: 1\nk: \"v\""),
        ("a: 1\r\nb: 2", "a: 1\r\nb: 2\r\nk: \"v\""),
        ("a: 1\r\n", "a: 1\r\nk: \"v\"\r\n"),
        ("a: 1\n\n# end\n", "a: 1\n\n# end\nk: \"v\"\n"),
        ("  a: 1\n", "  a: 1\n  k: \"v\"\n"),
        ("# only\n", "# only\nk: \"v\"\n"),
        ("\u{feff}# only", "\u{feff}# only\nk: \"v\""),
        ("\u{feff}", "\u{feff}k: \"v\"\n"),
        ("---\n", "---\nk: \"v\"\n"),
        ("a: 1\n...\n", "a: 1\nk: \"v\"\n...\n"),
        ("a: 1\n...", "a: 1\nk: \"v\"\n..."),
        ("{}\n", "{k: \"v\"}\n"),
        ("{ \"a\": 1 }", "{ \"k\": \"v\", \"a\": 1 }"),
        ("{a: 1,}", "{k: \"v\", a: 1,}"),
        ("a:\n  - 1\n", "a:\n  - 1\nk: \"v\"\n"),
        ("a:\n- 1\n", "a:\n- 1\nk: \"v\"\n"),
        ("a: |\n  x", "k: \"v\"\na: |\n  x"),
    ] {
        assert_eq!(set(before, "k", "v").as_deref(), Ok(after), "{before:?}");
    }
}

#[test]
fn a_removed_key_takes_its_line_with_it() {
    for (before, after) in [
        ("a: 1\nk: v # why\nb: 2\n", "a: 1\nb: 2\n"),
        ("a: 1\r\nk: v", "a: 1"),
        ("k: |\n  x\n  y\nb: 2\n", "b: 2\n"),
        ("k:\nb: 2\n", "b: 2\n"),
        ("# c\nk: v\n", "# c\n"),
        ("k: v", ""),
        ("\u{feff}k: v\n", "\u{feff}"),
        ("{k: v, a: 1}", "{a: 1}"),
        ("{a: 1, k: v}", "{a: 1}"),
        ("{k: v}", "{}"),
        ("a: 1\n", "a: 1\n"),
    ] {
        assert_eq!(remove(before, "k").as_deref(), Ok(after), "{before:?}");
    }
}

#[test]
fn a_value_that_is_there_already_is_not_written_again() {
    for (text, on) in [("k: True # why\n", true), ("{k: FALSE}", false)] {
        assert_eq!(turn(text, "k", on).as_deref(), Ok(text));
    }
    assert_eq!(set("k: 'v'\n", "k", "v").as_deref(), Ok("k: 'v'\n"));
    assert_eq!(set("k: 12\n", "k", "12").as_deref(), Ok("k: \"12\"\n"));
    assert_eq!(
        set("k: true\n", "k", "true").as_deref(),
        Ok("k: \"true\"\n")
    );
    assert_eq!(turn("k: 'true'\n", "k", true).as_deref(), Ok("k: true\n"));
}

#[test]
fn what_cannot_be_changed_alone_is_refused() {
    for text in [
        "k: &x old\n",
        "k: !!str old\n",
        "k: [old]\n",
        "k:\n  a: 1\n",
        "? k\n: old\n",
        "{k, a: 1}",
        "{k: [1]}",
    ] {
        assert!(
            matches!(set(text, "k", "v"), Err(EditError::NotPlain { .. })),
            "{text:?}"
        );
        assert!(
            matches!(remove(text, "k"), Err(EditError::NotPlain { .. })),
            "{text:?}"
        );
    }
    assert_eq!(set("~\n", "k", "v"), Err(EditError::NoPlace("k")));
    for text in [
        "- 1\n",
        "a: [\n",
        "a: 1\na: 2\n",
        "a: &x 1\nb: *x\n",
        "a: 1\n---\nb: 1\n",
        "!t\na: 1\n",
    ] {
        assert!(
            matches!(set(text, "k", "v"), Err(EditError::Yaml(_))),
            "{text:?}"
        );
    }
    insta::assert_snapshot!(set("a: 1\nk: [old]\n", "k", "v").unwrap_err(), @"line 2 has a form of k that swamp cannot edit");
    insta::assert_snapshot!(set("~\n", "k", "v").unwrap_err(), @"k cannot be added without changing other lines");
}

/// Pieces of a mapping, each with lines that end in `\n`, and `@` for a name that only this piece has.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("# a comment: not a key\n".to_owned()),
        Just("\n".to_owned()),
        "@é?: [a-z0-9.]{1,6}( # [a-zé: \"']{0,9})?\n",
        "@: \"[a-z# :é]{0,6}\"( # [a-z\"]{0,4})?\n",
        "'@': '([a-z# :é]|''){0,6}'\n",
        "@: \\[[a-z]{1,3}, \\{x: é\\}\\]\n",
        "@:\n  - [a-z]{1,3}\n  # within\n  - é: 1\n    k: 2\n",
        "@:\n    k: [0-9]{1,3} # nested\n    [l-n]: ~\n",
        "@: [|>][+-]?\n  k: [a-z]{1,5}\n\n   # text\n",
        "@: one\n  two [a-z]{1,3}\n",
        "@:\n",
    ]
}

fn key_piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "k: [a-z]{1,6}( # [a-zé: ]{0,9})?\n",
        "\"k\": \"[a-z# é]{0,6}\"  # \"c\"\n",
        "k: '([a-z# é]|''){0,6}'\n",
        "k: [|>][+-]?( # c)?\n  [a-z]{1,5}\n\n  # text\n",
        Just("k: one\n  two\n".to_owned()),
        Just("k: # nothing\n".to_owned()),
        Just("k: true\n".to_owned()),
    ]
}

prop_compose! {
    fn document()(
        before in prop::collection::vec(piece(), 0..5),
        own in prop::option::of(key_piece()),
        after in prop::collection::vec(piece(), 0..5),
        start in prop::sample::select(vec!["", "\u{feff}", "---\n", "# é\n--- # c\n"]),
        end in prop::sample::select(vec!["", "", "...\n"]),
        crlf: bool,
        last_newline: bool,
    ) -> (String, String, String) {
        let breaks = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
        let named = |pieces: Vec<String>, letter: char| -> String {
            let name = |(index, piece): (usize, String)| piece.replace('@', &format!("{letter}{index}"));
            pieces.into_iter().enumerate().map(name).collect()
        };
        let mut tail = breaks(named(after, 'a') + end);
        let mut own = breaks(own.unwrap_or_default());
        if !last_newline {
            let last = if tail.is_empty() { &mut own } else { &mut tail };
            last.truncate(last.trim_end_matches(['\r', '\n']).len());
        }
        (breaks(start.to_owned() + &named(before, 'b')), own, tail)
    }
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<u64>().prop_map(Scalar::Number),
        "[a-z0-9:#'\"\\\\ é\n\t\u{85}\u{2028}\u{feff}-]{0,12}".prop_map(Scalar::Text),
        "\\PC{0,12}".prop_map(Scalar::Text),
        any::<String>().prop_map(Scalar::Text),
    ]
}

fn is_around(head: &str, edited: &str, tail: &str) -> bool {
    edited
        .strip_prefix(head)
        .is_some_and(|rest| rest.ends_with(tail))
}

/// The bytes that `edited` has in common with `text` at the start and at the end, without overlap.
fn common(text: &str, edited: &str) -> (usize, usize) {
    let most = text.len().min(edited.len());
    let start = text
        .bytes()
        .zip(edited.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let end = text
        .bytes()
        .rev()
        .zip(edited.bytes().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (start, end.min(most - start))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn only_the_key_of_the_edit_changes((head, own, tail) in document(), scalar in scalar()) {
        let text = format!("{head}{own}{tail}");
        prop_assume!(Document::parse(&text).is_ok());
        let edited = edit(&text, &[Edit::Set("k", scalar.clone())]);
        let Ok(edited) = edited else {
            // Only a place between block scalars can be without an answer.
            prop_assert!(text.contains(['|', '>']), "{:?}: {:?}", text, edited);
            return Ok(());
        };
        if own.is_empty() {
            let (start, end) = common(&text, &edited);
            prop_assert_eq!(start + end, text.len(), "{:?} {:?}", text, edited);
        } else {
            prop_assert!(is_around(&head, &edited, &tail), "{:?} {:?}", text, edited);
        }
        let value = &mapping(&edited).unwrap()["k"];
        match &scalar {
            Scalar::Text(text) => prop_assert_eq!(value.as_str(), Some(text.as_str())),
            Scalar::Bool(on) => prop_assert_eq!(value.as_bool(), Some(*on)),
            Scalar::Number(number) => prop_assert_eq!(value.as_u64(), Some(*number)),
        }
        prop_assert_eq!(edit(&edited, &[Edit::Set("k", scalar)]), Ok(edited.clone()));
        if own.is_empty()
            && !text.trim_start_matches('\u{feff}').is_empty()
            && let Ok(restored) = remove(&edited, "k")
        {
            prop_assert_eq!(restored, text);
        }
    }

    #[test]
    fn removing_takes_nothing_else((head, own, tail) in document()) {
        let text = format!("{head}{own}{tail}");
        prop_assume!(Document::parse(&text).is_ok());
        if let Ok(edited) = remove(&text, "k") {
            if own.is_empty() {
                prop_assert_eq!(edited, text);
                return Ok(());
            }
            let head = head.trim_end_matches(['\r', '\n']);
            prop_assert!(is_around(head, &edited, &tail), "{:?} {:?}", text, edited);
            prop_assert!(Document::parse(&edited).unwrap().get("k").is_none());
        } else {
            // Not every parser reads a file of nothing but `...`.
            let is_last = Document::parse(&text).unwrap().entries.len() == 1;
            prop_assert!(text.contains(['|', '>']) || is_last && tail.trim_end().ends_with("..."), "{:?}", text);
        }
    }

    #[test]
    fn any_text_is_edited_alone_or_refused(text in "[ak\"'|>&*!%#:,?{}\\[\\] \n\r\t\u{feff}é-]{0,40}") {
        if let Ok(edited) = set(&text, "k", "v") {
            let (mut before, mut after) = (mapping(&text).unwrap(), mapping(&edited).unwrap());
            prop_assert_eq!(after.remove("k"), Some("v".into()));
            before.remove("k");
            prop_assert_eq!(before, after);
        }
    }
}
