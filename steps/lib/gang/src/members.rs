//! The store's side of membership: the secret, members that register, and which of them live.

use anyhow::Context;
use selvedge_store::{Created, Log, Store};
use serde::{Deserialize, Serialize};

use crate::handshake::{self, Hello, Secret};
use crate::place::{Generation, Member, Place};

/// How many of the newest incarnations of a rank are asked whether they live.
const NEWEST: usize = 3;

/// The records of one gang.
#[derive(Debug)]
pub(crate) struct Members {
    store: Store,
    place: Place,
    pub(crate) secret: Secret,
    pub(crate) generations: Log<Generation>,
}

#[derive(Serialize, Deserialize)]
struct SecretRecord {
    secret: [u8; 32],
}

impl Members {
    /// The records of the gang of `place`; the first to come makes its secret.
    pub(crate) async fn open(store: &Store, place: &Place) -> anyhow::Result<Self> {
        let path = format!("{}/secret.json", place.folder());
        store.create_record(&path, &SecretRecord { secret: rand::random() }).await?;
        let SecretRecord { secret } = store.expect_record(&path).await?;
        Ok(Self {
            store: store.clone(),
            place: place.clone(),
            secret,
            generations: Log::new(store, format!("{}/generations", place.folder())),
        })
    }

    /// Claims the place for the process with `nonce` that listens on `address`.
    pub(crate) async fn register(
        &self,
        nonce: &str,
        address: std::net::SocketAddr,
    ) -> anyhow::Result<Member> {
        let newest = self.paths(self.place.rank).await?.pop();
        let newest = newest.and_then(|path| incarnation(&path)).unwrap_or(0);
        let member = Member {
            rank: self.place.rank,
            world: self.place.world,
            incarnation: newest + 1,
            nonce: nonce.to_owned(),
            address,
        };
        self.store.create_record(&self.path(&member), &member).await?;
        Ok(member)
    }

    /// Takes the claim back, as far as the store lets it.
    pub(crate) async fn withdraw(&self, member: &Member) {
        if let Err(error) = self.store.delete(&self.path(member)).await {
            tracing::debug!(error = format!("{error:#}"), "member record not removed");
        }
    }

    /// The newest member of `rank` that lives and is free, asked by `me`; I live.
    pub(crate) async fn available(&self, rank: usize, me: &Member) -> anyhow::Result<Option<Member>> {
        for path in self.paths(rank).await?.iter().rev().take(NEWEST) {
            let Some(member) = self.store.record::<Member>(path).await? else {
                continue;
            };
            let free = member.nonce == me.nonce || self.probe(&member, me).await == Some(0);
            if member.world == self.place.world && free {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }

    /// The generation that `member` works in, 0 while it is joining, nothing when it is dead.
    pub(crate) async fn probe(&self, member: &Member, me: &Member) -> Option<u64> {
        let called = handshake::call(member.address, &self.hello(member, me, 0), &self.secret).await;
        called.ok().map(|(_, generation)| generation)
    }

    /// What `me` says first to `member` when it wants a connection for `generation`.
    pub(crate) fn hello(&self, member: &Member, me: &Member, generation: u64) -> Hello {
        Hello {
            gang: self.place.id(),
            generation,
            from: me.rank as u32,
            sender: me.nonce.clone(),
            target: member.nonce.clone(),
        }
    }

    /// Creates a generation; losing the race for its number is no error.
    pub(crate) async fn propose(&self, generation: &Generation) -> anyhow::Result<()> {
        let created = self.generations.append(generation.number, generation).await;
        let created =
            created.with_context(|| format!("generation {} of {}", generation.number, self.place))?;
        if created == Created::New {
            tracing::debug!(generation = generation.number, "generation proposed");
        }
        Ok(())
    }

    async fn paths(&self, rank: usize) -> anyhow::Result<Vec<String>> {
        let folder = format!("{}/members/{rank}", self.place.folder());
        Ok(self.store.list(&folder).await?)
    }

    fn path(&self, member: &Member) -> String {
        let Member { rank, incarnation, nonce, .. } = member;
        format!("{}/members/{rank}/{incarnation:06}-{nonce}.json", self.place.folder())
    }
}

/// The number at the head of a member record's name.
fn incarnation(path: &str) -> Option<u64> {
    path.rsplit('/').next()?.split('-').next()?.parse().ok()
}
