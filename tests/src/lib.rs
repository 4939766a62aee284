//! What the black-box tests share: the built binaries, a fresh folder each, and a cut of the real data.

pub mod cut;
pub mod process;

pub use process::{Output, binary, selvedge};
