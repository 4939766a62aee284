//! One connection to a peer: frames out by whoever has something to say, frames in by a thread of their own, so that a
//! sender never waits for a receiver that is itself sending, and signs of life are seen while this rank computes.

use std::io::{self, BufReader, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytemuck::cast_slice_mut;
use selvedge_contract::ExitCode;

use crate::wire::{HEADER, Header, Kind};

/// The words that a peer sent in one frame of an exchange.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) sequence: u64,
    pub(crate) part: u32,
    pub(crate) words: Vec<i32>,
}

/// How a peer was lost.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) reason: String,
    /// Whether the peer said that trying again changes nothing.
    pub(crate) permanent: bool,
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Link {
    writer: Arc<Writer>,
    inbox: Receiver<Result<Frame, Lost>>,
    used: Arc<Used>,
    reader: Option<JoinHandle<()>>,
}

/// Buffers that were read into before and can be again: fresh ones cost page faults in every step.
type Used = Mutex<Vec<Vec<i32>>>;

/// The sending half, shared with the heartbeat.
#[derive(Debug)]
pub(crate) struct Writer {
    to: (u64, u64),
    stream: Mutex<TcpStream>,
}

/// Sends a sign of life on every connection until it is dropped.
#[derive(Debug)]
pub(crate) struct Pulse {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lost {
    /// Lost for a reason that need not come again.
    pub(crate) fn because(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), permanent: false }
    }
}

impl Link {
    /// Takes over a connection of `to`, a gang and its generation; `silence` is how long the peer may say nothing.
    pub(crate) fn new(stream: TcpStream, to: (u64, u64), silence: Duration) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(silence))?;
        stream.set_write_timeout(Some(silence))?;
        let reading = stream.try_clone()?;
        let (sender, inbox) = mpsc::channel();
        let used = Arc::new(Used::default());
        let reused = Arc::clone(&used);
        let reader = std::thread::Builder::new()
            .name("gang-reader".into())
            .spawn(move || read(reading, to, silence, &sender, &reused))?;
        Ok(Self {
            writer: Arc::new(Writer { to, stream: Mutex::new(stream) }),
            inbox,
            used,
            reader: Some(reader),
        })
    }

    /// The half that sends.
    pub(crate) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    /// Gives back the words of a frame that was received, to be used again.
    pub(crate) fn give_back(&self, words: Vec<i32>) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }

    /// The next frame of an exchange, or how the peer was lost; nothing after `wait`.
    pub(crate) fn receive(&self, wait: Duration) -> Option<Result<Frame, Lost>> {
        match self.inbox.recv_timeout(wait) {
            Ok(received) => Some(received),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(Lost::because("connection closed"))),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.writer.lock().shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Writer {
    /// Sends one frame whole.
    pub(crate) fn send(&self, kind: Kind, at: (u64, u32), payload: &[u8]) -> io::Result<()> {
        write(&mut self.lock(), kind, self.to, at, payload)
    }

    /// Sends a sign of life, unless something is being sent anyway.
    fn beat(&self) {
        if let Ok(mut stream) = self.stream.try_lock() {
            // A peer that cannot be written to is noticed by whoever reads from it.
            let _ = write(&mut stream, Kind::Heartbeat, self.to, (0, 0), &[]);
        }
    }

    fn lock(&self) -> MutexGuard<'_, TcpStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// Begins to beat every `interval`.
    pub(crate) fn begin(writers: Vec<Arc<Writer>>, interval: Duration) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("gang-pulse".into()).spawn(move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                writers.iter().for_each(|writer| writer.beat());
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Header and payload go out by one call: two would be two packets, and two awakenings of the peer.
fn write(
    stream: &mut TcpStream,
    kind: Kind,
    to: (u64, u64),
    at: (u64, u32),
    payload: &[u8],
) -> io::Result<()> {
    let header = Header::encode(kind, to, at, payload);
    let sent = loop {
        match stream.write_vectored(&[IoSlice::new(&header), IoSlice::new(payload)]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            sent => break sent?,
        }
    };
    stream.write_all(&header[sent.min(HEADER)..])?;
    stream.write_all(&payload[sent.saturating_sub(HEADER)..])
}

fn read(
    stream: TcpStream,
    to: (u64, u64),
    silence: Duration,
    inbox: &Sender<Result<Frame, Lost>>,
    used: &Used,
) {
    let mut stream = BufReader::with_capacity(16 << 10, stream);
    loop {
        let received = match read_frame(&mut stream, to, used) {
            Ok(Received::Life) => continue,
            Ok(Received::Words(frame)) => Ok(frame),
            Ok(Received::Left(lost)) => Err(lost),
            Err(error) => Err(Lost::because(reason(&error, silence))),
        };
        let lost = received.is_err();
        if inbox.send(received).is_err() || lost {
            return;
        }
    }
}

/// What a frame said.
enum Received {
    Life,
    Words(Frame),
    Left(Lost),
}

fn read_frame(stream: &mut impl Read, to: (u64, u64), used: &Used) -> io::Result<Received> {
    let mut bytes = [0; HEADER];
    stream.read_exact(&mut bytes)?;
    let header = Header::decode(&bytes).map_err(io::Error::other)?;
    header.is_for(to).map_err(io::Error::other)?;
    if header.kind == Kind::Words {
        let mut words = used.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        words.resize(header.length as usize / 4, 0);
        stream.read_exact(cast_slice_mut(&mut words))?;
        header.verify(&bytes, bytemuck::cast_slice(&words)).map_err(io::Error::other)?;
        return Ok(Received::Words(Frame { sequence: header.sequence, part: header.part, words }));
    }
    let mut payload = vec![0; header.length as usize];
    stream.read_exact(&mut payload)?;
    header.verify(&bytes, &payload).map_err(io::Error::other)?;
    if header.kind == Kind::Heartbeat {
        return Ok(Received::Life);
    }
    let reason = format!("it left: {}", String::from_utf8_lossy(&payload));
    let classes = [ExitCode::Permanent, ExitCode::Configuration];
    Ok(Received::Left(Lost { reason, permanent: classes.iter().any(|class| *class as u32 == header.part) }))
}

fn reason(error: &io::Error, silence: Duration) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("silent for {silence:?}"),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => "connection closed".to_owned(),
        _ => error.to_string(),
    }
}
