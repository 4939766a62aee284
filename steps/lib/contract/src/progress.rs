//! Progress for Argo: `N/M` as the only line of the file that `$ARGO_PROGRESS_FILE` names.

use std::path::PathBuf;

/// Where progress goes, if anybody asked for it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<PathBuf>);

impl Progress {
    /// Progress goes to `file`; `None` throws it away.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self(file)
    }

    /// Says that `done` of `total` equal parts are done. A file that cannot be written is no reason to fail:
    /// progress is for looking at.
    pub fn report(&self, done: u64, total: u64) {
        let Some(file) = &self.0 else { return };
        let total = total.max(1);
        if let Err(error) = std::fs::write(file, format!("{}/{total}\n", done.min(total))) {
            tracing::debug!(%error, file = %file.display(), "progress not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_all_and_never_of_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let progress = Progress::new(Some(file.path().into()));
        progress.report(7, 5);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "5/5\n");
        progress.report(0, 0);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "0/1\n");
    }
}
