//! The names of the classes, as an operator lists them.

use std::str::FromStr;

/// Names of classes, in the order of their labels. An empty list means the digits 0 to 9, as in MNIST, so that a
/// label of 10 is an error and not an eleventh class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes(Vec<String>);

/// A text that lists no classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotClasses {
    /// A name of nothing but white space.
    #[error("class {0} of {1:?} has no name")]
    Nameless(usize, String),
    /// A name that stands for two labels.
    #[error("class {0:?} is named twice")]
    Doubled(String),
    /// A label is a byte.
    #[error("{0} classes, expected 2 to 256")]
    Number(usize),
}

impl Classes {
    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Classes {
    type Err = NotClasses;

    fn from_str(text: &str) -> Result<Self, NotClasses> {
        if text.trim().is_empty() {
            return Ok(Self((0..10).map(|digit| digit.to_string()).collect()));
        }
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        for (label, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(NotClasses::Nameless(label, text.to_owned()));
            }
            if names[..label].contains(name) {
                return Err(NotClasses::Doubled(name.clone()));
            }
        }
        let number = names.len();
        if (2..=256).contains(&number) { Ok(Self(names)) } else { Err(NotClasses::Number(number)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_and_different() {
        let names = |text: &str| text.parse::<Classes>().map(|classes| classes.names().join("|"));
        assert_eq!(names("T-shirt/top, Ankle boot").unwrap(), "T-shirt/top|Ankle boot");
        assert_eq!(names("").unwrap(), "0|1|2|3|4|5|6|7|8|9");
        assert_eq!(names("a,,b").unwrap_err().to_string(), r#"class 1 of "a,,b" has no name"#);
        assert_eq!(names("a,b,a").unwrap_err().to_string(), r#"class "a" is named twice"#);
        assert_eq!(names("a").unwrap_err().to_string(), "1 classes, expected 2 to 256");
    }
}
