//! A formed generation, and what all of its exchanges are made of.
//!
//! All members call the same exchanges in the same order. Each call blocks; none waits for ever: a peer that is gone,
//! silent, or alive and absent for too long ends it with a temporary error that names the rank.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytemuck::cast_slice;
use selvedge_contract::failure::one_line;
use selvedge_contract::{ExitCode, Stop, Temporary};
use tokio::net::TcpStream;

use crate::door::Door;
use crate::link::{Frame, Link, Lost, Pulse};
use crate::place::{Generation, Member, Place, Timing};
use crate::wire::Kind;

/// How often a waiting member looks whether it was asked to stop.
const GLANCE: Duration = Duration::from_millis(200);

/// This process as a member of a formed generation.
#[derive(Debug)]
pub struct Gang {
    place: Place,
    timing: Timing,
    position: usize,
    members: Vec<Member>,
    generation: u64,
    links: Vec<Option<Link>>,
    sequence: u64,
    exchanging: Duration,
    stop: Stop,
    _pulse: Pulse,
    // Held open so that a second process on this place can learn that this one lives.
    _door: Door,
}

impl Gang {
    pub(crate) fn new(
        place: Place,
        timing: Timing,
        generation: Generation,
        streams: Vec<Option<TcpStream>>,
        door: Door,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let to = (place.id(), generation.number);
        let position = generation.position(place.rank).context("a generation without this rank")?;
        let mut links = Vec::with_capacity(streams.len());
        for stream in streams {
            let link = |stream: TcpStream| Link::new(stream.into_std()?, to, timing.silence);
            links.push(stream.map(link).transpose()?);
        }
        let writers = links.iter().flatten().map(|link| link.writer().clone()).collect();
        let (at_work, world) = (generation.members.len(), place.world);
        tracing::info!(rank = place.rank, world, at_work, generation = generation.number, "gang formed");
        Ok(Self {
            _pulse: Pulse::begin(writers, timing.heartbeat)?,
            _door: door,
            position,
            members: generation.members,
            generation: generation.number,
            links,
            sequence: 0,
            exchanging: Duration::ZERO,
            stop: stop.clone(),
            place,
            timing,
        })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// This process's rank among the members at work, from 0 and without gaps: what shards are shared out by.
    pub fn rank(&self) -> usize {
        self.position
    }

    /// The number of members at work; fewer than the ranks of the gang where some did not come in time.
    pub fn world(&self) -> usize {
        self.members.len()
    }

    /// The generation's number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Time spent in exchanges so far, waiting for peers included.
    pub fn exchanging(&self) -> Duration {
        self.exchanging
    }

    /// For the boundary between two steps: whether this process was asked to stop.
    ///
    /// # Errors
    /// [`selvedge_contract::Stopped`].
    pub fn check_stop(&self) -> anyhow::Result<()> {
        Ok(self.stop.check()?)
    }

    /// Tells the others why this member ends, so that they need not guess, and ends. They take the class of `error`: what
    /// is permanent for one rank is so for all, and not tried again.
    pub fn leave(self, error: &anyhow::Error) {
        let why: String = one_line(error).chars().take(500).collect();
        let class = ExitCode::of(error) as u32;
        for link in self.links.iter().flatten() {
            // Whoever cannot be told will see the connection close.
            let _ = link.writer().send(Kind::Leave, (self.sequence, class), why.as_bytes());
        }
    }

    /// One exchange: the next sequence number, and its time.
    pub(crate) fn exchange<T>(
        &mut self,
        exchange: impl FnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.sequence += 1;
        let begun = Instant::now();
        let done = exchange(self);
        self.exchanging += begun.elapsed();
        if done.is_err() {
            // Who ends a gang signals all ranks: a peer that was stopped just before this one is not lost.
            std::thread::sleep(GLANCE);
        }
        self.stop.check()?;
        done.with_context(|| self.place.to_string())
    }

    pub(crate) fn send(&self, peer: usize, part: u32, words: &[i32]) -> anyhow::Result<()> {
        let link = self.link(peer)?;
        let sent = link.writer().send(Kind::Words, (self.sequence, part), cast_slice(words));
        // Where sending fails because the peer left, what it said last is the better reason.
        sent.map_err(|error| match link.receive(GLANCE) {
            Some(Err(reason)) => self.lost(peer, &reason),
            _ => self.lost(peer, &Lost::because(error)),
        })
    }

    pub(crate) fn receive(&self, peer: usize, part: u32) -> anyhow::Result<Vec<i32>> {
        let link = self.link(peer)?;
        let deadline = Instant::now() + self.timing.patience;
        loop {
            match link.receive(GLANCE) {
                Some(Ok(frame)) => return self.expected(peer, part, frame),
                Some(Err(reason)) => return Err(self.lost(peer, &reason)),
                None => self.stop.check()?,
            }
            if Instant::now() >= deadline {
                let reason = format!("alive but absent for {:?}", self.timing.patience);
                return Err(self.lost(peer, &Lost::because(reason)));
            }
        }
    }

    pub(crate) fn give_back(&self, peer: usize, words: Vec<i32>) {
        if let Some(Some(link)) = self.links.get(peer) {
            link.give_back(words);
        }
    }

    fn expected(&self, peer: usize, part: u32, frame: Frame) -> anyhow::Result<Vec<i32>> {
        if (frame.sequence, frame.part) == (self.sequence, part) {
            return Ok(frame.words);
        }
        bail!(
            "rank {} is in exchange {}.{}, rank {} in {}.{part}",
            self.rank_of(peer),
            frame.sequence,
            frame.part,
            self.place.rank,
            self.sequence
        )
    }

    fn link(&self, peer: usize) -> anyhow::Result<&Link> {
        let link = self.links.get(peer).and_then(Option::as_ref);
        let (own, other) = (self.place.rank, self.rank_of(peer));
        link.with_context(|| format!("rank {own} has no connection to rank {other}"))
    }

    /// The rank in the whole gang of the member at `position`.
    pub(crate) fn rank_of(&self, position: usize) -> usize {
        self.members.get(position).map_or(position, |member| member.rank)
    }

    fn lost(&self, peer: usize, lost: &Lost) -> anyhow::Error {
        let address = self.members.get(peer).map(|m| m.address.to_string()).unwrap_or_default();
        let text = format!("rank {} at {address} is lost: {}", self.rank_of(peer), lost.reason);
        if lost.permanent { anyhow::Error::msg(text) } else { Temporary::message(text).into() }
    }
}
