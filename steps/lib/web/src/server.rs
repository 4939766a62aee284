//! One listening socket: accepted from, limited, and drained.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use selvedge_contract::{Misconfigured, Stop};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::ApiError;
use crate::message::{Peer, Request, Response};

/// What a server allows.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// How long a connection may take for a request's head, and may lie idle before one. Longer than a client's pool
    /// keeps a connection ([`crate::client`]), so that it is the client that closes.
    pub head: Duration,
    /// How long connections are still accepted after a stop, so that health checks see that this server drains. Each
    /// answer of this time closes its connection, so that a client's next request goes elsewhere.
    pub grace: Duration,
    /// How long after a stop, `grace` included, requests under way may take to end.
    pub drain: Duration,
}

/// Which way a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Clean,
    /// The deadline passed, and this many connections were cut.
    Cut(usize),
}

/// What every connection of one server shares.
#[derive(Clone)]
struct Connections {
    running: TaskTracker,
    finish: CancellationToken,
    cut: CancellationToken,
    head: Duration,
    stop: Stop,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(60),
            grace: Duration::ZERO,
            drain: Duration::from_secs(10),
        }
    }
}

/// How long a request may be on its way when idle connections are about to be closed.
const ON_ITS_WAY: Duration = Duration::from_millis(200);
/// The kernel's queue is no longer (`net.core.somaxconn` is 4096, tokio asks for 1024).
const QUEUE: usize = 1024;

/// Listens on `address`.
///
/// # Errors
/// [`Misconfigured`], naming the address: it is taken, or is not this machine's.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(Misconfigured::new)
        .with_context(|| format!("cannot listen on {address}"))
}

/// Answers requests on `listener` by `handler` until `stop` is requested, then drains: after
/// [`Limits::grace`] nothing is accepted any more, idle connections are closed, requests under way are answered to
/// the end of their bodies, and what is left at the deadline is cut.
pub async fn serve<H, F>(listener: TcpListener, handler: H, limits: Limits, stop: Stop) -> Drained
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response, ApiError>> + Send + 'static,
{
    let connections = Connections {
        running: TaskTracker::new(),
        finish: CancellationToken::new(),
        cut: CancellationToken::new(),
        head: limits.head,
        stop: stop.clone(),
    };
    let until = async {
        stop.requested().await;
        sleep(limits.grace.min(limits.drain)).await;
    };
    tokio::select! {
        () = until => {}
        () = accept(&listener, &handler, &limits, &connections) => {}
    }
    if let Err(error) = connections.take_waiting(listener, &handler) {
        tracing::warn!(%error, "connections that nobody had accepted yet are lost");
    }
    connections.drain(limits.drain.saturating_sub(limits.grace)).await
}

async fn accept<H, F>(listener: &TcpListener, handler: &H, limits: &Limits, connections: &Connections)
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response, ApiError>> + Send + 'static,
{
    let free = Arc::new(Semaphore::new(limits.connections));
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        match listener.accept().await {
            Ok((socket, peer)) => connections.begin(socket, peer, handler.clone(), permit),
            Err(error) => back_off(&error).await,
        }
    }
}

/// An error of the one connection is nobody's concern; one of the process (out of file descriptors) passes only if
/// connections end meanwhile.
async fn back_off(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return;
    }
    tracing::warn!(%error, "cannot accept connections, waiting");
    sleep(Duration::from_millis(500)).await;
}

impl Connections {
    /// Closes `listener`, and begins the connections that waited in the kernel's queue: closing would reset them.
    fn take_waiting<H, F>(&self, listener: TcpListener, handler: &H) -> io::Result<()>
    where
        H: Fn(Request) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        // The runtime may not have heard of them yet: the kernel is asked itself.
        let listener = listener.into_std()?;
        let unlimited = Arc::new(Semaphore::new(QUEUE));
        while let Ok(permit) = Arc::clone(&unlimited).try_acquire_owned()
            && let Ok((socket, peer)) = listener.accept()
        {
            socket.set_nonblocking(true)?;
            self.begin(TcpStream::from_std(socket)?, peer, handler.clone(), permit);
        }
        Ok(())
    }

    fn begin<H, F>(&self, socket: TcpStream, peer: SocketAddr, handler: H, permit: OwnedSemaphorePermit)
    where
        H: Fn(Request) -> F + Send + 'static,
        F: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        // Answers are small and complete: waiting for more to send would only delay them.
        let _ = socket.set_nodelay(true);
        let own = self.clone();
        self.running.spawn(async move {
            own.answer(socket, peer, handler).await;
            drop(permit);
        });
    }

    async fn answer<H, F>(&self, socket: TcpStream, peer: SocketAddr, handler: H)
    where
        H: Fn(Request) -> F + Send + 'static,
        F: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        let stop = self.stop.clone();
        let service = service_fn(move |mut request: Request| {
            request.extensions_mut().insert(Peer(peer));
            let (answer, stop) = (handler(request), stop.clone());
            async move {
                let mut response = answer.await.unwrap_or_else(|error| error.response());
                if stop.is_requested() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head);
        let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.finish.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! { ended = connection => ended, () = self.cut.cancelled() => Ok(()) }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    async fn drain(&self, patience: Duration) -> Drained {
        let deadline = Instant::now() + patience;
        self.running.close();
        // A connection that looks idle may be one whose request is on its way; its answer will close it.
        let _ = timeout(ON_ITS_WAY.min(patience / 2), self.running.wait()).await;
        self.finish.cancel();
        if timeout_at(deadline, self.running.wait()).await.is_ok() {
            return Drained::Clean;
        }
        let left = self.running.len();
        self.cut.cancel();
        self.running.wait().await;
        if left == 0 { Drained::Clean } else { Drained::Cut(left) }
    }
}
