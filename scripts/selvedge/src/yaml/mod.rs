//! The YAML of `workflows/`: the subset of Argo Workflows that one machine can honour.
//!
//! * [`fields`]: which fields are honoured, which mean nothing here, and which are refused by name.
//! * [`model`], [`pod`]: the honoured fields as types.
//! * [`load`]: a folder of files to [`Templates`], with every reference checked.

mod check;
pub mod fields;
mod lists;
mod load;
pub mod model;
pub mod pod;

pub use load::Templates;
