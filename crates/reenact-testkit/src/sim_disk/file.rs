//! An open file of a simulated disk.

use std::io;
use std::sync::{Arc, Mutex};

use reenact_store::disk::{Access, DiskFile, PAGE_BYTES};

use super::plan::{Call, Failure, Fate, stopped};
use super::{Inode, State, content, lock};

/// An open file of a [`SimDisk`](super::SimDisk).
#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) inode: Inode,
    /// `None` if the file was made: then everything may be done with it.
    pub(super) access: Option<Access>,
}

impl SimFile {
    fn may(&self, does: &str, refused: Access) {
        assert!(self.access != Some(refused), "nothing is {does} with a file opened for {refused:?}");
    }
}

impl DiskFile for SimFile {
    fn bytes(&self) -> io::Result<u64> {
        lock(&self.state).plan.meet(Call::Bytes)?.unless_it_fails()?;
        Ok(content(&self.inode).length() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.may("read", Access::Commit);
        lock(&self.state).plan.meet(Call::ReadAt)?.unless_it_fails()?;
        let content = content(&self.inode);
        let there = content.bytes().get(offset as usize..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.may("written", Access::Read);
        self.may("written", Access::Commit);
        let mut state = lock(&self.state);
        let fate = state.plan.meet(Call::WriteAt)?;
        let more = (offset + bytes.len() as u64).saturating_sub(content(&self.inode).length() as u64);
        if fate == Fate::GoesWell && more > 0 && !state.has_room(more) {
            return Err(Failure::Full.into());
        }
        let mut content = content(&self.inode);
        match fate {
            Fate::GoesWell | Fate::Stops => content.write(bytes, offset as usize, || true),
            Fate::Fails(_) => content.write(bytes, offset as usize, state.survivors()),
        }
        fate.answer(())
    }

    fn commit_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.may("committed", Access::Read);
        let offset = offset as usize;
        let address = bytes.as_ptr().addr();
        assert!(
            [address, bytes.len(), offset].iter().all(|number| number.is_multiple_of(PAGE_BYTES)),
            "{} bytes from {address:#x} at {offset} are no whole pages",
            bytes.len()
        );
        let mut state = lock(&self.state);
        let fate = state.plan.meet(Call::CommitAt)?;
        let mut content = content(&self.inode);
        let length = content.length();
        assert!(offset + bytes.len() <= length, "{} bytes at {offset} of {length}", bytes.len());
        match fate {
            Fate::GoesWell if !state.ignored.contains(&Call::CommitAt) => {
                content.commit(bytes, offset, || true);
            }
            Fate::GoesWell | Fate::Stops => content.write(bytes, offset, || true),
            Fate::Fails(_) if state.cached_commits => {
                content.write(bytes, offset, || true);
                content.fail_sync();
            }
            Fate::Fails(_) => content.commit(bytes, offset, state.survivors()),
        }
        fate.answer(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        match state.plan.meet(Call::Sync)? {
            Fate::GoesWell if state.ignored.contains(&Call::Sync) => Ok(()),
            Fate::GoesWell => {
                content(&self.inode).sync();
                Ok(())
            }
            Fate::Fails(failure) => {
                content(&self.inode).fail_sync();
                Err(failure.into())
            }
            Fate::Stops => Err(stopped()),
        }
    }
}
