//! A MinIO that is not there.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::support::kubectl::kubectl;

/// As long as this lives, MinIO has no pod; its volume stays.
#[derive(Debug)]
pub(crate) struct Away {
    over: bool,
}

impl Away {
    /// Takes MinIO away, and waits until it is.
    pub(crate) async fn begin() -> Self {
        scale(0).await.unwrap();
        let away = Self { over: false };
        kubectl(&["wait", "--for=delete", "pod/minio-0", "--timeout=60s"]).await.unwrap();
        println!("  MinIO is away");
        away
    }

    /// Brings it back, and waits until it is ready.
    pub(crate) async fn end(mut self) {
        scale(1).await.unwrap();
        self.over = true;
        kubectl(&["rollout", "status", "statefulset/minio", "--timeout=80s"]).await.unwrap();
        // The Service may forward a moment later.
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("  MinIO is back");
    }
}

/// A test that fails must not leave the others without a store.
impl Drop for Away {
    fn drop(&mut self) {
        if !self.over {
            let back = block_in_place(|| Handle::current().block_on(scale(1)));
            println!("  MinIO is brought back: {back:?}");
        }
    }
}

async fn scale(replicas: usize) -> anyhow::Result<()> {
    kubectl(&["scale", "statefulset/minio", &format!("--replicas={replicas}")]).await.map(drop)
}
