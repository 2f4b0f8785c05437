//! Whatever a marker holds: an edit does what it says and keeps every other key, or is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use swamp::config::{Edit, Marker, Scalar, edit};

fuzz_target!(|input: (&str, &str, bool)| {
    let (text, value, disabled) = input;
    let before = Marker::parse(text);
    let edits = [
        Edit::Set("swampVersion", Scalar::Text(value.to_owned())),
        Edit::Set("telemetryDisabled", Scalar::Bool(disabled)),
        Edit::Remove("telemetrySenderDigest"),
    ];
    let Ok(edited) = edit(text, &edits) else { return };
    assert_eq!(edit(&edited, &edits).as_ref(), Ok(&edited), "twice is once");
    if let (Ok(before), Ok(after)) = (before, Marker::parse(&edited)) {
        assert_eq!(after.swamp_version.as_deref(), Some(value));
        assert_eq!(after.telemetry_disabled, disabled);
        assert_eq!(after.telemetry_sender_digest, None);
        assert_eq!(after.repo_id, before.repo_id);
        assert_eq!(after.telemetry_endpoint, before.telemetry_endpoint);
        assert_eq!(after.telemetry_sender_options, before.telemetry_sender_options);
    }
});
