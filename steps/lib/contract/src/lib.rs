//! What every binary of the suite obeys, whether Argo starts it or a person does.
//!
//! * [`start`]: the whole of a `main`: configuration by clap, logs, signals, one line for the last error, exit code.
//! * [`failure`]: how an error says which exit code it deserves.
//! * [`stop`]: SIGTERM and SIGINT as one value, given to `run`.
//! * [`outputs`]: output parameters as files; [`progress`]: `N/M` for Argo.
//! * [`memory`], [`processor`]: what this process used of the machine; [`size`]: numbers of bytes with a unit.
//!
//! Libraries never read the environment: only clap does, in `main`.

pub mod failure;
pub mod logs;
pub mod memory;
pub mod outputs;
pub mod processor;
pub mod progress;
pub mod size;
pub mod start;
pub mod stop;

pub use failure::{ExitCode, Misconfigured, Stopped, Temporary};
pub use memory::peak_memory_bytes;
pub use outputs::Outputs;
pub use processor::cpu_seconds;
pub use progress::Progress;
pub use size::ByteSize;
pub use start::{Common, start};
pub use stop::Stop;
