//! Whatever bytes lie in the spool under an entry's name: they are an entry whose text is those bytes, or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use swamp::domain::{EntryName, SpooledEntry};

fuzz_target!(|input: (&str, &[u8])| {
    let (name, content) = input;
    if let Some(name) = EntryName::parse(name) {
        assert_eq!(EntryName::parse(&name.to_string()), Some(name));
    }
    let Some(name) = EntryName::parse("telemetry-2026-02-11-a.json") else {
        unreachable!("it is a name");
    };
    if let Ok(entry) = SpooledEntry::parse(name, content.to_vec()) {
        assert_eq!(entry.data.as_bytes(), content);
    }
});
