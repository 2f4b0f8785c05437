//! What is known of a program that is recorded: its name, its version, and which of its arguments are subcommands.

use super::{REDACTED, printable};

/// The version of a program that names none.
pub const UNKNOWN_VERSION: &str = "unknown";

/// A name or a version: 1 to 64 printable characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// The most characters that a label has.
    pub const MAX_LEN: usize = 64;

    /// Takes `text` for a label, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let length = text.chars().count();
        ((1..=Self::MAX_LEN).contains(&length) && printable(text) == text)
            .then(|| Self(text.to_owned()))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a repository or a command line says of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tool {
    /// What it is recorded as, instead of its own name.
    pub name: Option<Label>,
    /// Its version.
    pub version: Option<Label>,
    /// Which of its arguments may be recorded.
    pub subcommands: Option<Subcommands>,
}

/// What a repository says of programs, by the names of their files or what they are recorded as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools(Vec<(String, Tool)>);

impl Tools {
    /// These programs, by name.
    #[must_use]
    pub const fn new(tools: Vec<(String, Tool)>) -> Self {
        Self(tools)
    }

    /// What is said of the program of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tool> {
        let mut tools = self.0.iter();
        tools.find(|(of, _)| of == name).map(|(_, tool)| tool)
    }

    /// The names of the programs, and those that they are recorded as instead.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|(of, tool)| {
            let recorded_as = tool.name.as_ref().map(Label::as_str);
            std::iter::once(of.as_str()).chain(recorded_as)
        })
    }
}

/// The arguments that may be recorded: those of the first `depth` positions that are one of the listed words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subcommands {
    words: Vec<Label>,
    depth: usize,
}

impl Subcommands {
    /// The most positions.
    pub const MAX_DEPTH: usize = 8;

    /// The words of the first `depth` positions. `None` where there is no word, one is not a word that a position can
    /// hold, or the depth is not 1 to [`MAX_DEPTH`](Self::MAX_DEPTH).
    #[must_use]
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>, depth: usize) -> Option<Self> {
        let word = |text: &str| {
            Label::parse(text)
                .filter(|word| !text.starts_with('-') && !word.0.contains(char::is_whitespace))
        };
        let words: Option<Vec<_>> = words.into_iter().map(word).collect();
        let words = words.filter(|words| !words.is_empty())?;
        (1..=Self::MAX_DEPTH)
            .contains(&depth)
            .then_some(Self { words, depth })
    }

    fn allow(&self, word: &str) -> bool {
        self.words.iter().any(|allowed| allowed.0 == word)
    }
}

/// Sorts the positional arguments of one command line, one after the other, into its subcommand and what is redacted.
#[derive(Debug)]
pub struct Positions<'a> {
    subcommands: Option<&'a Subcommands>,
    seen: usize,
    path: Vec<String>,
    /// The positional arguments that are not the subcommand.
    args: Vec<String>,
}

impl<'a> Positions<'a> {
    /// By this list; without one, everything is redacted.
    #[must_use]
    pub const fn new(subcommands: Option<&'a Subcommands>) -> Self {
        Self {
            subcommands,
            seen: 0,
            path: Vec::new(),
            args: Vec::new(),
        }
    }

    /// Takes the next argument; `None` is one that is certainly no word of the list. One that stands behind an option may
    /// be the option's value: it only counts as a position if it is on the list.
    pub fn push(&mut self, arg: Option<&str>, behind_option: bool) {
        let list = self.subcommands.filter(|list| self.seen < list.depth);
        let allowed = arg.filter(|arg| list.is_some_and(|list| list.allow(arg)));
        if list.is_some() && (allowed.is_some() || !behind_option) {
            self.seen += 1;
        }
        match allowed {
            // Behind a position that was redacted it is kept where it stands.
            Some(word) if self.path.len() + 1 == self.seen => self.path.push(word.to_owned()),
            Some(word) => self.args.push(word.to_owned()),
            None => self.args.push(REDACTED.to_owned()),
        }
    }

    /// No later argument is a subcommand.
    pub const fn close(&mut self) {
        self.seen = Subcommands::MAX_DEPTH;
    }

    /// The subcommand, its words joined by spaces, and the other arguments.
    #[must_use]
    pub fn finish(self) -> (Option<String>, Vec<String>) {
        let subcommand = (!self.path.is_empty()).then(|| self.path.join(" "));
        (subcommand, self.args)
    }
}

/// The path of a tool's command: its name, and the words of its subcommand.
#[must_use]
pub fn command_path(command: &str, subcommand: Option<&str>) -> Vec<String> {
    let words = subcommand.into_iter().flat_map(str::split_whitespace);
    std::iter::once(command)
        .chain(words)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(list: &str, depth: usize, args: &[&str]) -> String {
        let list = Subcommands::new(list.split(','), depth).unwrap();
        let mut positions = Positions::new(Some(&list));
        let mut behind_option = false;
        for arg in args {
            if arg.starts_with('-') {
                behind_option = true;
            } else {
                positions.push(Some(arg), behind_option);
                behind_option = false;
            }
        }
        let (subcommand, args) = positions.finish();
        let args = args.join(",").replace(REDACTED, "_");
        format!("{} [{args}]", subcommand.as_deref().unwrap_or("-"))
    }

    #[test]
    fn only_listed_words_in_leading_positions_are_kept() {
        for (list, depth, args, expected) in [
            ("deploy,rollback", 1, &["deploy", "prod"][..], "deploy [_]"),
            ("deploy,rollback", 1, &["deploy", "rollback"], "deploy [_]"),
            (
                "deploy,rollback",
                2,
                &["deploy", "rollback"],
                "deploy rollback []",
            ),
            ("deploy", 1, &["Deploy"], "- [_]"),
            ("deploy", 1, &["prod", "deploy"], "- [_,_]"),
            ("get", 2, &["context", "get", "get"], "- [_,get,_]"),
            ("commit", 1, &["-C", "dir", "commit", "x"], "commit [_,_]"),
            ("build", 1, &["--verbose", "build"], "build []"),
            (
                "add,remote",
                2,
                &["remote", "-v", "x", "add"],
                "remote add [_]",
            ),
            ("a", 1, &[], "- []"),
        ] {
            assert_eq!(sorted(list, depth, args), expected, "{list} {args:?}");
        }
    }

    #[test]
    fn lists_hold_words_that_a_position_can_hold() {
        let long = "x".repeat(65);
        for (words, depth, is_list) in [
            (&["deploy"][..], 1, true),
            (&["deploy"], 8, true),
            (&["deploy"], 0, false),
            (&["deploy"], 9, false),
            (&[], 1, false),
            (&[""], 1, false),
            (&["a b"], 1, false),
            (&["-v"], 1, false),
            (&["a\u{1b}"], 1, false),
            (&[&long], 1, false),
        ] {
            let list = Subcommands::new(words.iter().copied(), depth);
            assert_eq!(list.is_some(), is_list, "{words:?} {depth}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_not_listed_comes_out(
            args in prop::collection::vec(("[a-d]{1,2}", any::<bool>()), 0..12),
            depth in 1_usize..9,
        ) {
            let list = Subcommands::new(["a", "bb"], depth).unwrap();
            let mut positions = Positions::new(Some(&list));
            for (arg, behind_option) in &args {
                positions.push(Some(arg), *behind_option);
            }
            let (subcommand, kept) = positions.finish();
            let words: Vec<_> = subcommand.iter().flat_map(|path| path.split(' ')).collect();
            prop_assert_eq!(words.len() + kept.len(), args.len());
            prop_assert!(words.len() <= depth);
            let is_allowed = |word: &&str| ["a", "bb", REDACTED].contains(word);
            prop_assert!(words.iter().all(is_allowed));
            prop_assert!(kept.iter().all(|word| is_allowed(&word.as_str())));
        }
    }
}
