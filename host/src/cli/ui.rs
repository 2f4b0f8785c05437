//! Everything that a person or a program sees of a command: the answer on stdout, all else on stderr.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;
use swamp::domain::{printable, variables};

use super::error::{CommandError, ErrorKind};
use super::suggestions;

/// The one place that prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    json: bool,
    quiet: bool,
    color: Color,
}

/// Whether colors are used: one rule for answers, errors, help and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that has colors
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// What the option and the environment say: the option first, then `NO_COLOR`, `CLICOLOR_FORCE` and a terminal
    /// that has none.
    pub(crate) fn of(option: Option<Self>, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_set = |name| env(name).is_some_and(|value| !value.is_empty());
        match option {
            Some(color) => color,
            None if is_set(variables::NO_COLOR) => Self::Never,
            None if env(variables::CLICOLOR_FORCE)
                .is_some_and(|value| !value.is_empty() && value != "0") =>
            {
                Self::Always
            }
            None if env(variables::TERM).is_some_and(|term| term == "dumb") => Self::Never,
            None => Self::Auto,
        }
    }

    /// The same of a command line that is not parsed yet, for the help that parsing may print.
    pub(crate) fn of_arguments(argv: &[OsString]) -> Self {
        let mut option = None;
        let mut own = argv.iter().skip(1).take_while(|arg| *arg != "--");
        while let Some(arg) = own.next().map(|arg| arg.to_string_lossy()) {
            match arg.split_once('=') {
                _ if arg == "--no-color" => option = Some(Self::Never),
                None if arg == "--color" => {
                    let value = own.next().map(|value| value.to_string_lossy());
                    option = value.and_then(|value| Self::from_str(&value, false).ok());
                }
                Some(("--color", value)) => option = Self::from_str(value, false).ok(),
                _ => {}
            }
        }
        Self::of(option, |name| std::env::var_os(name))
    }

    /// Whether what is written to `stream` has colors.
    pub(crate) fn applies_to(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Auto => stream.is_terminal(),
            Self::Always => true,
            Self::Never => false,
        }
    }

    pub(crate) const fn of_help(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }

    fn of_stream(self, stream: &impl IsTerminal) -> ColorChoice {
        if self.applies_to(stream) {
            ColorChoice::Always
        } else {
            ColorChoice::Never
        }
    }
}

/// What `--json` prints of a failure. Its keys are stable.
#[derive(Serialize)]
struct JsonError<'a> {
    /// What went wrong, in one stable word.
    kind: &'a str,
    /// What went wrong, in one sentence.
    message: &'a str,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

impl Ui {
    pub(crate) const fn new(json: bool, quiet: bool, color: Color) -> Self {
        Self { json, quiet, color }
    }

    pub(crate) const fn color(self) -> Color {
        self.color
    }

    /// Whether the answer is to be a JSON document.
    pub(crate) const fn wants_json(self) -> bool {
        self.json
    }

    /// Whether something that moves may be drawn on stderr.
    pub(crate) fn may_draw(self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// The lines and columns of the terminal that the answer is printed to; `None` where that is none.
    #[expect(clippy::unused_self, reason = "all printing goes through it")]
    pub(crate) fn terminal_size(self) -> Option<(usize, usize)> {
        let (lines, columns) = console::Term::stdout().size_checked()?;
        Some((lines.into(), columns.into()))
    }

    /// Prints the answer, which may be styled: colours are for terminals, and are taken out elsewhere.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to, other than because its reader has gone.
    pub(crate) fn answer(self, text: &str) -> io::Result<()> {
        let mut stdout = AutoStream::new(io::stdout(), self.color.of_stream(&io::stdout())).lock();
        let printed = writeln!(stdout, "{}", styled(text)).and_then(|()| stdout.flush());
        unless_gone(printed)
    }

    /// Prints a text of this program's own as it is: a script, a page.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    #[expect(clippy::unused_self, reason = "all printing goes through it")]
    pub(crate) fn verbatim(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        unless_gone(writeln!(stdout, "{text}").and_then(|()| stdout.flush()))
    }

    /// Prints the answer as one JSON document.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    #[expect(clippy::unused_self, reason = "all printing goes through it")]
    pub(crate) fn json(self, answer: &impl Serialize) -> io::Result<()> {
        let json = visible(&serde_json::to_string_pretty(answer)?);
        let mut stdout = io::stdout().lock();
        unless_gone(writeln!(stdout, "{json}"))
    }

    /// Prints a part of the answer as one line of JSON.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    #[expect(clippy::unused_self, reason = "all printing goes through it")]
    pub(crate) fn json_line(self, part: &impl Serialize) -> io::Result<()> {
        let json = visible(&serde_json::to_string(part)?);
        let mut stdout = io::stdout().lock();
        unless_gone(writeln!(stdout, "{json}").and_then(|()| stdout.flush()))
    }

    /// Asks whether to do `what`, such as "delete 2 entries".
    ///
    /// # Errors
    ///
    /// With the sentence `otherwise` where the answer is no, and where there is nobody to ask.
    pub(crate) fn confirm(self, what: &str, otherwise: &str) -> Result<(), CommandError> {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let sentence = format!("would {what}");
            let error = CommandError::msg(ErrorKind::Unconfirmed, sentence);
            return Err(error.hint("add --yes to confirm"));
        }
        self.ask(&format!("{what}? [y/N] "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(CommandError::msg(ErrorKind::Unconfirmed, otherwise))
        }
    }

    /// Asks a question, and leaves the cursor behind it.
    fn ask(self, question: &str) {
        let mut stderr = AutoStream::new(io::stderr(), self.color.of_stream(&io::stderr())).lock();
        // There is nowhere left to tell that stderr cannot be written to.
        write!(stderr, "{}", lines(question))
            .and_then(|()| stderr.flush())
            .ok();
    }

    /// Tells something besides the answer.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            self.stderr(&styled(text));
        }
    }

    /// Tells why the command failed: on stderr, or with `--json` as the answer, unless the answer says it already.
    pub(crate) fn failure(self, error: &CommandError) {
        let message = error.to_string();
        // The answer says all that there is to say.
        if message.is_empty() {
            return;
        }
        if self.json && !error.is_in_answer() {
            let hint = error.hinted().join("; ");
            let hint = (!hint.is_empty()).then_some(hint.as_str());
            self.json_error(error.kind(), &message, hint);
        } else {
            self.error(&message);
            for hint in error.hinted() {
                self.hint(hint);
            }
        }
    }

    /// Tells a failure of this kind, for which there is no hint.
    pub(crate) fn error_of_kind(self, kind: &str, message: &str) {
        if self.json {
            self.json_error(kind, message, None);
        } else {
            self.error(message);
        }
    }

    /// Tells what went wrong besides the command's own failure.
    pub(crate) fn error(self, text: &str) {
        self.stderr(&format!("{BAD}error:{BAD:#} {}", lines(text)));
    }

    /// Tells what to do next.
    pub(crate) fn hint(self, text: &str) {
        self.stderr(&format!("{HINT}hint:{HINT:#} {}", lines(text)));
    }

    /// Prints the help that was asked for, or what is wrong with the command line.
    ///
    /// # Errors
    ///
    /// When it cannot be printed.
    pub(crate) fn usage(self, error: &clap::Error) -> io::Result<()> {
        if self.json && error.use_stderr() {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            let message = first.strip_prefix("error: ").unwrap_or(first);
            let hint = suggestions::of(error);
            self.json_error(&format!("{:?}", error.kind()), message, hint.as_deref());
            Ok(())
        } else {
            error.print().and_then(|()| io::stdout().flush())
        }
    }

    /// There is nowhere left to tell that this could not be printed.
    fn json_error(self, kind: &str, message: &str, hint: Option<&str>) {
        let error = JsonError {
            kind,
            message,
            hint,
        };
        self.json(&serde_json::json!({ "error": error })).ok();
    }

    fn stderr(self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr(), self.color.of_stream(&io::stderr())).lock();
        // There is nowhere left to tell that stderr cannot be written to.
        writeln!(stderr, "{text}").ok();
    }
}

/// The columns of the terminal that help is printed to; `None` where that is none.
pub(crate) fn terminal_columns() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(columns.into())
}

fn unless_gone(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("could not print the answer: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

/// Lines of text, each made safe for a terminal: whatever is in them, nobody but this module steers it.
fn lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// The parameters of the sequences that the styles above are made of, and of their end.
const STYLES: [&str; 7] = ["0", "1", "2", "31", "32", "33", "36"];

/// The same of text that has styles: of all escape sequences, only those of the styles above are left. So whatever a
/// repository, a sender or an endpoint wrote steers no terminal, even where a message forgot that it is theirs.
fn styled(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut safe = lines(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once('m') {
            Some((style, rest)) if STYLES.contains(&style) => {
                safe.extend(["\x1b[", style, "m"]);
                safe.push_str(&lines(rest));
            }
            _ => safe.push_str(&lines(&format!("\x1b[{part}"))),
        }
    }
    safe
}

/// The same JSON, with every character that a terminal would act on, or not show, as an escape. JSON has such
/// characters only in strings, but for white space, which stays.
fn visible(json: &str) -> String {
    let mut visible = String::with_capacity(json.len());
    for character in json.chars() {
        let text = character.to_string();
        if character == '\n' || matches!(printable(&text), Cow::Borrowed(_)) {
            visible.push(character);
        } else {
            let mut units = [0; 2];
            let escapes = character.encode_utf16(&mut units).iter();
            visible.extend(escapes.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn of_escape_sequences_an_answer_keeps_only_its_own_styles() {
        for style in [BOLD, DIM, GOOD, HINT, WARN, BAD] {
            let own = format!("{style}a{style:#}\nb");
            assert_eq!(styled(&own), own);
        }
        assert_eq!(
            styled("\x1b[2Ja\x1b]0;t\x07\x1b[8mb\x1b[\x1b[31mc\u{202e}\x1b"),
            "\\u{1b}[2Ja\\u{1b}]0;t\\u{7}\\u{1b}[8mb\\u{1b}[\x1b[31mc\\u{202e}\\u{1b}"
        );
    }

    #[test]
    fn json_keeps_its_value_and_shows_everything() {
        let json = "{\n\"a\": \"\u{9b}31m \u{202e}é\u{e0041}\u{7f}\"}";
        let shown = visible(json);
        assert_eq!(
            shown,
            "{\n\"a\": \"\\u009b31m \\u202eé\\udb40\\udc41\\u007f\"}"
        );
        let parsed = |json| serde_json::from_str::<Value>(json).unwrap();
        assert_eq!(parsed(&shown), parsed(json));
    }
}
