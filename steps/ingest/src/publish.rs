//! Publishing: blobs first, then the manifest, then the records that make it all visible.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use selvedge_contract::{Misconfigured, Progress};
use selvedge_data::{BatchEntry, Manifest, Source, Split, SplitEntry};
use selvedge_plan::{IngestResult, SourceRecord, key};
use selvedge_store::{Created, Digest, Error, Log, Store};
use tokio::sync::mpsc;

use crate::Config;
use crate::cut::Piece;

/// Batches that are written at once: what bounds the memory of a slow store.
const AT_ONCE: usize = 3;

/// Keeps all pieces, a few at once, and lists them by split. `total` records are expected, for progress.
pub(crate) async fn batches(
    store: &Store,
    mut pieces: mpsc::Receiver<Piece>,
    total: u64,
    progress: &Progress,
) -> anyhow::Result<BTreeMap<Split, SplitEntry>> {
    let mut splits = BTreeMap::from(Split::ALL.map(|split| (split, SplitEntry::default())));
    let mut done = 0;
    let mut kept = futures::stream::poll_fn(|context| pieces.poll_recv(context))
        .map(|piece| async move {
            let entry = BatchEntry { digest: store.put_blob(piece.bytes).await?, records: piece.records };
            Ok::<_, Error>((piece.split, entry))
        })
        .buffered(AT_ONCE);
    while let Some((split, entry)) = kept.try_next().await? {
        done += entry.records as u64;
        progress.report(done, total);
        let of_split = splits.entry(split).or_default();
        of_split.records += entry.records;
        of_split.batches.push(entry);
    }
    Ok(splits)
}

/// Sees that the source record to be made follows the newest, before any work is done for it.
pub(crate) async fn check_number(config: &Config, store: &Store) -> anyhow::Result<()> {
    let (number, name) = (config.source_record, &config.name);
    if number > 1 && source_log(config, store).get(number - 1).await?.is_none() {
        let text = format!("STEP_SOURCE_RECORD={number}: {name} has no source record {}", number - 1);
        return Err(Misconfigured::message(text).into());
    }
    Ok(())
}

/// Makes the ingested data set visible: manifest, source record, result record, in this order.
pub(crate) async fn records(
    config: &Config,
    store: &Store,
    source: &Source,
    parts: BTreeMap<String, Digest>,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    let digest = store.put_blob(manifest.to_bytes()).await?;
    let record = SourceRecord {
        number: config.source_record,
        location: source.uri().to_string(),
        last_updated: Timestamp::now(),
        record_count: Split::ALL.into_iter().map(|split| manifest.records(split) as u64).sum(),
        content: manifest.source,
        parts,
        stamps: source.stamps(),
        manifest: digest,
        key: config.key,
        run: config.run.clone(),
    };
    append(config, store, &record).await?;
    let result = IngestResult { key: config.key, manifest: digest, run: config.run.clone() };
    create_result(store, &result).await
}

/// Appends the source record, or finds one of the same content: this ingest's own before it was killed, a repetition
/// with other settings, or the same by another run.
async fn append(config: &Config, store: &Store, record: &SourceRecord) -> anyhow::Result<()> {
    let (log, number) = (source_log(config, store), record.number);
    if log.append(number, record).await? == Created::New {
        return Ok(());
    }
    let Some(there) = log.get(number).await? else { bail!("source record {number} vanished") };
    ensure!(
        there.content == record.content,
        "source record {number} of {} was made by run {} from content {}, but {} now holds {}: submit again",
        config.name,
        there.run,
        there.content.short(),
        record.location,
        record.content.short()
    );
    Ok(())
}

/// Creates the result record, or finds an equal one whose data this ingest mended.
async fn create_result(store: &Store, result: &IngestResult) -> anyhow::Result<()> {
    let path = key::result_path("ingest", &result.key);
    if store.create_record(&path, result).await? == Created::New {
        return Ok(());
    }
    match store.record::<IngestResult>(&path).await {
        Ok(Some(there)) if there.manifest == result.manifest => Ok(()),
        Ok(there) => {
            let there = there.map_or("nothing".to_owned(), |there| there.manifest.to_string());
            bail!("result {path} names {there}, but this ingest made manifest {}", result.manifest)
        }
        Err(Error::Record { .. }) => {
            tracing::warn!(path, "a damaged result record is replaced");
            store.delete(&path).await?;
            store.create_record(&path, result).await?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn source_log(config: &Config, store: &Store) -> Log<SourceRecord> {
    selvedge_plan::result::sources(store, &config.name)
}
