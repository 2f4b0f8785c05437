//! What was measured, and what it may be.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// One measured value, in its unit.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    budget: Option<Budget>,
}

#[derive(Clone, Copy, Debug)]
enum Budget {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            value,
            unit,
            budget: None,
        }
    }

    /// The median of these times, in milliseconds.
    pub(crate) fn time(what: impl Into<String>, times: &[Duration]) -> Self {
        let millis = times.iter().map(|time| time.as_secs_f64() * 1e3);
        Self::new(what, median(millis), "ms")
    }

    /// The median of the ratios of times that were measured in turns.
    pub(crate) fn ratio(what: impl Into<String>, turns: &Turns) -> Self {
        Self::new(what, turns.ratio(), "x")
    }

    pub(crate) const fn at_most(mut self, limit: f64) -> Self {
        self.budget = Some(Budget::AtMost(limit));
        self
    }

    pub(crate) const fn at_least(mut self, limit: f64) -> Self {
        self.budget = Some(Budget::AtLeast(limit));
        self
    }

    /// What is wrong with it, where it is out of its budget.
    pub(crate) fn complaint(&self) -> Option<String> {
        let Self {
            what, value, unit, ..
        } = self;
        match self.budget? {
            Budget::AtMost(limit) if *value > limit => Some(format!(
                "{what} is {value:.2} {unit}, and may be {limit} {unit} at most"
            )),
            Budget::AtLeast(limit) if *value < limit => Some(format!(
                "{what} is {value:.2} {unit}, and must be {limit} {unit} at least"
            )),
            _ => None,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what, value, unit, ..
        } = self;
        let decimals = if *value < 100.0 { 2 } else { 0 };
        write!(f, "{what:<58} {value:>9.decimals$} {unit:<9}")?;
        match self.budget {
            None => Ok(()),
            Some(Budget::AtMost(limit)) => write!(f, " at most {limit}"),
            Some(Budget::AtLeast(limit)) => write!(f, " at least {limit}"),
        }
    }
}

/// All figures as one document.
pub(crate) fn json(figures: &[(&str, Figure)]) -> Value {
    let figures = figures.iter().map(|(group, figure)| {
        let mut value = json!({
            "group": group,
            "what": figure.what,
            "value": figure.value,
            "unit": figure.unit,
        });
        match figure.budget {
            None => {}
            Some(Budget::AtMost(limit)) => value["atMost"] = limit.into(),
            Some(Budget::AtLeast(limit)) => value["atLeast"] = limit.into(),
        }
        value
    });
    json!({ "figures": figures.collect::<Vec<_>>() })
}

/// Times of two ways of doing the same, which took turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) ours: Vec<Duration>,
    pub(crate) other: Vec<Duration>,
}

impl Turns {
    /// Measures both ways `rounds` times each. Which one begins changes from round to round.
    pub(crate) fn take(
        rounds: usize,
        mut ours: impl FnMut() -> Duration,
        mut other: impl FnMut() -> Duration,
    ) -> Self {
        let mut turns = Self::default();
        for round in 0..rounds {
            if round % 2 == 0 {
                turns.ours.push(ours());
                turns.other.push(other());
            } else {
                turns.other.push(other());
                turns.ours.push(ours());
            }
        }
        turns
    }

    /// The median of our time over the other's of the same round.
    pub(crate) fn ratio(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.other);
        median(pairs.map(|(ours, other)| ours.as_secs_f64() / other.as_secs_f64()))
    }

    /// The median of our time less the other's of the same round, in milliseconds.
    pub(crate) fn more(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.other);
        median(pairs.map(|(ours, other)| (ours.as_secs_f64() - other.as_secs_f64()) * 1e3))
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}
