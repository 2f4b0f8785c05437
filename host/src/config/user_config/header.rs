//! Values of headers, which are secrets until they are in a request.

use std::fmt::{self, Write as _};

use http::HeaderValue;
use thiserror::Error;

/// A header's value before its `${NAME}` parts are replaced. No form of it shows the literal parts.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderTemplate(Vec<Part>);

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

/// An environment variable that a header needs cannot be put into it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the environment variable {name} is not set or is not one line of text")]
pub struct MissingVariable {
    /// The variable.
    pub name: String,
}

impl HeaderTemplate {
    /// Takes `text` for a template. `None` where `${` starts no variable's name and `}`, or the rest could not be in
    /// a header.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || name.starts_with(|c: char| c.is_ascii_digit())
                || !name.chars().all(legal)
            {
                return None;
            }
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        let sendable = |part: &Part| match part {
            Part::Literal(text) => HeaderValue::from_str(text).is_ok(),
            Part::Variable(_) => true,
        };
        (!parts.is_empty() && parts.iter().all(sendable)).then_some(Self(parts))
    }

    /// The value, marked as sensitive, with each variable's value from `env`.
    ///
    /// # Errors
    ///
    /// Names the variable that is unset, empty, or holds what no header can, such as a line break.
    pub fn resolve(
        &self,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<HeaderValue, MissingVariable> {
        let mut value = String::new();
        let mut last = "";
        for part in &self.0 {
            match part {
                Part::Literal(text) => value.push_str(text),
                Part::Variable(name) => {
                    last = name;
                    let text = env(name)
                        .filter(|text| !text.is_empty() && HeaderValue::from_str(text).is_ok())
                        .ok_or_else(|| MissingVariable { name: name.clone() })?;
                    value.push_str(&text);
                }
            }
        }
        let mut value = HeaderValue::from_str(&value).map_err(|_| MissingVariable {
            name: last.to_owned(),
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// `${NAME}` for variables, `<redacted>` for all else.
impl fmt::Display for HeaderTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(_) => f.write_str("<redacted>"),
            Part::Variable(name) => write!(f, "${{{name}}}"),
        })
    }
}

impl fmt::Debug for HeaderTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        fmt::Display::fmt(self, f)?;
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("t0ken".into()),
            "EMPTY" => Some(String::new()),
            "LINES" => Some("a\r\nx-injected: b".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_and_the_value_is_sensitive() {
        for (text, value) in [
            ("Bearer ${TOKEN}", "Bearer t0ken"),
            ("${TOKEN}${TOKEN}x", "t0kent0kenx"),
            ("$TOKEN {TOKEN}", "$TOKEN {TOKEN}"),
        ] {
            let resolved = HeaderTemplate::parse(text).unwrap().resolve(env).unwrap();
            assert_eq!(resolved, value);
            assert!(resolved.is_sensitive());
        }
    }

    #[test]
    fn a_variable_that_is_unset_empty_or_no_header_value_is_named_without_its_value() {
        for name in ["NONE", "EMPTY", "LINES"] {
            let template = HeaderTemplate::parse(&format!("Bearer ${{{name}}}")).unwrap();
            assert_eq!(
                template.resolve(env),
                Err(MissingVariable { name: name.into() })
            );
        }
        insta::assert_snapshot!(HeaderTemplate::parse("${NONE}").unwrap().resolve(env).unwrap_err(), @"the environment variable NONE is not set or is not one line of text");
    }

    proptest! {
        #[test]
        fn no_form_of_a_template_shows_a_literal(secret in "[0-9]{4,9}", name in "[A-Z_]{1,5}") {
            let template = HeaderTemplate::parse(&format!("{secret} ${{{name}}}{secret}")).unwrap();
            for shown in [template.to_string(), format!("{template:?}"), format!("{template:#?}")] {
                prop_assert!(!shown.contains(&secret), "{}", shown);
                let variable = format!("${{{name}}}");
                prop_assert!(shown.contains(&variable), "{}", shown);
            }
        }

        #[test]
        fn any_text_is_a_template_or_none(text in ".{0,20}") {
            if let Some(template) = HeaderTemplate::parse(&text) {
                let _ = template.resolve(|_| Some("x".into()));
            }
        }
    }
}
