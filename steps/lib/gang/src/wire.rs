//! Frames: a header of fixed size and a payload, everything little-endian.
//!
//! ```text
//! 0 magic "SLVG" · 4 version u16 · 6 kind u16 · 8 gang u64 · 16 generation u64 · 24 sequence u64
//! 32 part u32 · 36 length u32 · 40 crc32c u32 over the 40 bytes before it and the payload
//! ```

/// Begins every frame.
pub const MAGIC: [u8; 4] = *b"SLVG";
/// Of frames and handshake; raised with every change of either.
pub const VERSION: u16 = 1;
/// Bytes of a header.
pub const HEADER: usize = 44;
/// The longest payload in bytes.
pub const LONGEST: usize = 1 << 20;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// Nothing but a sign of life.
    Heartbeat = 1,
    /// 32-bit words of an exchange.
    Words = 2,
    /// The sender leaves; the payload is a text that says why, the part its exit code.
    Leave = 3,
}

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// The gang.
    pub gang: u64,
    /// The generation of the gang.
    pub generation: u64,
    /// The exchange in that generation.
    pub sequence: u64,
    /// The frame's number in the exchange.
    pub part: u32,
    /// Bytes of the payload.
    pub length: u32,
    /// Checksum of header and payload.
    pub checksum: u32,
}

/// A frame that is not acceptable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not a frame at all.
    #[error("no frame begins with {0:02x?}")]
    Magic([u8; 4]),
    /// Another version of the suite.
    #[error("frame of version {0}, expected {VERSION}")]
    Version(u16),
    /// A kind that does not exist.
    #[error("frame of unknown kind {0}")]
    Kind(u16),
    /// A payload that is too long, or words that are not whole.
    #[error("frame of kind {kind:?} with {length} bytes, the limit is {LONGEST} in whole words")]
    Length {
        /// The frame's kind.
        kind: Kind,
        /// The length that it claims.
        length: u32,
    },
    /// A frame for somebody else.
    #[error("frame of gang {gang:016x} generation {generation}")]
    Elsewhere {
        /// The gang that it names.
        gang: u64,
        /// The generation that it names.
        generation: u64,
    },
    /// Damaged on the way.
    #[error("frame with checksum {claimed:08x}, its bytes have {found:08x}")]
    Checksum {
        /// As in the header.
        claimed: u32,
        /// As computed.
        found: u32,
    },
}

impl Header {
    /// The header of a frame with `payload`, and its bytes.
    pub fn encode(
        kind: Kind,
        (gang, generation): (u64, u64),
        (sequence, part): (u64, u32),
        payload: &[u8],
    ) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[6..8].copy_from_slice(&(kind as u16).to_le_bytes());
        bytes[8..16].copy_from_slice(&gang.to_le_bytes());
        bytes[16..24].copy_from_slice(&generation.to_le_bytes());
        bytes[24..32].copy_from_slice(&sequence.to_le_bytes());
        bytes[32..36].copy_from_slice(&part.to_le_bytes());
        bytes[36..40].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        let checksum = checksum(&bytes, payload);
        bytes[40..44].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header and checks all that can be checked before the payload is there, its length above all.
    ///
    /// # Errors
    /// Every [`WireError`] but those about gang and checksum.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Self, WireError> {
        let magic = take::<4>(bytes, 0);
        if magic != MAGIC {
            return Err(WireError::Magic(magic));
        }
        let version = u16::from_le_bytes(take(bytes, 4));
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let kind = Kind::of(u16::from_le_bytes(take(bytes, 6)))?;
        let length = u32::from_le_bytes(take(bytes, 36));
        if length as usize > LONGEST || (kind == Kind::Words && length % 4 != 0) {
            return Err(WireError::Length { kind, length });
        }
        Ok(Self {
            kind,
            gang: u64::from_le_bytes(take(bytes, 8)),
            generation: u64::from_le_bytes(take(bytes, 16)),
            sequence: u64::from_le_bytes(take(bytes, 24)),
            part: u32::from_le_bytes(take(bytes, 32)),
            length,
            checksum: u32::from_le_bytes(take(bytes, 40)),
        })
    }

    /// Refuses a frame of another gang or generation.
    ///
    /// # Errors
    /// [`WireError::Elsewhere`].
    pub fn is_for(&self, (gang, generation): (u64, u64)) -> Result<(), WireError> {
        if (self.gang, self.generation) == (gang, generation) {
            return Ok(());
        }
        Err(WireError::Elsewhere { gang: self.gang, generation: self.generation })
    }

    /// Refuses a damaged frame; `bytes` are the header's.
    ///
    /// # Errors
    /// [`WireError::Checksum`].
    pub fn verify(&self, bytes: &[u8; HEADER], payload: &[u8]) -> Result<(), WireError> {
        let (claimed, found) = (self.checksum, checksum(bytes, payload));
        if claimed == found { Ok(()) } else { Err(WireError::Checksum { claimed, found }) }
    }
}

impl Kind {
    fn of(number: u16) -> Result<Self, WireError> {
        [Self::Heartbeat, Self::Words, Self::Leave]
            .into_iter()
            .find(|kind| *kind as u16 == number)
            .ok_or(WireError::Kind(number))
    }
}

fn checksum(header: &[u8; HEADER], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..HEADER - 4]), payload)
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&bytes[at..at + N]);
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Heartbeat), Just(Kind::Words), Just(Kind::Leave)]
    }

    proptest! {
        #[test]
        fn there_and_back(kind in kinds(), to: (u64, u64), at: (u64, u32), words: Vec<u32>) {
            let payload: &[u8] = bytemuck::cast_slice(&words);
            let bytes = Header::encode(kind, to, at, payload);
            let header = Header::decode(&bytes).unwrap();
            prop_assert_eq!((header.kind, header.gang, header.generation), (kind, to.0, to.1));
            prop_assert_eq!((header.sequence, header.part, header.length as usize), (at.0, at.1, payload.len()));
            prop_assert_eq!(header.verify(&bytes, payload), Ok(()));
            prop_assert_eq!(header.is_for(to), Ok(()));
            prop_assert!(header.is_for((to.0, to.1.wrapping_add(1))).is_err());
        }

        #[test]
        fn one_flipped_bit_is_noticed(words: Vec<u32>, bit in 0usize..HEADER * 8 + 320) {
            let mut payload = bytemuck::cast_slice::<u32, u8>(&words).to_vec();
            let mut bytes = Header::encode(Kind::Words, (1, 2), (3, 4), &payload);
            let bit = bit % ((HEADER + payload.len()) * 8);
            match bit / 8 {
                at if at < HEADER => bytes[at] ^= 1 << (bit % 8),
                at => payload[at - HEADER] ^= 1 << (bit % 8),
            }
            let accepted = Header::decode(&bytes).and_then(|header| header.verify(&bytes, &payload));
            prop_assert!(accepted.is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_a_bounded_frame(bytes: [u8; 32], tail: [u8; 12], honest: bool) {
            let mut header = [0; HEADER];
            header[..32].copy_from_slice(&bytes);
            header[32..].copy_from_slice(&tail);
            if honest {
                header[..8].copy_from_slice(&Header::encode(Kind::Words, (0, 0), (0, 0), &[])[..8]);
            }
            if let Ok(header) = Header::decode(&header) {
                prop_assert!(header.length as usize <= LONGEST);
            }
        }
    }
}
