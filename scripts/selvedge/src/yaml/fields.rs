//! Three lists: fields that are honoured, fields that are known and mean nothing on one machine, and fields of Argo's
//! that would change what a workflow does and are therefore refused by name. Anything else is unknown, and refused too.

use serde_json::Value;

use super::lists::RESOURCE;

/// What is done about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// `selvedge run` does what Argo does.
    Honoured,
    /// It speaks of clusters: scheduling, images, pods.
    Meaningless,
    /// It is Argo's and would change what happens, and `selvedge run` cannot do it.
    Refused,
    /// Nobody knows it.
    Unknown,
}

/// The fields of one kind of object.
pub(super) struct Fields {
    pub(super) honoured: &'static [(&'static str, Option<&'static Fields>)],
    pub(super) meaningless: &'static [&'static str],
    pub(super) refused: &'static [&'static str],
}

/// What is done about the field at `path` of a WorkflowTemplate, for example `spec.templates.container.image`;
/// elements of a list have its path.
pub fn meaning(path: &str) -> Meaning {
    let mut fields = &RESOURCE;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let below = match fields.find(name) {
            Ok(below) => below,
            Err(meaning) => return meaning,
        };
        match below {
            Some(below) => fields = below,
            None if names.peek().is_none() => return Meaning::Honoured,
            None => return Meaning::Unknown,
        }
    }
    Meaning::Honoured
}

/// Refuses the first field of `resource` that is neither honoured nor without meaning, by its path.
pub(super) fn check(resource: &Value) -> anyhow::Result<()> {
    RESOURCE.check(resource, "")
}

impl Fields {
    fn find(&self, name: &str) -> Result<Option<&'static Fields>, Meaning> {
        if let Some((_, below)) = self.honoured.iter().find(|(honoured, _)| *honoured == name) {
            Ok(*below)
        } else if self.meaningless.contains(&name) {
            Err(Meaning::Meaningless)
        } else if self.refused.contains(&name) {
            Err(Meaning::Refused)
        } else {
            Err(Meaning::Unknown)
        }
    }

    fn check(&self, value: &Value, path: &str) -> anyhow::Result<()> {
        match value {
            Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| {
                let named = item.get("name").and_then(Value::as_str).map(str::to_owned);
                self.check(item, &format!("{path}[{}]", named.unwrap_or_else(|| at.to_string())))
            }),
            Value::Object(members) => members.iter().try_for_each(|(name, member)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match self.find(name) {
                    Ok(Some(below)) => below.check(member, &path),
                    Ok(None) | Err(Meaning::Meaningless) => Ok(()),
                    Err(Meaning::Refused) => {
                        anyhow::bail!("field {path} is Argo's, but cannot be honoured here")
                    }
                    Err(_) => anyhow::bail!("unknown field {path}"),
                }
            }),
            // Types are the business of the model.
            _ => Ok(()),
        }
    }
}
