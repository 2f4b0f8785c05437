//! The one origin that a sender reaches.

use std::sync::Arc;

use crate::domain::Origin;

/// The origin, and how it is spelled: every request wants that several times.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) origin: Origin,
    /// As people read it.
    pub(super) name: Arc<str>,
    /// As requests have it: the host, and the port where it is not the scheme's own.
    pub(super) authority: Arc<str>,
}

impl Target {
    pub(super) fn new(origin: Origin) -> Self {
        let Origin { https, host, port } = &origin;
        let authority = if *port == if *https { 443 } else { 80 } {
            host.to_string()
        } else {
            format!("{host}:{port}")
        };
        Self {
            name: origin.to_string().into(),
            authority: authority.into(),
            origin,
        }
    }

    /// Whether a request to `scheme://authority` goes there, however it is spelled.
    pub(super) fn is(&self, scheme: &str, authority: &str) -> bool {
        // Nearly every request spells it just so, and need not be taken apart.
        let literally = scheme == self.origin.scheme() && authority == &*self.authority;
        literally || Origin::of_request(scheme, authority).as_ref() == Some(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Endpoint;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn its_own_spelling_is_one_of_the_origin(endpoint in "https?://([a-z0-9.-]{1,20}|[ -~é]{1,30})(:[0-9]{1,5})?") {
            if let Ok(endpoint) = Endpoint::parse(&endpoint) {
                let target = Target::new(endpoint.origin());
                let scheme = target.origin.scheme();
                prop_assert_eq!(Origin::of_request(scheme, &target.authority), Some(target.origin));
            }
        }
    }
}
