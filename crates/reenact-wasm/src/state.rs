//! The canonical encoding of a wasm simulation's state; see `docs/spec/state.md`.

use reenact::RestoreError;
use reenact::limits::DISK_BYTES_MAX;

use crate::limits::PAGE_BYTES;

const VERSION: u32 = 1;
/// Bytes before the memory.
pub(crate) const HEAD_BYTES: usize = 8;

/// What stands before the memory.
pub(crate) fn head(pages: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&VERSION.to_le_bytes());
    head[4..].copy_from_slice(&pages.to_le_bytes());
    head
}

/// Writes what stands after the memory over `out`.
pub(crate) fn write_tail(globals: impl ExactSizeIterator<Item = u64>, disk: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(globals.len() as u32).to_le_bytes());
    for bits in globals {
        out.extend_from_slice(&bits.to_le_bytes());
    }
    out.extend_from_slice(&(disk.len() as u32).to_le_bytes());
    out.extend_from_slice(disk);
}

/// A state taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State<'a> {
    pub(crate) memory: &'a [u8],
    pub(crate) globals: &'a [[u8; 8]],
    pub(crate) disk: &'a [u8],
}

impl<'a> State<'a> {
    /// Takes apart the state of a module with `globals` mutable globals and between `pages_min` and
    /// `pages_max` pages of memory.
    pub(crate) fn parse(
        bytes: &'a [u8],
        globals: usize,
        (pages_min, pages_max): (u32, u32),
    ) -> Result<Self, RestoreError> {
        let mut rest = bytes;
        let version = word(&mut rest, bytes.len())?;
        check("state version", version, VERSION)?;
        let pages = word(&mut rest, bytes.len())?;
        if !(pages_min..=pages_max).contains(&pages) {
            return Err(mismatch("pages of memory", pages, pages_max));
        }
        let memory = take(&mut rest, pages as usize * PAGE_BYTES, bytes.len())?;
        let count = word(&mut rest, bytes.len())?;
        check("count of mutable globals", count, globals as u32)?;
        let globals = take(&mut rest, globals * 8, bytes.len())?.as_chunks::<8>().0;
        let disk_bytes = word(&mut rest, bytes.len())?;
        if disk_bytes as usize > DISK_BYTES_MAX {
            return Err(mismatch("bytes of disk", disk_bytes, DISK_BYTES_MAX as u32));
        }
        let disk = take(&mut rest, disk_bytes as usize, bytes.len())?;
        if rest.is_empty() {
            Ok(Self { memory, globals, disk })
        } else {
            Err(RestoreError::Length { actual: bytes.len(), expected: bytes.len() - rest.len() })
        }
    }

    pub(crate) fn pages(&self) -> u32 {
        (self.memory.len() / PAGE_BYTES) as u32
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize, whole: usize) -> Result<&'a [u8], RestoreError> {
    let expected = whole - rest.len() + length;
    let (taken, tail) =
        rest.split_at_checked(length).ok_or(RestoreError::Length { actual: whole, expected })?;
    *rest = tail;
    Ok(taken)
}

fn word(rest: &mut &[u8], whole: usize) -> Result<u32, RestoreError> {
    let bytes = take(rest, 4, whole)?;
    Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
}

fn check(what: &'static str, actual: u32, expected: u32) -> Result<(), RestoreError> {
    if actual == expected { Ok(()) } else { Err(mismatch(what, actual, expected)) }
}

fn mismatch(what: &'static str, actual: u32, expected: u32) -> RestoreError {
    RestoreError::Mismatch { what, actual: actual.into(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded() -> Vec<u8> {
        let mut bytes = head(1).to_vec();
        bytes.resize(HEAD_BYTES + PAGE_BYTES, 7);
        write_tail([1_u64, u64::MAX].into_iter(), b"disk", &mut bytes);
        bytes
    }

    /// The bytes around the memory, as the specification lays them out.
    #[test]
    fn golden() {
        let bytes = encoded();
        assert_eq!(bytes[..8], [1, 0, 0, 0, 1, 0, 0, 0]);
        let tail = [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 4, 0, 0, 0];
        assert_eq!(bytes[HEAD_BYTES + PAGE_BYTES..], [&tail[..], b"disk"].concat());
    }

    #[test]
    fn a_state_comes_back_and_no_other_length_does() {
        let bytes = encoded();
        let state = State::parse(&bytes, 2, (1, 2)).unwrap();
        assert_eq!((state.pages(), state.globals[1], state.disk), (1, [255; 8], &b"disk"[..]));
        for length in [0, 3, 8, 70, bytes.len() - 5, bytes.len() - 1] {
            let error = State::parse(&bytes[..length], 2, (1, 2)).unwrap_err();
            assert!(matches!(error, RestoreError::Length { actual, .. } if actual == length), "{error}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(State::parse(&longer, 2, (1, 2)).is_err());
    }

    #[test]
    fn what_the_module_cannot_have_is_named() {
        let check = |change: usize, value: u8, part: &str| {
            let mut bytes = encoded();
            bytes[change] = value;
            let error = State::parse(&bytes, 2, (1, 2)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(0, 2, "state version is 2");
        check(4, 0, "pages of memory is 0");
        check(4, 3, "pages of memory is 3 in the state, 2");
        check(HEAD_BYTES + PAGE_BYTES, 1, "count of mutable globals is 1");
        check(HEAD_BYTES + PAGE_BYTES + 21, 255, "bytes of disk is 65284");
    }
}
