//! `{{…}}`: what a tag stands for at some point of a workflow.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

/// Tags and what they stand for.
#[derive(Debug, Clone, Default)]
pub struct Scope(BTreeMap<String, String>);

impl Scope {
    /// Gives a tag its value.
    pub fn set(&mut self, tag: impl Into<String>, value: impl Into<String>) {
        self.0.insert(tag.into(), value.into());
    }

    /// This scope, and an item of `withParam`: `item`, and `item.x` for the members of an object.
    pub fn with_item(&self, item: &Value) -> Self {
        let mut scope = self.clone();
        for (name, member) in item.as_object().into_iter().flatten() {
            scope.set(format!("item.{name}"), plain(member));
        }
        scope.set("item", plain(item));
        scope
    }

    /// `text` with every tag replaced.
    ///
    /// # Errors
    /// For a tag that stands for nothing here, and for expressions.
    pub fn fill(&self, text: &str) -> anyhow::Result<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let (before, tail) = rest.split_at(start);
            let end = tail.find("}}").with_context(|| format!("{text:?} has a tag without an end"))?;
            let tag = tail[2..end].trim();
            let value = self.0.get(tag).with_context(|| format!("{{{{{tag}}}}} stands for nothing here"))?;
            filled.push_str(before);
            filled.push_str(value);
            rest = &tail[end + 2..];
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// Texts as they are, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_replaced_once() {
        let mut scope = Scope::default();
        scope.set("inputs.parameters.a", "{{inputs.parameters.b}}");
        assert_eq!(
            scope.fill("x{{inputs.parameters.a}}y{{ inputs.parameters.a }}").unwrap(),
            "x{{inputs.parameters.b}}y{{inputs.parameters.b}}"
        );
    }

    #[test]
    fn an_item_may_be_a_text_a_number_or_an_object() {
        let scope = Scope::default();
        assert_eq!(scope.with_item(&serde_json::json!("a")).fill("{{item}}").unwrap(), "a");
        assert_eq!(scope.with_item(&serde_json::json!(7)).fill("{{item}}").unwrap(), "7");
        let object = scope.with_item(&serde_json::json!({"name": "cnn", "memo-key": "1f", "n": 2}));
        assert_eq!(object.fill("{{item.name}}-{{item.memo-key}}-{{item.n}}").unwrap(), "cnn-1f-2");
    }

    #[test]
    fn an_unknown_tag_is_named() {
        for text in ["{{item}}", "{{=1 + 1}}", "{{tasks.x.outputs.parameters.y}}"] {
            let error = Scope::default().fill(text).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert!(Scope::default().fill("{{item").is_err());
    }
}
