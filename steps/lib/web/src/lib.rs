//! HTTP as every server and client of the suite speaks it: HTTP/1.1 by hyper.
//!
//! * [`server`]: [`bind`], accept, and drain on a [`Stop`](selvedge_contract::Stop); [`Limits`].
//! * [`error`]: what a handler fails with, and the error body that everybody sees.
//! * [`message`]: requests read within limits, responses of JSON, text and HTML.
//! * [`client`]: pooled connections, a timeout for every request, and errors that say whether anything was sent.
//! * [`metrics`]: requests counted and timed, and the server that shows them.
//!
//! A handler is `Fn(Request) -> Result<Response, ApiError>`; routing is a `match` on method and path.
//! A server that drains answers its readiness probe from `stop.is_requested()`: [`server::serve`] goes on accepting
//! for [`Limits::grace`] after the stop, so that whoever balances over it sees that and turns elsewhere.

pub mod client;
pub mod error;
pub mod message;
pub mod metrics;
pub mod server;

pub use client::{Client, ClientError};
pub use error::{ApiError, Code, ErrorBody};
pub use message::{Body, Peer, Request, Response, html, json, read, text};
pub use metrics::{Requests, serve_metrics, show};
pub use server::{Drained, Limits, bind, serve};
