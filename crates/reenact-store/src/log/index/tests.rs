//! How much of an index is read for what is asked.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::run::Last;
use super::*;
use crate::chain::ChainHash;
use crate::disk::{Disk, DiskFile, MemoryFile, RealDisk};
use crate::event::{EventId, StreamId, Timestamp};
use crate::log::format::LogId;

const LOG: LogId = LogId([7; 16]);

/// Counts what is read.
#[derive(Debug)]
struct Counted {
    file: MemoryFile,
    bytes: AtomicU64,
}

impl DiskFile for Counted {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn commit_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Counted {
    /// What was read since it was asked last.
    fn take(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }
}

fn stream(n: u32) -> StreamId {
    StreamId::new(&format!("s{n}")).unwrap()
}

/// An index of blocks with so many events of alternating streams each; their numbers are their timestamps.
fn index(blocks: impl IntoIterator<Item = u32>, streams: u32) -> ActiveIndex {
    let mut index = ActiveIndex::new(3, 100, 0);
    let mut event = 0;
    for (block, events) in (0u32..).zip(blocks) {
        index.begin_block(4_096 * u64::from(block + 1), Timestamp(u64::from(block) + 1));
        for _ in 0..events {
            let stream = stream(event % streams);
            let indexed = Indexed { id: EventId::new(), chain: ChainHash::START, offset: 4_132 + event * 8 };
            index.push(stream.as_str(), || stream.clone(), None, [indexed]);
            event += 1;
        }
        index.end_block(4_096 * u64::from(block + 2), 0);
    }
    index
}

fn in_file(index: &ActiveIndex) -> (Arc<Counted>, IndexFile) {
    let file = Arc::new(Counted { file: MemoryFile(encode(LOG, index)), bytes: AtomicU64::new(0) });
    let opened = IndexFile::read_from(Arc::clone(&file) as Arc<dyn DiskFile>, LOG, 3).unwrap();
    file.take();
    (file, opened)
}

#[test]
fn the_time_of_an_event_is_found_without_reading_all_blocks() {
    let even = vec![2; 20_000];
    let uneven = (0..20_000).map(|n| if n < 19_000 { n % 2 } else { 40 }).collect::<Vec<_>>();
    for blocks in [even, uneven, vec![0, 0, 3, 0, 0], vec![1]] {
        let index = index(blocks.iter().copied(), 3);
        let (file, opened) = in_file(&index);
        for event in (0..index.events()).step_by(997) {
            assert_eq!(opened.timestamps(&[event]).unwrap(), [index.timestamp(event)], "event {event}");
            let read = file.take();
            assert!(read <= 100 << 10, "{read} bytes are read for event {event}");
        }
        let all: Vec<u32> = (0..index.events()).collect();
        let times: Vec<_> = all.iter().map(|event| index.timestamp(*event)).collect();
        assert_eq!(opened.timestamps(&all).unwrap(), times);
        assert!(file.take() <= 4 * (blocks.len() as u64 * 16) + (100 << 10));
    }
}

#[test]
fn a_list_that_is_read_in_pages_is_read_once() {
    let (count, page) = (100_000, 1_024);
    let index = index([count], 2);
    let (file, opened) = in_file(&index);
    let list = opened.find(LOG.key(&stream(1))).unwrap().unwrap().list();
    file.take();
    let (mut place, mut events) = (None, Vec::new());
    while (events.len() as u32) < list.count {
        let next = events.len() as u32;
        events.extend(opened.events_of(list, next..next + page, &mut place).unwrap());
    }
    assert_eq!(events, (0..count / 2).map(|n| 2 * n + 1).collect::<Vec<_>>());
    assert!(!place.unwrap().is_within());
    let read = file.take();
    assert!(read <= 16 * u64::from(list.count), "{read} bytes are read of a list of {} events", list.count);
    // Going back, it begins again.
    assert_eq!(opened.events_of(list, 5..7, &mut place).unwrap(), [11, 13]);
}

#[test]
fn runs_that_are_larger_than_a_window_are_merged_to_the_bytes_of_one() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(directory.path());
    let key = |n: u32| (LOG.key(&stream(n)), n % 2);
    for (of_early, of_late) in
        [(0..0, 0..1), (0..30_000, 20_000..50_000), (0..5, 0..20_000), (0..20_000, 0..0)]
    {
        let mut early: Vec<Last> = of_early.map(key).collect();
        let mut late: Vec<Last> = of_late.map(|n| (key(n).0, 2 + n % 2)).collect();
        early.sort_unstable();
        late.sort_unstable();
        for (extent, streams) in [((0, 1), &early), ((2, 3), &late)] {
            std::fs::write(disk.path(&format!("{}", extent.0)), encode_run(LOG, extent, streams)).unwrap();
        }
        let open = |extent: (u32, u32)| {
            let file = RunFile::open(&disk, &format!("{}", extent.0), LOG, extent).unwrap();
            Streams::of_run(Arc::new(file))
        };
        let file = disk.create("merged").unwrap();
        write_merged(&*file, (LOG, (0, 3)), (open((0, 1)), open((2, 3)))).unwrap();
        let merged: BTreeMap<_, _> = early.into_iter().chain(late).collect();
        let expected = encode_run(LOG, (0, 3), &merged.into_iter().collect::<Vec<_>>());
        assert!(std::fs::read(disk.path("merged")).unwrap() == expected);
    }
}
