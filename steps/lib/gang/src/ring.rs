//! The all-reduce: integer sums over a ring, in segments, both directions of every connection in use at once.
//!
//! The buffer is cut into as many chunks as there are ranks. Every rank sends its own chunk to the right; what comes
//! from the left is added to one's own and passed on, until after world − 1 hops each rank holds one chunk's sum; the
//! sums travel on for world − 1 hops more. A segment is passed on as soon as it is there, so hops overlap.
//! (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".)

use std::ops::Range;

use anyhow::ensure;

use crate::gang::Gang;

/// Words of a segment: 256 KiB, small enough to overlap, large enough to make headers free.
const SEGMENT: usize = 64 << 10;

impl Gang {
    /// Replaces each word by its sum over all ranks, modulo 2^32. Integer sums do not depend on their order.
    ///
    /// # Errors
    /// As [`Gang::gather`].
    pub fn sum(&mut self, words: &mut [i32]) -> anyhow::Result<()> {
        let world = self.world();
        if world == 1 {
            return Ok(());
        }
        self.exchange(|gang| {
            let (rank, right, left) =
                (gang.rank(), (gang.rank() + 1) % world, (gang.rank() + world - 1) % world);
            let mut part = 0;
            for segment in segments(rank, world, words.len()) {
                gang.send(right, part, &words[segment])?;
                part += 1;
            }
            let (mut sent, mut received, last) = (part, 0, 2 * (world - 1) - 1);
            for hop in 0..=last {
                // The chunk that the left neighbour held one hop ago.
                let chunk = (rank + 2 * world - 1 - hop) % world;
                for segment in segments(chunk, world, words.len()) {
                    let theirs = gang.receive(left, received)?;
                    let mine = &mut words[segment];
                    ensure!(
                        theirs.len() == mine.len(),
                        "rank {left} sent {} words, expected {}",
                        theirs.len(),
                        mine.len()
                    );
                    if hop < world - 1 {
                        add(mine, &theirs);
                    } else {
                        mine.copy_from_slice(&theirs);
                    }
                    gang.give_back(left, theirs);
                    received += 1;
                    if hop < last {
                        gang.send(right, sent, mine)?;
                        sent += 1;
                    }
                }
            }
            Ok(())
        })
    }
}

/// The segments of one chunk of a buffer of `length` words.
fn segments(chunk: usize, world: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    let (begin, end) = (chunk * length / world, (chunk + 1) * length / world);
    (begin..end).step_by(SEGMENT).map(move |at| at..(at + SEGMENT).min(end))
}

fn add(mine: &mut [i32], theirs: &[i32]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine = mine.wrapping_add(*theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_every_word_once() {
        for (world, length) in [(1, 0), (3, 2), (6, 100_001), (2, SEGMENT * 4), (5, 3 * SEGMENT + 1)] {
            let all: Vec<usize> =
                (0..world).flat_map(|chunk| segments(chunk, world, length)).flatten().collect();
            assert!(all.iter().copied().eq(0..length), "{world} ranks, {length} words");
        }
    }
}
