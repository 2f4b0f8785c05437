//! What a sender says of itself, and whether it holds.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::heard::Heard;
use super::judge::{Finding, finding, said_in_words};
use super::scenario::{Description as Looked, Expected, ONE, Options};
use super::server::Server;
use super::{DISTINCT_ID, Run};
use crate::domain::{
    Deadline, Delivered, SendError, SenderFailure, SenderFailureKind, TelemetrySender as _,
};
use crate::sender::{ComponentSender, Description, OptionDescription};

/// How long a description is waited for: ten times what the contract allows, since a busy machine is not its fault.
const DESCRIBE_TIME: Duration = Duration::from_secs(1);

/// A value that no option is likely to allow.
const WRONG_VALUE: &str = "value that is not allowed";

/// Why a scenario was not passed.
#[derive(Debug)]
pub(super) enum NotPassed {
    /// Something was not as expected.
    Failed(Finding),
    /// It could not be tried, or is not for this sender.
    Skipped(String),
}

impl From<Finding> for NotPassed {
    fn from(finding: Finding) -> Self {
        Self::Failed(finding)
    }
}

impl Run<'_> {
    /// Looks at what it says of itself.
    pub(super) fn describes(
        &self,
        what: Looked,
        server: &Server,
        endpoint: &str,
        heard: &mut Heard,
    ) -> Result<(), NotPassed> {
        let mut sender = self.alive(endpoint, self.kit.options.clone(), heard)?;
        let first = Self::description(&mut sender, heard);
        match what {
            Looked::Comes => {
                first?;
                match server.requests().first() {
                    None => Ok(()),
                    Some(request) => Ok(finding("no request".into(), request.to_string())?),
                }
            }
            Looked::Stays => {
                let first = first.map_err(|_| undescribed())?;
                let again = Self::description(&mut sender, heard)?;
                let mut another = self.alive(endpoint, self.kit.options.clone(), heard)?;
                let of_another = Self::description(&mut another, heard)?;
                for (who, said) in [
                    ("the same instance", again),
                    ("another instance", of_another),
                ] {
                    same(&first, who, &said)?;
                }
                Ok(())
            }
            Looked::Options => {
                let description = first.map_err(|_| undescribed())?;
                if description.options.is_empty() {
                    return Err(NotPassed::Skipped("the sender takes no options".into()));
                }
                Ok(can_be_set(&description.options)?)
            }
        }
    }

    /// What the sender says of itself.
    fn description(
        sender: &mut ComponentSender,
        heard: &mut Heard,
    ) -> Result<Description, Finding> {
        let said = sender.describe(Deadline::after(DESCRIBE_TIME));
        *heard = Heard::of(sender);
        let received = match said {
            Ok(Some(description)) => return Ok(description),
            Ok(None)
            | Err(SendError::Sender(SenderFailure {
                kind: SenderFailureKind::OutOfTime { .. },
                ..
            })) => "none".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Finding {
            expected: format!(
                "a description within {} ms, without a request",
                DESCRIBE_TIME.as_millis()
            )
            .into(),
            received: received.into(),
        })
    }

    /// Sends a batch with options that differ from the kit's as the sender's description allows, or does not.
    pub(super) fn takes_options(
        &mut self,
        which: Options,
        (server, path): (&Server, &str),
        heard: &mut Heard,
    ) -> Result<(), NotPassed> {
        let endpoint = format!("{}{path}", server.origin());
        let mut sender = self.alive(&endpoint, self.kit.options.clone(), heard)?;
        let description = Self::description(&mut sender, heard).map_err(|_| undescribed())?;
        let options = description.options.iter();
        let trials: Vec<(String, Vec<(String, String)>)> = match which {
            Options::Missing => options
                .filter(|option| option.required)
                .map(|option| {
                    let without = self.options_but(&option.name);
                    (format!("without the option {}", option.name), without)
                })
                .collect(),
            Options::NotAllowed => options
                .filter(|option| !option.allowed.is_empty())
                .map(|option| self.option_set(option, WRONG_VALUE))
                .collect(),
            Options::Allowed => options
                .flat_map(|option| option.allowed.iter().map(move |value| (option, value)))
                .map(|(option, value)| self.option_set(option, value))
                .collect(),
        };
        if trials.is_empty() {
            let why = match which {
                Options::Missing => "the sender requires no option",
                Options::NotAllowed | Options::Allowed => {
                    "the sender lists no allowed values of an option"
                }
            };
            return Err(NotPassed::Skipped(why.into()));
        }
        for (how, options) in trials {
            let mut sender = self.alive(&endpoint, options, heard)?;
            let tried = if which == Options::Allowed {
                let entries = ONE.entries(&[]);
                self.batch(
                    &mut sender,
                    &entries,
                    Expected::Delivered,
                    (server, path),
                    heard,
                )
            } else {
                self.refuses(&mut sender, heard)
            };
            tried.map_err(|Finding { expected, received }| Finding {
                expected: format!("{expected}, {how}").into(),
                received,
            })?;
        }
        Ok(())
    }

    /// The kit's options without this one.
    fn options_but(&self, name: &str) -> Vec<(String, String)> {
        let others = self.kit.options.iter().filter(|(known, _)| known != name);
        others.cloned().collect()
    }

    /// The kit's options with this value of one, and how that is said.
    fn option_set(
        &self,
        option: &OptionDescription,
        value: &str,
    ) -> (String, Vec<(String, String)>) {
        let mut options = self.options_but(&option.name);
        options.push((option.name.clone(), value.to_owned()));
        let how = format!("with the option {} set to \"{value}\"", option.name);
        (how, options)
    }

    /// Whether it finds that its options are of no use.
    fn refuses(&self, sender: &mut ComponentSender, heard: &mut Heard) -> Result<(), Finding> {
        let deadline = Deadline::after(self.limits.deadline);
        let said = sender
            .send_batch(&ONE.entries(&[]), DISTINCT_ID, deadline)
            .and_then(Delivered::in_full);
        *heard = Heard::of(sender);
        match said {
            Err(SendError::InvalidConfiguration(_)) => Ok(()),
            said => finding("invalid-configuration".into(), said_in_words(&said)),
        }
    }

    /// Whether it answers if it is asked about destinations and options, whatever they are.
    pub(super) fn checks_config(&self, endpoint: &str, heard: &mut Heard) -> Result<(), NotPassed> {
        if !self.checks_config {
            return Err(NotPassed::Skipped("the sender does not export it".into()));
        }
        for (how, options) in [
            ("as given", self.kit.options.clone()),
            ("without options", Vec::new()),
        ] {
            let mut sender = self.alive(endpoint, options, heard)?;
            let deadline = Deadline::after(self.limits.deadline);
            let said = sender.check_config(DISTINCT_ID, deadline);
            *heard = Heard::of(&mut sender);
            match said {
                Ok(()) | Err(SendError::InvalidConfiguration(_)) => {}
                Err(error) => finding(format!("an answer, {how}"), error.to_string())?,
            }
        }
        Ok(())
    }
}

/// Its own scenario tells why.
fn undescribed() -> NotPassed {
    NotPassed::Skipped("the sender does not describe itself".into())
}

/// Whether a description is the one that was given first, told by the first part that differs.
fn same(first: &Description, who: &str, said: &Description) -> Result<(), Finding> {
    let parts = |description: &Description| {
        let Description {
            name,
            version,
            description,
            homepage,
            license,
            options,
        } = description;
        [
            ("name", json!(name)),
            ("version", json!(version)),
            ("description", json!(description)),
            ("homepage", json!(homepage)),
            ("licence", json!(license)),
            ("options", json!(options)),
        ]
    };
    for ((part, first), (_, said)) in parts(first).into_iter().zip(parts(said)) {
        if first != said {
            return finding(
                format!("the same {part} whenever it is asked: {first}"),
                format!("{who} said {said}"),
            );
        }
    }
    Ok(())
}

/// Whether a person can set these options as they are described.
fn can_be_set(options: &[OptionDescription]) -> Result<(), Finding> {
    let mut names = HashSet::new();
    for option in options {
        let name = &option.name;
        if name.is_empty() || name.contains('=') {
            return finding(
                "options with a name, and without \"=\" in it".into(),
                format!("\"{name}\""),
            );
        }
        if !names.insert(name) {
            return finding("a name for each option".into(), format!("two named {name}"));
        }
        if option.meaning.is_empty() {
            return finding(
                "options with what each is for".into(),
                format!("nothing about {name}"),
            );
        }
        if let Some(default) = &option.default
            && !option.allowed.is_empty()
            && !option.allowed.contains(default)
        {
            return finding(
                format!("a default of {name} among {}", option.allowed.join(", ")),
                default.clone(),
            );
        }
    }
    Ok(())
}
