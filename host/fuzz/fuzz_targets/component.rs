//! Whatever somebody names as a sender: it compiles, or there is a reason.

#![no_main]

use libfuzzer_sys::fuzz_target;
use swamp::sender::{AddressSpace, Patience, compile};

fuzz_target!(|input: &[u8]| {
    if let Err(error) = compile(input, std::io::sink(), AddressSpace::Ample, Patience::Bounded) {
        assert!(!error.to_string().is_empty());
    }
});
