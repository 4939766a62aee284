//! A light check of tags: every one is closed in order, and ids are unique.

/// Elements that have no end.
const VOID: [&str; 1] = ["meta"];

/// Panics unless the page's tags are balanced, its attributes quoted and its ids unique.
pub(crate) fn check(page: &str) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let (mut open, mut ids) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        let end = tag_end(&rest[start..]) + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let name = tag.split_whitespace().next().expect("a tag has a name");
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "closed in another order");
        } else if !VOID.contains(&name) {
            open.push(name);
        }
        assert!(tag.matches(" class=\"").count() < 2, "a doubled attribute: {tag}");
        ids.extend(tag.split_once(" id=\"").and_then(|(_, rest)| rest.split('"').next()));
        if name == "style" {
            rest = &rest[rest.find("</style>").expect("a style ends")..];
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is used twice");
}

/// Where the tag that begins here ends; `>` within quotes does not end it.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            '<' if at > 0 => panic!("< within a tag: {}", &text[..at.min(80)]),
            _ => {}
        }
    }
    panic!("a tag does not end: {}", &text[..text.len().min(80)]);
}
