//! What of the processor machine code depends on.

/// Whether this processor has each of the features that the compiler makes use of where they are: those that wasmtime
/// asks for when it loads machine code.
#[cfg(target_arch = "x86_64")]
pub(super) fn features() -> impl Sized + std::hash::Hash {
    use std::arch::is_x86_feature_detected as has;
    [
        has!("cmpxchg16b"),
        has!("sse3"),
        has!("ssse3"),
        has!("sse4.1"),
        has!("sse4.2"),
        has!("popcnt"),
        has!("avx"),
        has!("avx2"),
        has!("fma"),
        has!("avxvnni"),
        has!("bmi1"),
        has!("bmi2"),
        has!("avx512bitalg"),
        has!("avx512dq"),
        has!("avx512f"),
        has!("avx512vl"),
        has!("avx512vbmi"),
        has!("avx512vnni"),
        has!("lzcnt"),
    ]
}

/// Whether this processor has each of the features that the compiler makes use of where they are.
#[cfg(target_arch = "aarch64")]
pub(super) fn features() -> impl Sized + std::hash::Hash {
    use std::arch::is_aarch64_feature_detected as has;
    [
        has!("lse"),
        has!("paca"),
        has!("fp16"),
        has!("dotprod"),
        has!("i8mm"),
    ]
}

/// For other processors the compiler makes use of what all of them have, as far as it is stable to ask.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const fn features() -> impl Sized + std::hash::Hash {}
