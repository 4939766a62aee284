//! Load on a balancer, as an open loop of requests at a fixed rate, and what came of them: what the tests on a cluster put
//! beside it, so that they need no way of their own to its Service.

pub mod seen;
pub mod sender;

pub use seen::Seen;
pub use sender::Sender;
