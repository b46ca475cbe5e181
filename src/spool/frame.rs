//! The bytes of one frame: `len crc | type mode received payload`, little-endian.

#![expect(
    clippy::expect_used,
    reason = "a frame with a wrong length would hide all frames behind it"
)]

use bytes::Bytes;

use crate::model::{Batch, IngestMode, UnixNanos};

/// Length and checksum.
const PREFIX: usize = 8;
/// Type, mode and time of receipt, counted in the length and covered by the checksum.
const HEAD: usize = 10;
/// Longest payload. The source cuts records to a hundredth of it; arrays of earlier versions can be as
/// long.
const MAX_PAYLOAD: usize = 1 << 30;
/// A longer length is damage.
const MAX_BODY: usize = HEAD + MAX_PAYLOAD;

const TYPE_RECORD: u8 = 1;
const TYPE_ARRAY: u8 = 2;

/// One payload as it was taken from CPA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub mode: IngestMode,
    pub received: UnixNanos,
    pub body: FrameBody<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameBody<'a> {
    Record(&'a [u8]),
    /// A JSON array of records, as earlier versions stored the replies of the HTTP queue.
    JsonArray(&'a [u8]),
}

/// What lies at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// A whole frame of this length on disk, checksum included.
    Frame(usize),
    /// More bytes are needed: this many in all, as far as is known.
    Short(usize),
    Damaged,
}

/// Appends the frames of `batch` to `out`.
pub(super) fn encode(batch: &Batch, out: &mut Vec<u8>) {
    for record in &batch.records {
        encode_one(batch, TYPE_RECORD, record, out);
    }
}

fn encode_one(batch: &Batch, kind: u8, payload: &Bytes, out: &mut Vec<u8>) {
    let mut head = [0_u8; HEAD];
    let (types, time) = head.split_at_mut(2);
    types.copy_from_slice(&[kind, batch.mode as u8]);
    time.copy_from_slice(&batch.received.get().to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head);
    crc.update(payload);
    let len = frame_length(payload.len());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&crc.finalize().to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
}

/// The length that stands before the frame of a payload of so many bytes.
fn frame_length(payload: usize) -> u32 {
    Some(HEAD + payload)
        .filter(|len| *len <= MAX_BODY)
        .and_then(|len| u32::try_from(len).ok())
        .expect("the source cuts longer records")
}

/// Bytes that `batch` takes on disk.
pub(super) fn encoded_len(batch: &Batch) -> usize {
    let frames = batch.records.iter().map(|r| PREFIX + HEAD + r.len());
    frames.sum()
}

/// Looks at the start of `bytes`; never reads beyond it and never panics, whatever it holds.
pub(super) fn check(bytes: &[u8]) -> Checked {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else {
        return Checked::Short(PREFIX);
    };
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else {
        return Checked::Short(PREFIX);
    };
    let len = u32::from_le_bytes(*len) as usize;
    if !(HEAD..=MAX_BODY).contains(&len) {
        return Checked::Damaged;
    }
    match rest.get(..len) {
        None => Checked::Short(PREFIX + len),
        Some(content) if crc32fast::hash(content) == u32::from_le_bytes(*crc) => {
            Checked::Frame(PREFIX + len)
        }
        Some(_) => Checked::Damaged,
    }
}

/// Offset of the first whole frame behind the damage at the start of `bytes`.
pub(super) fn find_next(bytes: &[u8]) -> Option<usize> {
    (1..bytes.len()).find(|from| {
        let candidate = bytes.get(*from..).unwrap_or_default();
        // Type and mode are bytes that text does not contain, so few checksums are computed.
        let has_head = matches!(candidate.get(PREFIX..), Some(&[kind, mode, ..])
            if [TYPE_RECORD, TYPE_ARRAY].contains(&kind)
                && usize::from(mode) < IngestMode::ALL.len());
        has_head && matches!(check(candidate), Checked::Frame(_))
    })
}

/// Takes a frame apart whose checksum has been verified.
///
/// `None` for a type or mode that this version does not know.
pub(super) fn view(frame: &[u8]) -> Option<Frame<'_>> {
    let content = frame.get(PREFIX..)?;
    let (&[kind, mode], rest) = content.split_first_chunk::<2>()?;
    let (received, payload) = rest.split_first_chunk::<8>()?;
    Some(Frame {
        mode: IngestMode::ALL.get(usize::from(mode)).copied()?,
        received: UnixNanos::new(i64::from_le_bytes(*received)),
        body: match kind {
            TYPE_RECORD => FrameBody::Record(payload),
            TYPE_ARRAY => FrameBody::JsonArray(payload),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(records: Vec<Vec<u8>>) -> Batch {
        Batch {
            mode: IngestMode::Subscribe,
            received: UnixNanos::new(-7),
            records: records.into_iter().map(Bytes::from).collect(),
        }
    }

    proptest! {
        #[test]
        fn frames_come_back(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)) {
            let batch = batch(records.clone());
            let mut bytes = Vec::new();
            encode(&batch, &mut bytes);
            prop_assert_eq!(bytes.len(), encoded_len(&batch));
            let mut rest = bytes.as_slice();
            for record in &records {
                let Checked::Frame(len) = check(rest) else { panic!("no frame") };
                let frame = view(&rest[..len]).unwrap();
                prop_assert_eq!(frame.body, FrameBody::Record(record));
                prop_assert_eq!(frame.received, batch.received);
                rest = &rest[len..];
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn a_cut_frame_is_short_and_a_flipped_bit_is_seen(record in prop::collection::vec(any::<u8>(), 1..40), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            encode(&batch(vec![record]), &mut bytes);
            let at = cut.index(bytes.len());
            prop_assert!(matches!(check(&bytes[..at]), Checked::Short(_)));
            bytes[at] ^= 0x10;
            prop_assert!(!matches!(check(&bytes), Checked::Frame(_)));
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let _checked = check(&noise);
            let _frame = view(&noise);
        }
    }

    #[test]
    fn the_longest_payload_that_the_source_takes_is_read_back() {
        let start = |len: u32| [len.to_le_bytes(), [0; 4]].concat();
        let longest = frame_length(MAX_PAYLOAD);
        assert_eq!(
            check(&start(longest)),
            Checked::Short(PREFIX + HEAD + MAX_PAYLOAD)
        );
        assert_eq!(check(&start(longest + 1)), Checked::Damaged);
    }

    #[test]
    #[should_panic(expected = "the source cuts longer records")]
    fn a_longer_payload_is_never_written() {
        frame_length(MAX_PAYLOAD + 1);
    }
}
