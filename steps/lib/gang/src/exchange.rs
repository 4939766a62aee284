//! Small exchanges: every member sends to every other, one hop.

use anyhow::ensure;
use bytemuck::cast_slice;
use selvedge_store::Digest;

use crate::gang::Gang;

impl Gang {
    /// The words of every rank, by rank.
    ///
    /// # Errors
    /// Temporary, naming the rank that was lost; [`selvedge_contract::Stopped`].
    pub fn gather(&mut self, words: &[i32]) -> anyhow::Result<Vec<Vec<i32>>> {
        self.exchange(|gang| {
            for peer in gang.peers() {
                gang.send(peer, 0, words)?;
            }
            let mut all = vec![Vec::new(); gang.world()];
            for peer in gang.peers() {
                all[peer] = gang.receive(peer, 0)?;
            }
            all[gang.rank()] = words.to_vec();
            Ok(all)
        })
    }

    /// Replaces each word by its maximum over all ranks.
    ///
    /// # Errors
    /// As [`Gang::gather`].
    pub fn max(&mut self, words: &mut [i32]) -> anyhow::Result<()> {
        for (rank, theirs) in self.gather(words)?.iter().enumerate() {
            self.same_length(rank, theirs.len(), words.len())?;
            words.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
        }
        Ok(())
    }

    /// Completes a table whose entry i is known to rank i mod world. What others wrote elsewhere is ignored, so that
    /// sums over the table come out the same for every world size.
    ///
    /// # Errors
    /// As [`Gang::gather`].
    pub fn complete(&mut self, table: &mut [f64]) -> anyhow::Result<()> {
        let mine: Vec<i32> = cast_slice::<f64, i32>(table).to_vec();
        let world = self.world();
        for (rank, theirs) in self.gather(&mine)?.iter().enumerate() {
            self.same_length(rank, theirs.len(), mine.len())?;
            for (i, entry) in table.iter_mut().enumerate().filter(|(i, _)| i % world == rank) {
                *entry = bytemuck::pod_read_unaligned(cast_slice(&theirs[2 * i..2 * i + 2]));
            }
        }
        Ok(())
    }

    /// Returns when all ranks have called it.
    ///
    /// # Errors
    /// As [`Gang::gather`].
    pub fn barrier(&mut self) -> anyhow::Result<()> {
        self.gather(&[]).map(drop)
    }

    /// Compares a digest of something that must be equal everywhere.
    ///
    /// # Errors
    /// As [`Gang::gather`]; permanent, naming the ranks, when digests differ.
    pub fn agree(&mut self, what: &str, digest: &Digest) -> anyhow::Result<()> {
        let words: Vec<i32> = bytemuck::pod_collect_to_vec(digest.bytes());
        let all = self.gather(&words)?;
        let differing: Vec<_> =
            (0..all.len()).filter(|&at| all[at] != all[0]).map(|at| self.rank_of(at)).collect();
        ensure!(
            differing.is_empty(),
            "{}: {what} differs between rank {} and ranks {differing:?}; rank {} has {}",
            self.place(),
            self.rank_of(0),
            self.place().rank,
            digest.short(),
        );
        Ok(())
    }

    fn same_length(&self, peer: usize, theirs: usize, mine: usize) -> anyhow::Result<()> {
        let (place, rank) = (self.place(), self.rank_of(peer));
        ensure!(theirs == mine, "{place}: rank {rank} sent {theirs} words, expected {mine}");
        Ok(())
    }

    fn peers(&self) -> impl Iterator<Item = usize> + use<> {
        let rank = self.rank();
        (0..self.world()).filter(move |&peer| peer != rank)
    }
}
