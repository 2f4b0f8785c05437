//! What to do next about a failure, as the command line says it: no error of the library gives advice.

use swamp::domain::ForeignText;

/// What to do about a failed delivery of this kind, if there is something to be said. `component` is the sender, as
/// `telemetrySender` names it.
pub(crate) fn of_failure(kind: &str, component: &ForeignText) -> Option<String> {
    let hint = match kind {
        "missing" => {
            "correct telemetrySender in .swamp.yaml, or run `swamp sender use builtin:ingest`"
        }
        "not-pinned" => {
            return Some(format!(
                "if it should be, run `swamp sender use {}`",
                component.in_shell()
            ));
        }
        "not-allowed" => "review the sender, then run `swamp sender trust`",
        "not-compilable" | "not-linkable" => {
            return Some(format!("run `swamp sender check {}`", component.in_shell()));
        }
        "trapped" => "run the command with `--log-level debug` to see the sender's last output",
        "out-of-time" => {
            "check that the endpoint is up; `--log-level debug` shows the sender's last output"
        }
        "out-of-memory" => {
            "if the sender needs more, raise telemetrySenderLimits.memoryMiB in .swamp.yaml"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
