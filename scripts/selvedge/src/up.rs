//! `selvedge up`: serves what the store holds.

use selvedge_contract::{ExitCode, Stop};

use crate::cli::{ParameterOptions, UpOptions};
use crate::display::print;
use crate::place::Home;
use crate::serving::{PROGRAMS, Port, Serving};

/// Serves until `stop`.
///
/// # Errors
/// A taken port, a missing program, servers that do not come up.
pub async fn up(options: UpOptions, stop: Stop) -> anyhow::Result<ExitCode> {
    let home = Home::find(&options.place)?;
    home.check_programs(&PROGRAMS)?;
    let port = Port::take(options.port)?;
    home.open().await?;
    let parameters = home.parameters(&ParameterOptions { parameters: Vec::new(), source: None })?;
    let name = options.name.or_else(|| parameters.get("name").cloned()).unwrap_or_default();
    let mut serving = Serving::start(&home, &name, port, &options.place.log).await?;
    print(&format!("{name} is served at {}, Ctrl-C stops it", serving.url));
    stay(&mut serving, &stop).await;
    serving.stop().await;
    Ok(ExitCode::Done)
}

/// Waits for `stop`, and prints what happens to the servers.
pub(crate) async fn stay(serving: &mut Serving, stop: &Stop) {
    loop {
        tokio::select! {
            () = stop.requested() => return,
            news = serving.news() => print(&format!("{news}; started again")),
        }
    }
}
