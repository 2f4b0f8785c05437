//! Where an invocation took place: at a terminal or in a CI job, under which agent, within which other invocation.

use std::ffi::OsString;

use super::EntryId;
use super::variables::PARENT_INVOCATION_ID;

/// What is recorded of where an invocation took place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Who ran it; `None` where that is not known.
    pub context: Option<InvocationContext>,
    /// The invocation that it is part of.
    pub parent: Option<EntryId>,
    /// The random id of this user on this machine, where the user wants one.
    pub install_id: Option<String>,
}

/// Who ran a command: a person at a terminal, a CI job, an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationContext {
    /// Whether stdin is a terminal; `None` where stdin is not the command's.
    pub is_interactive: Option<bool>,
    /// Whether it is a CI job.
    pub is_ci: bool,
    /// Whether an agent's session is around it. General variables say so too, which other programs set as well.
    pub agent_session_detected: bool,
    /// The agent, where it is one that is known.
    pub detected_ai_tool: Option<&'static str>,
}

/// A variable, and what it holds when it tells something.
type Sign = (&'static str, Holds);

#[derive(Clone, Copy)]
enum Holds {
    /// Anything, be it empty.
    Anything,
    /// Anything but nothing.
    Something,
    /// Exactly this.
    This(&'static str),
}

/// The signs of each known agent, in the order in which they are looked for: those that the Deno implementation knows.
const AGENTS: [(&str, [Sign; 2]); 6] = [
    (
        "claude",
        [
            ("CLAUDECODE", Holds::This("1")),
            ("CLAUDE_CODE_ENTRYPOINT", Holds::Anything),
        ],
    ),
    (
        "cursor",
        [
            ("TERM_PROGRAM", Holds::This("cursor")),
            ("CURSOR_TRACE_ID", Holds::Anything),
        ],
    ),
    (
        "kiro",
        [
            ("TERM_PROGRAM", Holds::This("kiro")),
            ("AGENT_CONTEXT_OUT", Holds::Something),
        ],
    ),
    (
        "opencode",
        [
            ("OPENCODE", Holds::This("1")),
            ("OPENCODE", Holds::This("1")),
        ],
    ),
    (
        "codex",
        [
            ("CODEX_SANDBOX_NETWORK_DISABLED", Holds::This("1")),
            ("CODEX_SANDBOX", Holds::Anything),
        ],
    ),
    (
        "pi",
        [
            ("PI_CODING_AGENT", Holds::This("true")),
            ("AI_AGENT", Holds::This("pi")),
        ],
    ),
];

/// The variables of some agent, unless they are empty, `0` or `false`.
const ANY_AGENT: [&str; 3] = ["AGENT", "AI_AGENT", "IS_AGENT"];

/// The variables of CI services, unless they are empty, `0` or `false`.
const CI: [&str; 14] = [
    "CI",
    "APPVEYOR",
    "BITBUCKET_BUILD_NUMBER",
    "BUILDKITE",
    "CIRCLECI",
    "CIRRUS_CI",
    "CODEBUILD_BUILD_ID",
    "DRONE",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
];

impl InvocationContext {
    /// What the environment tells. Of the variables nothing is kept.
    #[must_use]
    pub fn of(env: impl Fn(&str) -> Option<OsString>, is_interactive: Option<bool>) -> Self {
        let holds = |(name, holds): &Sign| {
            env(name).is_some_and(|value| match holds {
                Holds::Anything => true,
                Holds::Something => !value.is_empty(),
                Holds::This(text) => value == *text,
            })
        };
        let is_set = |name: &&str| {
            env(name).is_some_and(|value| {
                !value.is_empty() && value != "0" && !value.eq_ignore_ascii_case("false")
            })
        };
        let agent = AGENTS.iter().find(|(_, signs)| signs.iter().any(holds));
        Self {
            is_interactive,
            is_ci: CI.iter().any(is_set),
            agent_session_detected: agent.is_some() || ANY_AGENT.iter().any(is_set),
            detected_ai_tool: agent.map(|(name, _)| *name),
        }
    }
}

/// The invocation that the environment names as the one around this.
pub fn parent_invocation(env: impl Fn(&str) -> Option<OsString>) -> Option<EntryId> {
    EntryId::parse(env(PARENT_INVOCATION_ID)?.to_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> String {
        let env = |name: &str| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| OsString::from(value))
        };
        let context = InvocationContext::of(env, None);
        let agent = context.detected_ai_tool.unwrap_or("-");
        format!(
            "{agent} {} {}",
            context.agent_session_detected, context.is_ci
        )
    }

    #[test]
    fn agents_and_ci_jobs_are_known_by_their_variables() {
        for (pairs, expected) in [
            (&[][..], "- false false"),
            (&[("CLAUDECODE", "1")], "claude true false"),
            (&[("CLAUDECODE", "0")], "- false false"),
            (&[("CLAUDE_CODE_ENTRYPOINT", "")], "claude true false"),
            (&[("TERM_PROGRAM", "cursor")], "cursor true false"),
            (&[("TERM_PROGRAM", "xterm")], "- false false"),
            (&[("AGENT_CONTEXT_OUT", "")], "- false false"),
            (&[("AGENT_CONTEXT_OUT", "/f")], "kiro true false"),
            (&[("OPENCODE", "1"), ("AGENT", "1")], "opencode true false"),
            (&[("CODEX_SANDBOX", "seatbelt")], "codex true false"),
            (&[("AI_AGENT", "pi")], "pi true false"),
            (&[("AI_AGENT", "other")], "- true false"),
            (&[("AGENT", "False")], "- false false"),
            (&[("CI", "true")], "- false true"),
            (&[("CI", "false")], "- false false"),
            (&[("JENKINS_URL", "https://ci")], "- false true"),
            (
                &[("CLAUDECODE", "1"), ("CURSOR_TRACE_ID", "x")],
                "claude true false",
            ),
        ] {
            assert_eq!(of(pairs), expected, "{pairs:?}");
        }
    }
}
