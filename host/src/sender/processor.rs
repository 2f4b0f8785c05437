//! What of the processor machine code depends on.
//!
//! The engine that runs has no compiler, which would cost every flush some time, and without one its own compatibility hash
//! leaves the processor out. So the features are listed here; a test holds the list to what the engine asks for.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! each {
    ($has:path: $($name:tt)*) => {{
        use $has as has;
        [$(($name, has!($name))),*]
    }};
}

/// Whether this processor has each of the features that the compiler makes use of where they are: those that wasmtime
/// asks for when it loads machine code.
#[cfg(target_arch = "x86_64")]
pub(super) fn features() -> impl AsRef<[(&'static str, bool)]> + std::hash::Hash {
    each!(std::arch::is_x86_feature_detected:
        "cmpxchg16b" "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "fma" "avxvnni" "bmi1" "bmi2"
        "avx512bitalg" "avx512dq" "avx512f" "avx512vl" "avx512vbmi" "avx512vnni" "lzcnt")
}

/// Whether this processor has each of the features that the compiler makes use of where they are.
#[cfg(target_arch = "aarch64")]
pub(super) fn features() -> impl AsRef<[(&'static str, bool)]> + std::hash::Hash {
    each!(std::arch::is_aarch64_feature_detected: "lse" "paca" "fp16" "dotprod" "i8mm")
}

/// For other processors the compiler makes use of what all of them have, as far as it is stable to ask.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const fn features() -> impl AsRef<[(&'static str, bool)]> + std::hash::Hash {
    []
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use wasmtime::component::Component;
    use wasmtime::{Config, Engine};

    use super::*;

    static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[expect(clippy::unnecessary_wraps, reason = "as wasmtime calls it")]
    fn probe(name: &str) -> Option<bool> {
        ASKED.lock().unwrap().push(name.to_owned());
        Some(true)
    }

    #[test]
    #[expect(unsafe_code, reason = "wasmtime's probe is unsafe to replace")]
    fn every_feature_that_the_engine_asks_for_is_listed() {
        let mut config = Config::new();
        // SAFETY: the engine compiles for this processor, so it asks only for what is there; nothing is run.
        unsafe { config.detect_host_feature(probe) };
        let engine = Engine::new(&config).unwrap();
        let component = "(component (core module (func (export \"f\"))))";
        Component::new(&engine, wat::parse_str(component).unwrap()).unwrap();
        let asked = ASKED.lock().unwrap().clone();
        let listed = features();
        let is_listed = |name: &String| listed.as_ref().iter().any(|(known, _)| known == name);
        let missing: Vec<_> = asked.iter().filter(|name| !is_listed(name)).collect();
        if cfg!(target_arch = "x86_64") {
            assert!(!asked.is_empty());
        }
        assert_eq!(missing, Vec::<&String>::new());
    }
}
