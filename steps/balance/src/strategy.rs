//! How a replica is chosen: pure functions over a snapshot of all replicas.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ring::Ring;

/// How a replica is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// One after the other.
    RoundRobin,
    /// Whoever answers the fewest requests at the moment.
    LeastConnections,
    /// The same key to the same replica, unless that has far more than its share.
    Hash,
    /// Of two drawn at random the one that is expected to answer sooner.
    Latency,
}

/// One replica, at the moment of choosing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seat {
    /// Whether it may be chosen at all: ready, not ejected, not tried already.
    pub open: bool,
    /// Requests that it is answering.
    pub in_flight: usize,
    /// Seconds that it lately took for one; 0 while unknown.
    pub latency: f64,
}

/// What changes from one choice to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The number of this choice.
    pub turn: u64,
    /// Hash of what the client is known by.
    pub key: u64,
    /// Two random numbers.
    pub random: [u64; 2],
}

/// No replica may have more than this times its share of the requests under way, if the key alone sent them there.
/// (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads, 2016.)
pub const LOAD_FACTOR: f64 = 1.25;

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RoundRobin, Self::LeastConnections, Self::Hash, Self::Latency];

    /// The index of the seat to take, or `None` where none is open. `ring` holds the seats' names in their order.
    pub fn choose(self, seats: &[Seat], ring: &Ring, draw: Draw) -> Option<usize> {
        match self {
            Self::RoundRobin => round_robin(seats, draw.turn),
            Self::LeastConnections => least_connections(seats, draw.turn),
            Self::Hash => bounded_hash(seats, ring, draw.key),
            Self::Latency => two_choices(seats, draw.random),
        }
    }
}

fn open(seats: &[Seat]) -> impl Iterator<Item = (usize, &Seat)> {
    seats.iter().enumerate().filter(|(_, seat)| seat.open)
}

fn nth_open(seats: &[Seat], n: u64) -> Option<usize> {
    let count = open(seats).count() as u64;
    let index = n.checked_rem(count)?;
    open(seats).nth(index as usize).map(|(index, _)| index)
}

fn round_robin(seats: &[Seat], turn: u64) -> Option<usize> {
    nth_open(seats, turn)
}

/// Equally few go in turn: an idle service must not send everything to its first replica.
fn least_connections(seats: &[Seat], turn: u64) -> Option<usize> {
    let fewest = open(seats).map(|(_, seat)| seat.in_flight).min()?;
    let fewest: Vec<Seat> =
        seats.iter().map(|seat| Seat { open: seat.open && seat.in_flight == fewest, ..*seat }).collect();
    nth_open(&fewest, turn)
}

/// The first open seat from the key on that has room for one more.
fn bounded_hash(seats: &[Seat], ring: &Ring, key: u64) -> Option<usize> {
    let (count, busy) = open(seats).fold((0, 0), |(n, sum), (_, seat)| (n + 1, sum + seat.in_flight));
    let room = (LOAD_FACTOR * (busy + 1) as f64 / f64::from(count)).ceil();
    // Some open seat is at or below the average, so there is always room.
    ring.from(key).find(|index| seats[*index].open && (seats[*index].in_flight + 1) as f64 <= room)
}

/// (Mitzenmacher: The Power of Two Choices, 2001; the cost is that of Finagle's peak EWMA.)
fn two_choices(seats: &[Seat], random: [u64; 2]) -> Option<usize> {
    let count = open(seats).count() as u64;
    let first = random[0].checked_rem(count)?;
    let other = match count {
        1 => first,
        // Of the others, so that two different seats are compared.
        _ => (first + 1 + random[1] % (count - 1)) % count,
    };
    let (first, other) = (nth_open(seats, first)?, nth_open(seats, other)?);
    let cost = |index: usize| seats[index].latency * (seats[index].in_flight + 1) as f64;
    let (one, two) = (cost(first), cost(other));
    // Equal, as all are at first: fewer under way.
    let second_wins = two < one || (two == one && seats[other].in_flight < seats[first].in_flight);
    Some(if second_wins { other } else { first })
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(|strategy| strategy.to_string());
        let found = Self::ALL.into_iter().find(|strategy| strategy.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is no strategy, use {}", names.join(", ")))
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
#[path = "strategy_tests.rs"]
mod tests;
