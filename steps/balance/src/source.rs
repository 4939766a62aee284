//! Where replicas are: named addresses, or DNS names that stand for any number of them.

use std::collections::BTreeSet;
use std::str::FromStr;

use url::Url;

/// Where replicas are, in the operator's order; never empty, names never double.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

/// One entry of `upstreams`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One replica with a name of its own.
    Named {
        /// What it is called in answers, metrics and on the hash ring.
        name: String,
        /// `host:port`.
        authority: String,
    },
    /// As many replicas as the name has addresses, now and later. They are named by what `/readyz` says.
    Dns {
        /// `host:port`.
        authority: String,
    },
}

/// An `upstreams` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing is listed.
    #[error("no replica is listed: write name=http://host:port,… or http://host:port")]
    Empty,
    /// An entry is not understood.
    #[error("{entry:?}: {reason}, write name=http://host:port or http://host:port")]
    Entry {
        /// As written.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two entries are one.
    #[error("{0:?} is listed twice")]
    Twice(String),
}

impl Sources {
    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }
}

impl FromStr for Sources {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let sources: Vec<Source> = entries.map(str::parse).collect::<Result<_, _>>()?;
        if sources.is_empty() {
            return Err(SourceError::Empty);
        }
        let mut seen = BTreeSet::new();
        for source in &sources {
            let texts = match source {
                Source::Named { name, authority } => vec![name, authority],
                Source::Dns { authority } => vec![authority],
            };
            if let Some(twice) = texts.into_iter().find(|text| !seen.insert((*text).clone())) {
                return Err(SourceError::Twice(twice.clone()));
            }
        }
        Ok(Self(sources))
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(entry: &str) -> Result<Self, SourceError> {
        let wrong = |reason: String| SourceError::Entry { entry: entry.to_owned(), reason };
        match entry.split_once('=') {
            Some((name, url)) => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                if name.is_empty() || !name.chars().all(allowed) {
                    return Err(wrong(format!("{name:?} is no name of a replica")));
                }
                Ok(Self::Named { name: name.to_owned(), authority: authority(url).map_err(wrong)? })
            }
            None => Ok(Self::Dns { authority: authority(entry).map_err(wrong)? }),
        }
    }
}

/// `host:port` of a URL that has nothing else.
fn authority(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no URL ({error})"))?;
    if url.scheme() != "http" {
        return Err(format!("scheme {:?} is not supported", url.scheme()));
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err("only host and port can be given".into());
    }
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) if port != 0 => Ok(format!("{host}:{port}")),
        _ => Err("host and port are needed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, authority: &str) -> Source {
        Source::Named { name: name.into(), authority: authority.into() }
    }

    #[test]
    fn a_list_names_its_replicas() {
        let sources: Sources = "serve-0=http://127.0.0.1:8001, serve-1=http://[::1]:8002/,".parse().unwrap();
        assert_eq!(sources.0, [named("serve-0", "127.0.0.1:8001"), named("serve-1", "[::1]:8002")]);
    }

    #[test]
    fn a_url_without_a_name_is_resolved() {
        let sources: Sources = "http://serve.default:8000".parse().unwrap();
        assert_eq!(sources.0, [Source::Dns { authority: "serve.default:8000".into() }]);
    }

    #[test]
    fn what_cannot_be_an_upstream_is_named() {
        let cases = [
            ("", "no replica is listed"),
            (" , ", "no replica is listed"),
            ("127.0.0.1:8001", "\"127.0.0.1:8001\""),
            ("a=https://b:1", "\"https\" is not supported"),
            ("a=http://b:1/path", "only host and port"),
            ("a=http://user@b:1", "only host and port"),
            ("a=http://b:0", "host and port are needed"),
            ("a=http://b:99999", "\"a=http://b:99999\""),
            ("=http://b:1", "\"\" is no name"),
            ("a b=http://b:1", "\"a b\" is no name"),
            ("a=http://b:1,a=http://b:2", "\"a\" is listed twice"),
            ("a=http://b:1,b=http://b:1", "\"b:1\" is listed twice"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Sources>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
