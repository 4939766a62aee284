//! A fixed number of buffers that go round: what is cut and not yet kept takes no more memory than they do, however
//! large the data set and however slow the store.

use std::sync::mpsc;

use bytes::Bytes;

/// The buffers that are at home.
pub(crate) struct Buffers {
    home: mpsc::Sender<Vec<u8>>,
    there: mpsc::Receiver<Vec<u8>>,
}

/// A buffer on its round, back home when the last of its readers drops it.
struct Lent {
    bytes: Vec<u8>,
    home: mpsc::Sender<Vec<u8>>,
}

impl Buffers {
    /// So many buffers, all at home.
    pub(crate) fn new(number: usize) -> Self {
        let (home, there) = mpsc::channel();
        for _ in 0..number {
            home.send(Vec::new()).expect("the receiver is in this function");
        }
        Self { home, there }
    }

    /// Waits for a buffer and fills it with `bytes`.
    pub(crate) fn fill(&self, bytes: &[u8]) -> Bytes {
        let mut buffer = self.there.recv().expect("this end holds a sender too");
        buffer.clear();
        buffer.extend_from_slice(bytes);
        Bytes::from_owner(Lent { bytes: buffer, home: self.home.clone() })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Nobody is home when the cutting is over.
        let _ = self.home.send(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_home_with_its_last_reader() {
        let buffers = Buffers::new(1);
        let first = buffers.fill(b"one");
        let reader = first.slice(1..);
        drop(first);
        assert!(buffers.there.try_recv().is_err());
        assert_eq!(reader, b"ne"[..]);
        drop(reader);
        assert_eq!(buffers.fill(b"two"), b"two"[..]);
    }
}
