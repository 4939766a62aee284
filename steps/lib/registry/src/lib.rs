//! The registry: what a model is, how well it does, and which one serves.

pub mod card;
pub mod champion;
pub mod identity;

pub use card::{Card, ClassScore, SplitScore};
pub use champion::{Act, Champion, ChampionLog};
pub use identity::{GoldenVectors, ModelIdentity};
