//! This executable, started again to be measured as a process of its own.

use std::env;
use std::process::{Command, Stdio};

use super::world::World;
use serde_json::Value;

/// The environment variable that tells which role to play.
const VARIABLE: &str = "SWAMP_COST_ROLE";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Flushes a batch by the flusher, through the component.
    Flush,
    /// Flushes a batch as the flusher does, by native code.
    FlushNatively,
    /// Flushes all as `swamp telemetry flush --all` does, by native code.
    Drain,
    /// Takes the time of each part of a cold start.
    Start,
    /// Runs the program that its arguments name, and tells how much memory it took.
    Peak,
}

impl Role {
    const ALL: [Self; 5] = [
        Self::Flush,
        Self::FlushNatively,
        Self::Drain,
        Self::Start,
        Self::Peak,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Flush => "flush",
            Self::FlushNatively => "flush-natively",
            Self::Drain => "drain",
            Self::Start => "start",
            Self::Peak => "peak",
        }
    }

    /// The role that the environment names, if it names one.
    pub(crate) fn of_this_process() -> Option<Self> {
        let name = env::var(VARIABLE).ok()?;
        let role = Self::ALL.into_iter().find(|role| role.as_str() == name);
        Some(role.unwrap())
    }

    /// A process that plays this role in the repository of `world`.
    pub(crate) fn command(self, world: &World) -> Command {
        let mut command = world.command(world.benchmark());
        command.env(VARIABLE, self.as_str());
        command
    }
}

/// Runs a command to its success, and gives the JSON that it printed.
pub(crate) fn answer(command: &mut Command) -> Value {
    let output = command.stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
