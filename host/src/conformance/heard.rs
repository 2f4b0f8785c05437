//! What a component let out besides its answers.

use crate::sender::ComponentSender;

/// What came of the last call.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The last lines that it wrote to its stdout and stderr.
    pub(super) output: Vec<String>,
    /// The functions that it was in when it was cut short, innermost first.
    pub(super) frames: Vec<String>,
}

impl Heard {
    pub(super) fn of(sender: &mut ComponentSender) -> Self {
        Self {
            output: sender.take_output(),
            frames: sender.take_frames(),
        }
    }
}
