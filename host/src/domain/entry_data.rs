//! The schema of an entry: its keys are spelled in this file and nowhere else.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Platform, Status, Surroundings};

/// The paths of an entry's fields, as messages name them: `result.exitCode` is `exitCode` in the object `result`.
pub mod field {
    #![allow(missing_docs, reason = "each constant is the path that it holds")]

    pub const ID: &str = "id";
    pub const INVOCATION: &str = "invocation";
    pub const COMMAND: &str = "invocation.command";
    pub const SUBCOMMAND: &str = "invocation.subcommand";
    pub const ARGS: &str = "invocation.args";
    pub const OPTION_KEYS: &str = "invocation.optionKeys";
    pub const GLOBAL_OPTIONS: &str = "invocation.globalOptions";
    pub const COMMAND_PATH: &str = "invocation.commandPath";
    pub const RESULT: &str = "result";
    pub const STATUS: &str = "result.status";
    pub const ERROR_TYPE: &str = "result.errorType";
    pub const ERROR_MESSAGE: &str = "result.errorMessage";
    pub const EXIT_CODE: &str = "result.exitCode";
    pub const STARTED_AT: &str = "startedAt";
    pub const COMPLETED_AT: &str = "completedAt";
    pub const DURATION_MS: &str = "durationMs";
    pub const SWAMP_VERSION: &str = "swampVersion";
    pub const PLATFORM: &str = "platform";
    pub const INVOCATION_CONTEXT: &str = "invocationContext";
    pub const IS_INTERACTIVE: &str = "invocationContext.isInteractive";
    pub const IS_CI: &str = "invocationContext.isCi";
    pub const AGENT_SESSION_DETECTED: &str = "invocationContext.agentSessionDetected";
    pub const DETECTED_AI_TOOL: &str = "invocationContext.detectedAiTool";
    pub const PARENT_INVOCATION_ID: &str = "parentInvocationId";
    pub const INSTALL_ID: &str = "installId";
    /// Only the Deno implementation writes it.
    pub const DENO_VERSION: &str = "denoVersion";

    /// The key of the object that holds the field, unless that is the entry itself, and the field's key in it.
    #[must_use]
    pub fn split(path: &'static str) -> (Option<&'static str>, &'static str) {
        match path.split_once('.') {
            Some((object, key)) => (Some(object), key),
            None => (None, path),
        }
    }
}

/// The value of the field at `path`, one of [`field`].
pub(super) fn get<'a>(entry: &'a Map<String, Value>, path: &'static str) -> Option<&'a Value> {
    match field::split(path) {
        (Some(object), key) => entry.get(object)?.get(key),
        (None, key) => entry.get(key),
    }
}

/// An entry as it is written, in the order of its keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    pub(super) invocation: InvocationData,
    pub(super) result: ResultData,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) swamp_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invocation_context: Option<ContextData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_invocation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) install_id: Option<String>,
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvocationData {
    pub(super) command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subcommand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) option_keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) global_options: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command_path: Option<Vec<String>>,
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exit_code: Option<i32>,
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContextData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_interactive: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_ci: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent_session_detected: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detected_ai_tool: Option<String>,
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

impl EntryData {
    /// The same entry with what is known of where it took place, as far as it does not tell itself.
    pub(super) fn within(mut self, surroundings: &Surroundings) -> Self {
        let Surroundings {
            context,
            parent,
            install_id,
        } = surroundings;
        let context = context.as_ref().map(|context| ContextData {
            is_interactive: context.is_interactive,
            is_ci: Some(context.is_ci),
            agent_session_detected: Some(context.agent_session_detected),
            detected_ai_tool: context.detected_ai_tool.map(str::to_owned),
            unknown: Map::new(),
        });
        self.invocation_context = self.invocation_context.or(context);
        let parent = parent.as_ref().map(ToString::to_string);
        self.parent_invocation_id = self.parent_invocation_id.or(parent);
        self.install_id = self.install_id.or_else(|| install_id.clone());
        self
    }

    /// The JSON that is spooled: pretty-printed, with a newline at its end.
    pub(super) fn to_json(&self) -> String {
        // Writing to a `String` cannot fail and no map in here has keys that are not strings.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_under_the_paths_that_are_read() {
        let text = || Some(String::from("x"));
        let list = || Some(vec![String::from("x")]);
        let entry = EntryData {
            id: text(),
            invocation: InvocationData {
                command: "x".into(),
                subcommand: text(),
                args: list(),
                option_keys: list(),
                global_options: list(),
                command_path: list(),
                unknown: Map::new(),
            },
            result: ResultData {
                status: Some(Status::Error),
                error_type: text(),
                error_message: text(),
                exit_code: Some(1),
                unknown: Map::new(),
            },
            started_at: text(),
            completed_at: text(),
            duration_ms: Some(1),
            swamp_version: text(),
            platform: Some(Platform::Linux),
            invocation_context: Some(ContextData {
                is_interactive: Some(true),
                is_ci: Some(true),
                agent_session_detected: Some(true),
                detected_ai_tool: text(),
                unknown: Map::new(),
            }),
            parent_invocation_id: text(),
            install_id: text(),
            unknown: Map::new(),
        };
        let value = serde_json::to_value(&entry).unwrap();
        let top = value.as_object().unwrap();
        let mut written = Vec::new();
        for (key, value) in top {
            written.push(key.clone());
            for inner in value.as_object().into_iter().flat_map(Map::keys) {
                written.push(format!("{key}.{inner}"));
            }
        }
        let read = [
            field::ID,
            field::INVOCATION,
            field::COMMAND,
            field::SUBCOMMAND,
            field::ARGS,
            field::OPTION_KEYS,
            field::GLOBAL_OPTIONS,
            field::COMMAND_PATH,
            field::RESULT,
            field::STATUS,
            field::ERROR_TYPE,
            field::ERROR_MESSAGE,
            field::EXIT_CODE,
            field::STARTED_AT,
            field::COMPLETED_AT,
            field::DURATION_MS,
            field::SWAMP_VERSION,
            field::PLATFORM,
            field::INVOCATION_CONTEXT,
            field::IS_INTERACTIVE,
            field::IS_CI,
            field::AGENT_SESSION_DETECTED,
            field::DETECTED_AI_TOOL,
            field::PARENT_INVOCATION_ID,
            field::INSTALL_ID,
        ];
        assert_eq!(written, read);
        assert!(read.iter().all(|path| get(top, path).is_some()));
    }
}
