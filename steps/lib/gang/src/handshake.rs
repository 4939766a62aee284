//! Who is at the other end: a challenge and answer over HMAC-SHA256 with the gang's secret.
//!
//! The caller sends a *hello* with a challenge; the called proves that it knows the secret and sends a challenge of its
//! own; the caller proves the same. Both proofs cover the whole hello, so that neither ranks nor nonces can be changed.
//! A *probe* is a hello that only asks whether a member lives and in which generation it works.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::{MAGIC, VERSION};

/// How long one step of a handshake may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

const HELLO: usize = 96;
const ANSWER: usize = 72;

/// 32 bytes that only the members of a gang can read.
pub(crate) type Secret = [u8; 32];

/// What a caller says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The generation that the connection is for; 0 for a probe.
    pub(crate) generation: u64,
    /// The gang.
    pub(crate) gang: u64,
    /// The caller's rank.
    pub(crate) from: u32,
    /// The caller's nonce.
    pub(crate) sender: String,
    /// The nonce of the member that is called: a port may by now be somebody else's.
    pub(crate) target: String,
}

/// Calls a member. Returns the connection and the generation that the member works in, 0 while it is joining.
pub(crate) async fn call(
    address: SocketAddr,
    hello: &Hello,
    secret: &Secret,
) -> anyhow::Result<(TcpStream, u64)> {
    let calling = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let hello = hello.encode(rand::random());
        stream.write_all(&hello).await?;
        let mut answer = [0; ANSWER];
        stream.read_exact(&mut answer).await?;
        let (said, proof) = answer.split_at(ANSWER - 32);
        verify(secret, &[b"called", &hello, said], proof).context("it does not know the gang's secret")?;
        stream.write_all(&prove(secret, &[b"caller", &hello, said])).await?;
        let mut generation = [0; 8];
        generation.copy_from_slice(&said[..8]);
        anyhow::Ok((stream, u64::from_le_bytes(generation)))
    };
    tokio::time::timeout(PATIENCE, calling)
        .await
        .map_err(|_| anyhow::anyhow!("no answer within {PATIENCE:?}"))?
}

/// Answers a caller that wants the member `nonce` of `gang`, which works in `generation`.
pub(crate) async fn answer(
    stream: &mut TcpStream,
    (gang, nonce): (u64, &str),
    generation: u64,
    secret: &Secret,
) -> anyhow::Result<Hello> {
    let answering = async {
        stream.set_nodelay(true)?;
        let mut bytes = [0; HELLO];
        stream.read_exact(&mut bytes).await?;
        let hello = Hello::decode(&bytes)?;
        ensure!(hello.gang == gang, "call for gang {:016x}", hello.gang);
        ensure!(hello.target == nonce, "call for member {}", hello.target);
        let mut said = generation.to_le_bytes().to_vec();
        said.extend(rand::random::<Secret>());
        let proof = prove(secret, &[b"called", &bytes, &said]);
        stream.write_all(&[said.as_slice(), &proof].concat()).await?;
        let mut proof = [0; 32];
        stream.read_exact(&mut proof).await?;
        verify(secret, &[b"caller", &bytes, &said], &proof).context("it does not know the gang's secret")?;
        anyhow::Ok(hello)
    };
    tokio::time::timeout(PATIENCE, answering)
        .await
        .map_err(|_| anyhow::anyhow!("no hello within {PATIENCE:?}"))?
}

impl Hello {
    fn encode(&self, challenge: Secret) -> [u8; HELLO] {
        let mut bytes = [0; HELLO];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.gang.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.generation.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.from.to_le_bytes());
        bytes[32..48].copy_from_slice(self.sender.as_bytes());
        bytes[48..64].copy_from_slice(self.target.as_bytes());
        bytes[64..96].copy_from_slice(&challenge);
        bytes
    }

    fn decode(bytes: &[u8; HELLO]) -> anyhow::Result<Self> {
        ensure!(bytes[..4] == MAGIC, "no hello");
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        ensure!(version == VERSION, "hello of version {version}, expected {VERSION}");
        let long = |at: usize| {
            let mut taken = [0; 8];
            taken.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(taken)
        };
        Ok(Self {
            gang: long(8),
            generation: long(16),
            from: long(24) as u32,
            sender: std::str::from_utf8(&bytes[32..48])?.to_owned(),
            target: std::str::from_utf8(&bytes[48..64])?.to_owned(),
        })
    }
}

fn mac(secret: &Secret, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn prove(secret: &Secret, parts: &[&[u8]]) -> [u8; 32] {
    mac(secret, parts).finalize().into_bytes().into()
}

fn verify(secret: &Secret, parts: &[&[u8]], proof: &[u8]) -> anyhow::Result<()> {
    Ok(mac(secret, parts).verify_slice(proof)?)
}
