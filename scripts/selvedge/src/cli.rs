//! What `selvedge` can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Runs the pipeline of `workflows/` on this machine: the files that Argo reads, each pod a process.
#[derive(Debug, Parser)]
#[command(name = "selvedge", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `selvedge` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the pipeline to its end
    Run(RunOptions),
    /// Say what a run would reuse and what it would do, and why; nothing is changed
    Plan(PlanOptions),
    /// List the runs in the store
    List(ListOptions),
    /// Show the results and decisions of a run, and where its report is
    Show(ShowOptions),
    /// Check the workflow files: what a run would refuse is named
    Check(CheckOptions),
    /// Serve what the store holds: three replicas and the balancer, until Ctrl-C
    Up(UpOptions),
}

/// Where things are.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The store: file:///path, s3://bucket/prefix, or a folder [default: .selvedge/store beside workflows]
    #[arg(long)]
    pub store: Option<String>,
    /// Endpoint of an S3 store that is not Amazon's
    #[arg(long, env = "STEP_STORE_ENDPOINT", default_value = "", hide_default_value = true)]
    pub store_endpoint: String,
    /// Access key of an S3 store
    #[arg(
        long,
        env = "STEP_STORE_ACCESS_KEY",
        default_value = "",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub store_access_key: String,
    /// Secret key of an S3 store
    #[arg(
        long,
        env = "STEP_STORE_SECRET_KEY",
        default_value = "",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub store_secret_key: String,
    /// Folder of the YAML files [default: workflows here, else beside the sources of this program]
    #[arg(long)]
    pub workflows: Option<PathBuf>,
    /// Folder of the programs [default: that of this one]
    #[arg(long, hide = true)]
    pub bin_folder: Option<PathBuf>,
    /// How long programs may take to end after SIGTERM
    #[arg(long, hide = true, default_value = "10s", value_parser = humantime::parse_duration)]
    pub grace: Duration,
    /// Log filter of the programs
    #[arg(long, default_value = "info")]
    pub log: String,
}

/// Parameters of the pipeline.
#[derive(Debug, Clone, Args)]
pub struct ParameterOptions {
    /// A parameter of workflows/pipeline.yaml; may be repeated
    #[arg(short = 'p', long = "parameter", value_name = "NAME=VALUE", value_parser = assignment)]
    pub parameters: Vec<(String, String)>,
    /// Where the source files are: a URI or a folder [default: .data/fashion-mnist beside workflows]
    #[arg(long)]
    pub source: Option<String>,
}

/// `selvedge run`.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// What is to be run.
    #[command(flatten)]
    pub parameters: ParameterOptions,
    /// Start three replicas and the balancer first, and stay until Ctrl-C
    #[arg(long)]
    pub serve: bool,
    /// Classify ten test images through the balancer at the end, and stop everything; means --serve
    #[arg(long)]
    pub once: bool,
    /// The plan to compare with: one training after the other, and promotion at the end
    #[arg(long)]
    pub sequential: bool,
    /// Port of the balancer
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

/// `selvedge plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanOptions {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// What would be run.
    #[command(flatten)]
    pub parameters: ParameterOptions,
}

/// `selvedge list`.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
}

/// `selvedge show`.
#[derive(Debug, Clone, Args)]
pub struct ShowOptions {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// The run, or the beginning of its name; `latest` for the newest
    #[arg(default_value = "latest")]
    pub run: String,
}

/// `selvedge check`.
#[derive(Debug, Clone, Args)]
pub struct CheckOptions {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
}

/// `selvedge up`.
#[derive(Debug, Clone, Args)]
pub struct UpOptions {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// Name of the champion log that is served [default: that of workflows/pipeline.yaml]
    #[arg(long)]
    pub name: Option<String>,
    /// Port of the balancer
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
