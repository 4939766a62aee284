//! Names that become parts of paths, keys and resource names, so not anything goes.

/// Whether `text` may name a data set or a candidate: lower-case letters, digits and dashes, beginning with a letter,
/// at most 40. For clap's `value_parser` too.
///
/// # Errors
/// What a name looks like.
pub fn parse(text: &str) -> Result<String, String> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && text.len() <= 40 && text.chars().all(letters) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is no name: use lower-case letters, digits and dashes, beginning with a letter, at most 40"
    ))
}

/// Whether `text` may name a run: letters, digits and `-_.`, not beginning with a dot, at most 100. A workflow's uid
/// does. For clap's `value_parser` too.
///
/// # Errors
/// What a run's name looks like.
pub fn parse_run(text: &str) -> Result<String, String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=100).contains(&text.len()) && !text.starts_with('.') && text.chars().all(letters) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is no run: use letters, digits, dashes, dots and underscores, at most 100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_leave_its_folder_is_no_name() {
        assert_eq!(parse("fashion-mnist"), Ok("fashion-mnist".to_owned()));
        for wrong in ["", "-a", "1a", "A", "a/b", "..", "a b", "a.b", "é", &"a".repeat(41)] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse_run("1f0c-4A_2.x").is_ok());
        for wrong in ["", "..", ".a", "a/b", "a b", &"a".repeat(101)] {
            assert!(parse_run(wrong).is_err(), "{wrong:?}");
        }
    }
}
