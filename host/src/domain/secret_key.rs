//! Which options commonly take a secret.

/// Parts of names, however the name goes on.
const ANYWHERE: [&str; 13] = [
    "apikey",
    "bearer",
    "cookie",
    "credential",
    "key",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "private",
    "secret",
    "token",
    "authorization",
];

/// Words of names: more often than not they are part of another word.
const WORDS: [&str; 12] = [
    "auth", "cert", "cred", "creds", "jwt", "otp", "pass", "pat", "pin", "psk", "pwd", "sig",
];

/// Whether an option of this name, with its dashes or without, commonly takes a secret: what follows it is one, however
/// it is spelled. `--db-password`, `-apiKey` and `--TOKEN` do.
#[must_use]
pub fn takes_secret(option: &str) -> bool {
    let name = option.trim_start_matches('-');
    let lower = name.to_ascii_lowercase();
    ANYWHERE.iter().any(|part| lower.contains(part))
        || words(name).any(|word| WORDS.contains(&&*word))
}

/// The words of `name`: between dashes, dots and underscores, and from one capital letter to the next.
fn words(name: &str) -> impl Iterator<Item = String> + use<'_> {
    let mut spread = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            spread.push(' ');
        }
        spread.push(letter.to_ascii_lowercase());
        before = letter;
    }
    let words: Vec<String> = spread
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .map(|word| {
            word.trim_end_matches(|letter: char| letter.is_ascii_digit())
                .to_owned()
        })
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_however_they_are_spelled() {
        for option in [
            "--password",
            "-password",
            "--PASSWORD",
            "--db-password",
            "--db_password",
            "--dbPassword",
            "--passwd",
            "--pass",
            "-pass",
            "--pwd",
            "--user-pass",
            "--token",
            "-token",
            "--authToken",
            "--auth-token",
            "--auth",
            "--secret",
            "--client-secret",
            "--clientSecret",
            "--key",
            "--api-key",
            "--apikey",
            "--apiKey",
            "--access_key",
            "--ssh-key",
            "--key2",
            "--private-key",
            "--passphrase",
            "--credentials",
            "--cred",
            "--cookie",
            "--otp",
            "--pin",
            "--bearer",
            "--signature-key",
            "--pass1",
            "password",
        ] {
            assert!(takes_secret(option), "{option}");
        }
        for option in [
            "--verbose",
            "--author",
            "--bypass",
            "--compass",
            "--spin",
            "--signal",
            "--certain",
            "-v",
            "--path",
            "--",
            "",
            "--opt",
            "--patch",
        ] {
            assert!(!takes_secret(option), "{option}");
        }
    }
}
