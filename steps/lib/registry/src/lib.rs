//! The registry: what a model is, how well it does, and which one serves.
//!
//! * [`identity`]: who a model is; [`card`] and [`predictions`]: how well it does on a data set.
//! * [`contender`], [`mcnemar`], [`rule`]: the one decision rule and what it looks at.
//! * [`champion`], [`promotion`]: the log of champions, and appending to it exactly once.

pub mod card;
pub mod champion;
pub mod contender;
pub mod identity;
pub mod mcnemar;
pub mod predictions;
pub mod promotion;
pub mod rule;

pub use card::{Card, ClassScore, SplitScore};
pub use champion::{Act, Champion, ChampionLog};
pub use contender::{Contender, Standing};
pub use identity::{GoldenVectors, ModelIdentity};
pub use predictions::Predictions;
pub use promotion::Promotion;
pub use rule::{Choice, choose};
