//! Serving on a cluster: whatever is restarted, deleted, evicted, scaled or away, no request is lost.

mod load;
mod site;

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use load::Load;
use selvedge_load::Seen;
use site::{Site, kubectl, rollout, target, try_kubectl};
use tokio::time::sleep;

/// What every phase did to the requests that came meanwhile.
struct Table {
    file: &'static str,
    load: Load,
    text: String,
    lost: Vec<String>,
}

impl Table {
    async fn new(file: &'static str, site: &Site) -> Self {
        let head = "| what happened | seconds | requests | failed | p50 ms | p99 ms | max ms | replicas that answered | remark |";
        let load = Load::start(site.pixels()).await;
        Self {
            file,
            load,
            text: format!("{head}\n|---|---|---|---|---|---|---|---|---|\n"),
            lost: Vec::new(),
        }
    }

    /// Does `action`, which may leave a remark, under load, and adds a line about it.
    async fn phase(&mut self, what: &str, action: impl Future<Output = String>) -> Seen {
        self.lost("between two phases", &self.load.take().await);
        println!("serving: {what}");
        let begin = Instant::now();
        sleep(Duration::from_secs(2)).await;
        let remark = action.await;
        println!("  {remark}; {} failed so far", self.load.failed());
        sleep(Duration::from_secs(3)).await;
        let seen = self.load.take().await;
        self.add(what, begin.elapsed().as_secs(), &seen, &remark);
        seen
    }

    fn add(&mut self, what: &str, seconds: u64, seen: &Seen, remark: &str) {
        let (p50, p99, max) = (seen.latency(0.5), seen.latency(0.99), seen.latency(1.0));
        let replicas: Vec<_> = seen.replicas.iter().map(|(name, times)| format!("{name} {times}")).collect();
        let line = format!(
            "| {what} | {seconds} | {} | {} | {p50:.1} | {p99:.1} | {max:.0} | {} | {remark} |",
            seen.requests,
            seen.failures(),
            replicas.join(", ")
        );
        println!("{line}");
        writeln!(self.text, "{line}").unwrap();
        fs::write(target().join(self.file), &self.text).unwrap();
        self.lost(what, seen);
    }

    fn lost(&mut self, when: &str, seen: &Seen) {
        if seen.failures() > 0 {
            self.lost.push(format!("{when}: {:?}", seen.failed));
        }
    }

    /// Shows the table; removes `site` if nothing was lost.
    async fn end(mut self, site: Site) {
        println!("{}", self.text);
        let rest = self.load.end().await;
        if rest.failures() > 0 {
            self.lost.push(format!("at the end: {:?}", rest.failed));
        }
        assert!(self.lost.is_empty(), "{:#?}", self.lost);
        site.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_whatever_happens_to_replicas_and_balancers() {
    let site = Site::install().await;
    let mut table = Table::new("serving.md", &site).await;
    promotion(&site, &mut table).await;
    restarts(&mut table).await;
    deletions(&site, &mut table).await;
    evictions(&site, &mut table).await;
    scaling(&site, &mut table).await;
    table.end(site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_answer_while_the_store_is_away_and_a_new_one_waits_for_it() {
    let site = Site::install().await;
    let mut table = Table::new("serving-store.md", &site).await;
    store_away(&site, &mut table).await;
    table.end(site).await;
}

/// A champion reaches every replica, and none is started again for it.
async fn promotion(site: &Site, table: &mut Table) {
    let before = pods("serve").await;
    let (_, newest) =
        selvedge_registry::champion::log(&site.store, site::NAME).newest().await.unwrap().unwrap();
    let next = newest.generation + 1;
    let seen = table
        .phase("promotion", async {
            site.promote(next, 1).await;
            let all = |shown: &[site::Listed]| {
                shown.len() == 3 && shown.iter().all(|one| one.ready && one.generation == Some(next))
            };
            let took = site.eventually("all replicas at the new generation", all).await;
            format!("all replicas after {took:.1?}, none restarted")
        })
        .await;
    assert_eq!(pods("serve").await, before, "no pod was replaced or restarted");
    let digests: Vec<_> = site.models.iter().map(|model| model.digest().to_string()).collect();
    assert!(seen.models.keys().all(|model| digests.contains(model)), "{:?}", seen.models);
    assert_eq!(seen.models.len(), 2, "both models answered");
}

async fn restarts(table: &mut Table) {
    for (kind, name) in [("statefulset", "serve"), ("deployment", "balance")] {
        let (what, before) = (format!("{kind}/{name}"), pods(name).await);
        let action = async {
            kubectl(&["rollout", "restart", &what]).await;
            let begin = Instant::now();
            rollout(&what).await;
            // A Deployment is rolled out while the last of the old ones drain.
            while pods(name).await.lines().any(|pod| before.contains(pod)) {
                assert!(begin.elapsed() < Duration::from_secs(300), "the old pods stay: {before}");
                sleep(Duration::from_millis(500)).await;
            }
            format!("every pod replaced after {:.0?}", begin.elapsed())
        };
        table.phase(&format!("rollout restart {what}"), action).await;
    }
}

async fn deletions(site: &Site, table: &mut Table) {
    settled(site, 3).await;
    let action = async {
        kubectl(&["delete", "pod", "serve-1"]).await;
        settled(site, 3).await;
        "as it drains".to_owned()
    };
    table.phase("a replica deleted", action).await;
    let action = async {
        let pod = pods("balance").await.split_whitespace().next().unwrap().to_owned();
        kubectl(&["delete", "pod", &pod]).await;
        rollout("deployment/balance").await;
        "as it drains".to_owned()
    };
    table.phase("a balancer deleted", action).await;
    for (what, how) in [
        ("a replica deleted every 10 s for a minute", &["--wait=false"][..]),
        ("a replica killed every 10 s for a minute", &["--force", "--grace-period=0", "--wait=false"]),
    ] {
        let action = async {
            for turn in 0..6 {
                let pod = format!("serve-{}", turn % 3);
                kubectl(&[&["delete", "pod", &pod], how].concat()).await;
                sleep(Duration::from_secs(10)).await;
            }
            "serve-0, 1, 2, 0, 1, 2".to_owned()
        };
        table.phase(what, action).await;
        settled(site, 3).await;
    }
}

/// One replica may be evicted, the next one only once the first is back.
async fn evictions(site: &Site, table: &mut Table) {
    rollout("statefulset/serve").await;
    let action = async {
        evict("serve-0").await.unwrap();
        let refused = evict("serve-1").await.unwrap_err();
        assert!(refused.contains("disruption budget"), "{refused}");
        let begin = Instant::now();
        while let Err(refused) = evict("serve-1").await {
            assert!(begin.elapsed() < Duration::from_secs(120), "{refused}");
            sleep(Duration::from_secs(1)).await;
        }
        format!("the second was refused for {:.0?}, until the first was back", begin.elapsed())
    };
    table.phase("two replicas evicted", action).await;
    settled(site, 3).await;
}

/// The autoscaler owns the number of replicas; by hand it is moved within its bounds.
async fn scaling(site: &Site, table: &mut Table) {
    let lower = ["patch", "horizontalpodautoscaler", "serve", "-p", r#"{"spec":{"minReplicas":1}}"#];
    for (from, to) in [(3, 5), (5, 1), (1, 3)] {
        let action = async {
            kubectl(&lower).await;
            kubectl(&["scale", "statefulset/serve", &format!("--replicas={to}")]).await;
            let took = settled(site, to).await;
            format!("balancers know after {took:.0?}")
        };
        let seen = table.phase(&format!("{from} → {to} replicas"), action).await;
        assert!(seen.replicas.len() >= to.min(from), "{:?}", seen.replicas);
        if to == 5 {
            site.apply_again().await;
            let replicas = kubectl(&["get", "statefulset", "serve", "-o", "jsonpath={.spec.replicas}"]).await;
            assert_eq!(replicas, "5", "applying the files again leaves the scale alone");
        }
    }
    site.apply_again().await;
}

/// A minute without the store; a replica that starts then waits for it, and recovers by itself.
async fn store_away(site: &Site, table: &mut Table) {
    rollout("statefulset/serve").await;
    let action = async {
        kubectl(&["scale", "statefulset/minio", "--replicas=0"]).await;
        kubectl(&["wait", "--for=delete", "pod/minio-0", "--timeout=60s"]).await;
        let begin = Instant::now();
        kubectl(&["delete", "pod", "serve-2"]).await;
        sleep(Duration::from_secs(60).saturating_sub(begin.elapsed())).await;
        let said = site.readyz("serve-2").await.unwrap();
        assert_eq!(said["status"], "no_model", "it runs, and waits: {said}");
        kubectl(&["scale", "statefulset/minio", "--replicas=1"]).await;
        rollout("statefulset/minio").await;
        let took = settled(site, 3).await;
        format!("a replica started meanwhile waited, and served {took:.0?} after the store was back")
    };
    table.phase("store away for 60 s", action).await;
    let restarts = ["get", "pod", "serve-2", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"];
    assert_eq!(kubectl(&restarts).await, "0");
}

/// Waits until the balancers list `count` replicas, all of them ready.
async fn settled(site: &Site, count: usize) -> Duration {
    let all = |shown: &[site::Listed]| shown.len() == count && shown.iter().all(|one| one.ready);
    site.eventually(&format!("{count} replicas"), all).await
}

/// A line for every running pod: its name, its unique id, how often its container was started again.
async fn pods(name: &str) -> String {
    let selector = format!("app.kubernetes.io/name={name}");
    let columns = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
    kubectl(&["get", "pods", "-l", &selector, "-o", columns]).await
}

/// Asks the Eviction API, as `kubectl drain` does.
async fn evict(pod: &str) -> Result<String, String> {
    let eviction = serde_json::json!({"apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod, "namespace": site::NAMESPACE}});
    let file = target().join("serving/eviction.json");
    fs::write(&file, eviction.to_string()).unwrap();
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", site::NAMESPACE);
    try_kubectl(&["create", "--raw", &path, "-f", file.to_str().unwrap()]).await
}
