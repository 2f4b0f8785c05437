//! What a person is told once in each repository: what is recorded, and how to turn that off.

use swamp::config::trust_store::TrustStore;
use tracing::debug;

use super::context::{Context, Repo, endpoint, env_var};

/// What is told once, of a repository whose telemetry goes to `endpoint`.
fn notice(endpoint: &str) -> String {
    format!(
        "\
swamp records its commands and sends them to {endpoint}; what cannot be sent is deleted after two to four days.
Recorded are command name, option names, result, duration, and whether a person, CI or an agent ran it; never values, paths or \
output, and no id of this machine unless you run `swamp telemetry install-id on`.
`swamp telemetry list` shows them. To turn it off, run `swamp telemetry disable` (--global for all your repositories) or set \
DO_NOT_TRACK=1."
    )
}

/// Tells it on a terminal, by the first command of this user that is recorded in the repository, which may be `init`.
pub(crate) fn tell_once(context: &Context, repo: &Repo) {
    let Ok(marker) = &repo.marker else { return };
    if !context.ui.may_draw() {
        return;
    }
    // Who cannot be remembered to have been told is not told each time.
    match TrustStore::of(&repo.root, env_var).tell(&repo.root) {
        Ok(true) => {
            let endpoint = match endpoint(marker).0 {
                Ok(endpoint) => endpoint.to_string(),
                Err(error) => format!("no endpoint yet: {error}"),
            };
            context.ui.note(&notice(&endpoint));
        }
        Ok(false) => {}
        Err(error) => debug!("{error}"),
    }
}
