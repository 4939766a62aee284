//! Exit codes, and the three error types that ask for one.
//!
//! Code that fails returns `anyhow::Result`. Whoever knows that an error is worth a retry, or is the operator's to
//! mend, puts one of the types below into its chain; [`ExitCode::of`] finds it there. Everything else is permanent.

use std::error::Error;
use std::fmt;

/// How a binary of the suite ends. 64 and 65 belong to Argo's own executor and are never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The work is done, or was found done.
    Done = 0,
    /// Bad data or a bug: trying again changes nothing.
    Permanent = 1,
    /// Bad configuration: the operator has to change a value.
    Configuration = 2,
    /// The store or a peer could not be reached: try again.
    Temporary = 75,
    /// Stopped by SIGTERM or SIGINT.
    Stopped = 143,
}

/// An error that a later attempt may not meet: exit code 75.
#[derive(Debug)]
pub struct Temporary(anyhow::Error);

/// An error in what the operator configured: exit code 2.
#[derive(Debug)]
pub struct Misconfigured(anyhow::Error);

/// The work was interrupted by a signal: exit code 143.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stopped;

impl ExitCode {
    /// The code that an error deserves, from the marker in its chain of causes.
    pub fn of(error: &anyhow::Error) -> Self {
        let marker = |cause: &(dyn Error + 'static)| {
            if cause.is::<Stopped>() {
                Some(Self::Stopped)
            } else if cause.is::<Temporary>() {
                Some(Self::Temporary)
            } else if cause.is::<Misconfigured>() {
                Some(Self::Configuration)
            } else {
                None
            }
        };
        error.chain().find_map(marker).unwrap_or(Self::Permanent)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// One line: the chain of causes joined by `: `, repeated texts and line breaks left out.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() || line.ends_with(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

macro_rules! marker {
    ($name:ident) => {
        impl $name {
            /// Marks an error, or a text, as being of this class.
            pub fn new(error: impl Into<anyhow::Error>) -> Self {
                Self(error.into())
            }

            /// A marked error with a text of its own.
            pub fn message(text: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
                Self(anyhow::Error::msg(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.0.source()
            }
        }
    };
}

marker!(Temporary);
marker!(Misconfigured);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by a signal")
    }
}

impl Error for Stopped {}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_marker_deep_in_the_chain_decides_the_code() {
        let error =
            anyhow::Error::new(Temporary::message("connection refused")).context("store s3://b").context("x");
        assert_eq!(ExitCode::of(&error), ExitCode::Temporary);
        assert_eq!(one_line(&error), "x: store s3://b: connection refused");
    }

    #[test]
    fn an_unmarked_error_is_permanent() {
        let error = std::fs::read("/nonexistent").context("reading").unwrap_err();
        assert_eq!(ExitCode::of(&error), ExitCode::Permanent);
    }

    #[test]
    fn the_line_has_no_line_breaks_and_no_repetition() {
        let error = anyhow::anyhow!("a\n  b").context("c: a b");
        assert_eq!(one_line(&error), "c: a b");
    }
}
