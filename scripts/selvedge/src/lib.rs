//! `selvedge`: runs the pipeline of `workflows/` on one machine, from the files that Argo reads.
//!
//! It is a convenience, not an engine: each pod is a process beside this program, running again is the retry, and
//! beyond one machine it is Argo.
//!
//! * [`yaml`]: the files; [`scope`] and [`depends`]: tags and conditions in them.
//! * [`engine`]: executes them, with [`process`], [`retry`] and [`memo`].
//! * [`display`]: a live tree, or lines; [`results`]: the table at the end.
//! * [`serving`]: three replicas and the balancer.
//! * [`run`], [`plan`], [`list`], [`show`], [`check`], [`up`]: the commands.

pub mod check;
pub mod cli;
pub mod depends;
pub mod display;
pub mod engine;
pub mod layout;
pub mod list;
pub mod memo;
mod once;
pub mod phase;
pub mod place;
pub mod plan;
pub mod process;
pub mod results;
pub mod retry;
pub mod run;
pub mod scope;
pub mod serving;
pub mod show;
pub mod up;
pub mod yaml;

use selvedge_contract::{ExitCode, Stop};

use cli::{Cli, Command};

/// Does what `cli` says, until it is done or `stop` is requested.
///
/// # Errors
/// Whatever keeps a command from being done; its class says the exit code.
pub async fn execute(cli: Cli, stop: Stop) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(options) => run::run(options, stop).await,
        Command::Plan(options) => plan::plan(options, stop).await,
        Command::List(options) => list::list(options).await,
        Command::Show(options) => show::show(options).await,
        Command::Check(options) => check::check(&options),
        Command::Up(options) => up::up(options, stop).await,
    }
}
