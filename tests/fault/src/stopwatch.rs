//! How long a command takes from its start to the first line that it says.

use std::io::{BufRead, BufReader, pipe};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

/// Starts `command` so many times, one after the other, and tells the first, the median and the longest time.
pub(crate) fn run(command: &mut Command, times: usize) -> anyhow::Result<()> {
    let mut taken = (0..times).map(|_| start(command)).collect::<anyhow::Result<Vec<_>>>()?;
    let Some(&first) = taken.first() else { return Ok(()) };
    taken.sort_unstable();
    let (median, longest) = (taken[times / 2], taken[times - 1]);
    println!(
        "{}",
        serde_json::json!({
            "starts": times, "first_ms": milliseconds(first),
            "median_ms": milliseconds(median), "longest_ms": milliseconds(longest),
        })
    );
    Ok(())
}

fn start(command: &mut Command) -> anyhow::Result<Duration> {
    let (reader, writer) = pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let began = Instant::now();
    let mut child = command.spawn()?;
    // Without our own ends of the pipe, the command's end is the end of what is read.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line)?;
    let taken = began.elapsed();
    child.kill()?;
    child.wait()?;
    ensure!(!line.is_empty(), "{command:?} ended without a word");
    Ok(taken)
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 100.0
}
