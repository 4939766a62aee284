//! One machine = a cluster: the same parameters by `selvedge run` and on Argo lead to the same digests.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use selvedge_plan::{Plan, Run, TrainResult, key};
use selvedge_registry::champion;
use selvedge_store::{Store, StoreOptions};
use selvedge_tests::{cut, selvedge};

use crate::support::site::{ALL, Digests, SMALL, Site};

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_and_a_cluster_make_the_same_digests() {
    let site = Site::new("same").await;
    let submitted = site.submit("run", &[("candidates", ALL)]).await;
    let folder = tempfile::tempdir().unwrap();
    let here = on_this_machine(folder.path(), &site).await;
    let done = site.succeeded(&submitted, Duration::from_secs(400)).await;
    let there = site.digests(&done).await;
    println!("here  {here:?}\nthere {there:?}");
    assert_eq!(here.models.len(), 3);
    assert!(here.champion.is_some());
    assert_eq!(here, there);
}

async fn on_this_machine(folder: &Path, site: &Site) -> Digests {
    cut::write(&folder.join("data"), SMALL.train, SMALL.test, SMALL.labels);
    let uri = |name: &str| format!("file://{}", folder.join(name).display());
    let parameters = [
        ("batch-size", "100".to_owned()),
        ("floor", "0.2".to_owned()),
        ("salt", site.name().to_owned()),
        ("candidates", ALL.to_owned()),
    ];
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (store, source) = (uri("store"), uri("data"));
    let mut arguments = vec!["run", "--store", &store, "--source", &source];
    parameters.iter().for_each(|parameter| arguments.extend(["-p", parameter]));
    selvedge(folder, &arguments).expect(0);
    digests(&Store::open(&StoreOptions::folder(&folder.join("store")).unwrap()).await.unwrap()).await
}

/// What the only run in `store` led to.
async fn digests(store: &Store) -> Digests {
    let runs = store.list("runs").await.unwrap();
    let run = Run::new(store, runs.first().unwrap().split('/').nth(1).unwrap());
    let plan: Plan = run.plans().newest().await.unwrap().unwrap().1;
    let mut models = BTreeMap::new();
    for planned in &plan.candidates {
        let trained: TrainResult =
            store.expect_record(&key::result_path("train", &planned.key)).await.unwrap();
        models.insert(planned.name.clone(), trained.model);
    }
    let champion = champion::log(store, &plan.name).newest().await.unwrap();
    Digests { manifest: plan.manifest, models, champion: champion.map(|(_, champion)| champion.model) }
}
