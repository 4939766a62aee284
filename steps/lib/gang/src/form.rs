//! Forming a generation: register, wait until the newest living members of the ranks are there, connect every pair.
//!
//! The lowest rank that has come proposes: a generation lists members that answered a probe a moment ago and are free, so
//! it never holds a process of an earlier attempt that died. All ranks are waited for as long as the join window is open;
//! then those that have come start, so that a partly scheduled gang works. One that cannot be connected all the same (a
//! member died in between) is left by all, and the next is proposed. Who finds its rank held by another living process
//! gives up: two processes claim one place. Who finds the gang at work without its rank waits until that has ended.

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
    since: Instant,
    rival_since: Option<Instant>,
    trouble: Option<anyhow::Error>,
}

impl Gang {
    /// Claims `place`, waits for the other ranks and connects to them.
    ///
    /// # Errors
    /// Temporary when too many ranks are missing after `timing.join`, by number; permanent when another living process
    /// holds this place; [`selvedge_contract::Stopped`].
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
            since: Instant::now(),
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
        let mut pause = Duration::from_millis(10);
        loop {
            self.follow().await?;
            if let Some(generation) = self.newest.take_if(|newest| newest.number > self.left) {
                if generation.lists(self.me) {
                    match self.connect(&generation).await {
                        Ok(streams) => return Ok((generation, streams)),
                        Err(error) => self.leave(&generation, error),
                    }
                } else if generation.position(self.place.rank).is_some() {
                    self.rival(&generation).await?;
                } else if self.works(&generation).await {
                    self.since = Instant::now();
                }
                self.newest = Some(generation);
            }
            if self.propose().await? {
                continue;
            }
            if self.since.elapsed() >= self.timing.join {
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

    /// Proposes the next generation if that is this member's turn, and those who have come are enough.
    async fn propose(&mut self) -> anyhow::Result<bool> {
        let late = self.since.elapsed() >= self.timing.window;
        if self.place.rank > 0 && !late {
            return Ok(false);
        }
        let mut members = Vec::with_capacity(self.place.world);
        for rank in 0..self.place.world {
            match self.members.available(rank, self.me).await? {
                Some(member) => members.push(member),
                None if late => {}
                None => return Ok(false),
            }
        }
        let enough = members.len() >= self.timing.least.clamp(1, self.place.world);
        if !enough || members.first() != Some(self.me) {
            return Ok(false);
        }
        let number = self.newest.as_ref().map_or(0, |newest| newest.number) + 1;
        self.members.propose(&Generation { number, members }).await?;
        Ok(true)
    }

    /// Whether a member of `generation` still works in it.
    async fn works(&self, generation: &Generation) -> bool {
        for member in &generation.members {
            if self.members.probe(member, self.me).await == Some(generation.number) {
                return true;
            }
        }
        false
    }

    /// Fails if another process holds this place in `generation` and goes on living.
    async fn rival(&mut self, generation: &Generation) -> anyhow::Result<()> {
        let Some(holder) = generation.position(self.place.rank).map(|at| &generation.members[at]) else {
            return Ok(());
        };
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

    /// One connection for every other member, in their order: called where it is lower, awaited where it is higher.
    async fn connect(&mut self, generation: &Generation) -> anyhow::Result<Vec<Option<TcpStream>>> {
        self.door.works_in(generation.number);
        let mut streams: Vec<_> = generation.members.iter().map(|_| None).collect();
        let own = generation.position(self.me.rank).context("a generation without this member")?;
        let limit = self.timing.link;
        let connecting = async {
            for (at, lower) in generation.members[..own].iter().enumerate() {
                let hello = self.members.hello(lower, self.me, generation.number);
                let called = handshake::call(lower.address, &hello, &self.members.secret).await;
                let called = called.with_context(|| format!("rank {} at {}", lower.rank, lower.address));
                streams[at] = Some(called?.0);
            }
            while streams[own + 1..].iter().any(Option::is_none) {
                let (hello, stream) = self.door.arrival().await?;
                let Some(at) = generation.position(hello.from as usize) else { continue };
                let expected = generation.members[at].nonce == hello.sender;
                if expected && hello.generation == generation.number && at > own {
                    streams[at] = Some(stream);
                }
            }
            all_ready(&mut streams, generation).await
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
async fn all_ready(streams: &mut [Option<TcpStream>], generation: &Generation) -> anyhow::Result<()> {
    for stream in streams.iter_mut().flatten() {
        stream.write_u8(READY).await?;
    }
    for (stream, member) in streams.iter_mut().zip(&generation.members) {
        let (Some(stream), rank) = (stream, member.rank) else { continue };
        let said = stream.read_u8().await.with_context(|| format!("rank {rank}"))?;
        ensure!(said == READY, "rank {rank} said {said:#x} instead of ready");
    }
    Ok(())
}
