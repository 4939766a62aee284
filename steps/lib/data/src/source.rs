//! Where a data set comes from: a folder, a bucket's prefix or a web folder with the four IDX files.

use std::collections::BTreeMap;

use anyhow::Context;
use object_store::ObjectMeta;
use selvedge_contract::Temporary;
use selvedge_store::{Digest, Elsewhere, StoreOptions};
use url::Url;

use crate::input;
use crate::{Pair, Shape};

/// The parts of a data set and the names of their files, each with or without `.gz`.
const PARTS: [(&str, &str); 4] = [
    ("train-images", "train-images-idx3-ubyte"),
    ("train-labels", "train-labels-idx1-ubyte"),
    ("test-images", "t10k-images-idx3-ubyte"),
    ("test-labels", "t10k-labels-idx1-ubyte"),
];

/// A source whose files were found. Nothing of it is read yet.
#[derive(Debug, Clone)]
pub struct Source {
    uri: Url,
    place: Elsewhere,
    /// In the order of [`PARTS`].
    files: [SourceFile; 4],
}

#[derive(Debug, Clone)]
struct SourceFile {
    name: String,
    stamp: String,
}

/// Which half of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Training records, validation included.
    Train,
    /// Test records.
    Test,
}

/// What the heads of the files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Training records, validation included.
    pub train: u64,
    /// Test records.
    pub test: u64,
    /// The form of a record.
    pub shape: Shape,
}

impl Source {
    /// Finds the four files below `uri`; a plain one is preferred to a packed one beside it.
    ///
    /// # Errors
    /// When the URI is of an unknown kind, the place does not answer (exit code 75), or a file is missing.
    pub async fn open(uri: &Url, options: &StoreOptions) -> anyhow::Result<Self> {
        let place = Elsewhere::open(uri, options)?;
        let mut found = Vec::new();
        for (_, name) in PARTS {
            found.push(find(&place, name).await?);
        }
        let files = <[_; 4]>::try_from(found).expect("four parts are four files");
        if let [Some(a), Some(b), Some(c), Some(d)] = files {
            return Ok(Self { uri: uri.clone(), place, files: [a, b, c, d] });
        }
        let names = |all: bool| {
            let wanted = PARTS.iter().zip(&files).filter(|(_, file)| all || file.is_none());
            wanted.map(|((_, name), _)| format!("{name}[.gz]")).collect::<Vec<_>>().join(", ")
        };
        if files.iter().all(Option::is_none) {
            place.check().await?;
            anyhow::bail!("source {uri}: no data set there: looked for {}", names(true));
        }
        anyhow::bail!("source {uri}: missing {}", names(false))
    }

    /// Where it is.
    pub fn uri(&self) -> &Url {
        &self.uri
    }

    /// Whether reading costs as little as asking for stamps.
    pub fn is_near(&self) -> bool {
        self.place.near
    }

    /// What tells a changed file without reading it: part → file name, size, modification time or ETag.
    pub fn stamps(&self) -> BTreeMap<String, String> {
        let of = |((part, _), file): (&(&str, _), &SourceFile)| ((*part).to_owned(), file.stamp.clone());
        PARTS.iter().zip(&self.files).map(of).collect()
    }

    /// Reads the heads of all files and holds them against each other.
    ///
    /// # Errors
    /// As [`Source::pair`], and when training and test records differ in their form.
    pub async fn heads(&self) -> anyhow::Result<Heads> {
        let (train, test) = (self.pair(Half::Train).await?, self.pair(Half::Test).await?);
        let (shape, other) = (train.shape(), test.shape());
        anyhow::ensure!(
            shape == other,
            "source {}: training records are {} x {}, test records {} x {}",
            self.uri,
            shape.height,
            shape.width,
            other.height,
            other.width
        );
        Ok(Heads { train: train.records(), test: test.records(), shape })
    }

    /// Opens a half for reading. The pair must be read on a thread that may block.
    ///
    /// # Errors
    /// [`crate::PairError`], naming file and value; exit code 75 when the place does not answer.
    pub async fn pair(&self, half: Half) -> anyhow::Result<Pair> {
        let first = if half == Half::Train { 0 } else { 2 };
        let (images, labels) = (&self.files[first], &self.files[first + 1]);
        let readers = (self.read(images).await?, self.read(labels).await?);
        let names = (images.name.clone(), labels.name.clone());
        let open = move || Pair::open((&names.0, readers.0), (&names.1, readers.1));
        let pair = tokio::task::spawn_blocking(open).await.context("reading heads")?;
        pair.with_context(|| format!("source {}", self.uri))
    }

    /// Reads everything, and tells the digest of each part's decompressed bytes.
    ///
    /// # Errors
    /// As [`Source::pair`].
    pub async fn digests(&self) -> anyhow::Result<BTreeMap<String, Digest>> {
        let digest = async |half| {
            let pair = self.pair(half).await?;
            let digests = tokio::task::spawn_blocking(|| pair.finish()).await.context("reading")?;
            digests.with_context(|| format!("source {}", self.uri))
        };
        let (train, test) = futures::try_join!(digest(Half::Train), digest(Half::Test))?;
        Ok(parts(train, test))
    }

    /// Sees that the files are still those that were found.
    ///
    /// # Errors
    /// An error of exit code 75 when they changed: the next attempt reads them as they are then.
    pub async fn check_unchanged(&self, options: &StoreOptions) -> anyhow::Result<()> {
        let now = Self::open(&self.uri, options).await?.stamps();
        match self.stamps().iter().find(|(part, stamp)| now.get(*part) != Some(stamp)) {
            None => Ok(()),
            Some((part, _)) => {
                let text = format!("source {}: {part} changed while it was read", self.uri);
                Err(Temporary::message(text).into())
            }
        }
    }

    async fn read(&self, file: &SourceFile) -> anyhow::Result<Box<dyn std::io::BufRead + Send>> {
        Ok(input::reader(self.place.get(&file.name).await?))
    }
}

/// The digests of a source's parts, by name.
pub fn parts(train: [Digest; 2], test: [Digest; 2]) -> BTreeMap<String, Digest> {
    let names = PARTS.iter().map(|(part, _)| (*part).to_owned());
    names.zip(train.into_iter().chain(test)).collect()
}

/// The digest of a source's whole content: packing the files again changes nothing.
pub fn content(parts: &BTreeMap<String, Digest>) -> Digest {
    Digest::of_json(parts)
}

async fn find(place: &Elsewhere, name: &str) -> anyhow::Result<Option<SourceFile>> {
    for name in [name.to_owned(), format!("{name}.gz")] {
        if let Some(meta) = place.head(&name).await? {
            let stamp = stamp(&name, &meta, place.near);
            return Ok(Some(SourceFile { name, stamp }));
        }
    }
    Ok(None)
}

fn stamp(name: &str, meta: &ObjectMeta, near: bool) -> String {
    match &meta.e_tag {
        Some(e_tag) if !near => format!("{name} {} {e_tag}", meta.size),
        _ => format!("{name} {} {}", meta.size, meta.last_modified.to_rfc3339()),
    }
}
