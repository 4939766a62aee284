//! Programs as processes, each with a time limit.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// No call of a client takes as long as this unless something is stuck.
const LIMIT: Duration = Duration::from_secs(90);

/// Runs `program` to its end with `input` on its standard input; its standard output.
///
/// # Errors
/// When it cannot be started, fails or takes too long: with everything that it said.
pub(crate) async fn run(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let about = || format!("{program} {}", arguments.join(" "));
    let ending = async {
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input is free to.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let ended = timeout(LIMIT, ending).await.with_context(|| format!("{}: no end in {LIMIT:?}", about()))?;
    let output = ended.with_context(about)?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{}: {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", about(), output.status);
    }
    Ok(stdout.into_owned())
}
