//! Headers of requests that another program is to send: it takes credentials from a file, and no others.

use std::collections::BTreeMap;

use ph_plan::{HeaderKey, Secret};

use crate::yaml::Map;

/// What becomes of headers in a configuration that is to hold no secret.
pub(crate) struct Headers {
    /// Lines to be put where the headers would be: which are left out.
    pub(crate) left_out: Vec<String>,
    /// What stands for `Authorization`.
    pub(crate) authorization: Option<Authorization>,
}

impl Headers {
    /// - `place`: of the headers in the configuration of Pilothouse.
    /// - `name`: of the file for credentials.
    /// - `why`: a sentence on other headers.
    pub(crate) fn new(
        headers: &BTreeMap<HeaderKey, Secret>,
        place: &str,
        name: &str,
        why: &str,
    ) -> Self {
        let mut all = Self {
            left_out: Vec::new(),
            authorization: None,
        };
        for (header, value) in headers {
            let place = format!("{place}.{}", header.header_name());
            if !header
                .header_name()
                .as_str()
                .eq_ignore_ascii_case("authorization")
            {
                all.left_out.push(format!("`{place}` is left out: {why}"));
                continue;
            }
            // The scheme is no secret; what follows it is.
            let scheme = value
                .expose()
                .split_once(' ')
                .map_or("Bearer", |(scheme, _)| scheme);
            all.authorization = Some(authorization(&place, name, scheme));
        }
        all
    }
}

/// The credentials of requests: a line about them, a key and its mapping.
pub(crate) struct Authorization {
    about: String,
    key: &'static str,
    map: Map,
}

impl Authorization {
    pub(crate) fn put_into(self, map: &mut Map) {
        map.put_commented(vec![self.about], self.key, self.map);
    }
}

/// `Basic` has a key of its own, with the name and the password apart.
fn authorization(place: &str, name: &str, scheme: &str) -> Authorization {
    if scheme.eq_ignore_ascii_case("basic") {
        return Authorization {
            about: format!(
                "REPLACE-ME by the name in `{place}`; its password belongs into the file."
            ),
            key: "basic_auth",
            map: Map::new()
                .with("username", "replace-me")
                .with("password_file", format!("secrets/{name}.password")),
        };
    }
    Authorization {
        about: format!("What `{place}` says after the word {scheme} belongs into this file."),
        key: "authorization",
        map: Map::new()
            .with("type", scheme)
            .with("credentials_file", format!("secrets/{name}.authorization")),
    }
}
