//! Runs that find what others made.

use crate::support::site::{ALL, Site};

use super::{LIMIT, hits, pods, trained};

#[tokio::test(flavor = "multi_thread")]
async fn the_second_submission_starts_no_pod_for_what_is_there() {
    let site = Site::new("twice").await;
    let parameters = [("candidates", ALL)];
    let first = site.succeeded(&site.submit("first", &parameters).await, LIMIT).await;
    let second = site.succeeded(&site.submit("second", &parameters).await, LIMIT).await;
    println!("| submission | pods | wall time |\n|---|---|---|");
    for (name, run) in [("first", &first), ("second", &second)] {
        println!("| {name} | {} {:?} | {} s |", run.pods().count(), pods(run), run.seconds());
    }
    assert_eq!(hits(&first), (0, 4));
    assert_eq!(hits(&second), (4, 0), "ingest and three gangs");
    let expected = [("evaluate", 3), ("finalize", 1), ("promote", 3), ("source", 1), ("training", 1)];
    assert_eq!(pods(&second), expected.into());
    assert_eq!(site.digests(&second).await, site.digests(&first).await);
    let reason = second.output("training", "reason").unwrap();
    assert_eq!(reason.matches("reuse: trained by run").count(), 3, "{reason}");
    assert!(reason.contains(&first.metadata.uid), "{reason}");
    assert_eq!(second.output("source", "reuse").as_deref(), Some("true"));
}

/// Trains for long enough that the other submission meets it.
const LONG: &str = r#"[{"name": "dense", "family": "dense", "settings": {"epochs": 60, "micro-batch": 8}}]"#;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_submissions_at_once_one_works_and_the_other_finds_it() {
    let site = Site::new("both").await;
    let parameters = [("candidates", LONG)];
    let (one, other) = tokio::join!(site.submit("one", &parameters), site.submit("other", &parameters));
    let (one, other) = tokio::join!(site.succeeded(&one, LIMIT), site.succeeded(&other, LIMIT));
    assert_eq!(site.digests(&one).await, site.digests(&other).await);
    let result = site.trained(&one, "dense").await;
    let (worker, finder) = if result.run == one.metadata.uid { (&one, &other) } else { (&other, &one) };
    assert_eq!(result.run, worker.metadata.uid);
    let said = trained(&site, worker).await;
    assert!(said.len() == 3 && said.iter().all(|what| what.starts_with("trained by ")), "{said:?}");
    let said = trained(&site, finder).await;
    assert!(said.len() == 3 && said.iter().all(|what| what.starts_with("reused: ")), "{said:?}");
    let worked = worker.of("rank").filter_map(|node| node.finished_at).max().unwrap();
    let found = finder.of("rank").filter_map(|node| node.started_at).min().unwrap();
    assert!(found >= worked, "the second gang waited until {worked}, and began at {found}");
    println!("one worked {} s, the other waited and found: {} s", worker.seconds(), finder.seconds());
}
