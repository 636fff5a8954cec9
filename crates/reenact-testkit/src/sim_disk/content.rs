//! What a simulated file holds, and what the disk below it may hold instead.

use std::collections::BTreeMap;

use reenact::bot::Random;

/// What a disk writes as a whole or not at all.
pub const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// How much of what was not synced a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Survival {
    All,
    Nothing,
    /// Each thing by itself may survive.
    Each,
}

impl Survival {
    /// All and nothing are the likeliest single outcomes of a real power cut, and the ones that a random
    /// choice among many sectors never gives.
    pub(super) fn draw(random: &mut Random) -> Self {
        match random.below(6) {
            0 => Self::All,
            1 => Self::Nothing,
            _ => Self::Each,
        }
    }

    /// What becomes of one file, if this is what becomes of the disk.
    fn of_file(self, random: &mut Random) -> Self {
        if self == Self::Each { Self::draw(random) } else { self }
    }

    /// Those of some changes that survive: half the time the first few, as a journal keeps them, and otherwise each
    /// by itself.
    pub(super) fn survivors<'a, T>(self, changes: &'a [T], random: &mut Random) -> Vec<&'a T> {
        if self == Self::Each && random.below(2) == 0 {
            return changes.iter().filter(|_| random.below(2) == 0).collect();
        }
        changes[..self.prefix(changes.len(), random)].iter().collect()
    }

    /// How many of `count` things in a row survive, if none does after one that does not.
    pub(super) fn prefix(self, count: usize, random: &mut Random) -> usize {
        match self {
            Self::All => count,
            Self::Nothing => 0,
            Self::Each => random.below(count as u64 + 1) as usize,
        }
    }
}

/// The bytes of a file as a process sees them, and how the disk differs: a difference is kept by sector, so
/// that no call costs more than the bytes it touches.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Whole sectors; zeros beyond `length`.
    bytes: Vec<u8>,
    length: usize,
    length_on_disk: usize,
    /// What the disk may hold in place of a sector that was written and not synced: first what is durable,
    /// then what was written over, which the system may have written out at any time.
    unsynced: BTreeMap<usize, Vec<Sector>>,
    /// What the disk holds in place of a sector that the system takes for written, because a sync that failed
    /// told so only once.
    dropped: BTreeMap<usize, Sector>,
}

impl Content {
    /// So many zeros, of which the disk knows nothing yet.
    pub(super) fn zeros(length: usize) -> Self {
        Self { bytes: vec![0; padded(length)], length, ..Self::default() }
    }

    /// Bytes that are durable.
    pub(super) fn durable(bytes: &[u8]) -> Self {
        let mut content = Self::zeros(bytes.len());
        content.bytes[..bytes.len()].copy_from_slice(bytes);
        content.length_on_disk = bytes.len();
        content
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Writes those sectors of `bytes` that `reaches` says, none of them durably.
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize, mut reaches: impl FnMut() -> bool) {
        for (sector, within, part) in sectors(bytes, offset) {
            if reaches() {
                self.grow(sector * SECTOR_BYTES + within + part.len());
                let on_disk = self.dropped.remove(&sector).unwrap_or_else(|| self.sector(sector));
                let versions = self.unsynced.entry(sector).or_default();
                versions.push(on_disk);
                self.patch(sector, within, part);
            }
        }
    }

    /// Writes those sectors of `bytes`, which are whole ones, that `reaches` says, durably.
    pub(super) fn commit(&mut self, bytes: &[u8], offset: usize, mut reaches: impl FnMut() -> bool) {
        for (sector, within, part) in sectors(bytes, offset) {
            if reaches() {
                self.unsynced.remove(&sector);
                self.dropped.remove(&sector);
                self.patch(sector, within, part);
                // Data counts as durable only if it can be found.
                self.length_on_disk = self.length_on_disk.max((sector + 1) * SECTOR_BYTES).min(self.length);
            }
        }
    }

    /// What was written is durable, but for what a sync that failed has dropped.
    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.length_on_disk = self.length;
    }

    /// A sync that fails: nothing of what was written gets to the disk, and the system forgets that it did
    /// not, as Linux does. The length, which a file system keeps by other means, is told to the disk by the
    /// next one.
    pub(super) fn fail_sync(&mut self) {
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            self.dropped.insert(sector, versions[0]);
        }
    }

    /// What the disk gives after a power cut.
    pub(super) fn after_power_cut(&self, survival: Survival, random: &mut Random) -> Self {
        let survival = survival.of_file(random);
        let mut after = self.clone();
        for (sector, on_disk) in std::mem::take(&mut after.dropped) {
            after.patch(sector, 0, &on_disk);
        }
        for (sector, versions) in std::mem::take(&mut after.unsynced) {
            let kept = survival.prefix(versions.len(), random);
            if let Some(version) = versions.get(kept) {
                after.patch(sector, 0, version);
            }
        }
        after.truncate(match (survival, random.below(3)) {
            (Survival::All, _) | (Survival::Each, 0) => self.length,
            (Survival::Nothing, _) | (Survival::Each, 1) => self.length_on_disk,
            _ => self.length_on_disk + random.below((self.length - self.length_on_disk) as u64 + 1) as usize,
        });
        after
    }

    /// Inverts a bit of what is read and of whatever the disk holds in its place.
    pub(super) fn flip(&mut self, bit: usize) {
        let (sector, within, mask) = (bit / 8 / SECTOR_BYTES, bit / 8 % SECTOR_BYTES, 1 << (bit % 8));
        assert!(bit / 8 < self.length, "bit {bit} of {} bytes", self.length);
        self.bytes[bit / 8] ^= mask;
        let unsynced = self.unsynced.get_mut(&sector).into_iter().flatten();
        unsynced.chain(self.dropped.get_mut(&sector)).for_each(|version| version[within] ^= mask);
    }

    /// Cuts the file off, on the disk too.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.length_on_disk = self.length;
        self.bytes.truncate(padded(self.length));
        self.bytes[self.length..].fill(0);
        let whole = self.length / SECTOR_BYTES;
        self.unsynced.retain(|sector, _| *sector < whole);
        self.dropped.retain(|sector, _| *sector < whole);
    }

    fn grow(&mut self, length: usize) {
        self.length = self.length.max(length);
        self.bytes.resize(padded(self.length), 0);
    }

    fn sector(&self, sector: usize) -> Sector {
        let bytes = &self.bytes[sector * SECTOR_BYTES..];
        *bytes.first_chunk().expect("the bytes are whole sectors")
    }

    fn patch(&mut self, sector: usize, within: usize, part: &[u8]) {
        self.bytes[sector * SECTOR_BYTES + within..][..part.len()].copy_from_slice(part);
    }
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(SECTOR_BYTES)
}

/// The sectors that bytes at `offset` lie in: number, begin within the sector, and the part of the bytes.
fn sectors(bytes: &[u8], offset: usize) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let mut rest = bytes;
    let mut at = offset;
    std::iter::from_fn(move || {
        let (sector, within) = (at / SECTOR_BYTES, at % SECTOR_BYTES);
        let part = rest.split_off(..rest.len().min(SECTOR_BYTES - within))?;
        at += part.len();
        (!part.is_empty()).then_some((sector, within, part))
    })
}
