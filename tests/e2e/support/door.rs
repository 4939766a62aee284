//! An address of a Service or a pod, from where the tests run: its own where that is reachable, else one forwarded by
//! `kubectl`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::kubectl::json;

/// A way to a Service or a pod, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    forwarding: Option<JoinHandle<()>>,
}

impl Door {
    /// A way to `port` of `target`: `service/<name>` or `pod/<name>` in `namespace`.
    pub(crate) async fn to(namespace: &str, target: &str, port: u16) -> anyhow::Result<Self> {
        let about = json(&["--namespace", namespace, "get", target]).await?;
        let address = about["spec"]["clusterIP"].as_str().or(about["status"]["podIP"].as_str());
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            let address = SocketAddr::new(address, port);
            if reachable(address).await {
                return Ok(Self { address, forwarding: None });
            }
        }
        let address = free().await?;
        let forwarding = tokio::spawn(forward(namespace.to_owned(), target.to_owned(), address, port));
        let door = Self { address, forwarding: Some(forwarding) };
        let end = Instant::now() + Duration::from_secs(20);
        while !reachable(address).await {
            ensure!(Instant::now() < end, "kubectl port-forward {target} {port} lets nobody in");
            sleep(Duration::from_millis(200)).await;
        }
        Ok(door)
    }

    /// `http://<address>`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(forwarding) = &self.forwarding {
            forwarding.abort();
        }
    }
}

async fn reachable(address: SocketAddr) -> bool {
    timeout(Duration::from_secs(2), TcpStream::connect(address))
        .await
        .is_ok_and(|connected| connected.is_ok())
}

async fn free() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
    Ok(listener.local_addr()?)
}

/// Forwards again whenever a pod behind the target is replaced: `kubectl` stays with the one that it found.
async fn forward(namespace: String, target: String, address: SocketAddr, port: u16) {
    let ports = format!("{}:{port}", address.port());
    loop {
        let mut command = Command::new("kubectl");
        command.args(["--namespace", &namespace, "port-forward", &target, &ports]).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(mut child) = command.spawn() {
            let _ = child.wait().await;
        }
        sleep(Duration::from_millis(500)).await;
    }
}
