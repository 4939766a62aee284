//! Mutexes of this process. Two processes at once are kept from harm by the store, where each result is created once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// All mutexes, by name.
#[derive(Debug, Default)]
pub(super) struct Locks(RefCell<BTreeMap<String, Arc<Mutex<()>>>>);

impl Locks {
    /// Waits for all of `names`, always in the same order, so that no two wait for each other.
    pub(super) async fn hold(&self, names: BTreeSet<String>) -> Vec<OwnedMutexGuard<()>> {
        let mut held = Vec::new();
        for name in names {
            let mutex = Arc::clone(self.0.borrow_mut().entry(name).or_default());
            held.push(mutex.lock_owned().await);
        }
        held
    }
}
