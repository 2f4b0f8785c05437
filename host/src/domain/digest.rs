//! SHA-256 digests, spelled `sha256:<64 hex digits>`.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    const PREFIX: &str = "sha256:";

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes `text` for a digest, in either case, if it is `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, hex) = text.split_at_checked(Self::PREFIX.len())?;
        if !prefix.eq_ignore_ascii_case(Self::PREFIX) || hex.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            let digit = |character: u8| char::from(character).to_digit(16);
            *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
        }
        Some(Self(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// `sha256:` and 64 hexadecimal digits in lower case.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.chunks_exact(16).try_for_each(|half| {
            let number = half
                .iter()
                .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
            write!(f, "{number:032x}")
        })
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_digest_of_nothing_is_the_well_known_one() {
        insta::assert_snapshot!(
            Digest::of(b""),
            @"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn what_is_not_exactly_a_digest_is_none() {
        let hex = "0".repeat(64);
        for text in [
            String::new(),
            hex.clone(),
            format!("sha512:{hex}"),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            format!("sha256:+{}", &hex[1..]),
            format!("sha256:é{}", &hex[2..]),
            format!(" sha256:{hex}"),
        ] {
            assert_eq!(Digest::parse(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_digest_leads_back_to_itself_in_either_case(bytes: [u8; 32]) {
            let text = Digest(bytes).to_string();
            prop_assert_eq!(Digest::parse(&text), Some(Digest(bytes)));
            prop_assert_eq!(Digest::parse(&text.to_uppercase()), Some(Digest(bytes)));
        }
    }
}
