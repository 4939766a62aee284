//! An address of a Service, from where the tests run: its own where that is reachable, else one forwarded by `kubectl`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::kubectl::{NAMESPACE, json};

/// A way to a Service, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    forwarding: Option<JoinHandle<()>>,
}

impl Door {
    /// A way to `port` of Service `service`.
    pub(crate) async fn to(service: &str, port: u16) -> anyhow::Result<Self> {
        let about = json(&["get", "service", service]).await?;
        if let Some(address) = about["spec"]["clusterIP"].as_str().and_then(|address| address.parse().ok()) {
            let address = SocketAddr::new(address, port);
            if reachable(address).await {
                return Ok(Self { address, forwarding: None });
            }
        }
        let address = free().await?;
        let door =
            Self { address, forwarding: Some(tokio::spawn(forward(service.to_owned(), address, port))) };
        let end = Instant::now() + Duration::from_secs(20);
        while !reachable(address).await {
            ensure!(Instant::now() < end, "kubectl port-forward service/{service} {port} lets nobody in");
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

/// Forwards again whenever a pod behind the Service is replaced: `kubectl` stays with the one that it found.
async fn forward(service: String, address: SocketAddr, port: u16) {
    let (service, ports) = (format!("service/{service}"), format!("{}:{port}", address.port()));
    loop {
        let mut command = Command::new("kubectl");
        command.args(["-n", NAMESPACE, "port-forward", &service, &ports]).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(mut child) = command.spawn() {
            let _ = child.wait().await;
        }
        sleep(Duration::from_millis(500)).await;
    }
}
