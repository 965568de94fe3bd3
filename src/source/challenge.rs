// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What a registry wants to be shown, and where that is to be had.
//!
//! Facts: the token protocol of distribution (`Bearer`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reference::percent_encode;
use crate::error::{Error, Result};

#[derive(Debug, Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// Where a token to pull from `repository` is to be had; none where the
/// challenge asks for something else.
pub(super) fn token_url(challenge: &str, repository: &str) -> Option<String> {
    let fields = bearer(challenge)?;
    let realm = fields.get("realm")?;
    let service = fields.get("service").map(String::as_str);
    let scope = format!("repository:{repository}:pull");
    Some(format!(
        "{realm}?service={}&scope={}",
        percent_encode(service.unwrap_or_default()),
        percent_encode(&scope)
    ))
}

/// The token in the answer; none where there is none.
///
/// # Errors
/// `Corrupt` for what does not fit into a header.
pub(super) fn token_in(answer: &[u8]) -> Result<Option<String>> {
    let wrong = || Error::corrupt("the registry sends no token");
    let answer: Token = serde_json::from_slice(answer).map_err(|_| wrong())?;
    let token = answer.token.or(answer.access_token);
    let plain =
        |token: &String| token.bytes().all(|byte| byte.is_ascii_graphic());
    match token.as_ref().is_none_or(plain) {
        true => Ok(token),
        false => Err(wrong()),
    }
}

/// The parameters of `Bearer realm="...",service="..."`.
fn bearer(challenge: &str) -> Option<BTreeMap<String, String>> {
    let (scheme, mut rest) = challenge.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut fields = BTreeMap::new();
    while let Some((name, value)) = rest.split_once("=\"") {
        let (value, next) = value.split_once('"')?;
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        fields.insert(name, value.to_owned());
        rest = next;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_asks_for() {
        let challenge = "Bearer realm=\"https://auth.docker.io/token\",\
             service=\"registry.docker.io\"";
        let fields = bearer(challenge).unwrap();
        assert_eq!(fields["realm"], "https://auth.docker.io/token");
        assert_eq!(fields["service"], "registry.docker.io");
        assert_eq!(
            token_url(challenge, "library/a").unwrap(),
            "https://auth.docker.io/token?service=registry.docker.io\
             &scope=repository%3Alibrary%2Fa%3Apull"
        );
        assert_eq!(bearer("Basic realm=\"x\""), None);
        assert_eq!(bearer(""), None);
        assert_eq!(bearer("Bearer realm=\"x").map(|f| f.len()), None);
    }

    #[test]
    fn tokens_fit_into_a_header() {
        let token = token_in(br#"{"access_token": "a.b"}"#).unwrap();
        assert_eq!(token.as_deref(), Some("a.b"));
        assert_eq!(token_in(b"{}").unwrap(), None);
        for answer in ["", r#"{"token": "a\r\nb"}"#] {
            assert!(token_in(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
