//! How a command of another program failed.

use crate::domain::{InvocationResult, Status};

/// How a command failed: what is recorded of one case of the program's own error type.
///
/// Type and sentence are fixed texts, so that nothing that somebody typed can get into them.
///
/// ```
/// use swamp::recorder::Failure;
///
/// enum GreetError {
///     Nobody(String),
///     Io(std::io::Error),
/// }
///
/// impl From<&GreetError> for Failure {
///     fn from(error: &GreetError) -> Self {
///         match error {
///             GreetError::Nobody(_) => Failure::new("Nobody", "there is nobody of that name").of_user(),
///             GreetError::Io(_) => Failure::new("Io", "a file could not be read").exit_code(3),
///         }
///     }
/// }
///
/// let failure = Failure::from(&GreetError::Nobody("s3cret".into()));
/// # assert_eq!(failure, Failure::new("Nobody", "there is nobody of that name").of_user());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    error_type: &'static str,
    sentence: &'static str,
    exit_code: i32,
    status: Status,
}

impl Failure {
    pub(super) const PANIC: Self = Self::new("Panic", "the program panicked").exit_code(101);
    pub(super) const UNFINISHED: Self = Self::new(
        "Unfinished",
        "the program ended without saying how the command went",
    );

    /// A failure of this type, with exit code 1.
    ///
    /// ```
    /// use swamp::recorder::Failure;
    ///
    /// const OFFLINE: Failure = Failure::new("Offline", "the server cannot be reached");
    /// ```
    #[must_use]
    pub const fn new(error_type: &'static str, sentence: &'static str) -> Self {
        Self {
            error_type,
            sentence,
            exit_code: 1,
            status: Status::Error,
        }
    }

    /// The same failure with another exit code. The program still has to exit with it.
    ///
    /// ```
    /// use swamp::recorder::Failure;
    ///
    /// const OFFLINE: Failure = Failure::new("Offline", "the server cannot be reached").exit_code(4);
    /// ```
    #[must_use]
    pub const fn exit_code(self, exit_code: i32) -> Self {
        Self { exit_code, ..self }
    }

    /// The same failure as one of the person who used the command wrongly.
    ///
    /// ```
    /// use swamp::recorder::Failure;
    ///
    /// const EMPTY: Failure = Failure::new("Empty", "the name is empty").exit_code(2).of_user();
    /// ```
    #[must_use]
    pub const fn of_user(self) -> Self {
        Self {
            status: Status::UserError,
            ..self
        }
    }

    pub(super) fn result(self) -> InvocationResult {
        InvocationResult {
            status: self.status,
            error_type: Some(self.error_type.to_owned()),
            error_message: Some(self.sentence.to_owned()),
            exit_code: self.exit_code,
        }
    }
}
