//! The load of `tests/load` as a pod beside the balancer, and what came of it, read from its log.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use selvedge_load::Seen;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::site::{NAMESPACE, apply, kubectl};

pub(crate) const PER_SECOND: u32 = 100;
const POD: &str = "load";
/// It tells every second what came of its requests.
const REPORT: Duration = Duration::from_millis(1_200);

/// Load that goes on until it is ended.
pub(crate) struct Load {
    seen: Arc<Mutex<Seen>>,
    log: Child,
    reading: JoinHandle<()>,
}

impl Load {
    /// Begins to ask Service `balance` about records of `pixels` bytes.
    pub(crate) async fn start(pixels: usize) -> Self {
        kubectl(&["delete", "pod", POD, "--ignore-not-found"]).await;
        let of_balancer =
            ["get", "deployment", "balance", "-o", "jsonpath={.spec.template.spec.containers[0].image}"];
        // From wherever the balancer's image comes.
        let image = kubectl(&of_balancer).await.replace("selvedge-balance", "selvedge-load");
        // By address, so that only the balancer is tried, and not the cluster's names.
        let address = kubectl(&["get", "service", "balance", "-o", "jsonpath={.spec.clusterIP}"]).await;
        apply(&pod(&image, &format!("http://{address}"), pixels)).await;
        kubectl(&["wait", "--for=condition=Ready", &format!("pod/{POD}"), "--timeout=60s"]).await;
        let seen = Arc::default();
        let (log, reading) = follow(Arc::clone(&seen));
        Self { seen, log, reading }
    }

    /// Failures since the last [`Load::take`], for a look in the middle.
    pub(crate) fn failed(&self) -> usize {
        self.seen.lock().unwrap().failures()
    }

    /// What came of the requests since the last call.
    pub(crate) async fn take(&self) -> Seen {
        sleep(REPORT).await;
        assert!(!self.reading.is_finished(), "the log of pod {POD} ended");
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Ends it; what came of the requests since the last [`Load::take`], those under way included.
    pub(crate) async fn end(mut self) -> Seen {
        kubectl(&["delete", "pod", POD]).await;
        self.reading.await.unwrap();
        self.log.wait().await.unwrap();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Adds every line of the pod's log to `seen`.
fn follow(seen: Arc<Mutex<Seen>>) -> (Child, JoinHandle<()>) {
    let mut command = Command::new("kubectl");
    command.args(["--namespace", NAMESPACE, "logs", "--follow", POD]);
    let mut log = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(log.stdout.take().unwrap()).lines();
    let reading = tokio::spawn(async move {
        while let Some(line) = lines.next_line().await.unwrap() {
            let more: Seen = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            for (why, times) in &more.failed {
                println!("  {:.0} {times} failed: {why}", jiff::Timestamp::now());
            }
            seen.lock().unwrap().add(more);
        }
    });
    (log, reading)
}

fn pod(image: &str, url: &str, pixels: usize) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD},
        "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false,
            "containers": [{
                "name": "load", "image": image, "imagePullPolicy": "IfNotPresent",
                "args": [format!("--url={url}"), format!("--rate={PER_SECOND}"), format!("--pixels={pixels}")],
                "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
                "securityContext": {
                    "runAsNonRoot": true, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                },
            }],
        },
    })
}
