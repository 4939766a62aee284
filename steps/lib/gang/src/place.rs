//! Places and the records about them: `gangs/<key>/<run>/members/<rank>/<incarnation>-<nonce>.json` and
//! `gangs/<key>/<run>/generations/<n>.json`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use selvedge_store::Digest;
use serde::{Deserialize, Serialize};

/// The place that a process claims.
#[derive(Debug, Clone)]
pub struct Place {
    /// The training result key: what the gang trains.
    pub key: Digest,
    /// The run; two runs of one key have two gangs.
    pub run: String,
    /// This process's rank, from 0.
    pub rank: usize,
    /// Ranks in the gang.
    pub world: usize,
    /// Where the other ranks reach this process; the port is the system's choice.
    pub address: IpAddr,
}

/// How long things may take.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Until the gang is formed, counted anew while another generation of it works without this rank.
    pub join: Duration,
    /// How long absent ranks are waited for; then the gang starts with those that have come.
    pub window: Duration,
    /// With fewer members than this a gang does not start, nor with fewer than one.
    pub least: usize,
    /// Until the members of one generation are connected; then another generation is tried.
    pub link: Duration,
    /// Between two signs of life on every connection.
    pub heartbeat: Duration,
    /// Without any byte from a peer until it is taken for dead.
    pub silence: Duration,
    /// In one exchange, for a peer that lives and does not take part.
    pub patience: Duration,
}

/// One process that claims a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its rank.
    pub rank: usize,
    /// The number of ranks that it was told.
    pub world: usize,
    /// Counts the processes that claimed this rank in this run: a higher one is newer, whatever the clocks say.
    pub incarnation: u64,
    /// Tells it from all other processes: 16 hex digits.
    pub nonce: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A set of members that works together, created once by the lowest rank that has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// From 1.
    pub number: u64,
    /// One member for every rank that had come, by rank.
    pub members: Vec<Member>,
}

impl Place {
    /// The folder of this run's gang in the store.
    pub fn folder(&self) -> String {
        format!("gangs/{}/{}", self.key, self.run)
    }

    /// What frames carry to tell gangs apart.
    pub(crate) fn id(&self) -> u64 {
        let digest = Digest::of(self.folder());
        let mut first = [0; 8];
        first.copy_from_slice(&digest.bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gang {} of run {}", self.key.short(), self.run)
    }
}

impl Timing {
    /// The usual patience, with `join` as the time in which all ranks have to come: none is done without.
    pub fn with_join(join: Duration) -> Self {
        Self {
            join,
            window: join,
            least: usize::MAX,
            link: Duration::from_secs(10),
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(15),
            // Longer than the patience with a store that stops answering: its error is the better one.
            patience: Duration::from_secs(300),
        }
    }
}

impl Generation {
    /// Whether `member` is of this generation.
    pub fn lists(&self, member: &Member) -> bool {
        self.members.iter().any(|m| m.nonce == member.nonce)
    }

    /// Where the member of `rank` stands among the members, if there is one.
    pub fn position(&self, rank: usize) -> Option<usize> {
        self.members.iter().position(|member| member.rank == rank)
    }
}
