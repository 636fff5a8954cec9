use std::fmt::Write;

use bytes::Bytes;

use super::*;
use crate::chain::ChainHash;
use crate::disk::PAGE_BYTES;
use crate::event::{EventId, EventKind, NewEvent, Sequence};
use crate::log::index::{ActiveIndex, Indexed, encode, encode_run};

const LOG: LogId = LogId([7; 16]);
const PLACE: Place = Place { segment: 3, offset: 4_096 };

fn event(payload: &str) -> NewEvent {
    let id = EventId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)).unwrap();
    let event = NewEvent::new(EventKind::new("k").unwrap(), payload.as_bytes().to_vec());
    NewEvent { id, ..event }
}

fn stream() -> StreamId {
    StreamId::new("s").unwrap()
}

/// A block of one event and one truncation at `place`.
fn block(place: Place) -> (Vec<u8>, ChainHash) {
    let mut records = Vec::new();
    let chain = write_event(LOG, ChainHash::START, (&stream(), Sequence(0), &event("hi")), &mut records);
    let truncation = Truncation { stream: stream(), before: Sequence(1), anchor: chain };
    write_truncation(LOG, &truncation, &mut records);
    let mut pages = vec![0xff; BLOCK_WRITE_MAX];
    pages[BLOCK_HEAD_BYTES..BLOCK_HEAD_BYTES + records.len()].copy_from_slice(&records);
    let head = BlockHead { events: 1, position: 40, timestamp: Timestamp(9), previous: 5 };
    let (_, bytes) = finish_block((LOG, place), &head, records.len(), &mut pages);
    pages.truncate(bytes);
    (pages, chain)
}

fn segment_head() -> SegmentHead {
    SegmentHead {
        log: LOG,
        number: 3,
        bytes: 1 << 20,
        position: 40,
        timestamp: Timestamp(8),
        previous_end: 8_192,
        previous_crc: 0x0403_0201,
    }
}

const MARK: Mark = Mark {
    log: LOG,
    closed: true,
    first: 2,
    anchors: Some(6),
    end: Place { segment: 3, offset: 8_192 },
    position: 41,
    crc: 0x0403_0201,
};

#[test]
fn the_bytes_are_those_of_the_specification() {
    let page = include_str!("../../../../../docs/spec/event-log.md");
    let page: String = page.split_whitespace().collect();
    let check = |what: &str, bytes: &[u8]| {
        let mut hex = String::new();
        bytes.iter().try_for_each(|byte| write!(hex, "{byte:02x}")).unwrap();
        assert!(page.contains(&hex), "{what}: {hex}");
    };
    let mut head = vec![0; PAGE_BYTES];
    segment_head().write(&mut head);
    check("head", &head[..SEGMENT_HEAD_BYTES]);
    let (block, chain) = block(PLACE);
    let end = block.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    check("block", &block[..end]);
    check("mark", &MARK.write());
    let mut index = ActiveIndex::new(3, 40, 0);
    index.begin_block(4_096, Timestamp(9));
    index.push("s", stream, None, [Indexed { id: event("").id, chain, offset: 4_132 }]);
    let listed = index.get("s").unwrap();
    index.truncate(&stream(), &listed.head, (Sequence(1), chain));
    index.end_block(8_192, 0x0403_0201);
    check("index", &encode(LOG, &index));
    check("run", &encode_run(LOG, (2, 3), &[(LOG.key(&stream()), 3)]));
}

#[test]
fn a_block_comes_back_only_at_its_place_in_its_log() {
    let (bytes, chain) = block(PLACE);
    let read = Block::read((LOG, PLACE), &bytes).unwrap();
    assert_eq!((read.head.events, read.head.position, read.head.previous), (1, 40, 5));
    assert_eq!((read.head.timestamp, read.bytes()), (Timestamp(9), bytes.len()));
    let records: Vec<_> = read.records().map(Result::unwrap).collect();
    let body = |n: usize| Body::read(&Bytes::copy_from_slice(records[n].1)).unwrap();
    assert_eq!(body(0), Body::Event(stream(), Sequence(0), event("hi")));
    let truncation = Truncation { stream: stream(), before: Sequence(1), anchor: chain };
    assert_eq!(body(1), Body::Truncation(truncation));
    assert_eq!(read_record(LOG, &bytes[records[0].0..]).unwrap(), records[0].1);
    for place in [Place { segment: 4, ..PLACE }, Place { offset: 8_192, ..PLACE }] {
        assert!(Block::read((LOG, place), &bytes).is_err());
    }
    let other = LogId([8; 16]);
    assert!(Block::read((other, PLACE), &bytes).is_err() && read_record(other, &bytes[36..]).is_err());
}

#[test]
fn every_flip_and_every_cut_of_a_block_is_seen() {
    let (bytes, _) = block(PLACE);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Block::read((LOG, PLACE), &flipped).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(Block::read((LOG, PLACE), &bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn heads_of_other_versions_are_told_apart_from_damage() {
    let mut page = vec![0; PAGE_BYTES];
    let crc = segment_head().write(&mut page);
    assert_eq!(SegmentHead::read(&page), Ok((segment_head(), crc)));
    assert_eq!(Mark::read(&MARK.write()), Ok(MARK));
    let other = |mut bytes: Vec<u8>| {
        bytes[8] = 2;
        assert!(matches!(
            read_checked(&bytes, bytes[..8].try_into().unwrap()),
            Err(HeaderError::Malformed(_))
        ));
        bytes.truncate(bytes.len() - 4);
        end_with_crc(bytes)
    };
    assert_eq!(Mark::read(&other(MARK.write())), Err(HeaderError::Version(2)));
    let newer = other(page[..SEGMENT_HEAD_BYTES].to_vec());
    page[..SEGMENT_HEAD_BYTES].copy_from_slice(&newer);
    assert_eq!(SegmentHead::read(&page), Err(HeaderError::Version(2)));
}
