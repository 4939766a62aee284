//! What stands on one machine for the places that a pod knows.

use anyhow::Context;

const PROGRAMS: &str = "/usr/local/bin/";
const OUTPUTS: &str = "/tmp/outputs/";

/// The name of the program that a container's command begins with.
///
/// # Errors
/// For a command that lies elsewhere than in `/usr/local/bin`.
pub fn program(command: &str) -> anyhow::Result<&str> {
    plain_name(command, PROGRAMS).with_context(|| format!("command {command:?} is not {PROGRAMS}NAME"))
}

/// The name of the file that an output parameter's path leads to.
///
/// # Errors
/// For a path that lies elsewhere than in `/tmp/outputs`.
pub fn output_file(path: &str) -> anyhow::Result<&str> {
    plain_name(path, OUTPUTS).with_context(|| format!("output path {path:?} is not {OUTPUTS}NAME"))
}

/// The value of a field of the pod that would be called `pod`.
///
/// # Errors
/// For a field that has no likeness here.
pub fn pod_field(field: &str, pod: &str) -> anyhow::Result<String> {
    match field {
        "status.podIP" => Ok("127.0.0.1".to_owned()),
        "metadata.name" => Ok(pod.to_owned()),
        other => anyhow::bail!("field {other:?} of a pod cannot be honoured here"),
    }
}

/// A node's path as a folder: nothing in it leads anywhere else.
pub(crate) fn folder(path: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/') { c } else { '_' };
    path.chars().map(safe).collect()
}

fn plain_name<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let name = path.strip_prefix(folder)?;
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    plain.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_places_are_mapped() {
        assert_eq!(program("/usr/local/bin/train").unwrap(), "train");
        assert_eq!(output_file("/tmp/outputs/report.html").unwrap(), "report.html");
        assert_eq!(pod_field("status.podIP", "x").unwrap(), "127.0.0.1");
        assert_eq!(pod_field("metadata.name", "x").unwrap(), "x");
        for command in ["train", "/bin/sh", "/usr/local/bin/", "/usr/local/bin/../sh", "/usr/local/bin/a/b"] {
            assert!(program(command).unwrap_err().to_string().contains(command));
        }
        assert!(output_file("/tmp/outputs/../x").is_err());
        assert!(pod_field("spec.nodeName", "x").is_err());
    }
}
