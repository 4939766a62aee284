//! A stored object as `std::io::BufRead`, so that decompressing and parsing need not be asynchronous.

use std::io::{self, BufRead, BufReader, Read};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use object_store::{GetResult, GetResultPayload};
use selvedge_contract::Temporary;
use tokio::sync::mpsc;

/// Pieces of an object that are on their way at once: what bounds the memory of a fast sender.
const PIECES: usize = 4;

/// What `got` holds, to be read on a thread that may block.
pub(crate) fn reader(got: GetResult) -> Box<dyn BufRead + Send> {
    match got.payload {
        GetResultPayload::File(file, _) => Box::new(BufReader::with_capacity(1 << 16, file)),
        GetResultPayload::Stream(mut stream) => {
            let (sender, pieces) = mpsc::channel(PIECES);
            tokio::spawn(async move {
                // A reader that has seen enough drops its end, and with it the transfer.
                while let Some(piece) = stream.next().await {
                    if sender.send(piece).await.is_err() {
                        break;
                    }
                }
            });
            Box::new(Pieces { pieces, piece: Bytes::new() })
        }
    }
}

struct Pieces {
    pieces: mpsc::Receiver<object_store::Result<Bytes>>,
    piece: Bytes,
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece.map_err(|e| io::Error::other(Temporary::new(e)))?,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, bytes: usize) {
        self.piece.advance(bytes);
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
