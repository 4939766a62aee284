//! Output parameters: one file a value, without a newline, as Argo's `valueFrom.path` reads them.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The folder of the output parameters.
#[derive(Debug, Clone)]
pub struct Outputs(PathBuf);

impl Outputs {
    /// Values will be written below `folder`, which is created when the first one is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Writes the value of one output parameter.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, name: &str, value: impl AsRef<str>) -> anyhow::Result<()> {
        let path = self.0.join(name);
        std::fs::create_dir_all(&self.0)
            .and_then(|()| std::fs::write(&path, value.as_ref()))
            .with_context(|| format!("cannot write output {}", path.display()))
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_file_without_a_newline() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::new(folder.path().join("outputs"));
        outputs.write("ingest-key", "abc").unwrap();
        assert_eq!(std::fs::read(folder.path().join("outputs/ingest-key")).unwrap(), b"abc");
    }
}
