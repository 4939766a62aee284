//! Load on a balancer until SIGTERM; every second a line of JSON says what came of it.

use std::io::Write;
use std::time::Duration;

use clap::Parser;
use selvedge_contract::Stop;
use selvedge_load::{Seen, Sender};
use tokio::time::interval;

/// Sends requests at a fixed rate, whether they are answered or not, until SIGTERM.
#[derive(Debug, Parser)]
struct Config {
    /// Where the balancer answers
    #[arg(long)]
    url: String,
    /// Requests a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Bytes of a record
    #[arg(long, default_value_t = 784)]
    pixels: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Config { url, rate, pixels } = Config::parse();
    let (stop, sender) = (Stop::on_signals()?, Sender::new(&url, pixels));
    let sending = tokio::spawn({
        let (sender, stop) = (sender.clone(), stop.clone());
        async move { sender.run(rate, &stop).await }
    });
    let mut seconds = interval(Duration::from_secs(1));
    while !stop.is_requested() {
        tokio::select! { _ = seconds.tick() => {}, () = stop.requested() => {} }
        tell(&sender.take())?;
    }
    sending.await?;
    tell(&sender.take())
}

fn tell(seen: &Seen) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, seen)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
