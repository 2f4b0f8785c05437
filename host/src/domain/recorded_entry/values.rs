//! What the fields of a recorded entry may hold. The schema says the same.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::telemetry_entry::{whole_millis, with_dashes};
use crate::domain::{EntryId, REDACTED, telemetry_entry};

pub(super) const AN_ID: &str = "1 to 64 ASCII letters, digits, - and _";
pub(super) const AN_INSTANT: &str = "an ISO 8601 time, such as 2026-02-11T12:00:00.000Z";
pub(super) const TEXT: &str = "text without control characters, and not empty";
pub(super) const KEYS: &str = "a list of option keys without their values, such as --force or -f";

/// The first number of milliseconds that is no duration: some 30,000 years.
pub(super) const MILLIS_END: u64 = 1_000_000_000_000_000;

/// The largest whole number that every JSON parser reads exactly.
pub(super) const MAX_WHOLE: i64 = (1 << 53) - 1;

pub(super) fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

pub(super) fn entry_id(value: &Value) -> Option<EntryId> {
    EntryId::parse(value.as_str()?).filter(EntryId::is_recordable)
}

pub(super) fn texts(list: &Value) -> Option<Vec<String>> {
    let texts = list.as_array()?.iter().map(Value::as_str);
    texts.map(|text| text.map(str::to_owned)).collect()
}

/// Date, time of day and distance from UTC, as RFC 3339 has them.
pub(super) fn instant(value: &Value) -> Option<DateTime<Utc>> {
    const DATE_AND_TIME: &[u8] = b"0000-00-00T00:00:00";
    let text = value.as_str()?;
    let looks_like = |form: &[u8], text: &[u8]| {
        form.len() == text.len()
            && form.iter().zip(text).all(|(form, byte)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't' | b' '),
                other => byte == other,
            })
    };
    let (time, rest) = text.as_bytes().split_at_checked(DATE_AND_TIME.len())?;
    let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let zone = match rest {
        [b'.', rest @ ..] if digits(rest) > 0 => &rest[digits(rest)..],
        rest => rest,
    };
    let is_zone =
        matches!(zone, b"Z" | b"z") || looks_like(b"+00:00", zone) || looks_like(b"-00:00", zone);
    if !looks_like(DATE_AND_TIME, time) || !is_zone {
        return None;
    }
    telemetry_entry::instant(value)
}

pub(super) fn millis(value: &Value) -> Option<u64> {
    whole_millis(value).filter(|millis| *millis < MILLIS_END)
}

/// A whole number, however it is written: `3.0` is one.
pub(super) fn whole<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "it is a whole number within the bound, which a float holds exactly"
    )]
    let whole = value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= MAX_WHOLE as f64).then_some(float as i64)
    })?;
    let is_exact = (-MAX_WHOLE..=MAX_WHOLE).contains(&whole);
    is_exact.then(|| T::try_from(whole).ok()).flatten()
}

/// The arguments as they were given, or as many marks as there were.
pub(super) fn args(args: &Value) -> Option<Vec<String>> {
    /// More would be no entry that the spool takes.
    const MOST: u64 = 100_000;
    match whole::<u64>(args) {
        Some(count) => Some(vec![
            REDACTED.to_owned();
            usize::try_from(count.min(MOST)).ok()?
        ]),
        None => texts(args),
    }
}

/// Keys are recorded with their dashes, so that one option is not counted as two.
pub(super) fn keys(value: &Value) -> Option<Vec<String>> {
    let is_key = |key: &str| {
        let name = key.trim_start_matches('-');
        let dashes = key.len() - name.len();
        !name.is_empty()
            && dashes <= 2
            && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
    };
    let keys = value.as_array()?.iter().map(text);
    keys.map(|key| key.filter(|key| is_key(key)).map(|key| with_dashes(&key)))
        .collect()
}
