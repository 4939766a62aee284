//! See the library.

use clap::Parser;
use selvedge::cli::Cli;
use selvedge_contract::failure::one_line;
use selvedge_contract::{ExitCode, Stop};

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    // One thread: the kernel ends children with the thread that started them, which has to be this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let result = runtime.block_on(async { selvedge::execute(cli, Stop::on_signals()?).await });
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("selvedge: {}", one_line(&error));
            ExitCode::of(&error).into()
        }
    }
}
