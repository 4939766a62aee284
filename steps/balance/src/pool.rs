//! All replicas, and the choice among them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use selvedge_web::{ApiError, Code};

use crate::budget::Budget;
use crate::health::Status;
use crate::ring::Ring;
use crate::strategy::{Draw, Seat, Strategy};
use crate::upstream::{InFlight, Reach, Upstream};

/// All replicas. Choosing and counting are one step, so that two requests of one moment see each other.
#[derive(Debug)]
pub struct Pool {
    members: RwLock<Arc<Members>>,
    choosing: Mutex<Choosing>,
    /// Whether a replica ever answered.
    informed: AtomicBool,
}

/// Replicas and the ring of their names, in one order.
#[derive(Debug, Default)]
struct Members {
    upstreams: Vec<Arc<Upstream>>,
    ring: Ring,
}

#[derive(Debug)]
struct Choosing {
    strategy: Strategy,
    turn: u64,
    budget: Budget,
}

impl Pool {
    /// No replicas yet.
    pub fn new(strategy: Strategy) -> Self {
        let choosing = Choosing { strategy, turn: 0, budget: Budget::new(Instant::now()) };
        Self { members: RwLock::default(), choosing: Mutex::new(choosing), informed: AtomicBool::default() }
    }

    /// Replaces the replicas; those that stay keep what is known about them because they are the same objects.
    pub fn set(&self, upstreams: Vec<Arc<Upstream>>) {
        let names: Vec<_> = upstreams.iter().map(|upstream| upstream.name()).collect();
        let ring = Ring::new(names.iter().map(|name| &**name));
        let members = Arc::new(Members { upstreams, ring });
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members;
    }

    /// The replicas.
    pub fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.members().upstreams.clone()
    }

    /// How many replicas can be chosen.
    pub fn ready(&self) -> usize {
        let members = self.members();
        members.upstreams.iter().filter(|upstream| upstream.status() == Status::Ready).count()
    }

    /// Whether any replica ever answered: a balancer that just started knows nobody, and is not to be asked before.
    /// Later it stays the one that knows why nobody answers.
    pub fn is_informed(&self) -> bool {
        let alive = || self.members().upstreams.iter().any(|upstream| upstream.status().is_alive());
        let informed = self.informed.load(Ordering::Relaxed) || alive();
        self.informed.fetch_or(informed, Ordering::Relaxed);
        informed
    }

    /// How replicas are chosen.
    pub fn strategy(&self) -> Strategy {
        self.choosing().strategy
    }

    /// Chooses by another strategy from now on.
    pub fn switch(&self, strategy: Strategy) {
        let before = std::mem::replace(&mut self.choosing().strategy, strategy);
        if before != strategy {
            tracing::info!(%before, now = %strategy, "strategy changed");
        }
    }

    /// Takes a seat for a request, at none of those that it `tried`; by `strategy` or the one that is set. Replicas
    /// that failed lately are taken only where there is nobody else, and those that look dead only after them.
    pub fn choose(&self, key: u64, tried: &[Arc<Upstream>], strategy: Option<Strategy>) -> Option<InFlight> {
        let (members, now) = (self.members(), Instant::now());
        let untried = |upstream: &Arc<Upstream>| !tried.iter().any(|one| Arc::ptr_eq(one, upstream));
        let seats = |reach| -> Vec<Seat> {
            let seat = |upstream: &Arc<Upstream>| {
                let seat = upstream.seat(now, reach);
                Seat { open: seat.open && untried(upstream), ..seat }
            };
            members.upstreams.iter().map(seat).collect()
        };
        let mut choosing = self.choosing();
        let draw = Draw { turn: choosing.turn, key, random: rand::random() };
        choosing.turn = choosing.turn.wrapping_add(1);
        let strategy = strategy.unwrap_or(choosing.strategy);
        let choose = |reach| strategy.choose(&seats(reach), &members.ring, draw);
        let chosen = [Reach::Ready, Reach::Ejected, Reach::Anybody].into_iter().find_map(choose)?;
        Some(members.upstreams[chosen].begin())
    }

    /// A request came: it earns a part of a retry.
    pub fn earn_retry(&self) {
        self.choosing().budget.earn();
    }

    /// Whether a retry may be sent now.
    pub fn may_retry(&self) -> bool {
        self.choosing().budget.spend(Instant::now())
    }

    /// Why nobody can be chosen.
    pub fn nobody(&self) -> ApiError {
        let members = self.members();
        let statuses: Vec<_> = members.upstreams.iter().map(|upstream| upstream.status()).collect();
        if statuses.contains(&Status::NoModel) {
            return ApiError::new(Code::NoModel, "no model yet: the first one is being trained");
        }
        ApiError::new(Code::NoUpstream, format!("none of {} replicas is ready", statuses.len()))
    }

    fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn choosing(&self) -> std::sync::MutexGuard<'_, Choosing> {
        self.choosing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
