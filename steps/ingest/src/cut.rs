//! Cutting: one thread that reads the source and hands out batches as they fill.

use std::collections::BTreeMap;

use anyhow::Context;
use bytes::Bytes;
use selvedge_data::{Half, Pair, Shape, Source, Split, batch, membership, source};
use selvedge_store::Digest;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Config;
use crate::buffers::Buffers;

/// Records that are read at once.
const CHUNK: usize = 256;

/// Batches that are cut and not yet kept.
const IN_FLIGHT: usize = 4;

/// A batch of a split, encoded. Those of one split come in their order.
pub(crate) struct Piece {
    pub(crate) split: Split,
    pub(crate) records: usize,
    pub(crate) bytes: Bytes,
}

/// A split being filled.
#[derive(Default)]
struct Open {
    images: Vec<u8>,
    labels: Vec<u8>,
}

struct Cutter {
    batch_size: usize,
    classes: usize,
    open: BTreeMap<Split, Open>,
    buffers: Buffers,
    pieces: mpsc::Sender<Piece>,
}

/// The digests of the source's parts, known when all of it is cut.
pub(crate) type Cutting = JoinHandle<anyhow::Result<BTreeMap<String, Digest>>>;

/// Begins to cut. When nobody takes the pieces any more, the cutting ends with an error.
pub(crate) fn start(source: &Source, config: &Config) -> (mpsc::Receiver<Piece>, Cutting) {
    let (sender, pieces) = mpsc::channel(1);
    let cutter = Cutter {
        batch_size: config.batch_size as usize,
        classes: config.classes.names().len(),
        open: BTreeMap::new(),
        buffers: Buffers::new(IN_FLIGHT),
        pieces: sender,
    };
    (pieces, tokio::spawn(cut(source.clone(), cutter)))
}

/// The halves are opened one after the other: a server need not keep one open while the other is read.
async fn cut(source: Source, mut cutter: Cutter) -> anyhow::Result<BTreeMap<String, Digest>> {
    let train = source.pair(Half::Train).await?;
    let cutting = move || anyhow::Ok((cutter.cut(train, membership::split_of)?, cutter));
    let (train, mut cutter) = tokio::task::spawn_blocking(cutting).await??;
    let test = source.pair(Half::Test).await?;
    let test = tokio::task::spawn_blocking(move || cutter.cut(test, |_| Split::Test)).await??;
    Ok(source::parts(train, test))
}

impl Cutter {
    /// Cuts one half of the source and tells the digests of its files.
    fn cut(&mut self, mut pair: Pair, split_of: impl Fn(&[u8]) -> Split) -> anyhow::Result<[Digest; 2]> {
        let shape = pair.shape();
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        while pair.read(CHUNK, self.classes, &mut images, &mut labels)? > 0 {
            for (image, label) in images.chunks_exact(shape.bytes()).zip(&labels) {
                let split = split_of(image);
                let open = self.open.entry(split).or_default();
                open.images.extend_from_slice(image);
                open.labels.push(*label);
                if open.labels.len() == self.batch_size {
                    self.hand_out(split, shape)?;
                }
            }
        }
        // Nothing of a file that turns out damaged at its end is named by a manifest.
        let digests = pair.finish()?;
        for split in self.open.keys().copied().collect::<Vec<_>>() {
            self.hand_out(split, shape)?;
        }
        Ok(digests)
    }

    /// Ends the batch that `split` is filling, if it holds anything; its buffers are filled again.
    fn hand_out(&mut self, split: Split, shape: Shape) -> anyhow::Result<()> {
        let Some(Open { images, labels }) = self.open.get_mut(&split) else { return Ok(()) };
        if labels.is_empty() {
            return Ok(());
        }
        let bytes = self.buffers.fill(&batch::encode(shape, images, labels)?);
        let piece = Piece { split, records: labels.len(), bytes };
        images.clear();
        labels.clear();
        self.pieces.blocking_send(piece).context("the batches are not taken any more")
    }
}
