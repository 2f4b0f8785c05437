//! What a person is told once in each repository: what is recorded, and how to turn that off.

use swamp::config::trust_store::TrustStore;
use tracing::debug;

use super::context::{Context, Repo, env_var, known};

/// What is told once, when a repository is made.
pub(crate) const NOTICE: &str = "\
swamp records its commands: command name, option names, result, duration, and whether a person, CI or an agent ran it.
It never records values, paths or output, and no id of this machine unless you run `swamp telemetry install-id on`.
Entries are sent to the telemetry endpoint of this repository; what cannot be sent is deleted after two to four days.
`swamp telemetry list` shows them. To turn it off, run `swamp telemetry disable` (--global for all your repositories) or set DO_NOT_TRACK=1.";

/// Tells it on a terminal, by the first command that is recorded in a repository that this user does not know.
pub(crate) fn tell_once(context: &Context, repo: &Repo) {
    let Ok(marker) = &repo.marker else { return };
    if !context.ui.may_draw() {
        return;
    }
    // Who cannot be remembered to have been told is not told each time.
    match TrustStore::of(&repo.root, env_var).tell(&repo.root) {
        Ok(true) => {
            if !known(&repo.root, marker).is_some_and(|known| known.is_known()) {
                context.ui.note(NOTICE);
            }
        }
        Ok(false) => {}
        Err(error) => debug!("{error}"),
    }
}
