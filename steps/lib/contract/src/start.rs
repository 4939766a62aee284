//! The whole of a binary's `main`.

use std::path::{Path, PathBuf};

use clap::{Args, Parser};

use crate::failure::{ExitCode, Misconfigured, one_line};
use crate::{Outputs, Progress, Stop, logs};

/// What every binary can be told. Flatten it into a configuration and hand it out by `AsRef`.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Log filter, as `tracing` writes it: `info`, `debug`, `selvedge_gang=trace,info`
    #[arg(long, env = "STEP_LOG", default_value = "info")]
    pub log: String,
    /// Folder of the output parameters, one file each
    #[arg(long, env = "STEP_OUTPUTS", default_value = "/tmp/outputs")]
    pub outputs: PathBuf,
    /// Where the last error goes too; left alone where no such file exists
    #[arg(long, env = "STEP_TERMINATION_LOG", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
    /// Where progress goes, `N/M`
    #[arg(long, env = "ARGO_PROGRESS_FILE", hide = true)]
    pub progress_file: Option<PathBuf>,
}

impl Common {
    /// The output parameters of this process.
    pub fn outputs(&self) -> Outputs {
        Outputs::new(&self.outputs)
    }

    /// The progress of this process.
    pub fn progress(&self) -> Progress {
        Progress::new(self.progress_file.clone())
    }
}

/// Parses the configuration, runs `run` until it ends or a signal stops it, and tells the exit code.
///
/// A `run` that honours its [`Stop`] and returns `Ok` after a signal ends with 143 only if it says so by
/// [`crate::Stopped`]; a server that drained cleanly returns `Ok` and ends with 0.
pub fn start<C, F, R>(run: R) -> std::process::ExitCode
where
    C: Parser + AsRef<Common>,
    R: FnOnce(C, Stop) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let config = match C::try_parse() {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let common = config.as_ref().clone();
    match run_to_end(&common, config, run) {
        Ok(()) => ExitCode::Done.into(),
        Err(error) => {
            report(&one_line(&error), &common.termination_log);
            ExitCode::of(&error).into()
        }
    }
}

fn run_to_end<C, F, R>(common: &Common, config: C, run: R) -> anyhow::Result<()>
where
    R: FnOnce(C, Stop) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    logs::install(&common.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = Stop::on_signals()?;
        run(config, stop).await
    });
    // A blocked helper thread must not keep a finished process alive.
    runtime.shutdown_background();
    result
}

fn refuse(error: &clap::Error) -> std::process::ExitCode {
    if !error.use_stderr() {
        // --help and --version.
        let _ = error.print();
        return ExitCode::Done.into();
    }
    // Clap's first paragraph names argument and value; the rest is a usage text for terminals.
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or(&text).trim_start_matches("error: ").to_owned();
    let line = one_line(&Misconfigured::message(first).into());
    let log = std::env::args_os().skip_while(|a| a != "--termination-log").nth(1);
    report(&line, Path::new(&log.unwrap_or_else(|| "/dev/termination-log".into())));
    ExitCode::Configuration.into()
}

/// One line to stderr, and to the termination log where Kubernetes made one.
fn report(line: &str, termination_log: &Path) {
    eprintln!("{line}");
    if termination_log.exists() {
        let _ = std::fs::write(termination_log, line);
    }
}
