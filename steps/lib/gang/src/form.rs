//! Forming a generation: register, wait until the newest living members of all ranks are there, connect every pair.
//!
//! Rank 0 proposes: a generation lists members that answered a probe a moment ago and are free, so it never holds a
//! process of an earlier attempt that died. One that cannot be connected all the same (a member died in between) is
//! left by all, and rank 0 proposes the next. Who finds its rank held by another living process gives up: two
//! processes claim one place.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use selvedge_contract::{Stop, Temporary};
use selvedge_store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::door::Door;
use crate::gang::Gang;
use crate::handshake;
use crate::members::Members;
use crate::place::{Generation, Member, Place, Timing};

/// How long another holder of this place must live on before it is believed: one that is ending is no rival.
const RIVAL: Duration = Duration::from_secs(1);
const READY: u8 = 0x5e;

struct Joining<'a> {
    place: &'a Place,
    timing: &'a Timing,
    members: &'a Members,
    me: &'a Member,
    door: &'a mut Door,
    newest: Option<Generation>,
    left: u64,
    rival_since: Option<Instant>,
    trouble: Option<anyhow::Error>,
}

impl Gang {
    /// Claims `place`, waits for the other ranks and connects to them.
    ///
    /// # Errors
    /// Temporary when ranks are missing after `timing.join`, by number; permanent when another living process holds this
    /// place; [`selvedge_contract::Stopped`].
    pub async fn join(store: &Store, place: Place, timing: Timing, stop: &Stop) -> anyhow::Result<Self> {
        let members = Members::open(store, &place).await?;
        let nonce = format!("{:016x}", rand::random::<u64>());
        let mut door = Door::open(place.address, place.id(), nonce.clone(), members.secret).await?;
        let me = members.register(&nonce, door.address()).await?;
        let newest = members.generations.newest().await?.map(|(_, generation)| generation);
        let mut joining = Joining {
            place: &place,
            timing: &timing,
            members: &members,
            me: &me,
            door: &mut door,
            newest,
            left: 0,
            rival_since: None,
            trouble: None,
        };
        let formed = tokio::select! {
            formed = joining.form() => formed,
            () = stop.requested() => Err(selvedge_contract::Stopped.into()),
        };
        match formed {
            Ok((generation, streams)) => Gang::new(place, timing, generation, streams, door, stop),
            Err(error) => {
                members.withdraw(&me).await;
                Err(error)
            }
        }
    }
}

impl Joining<'_> {
    async fn form(&mut self) -> anyhow::Result<(Generation, Vec<Option<TcpStream>>)> {
        let deadline = Instant::now() + self.timing.join;
        let mut pause = Duration::from_millis(10);
        loop {
            self.follow().await?;
            if let Some(generation) = self.newest.take_if(|newest| newest.number > self.left) {
                if generation.lists(self.me) {
                    match self.connect(&generation).await {
                        Ok(streams) => return Ok((generation, streams)),
                        Err(error) => self.leave(&generation, error),
                    }
                } else {
                    self.rival(&generation).await?;
                }
                self.newest = Some(generation);
            }
            if self.place.rank == 0 && self.propose().await? {
                continue;
            }
            if Instant::now() >= deadline {
                return Err(self.too_late().await);
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(500));
        }
    }

    /// Moves on to the newest generation.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let number = |generation: &Option<Generation>| generation.as_ref().map_or(0, |newest| newest.number);
        while let Some(next) = self.members.generations.get(number(&self.newest) + 1).await? {
            self.newest = Some(next);
        }
        Ok(())
    }

    /// Proposes the next generation if there is a free living member for every rank, and this is the newest rank 0.
    async fn propose(&mut self) -> anyhow::Result<bool> {
        let mut members = Vec::with_capacity(self.place.world);
        for rank in 0..self.place.world {
            match self.members.available(rank, self.me).await? {
                Some(member) if rank > 0 || member == *self.me => members.push(member),
                _ => return Ok(false),
            }
        }
        let number = self.newest.as_ref().map_or(0, |newest| newest.number) + 1;
        self.members.propose(&Generation { number, members }).await?;
        Ok(true)
    }

    /// Fails if another process holds this place in `generation` and goes on living.
    async fn rival(&mut self, generation: &Generation) -> anyhow::Result<()> {
        let Some(holder) = generation.members.get(self.place.rank) else { return Ok(()) };
        if self.members.probe(holder, self.me).await != Some(generation.number) {
            self.rival_since = None;
            return Ok(());
        }
        let since = *self.rival_since.get_or_insert_with(Instant::now);
        ensure!(
            since.elapsed() < RIVAL,
            "rank {} of {} is taken: generation {} has {} at {}, this process is {} at {}",
            self.place.rank,
            self.place,
            generation.number,
            holder.nonce,
            holder.address,
            self.me.nonce,
            self.me.address,
        );
        Ok(())
    }

    fn leave(&mut self, generation: &Generation, error: anyhow::Error) {
        tracing::info!(generation = generation.number, error = format!("{error:#}"), "generation not formed");
        self.door.works_in(0);
        self.left = generation.number;
        self.trouble = Some(error);
    }

    /// One connection for every other rank: called where it is lower, awaited where it is higher.
    async fn connect(&mut self, generation: &Generation) -> anyhow::Result<Vec<Option<TcpStream>>> {
        self.door.works_in(generation.number);
        let mut streams: Vec<_> = generation.members.iter().map(|_| None).collect();
        let limit = self.timing.link;
        let connecting = async {
            for lower in &generation.members[..self.me.rank] {
                let hello = self.members.hello(lower, self.me, generation.number);
                let called = handshake::call(lower.address, &hello, &self.members.secret).await;
                let called = called.with_context(|| format!("rank {} at {}", lower.rank, lower.address));
                streams[lower.rank] = Some(called?.0);
            }
            while streams[self.me.rank + 1..].iter().any(Option::is_none) {
                let (hello, stream) = self.door.arrival().await?;
                let rank = hello.from as usize;
                let expected = generation.members.get(rank).is_some_and(|m| m.nonce == hello.sender);
                if expected && hello.generation == generation.number && rank > self.me.rank {
                    streams[rank] = Some(stream);
                }
            }
            all_ready(&mut streams).await
        };
        let connected = timeout(limit, connecting).await;
        match connected {
            Ok(done) => done.map(|()| streams),
            Err(_) => bail!("generation {} was not connected within {limit:?}", generation.number),
        }
    }

    async fn too_late(&self) -> anyhow::Error {
        let mut missing = Vec::new();
        for rank in 0..self.place.world {
            if rank != self.place.rank && !matches!(self.members.available(rank, self.me).await, Ok(Some(_)))
            {
                missing.push(rank.to_string());
            }
        }
        let (place, world, join) = (self.place, self.place.world, self.timing.join);
        let text = match (&self.trouble, missing.is_empty()) {
            (_, false) => format!("{place}: no rank {} of {world} within {join:?}", missing.join(", ")),
            (Some(trouble), true) => format!("{place}: not formed within {join:?}: {trouble:#}"),
            (None, true) => format!("{place}: not formed within {join:?}"),
        };
        Temporary::message(text).into()
    }
}

/// Says to all peers that this member has all its connections, and waits until all say so.
async fn all_ready(streams: &mut [Option<TcpStream>]) -> anyhow::Result<()> {
    for stream in streams.iter_mut().flatten() {
        stream.write_u8(READY).await?;
    }
    for (rank, stream) in streams.iter_mut().enumerate() {
        let Some(stream) = stream else { continue };
        let said = stream.read_u8().await.with_context(|| format!("rank {rank}"))?;
        ensure!(said == READY, "rank {rank} said {said:#x} instead of ready");
    }
    Ok(())
}
