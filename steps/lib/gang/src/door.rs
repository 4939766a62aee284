//! The door of a member: it listens from before it registers until it ends, answers probes and lets peers in.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use selvedge_contract::Misconfigured;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::handshake::{self, Hello, Secret};

/// A listening member.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    generation: Arc<AtomicU64>,
    arrivals: mpsc::UnboundedReceiver<(Hello, TcpStream)>,
    task: JoinHandle<()>,
}

impl Door {
    /// Listens on a port of the system's choice for calls to the member `nonce` of `gang`.
    pub(crate) async fn open(
        address: IpAddr,
        gang: u64,
        nonce: String,
        secret: Secret,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0))
            .await
            .map_err(Misconfigured::new)
            .with_context(|| format!("cannot listen on address {address}"))?;
        let (sender, arrivals) = mpsc::unbounded_channel();
        let generation = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&generation);
        Ok(Self {
            address: listener.local_addr()?,
            generation,
            arrivals,
            task: tokio::spawn(async move {
                loop {
                    let Ok((stream, peer)) = listener.accept().await else {
                        // Out of descriptors, or a peer that went away: neither is cured by haste.
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                        continue;
                    };
                    let (nonce, sender, shared) = (nonce.clone(), sender.clone(), Arc::clone(&shared));
                    tokio::spawn(async move {
                        if let Err(error) = admit(stream, (gang, &nonce), &shared, &secret, &sender).await {
                            tracing::debug!(%peer, error = format!("{error:#}"), "a caller was turned away");
                        }
                    });
                }
            }),
        })
    }

    /// Where the door is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells probes that this member works in `generation`; 0: it is free.
    pub(crate) fn works_in(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// The next peer that proved itself and wants a connection.
    pub(crate) async fn arrival(&mut self) -> anyhow::Result<(Hello, TcpStream)> {
        self.arrivals.recv().await.context("the door is closed")
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn admit(
    mut stream: TcpStream,
    member: (u64, &str),
    generation: &AtomicU64,
    secret: &Secret,
    arrivals: &mpsc::UnboundedSender<(Hello, TcpStream)>,
) -> anyhow::Result<()> {
    let hello = handshake::answer(&mut stream, member, generation.load(Ordering::Relaxed), secret).await?;
    if hello.generation > 0 {
        // Nobody waits for arrivals any more when the gang has ended.
        let _ = arrivals.send((hello, stream));
    }
    Ok(())
}
