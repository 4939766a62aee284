//! `selvedge check`: reads the workflow files as a run would, and does nothing with them.

use selvedge_contract::ExitCode;

use crate::cli::{CheckOptions, ParameterOptions};
use crate::display::print;
use crate::place::Home;

/// Checks every file; the first thing that would be refused is the error.
///
/// # Errors
/// Bad configuration, with file, path and name.
pub fn check(options: &CheckOptions) -> anyhow::Result<ExitCode> {
    let home = Home::find(&options.place)?;
    home.parameters(&ParameterOptions { parameters: Vec::new(), source: None })?;
    let names: Vec<_> = home.templates.iter().map(|file| file.metadata.name.as_str()).collect();
    print(&format!("{} WorkflowTemplates are right: {}", names.len(), names.join(", ")));
    Ok(ExitCode::Done)
}
