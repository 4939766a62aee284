//! Addresses of others that need not be given.

use std::str::FromStr;

use anyhow::{Context, bail};
use url::Url;

/// An http address, or none: an empty text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint(Option<Url>);

impl Endpoint {
    /// The address, where there is one.
    pub fn url(&self) -> Option<&Url> {
        self.0.as_ref()
    }
}

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let url: Url = text.parse().context("write http://host:port/path")?;
        if url.scheme() != "http" {
            bail!("scheme {:?} is not supported, use http", url.scheme());
        }
        Ok(Self(Some(url)))
    }
}

/// The part of an address that may be shown: what comes after the port can hold a token.
pub(crate) fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_empty() {
        assert_eq!("".parse::<Endpoint>().unwrap().url(), None);
        assert!("http://balance:8080".parse::<Endpoint>().unwrap().url().is_some());
        for wrong in ["balance:8080", "https://hook", "ftp://hook/x", "/v1"] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let url = "http://user:secret@hook:99/services/T0K3N?key=x".parse().unwrap();
        assert_eq!(shown(&url), "http://hook:99");
    }
}
