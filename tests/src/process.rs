//! Running the built binaries as a stranger would.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a process ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    command: String,
    /// The exit code; a death by signal is 128 and its number.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The built binary `name`, beside the folder of this test's own.
///
/// # Panics
/// When it was not built: `make test` builds all of them first.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let path = profile.join(name);
    assert!(path.exists(), "{} is not built: run `make build` first", path.display());
    path
}

/// Runs `selvedge` in `folder` with nothing of this process's STEP_ variables.
///
/// # Panics
/// When it cannot be started.
pub fn selvedge(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("selvedge"));
    command.args(arguments).current_dir(folder);
    run(&mut command)
}

/// Runs any command to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command) -> Output {
    use std::os::unix::process::ExitStatusExt;
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
    Output {
        command: format!("{command:?}"),
        code: code.unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Output {
    /// The output, once its code is `code`.
    ///
    /// # Panics
    /// With everything that the process said, when it ended otherwise.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\ncode {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}
