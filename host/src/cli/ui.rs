//! Everything that a person or a program sees of a command: the answer on stdout, all else on stderr.

use std::borrow::Cow;
use std::io::{self, BufRead as _, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use swamp::domain::printable;

use super::error::{CommandError, ErrorKind};

/// The one place that prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    json: bool,
    quiet: bool,
    color: ColorChoice,
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

impl Ui {
    pub(crate) fn new(json: bool, quiet: bool, no_color: bool) -> Self {
        let color = if no_color {
            ColorChoice::Never
        } else {
            ColorChoice::Auto
        };
        Self { json, quiet, color }
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
        let mut stdout = AutoStream::new(io::stdout(), self.color).lock();
        let printed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        unless_gone(printed)
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
            let sentence = format!("would {what}; add --yes to confirm");
            return Err(CommandError::msg(ErrorKind::Unconfirmed, sentence));
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
        let mut stderr = AutoStream::new(io::stderr(), self.color).lock();
        // There is nowhere left to tell that stderr cannot be written to.
        write!(stderr, "{question}")
            .and_then(|()| stderr.flush())
            .ok();
    }

    /// Tells something besides the answer.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            self.stderr(&lines(text));
        }
    }

    /// Tells why the command failed.
    pub(crate) fn error(self, text: &str) {
        self.stderr(&format!("{BAD}error:{BAD:#} {}", lines(text)));
    }

    /// Tells what to do next.
    pub(crate) fn hint(self, text: &str) {
        self.stderr(&format!("{HINT}hint:{HINT:#} {text}"));
    }

    fn stderr(self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr(), self.color).lock();
        // There is nowhere left to tell that stderr cannot be written to.
        writeln!(stderr, "{text}").ok();
    }
}

fn unless_gone(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Lines of text, each made safe for a terminal: whatever is in them, nobody but this module steers it.
fn lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    lines.join("\n")
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
