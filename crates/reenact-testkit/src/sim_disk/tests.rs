use std::collections::BTreeSet;

use reenact_store::disk::PAGE_BYTES;

use super::*;

const PAGE: u64 = PAGE_BYTES as u64;

/// Gives bytes that begin at a page, as commits want them.
fn with_pages<T>(bytes: &[u8], use_them: impl FnOnce(&[u8]) -> T) -> T {
    let mut buffer = vec![0; bytes.len() + PAGE_BYTES];
    let start = buffer.as_ptr().align_offset(PAGE_BYTES);
    buffer[start..][..bytes.len()].copy_from_slice(bytes);
    use_them(&buffer[start..][..bytes.len()])
}

fn commit(disk: &SimDisk, name: &str, byte: u8, offset: u64) -> io::Result<()> {
    let file = disk.open(name, Access::Commit)?;
    with_pages(&[byte; PAGE_BYTES], |page| file.commit_at(page, offset))
}

/// A disk with a durable file `a`.
fn disk_with(bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::new(1);
    disk.put_file("a", bytes);
    disk
}

/// All that power cuts leave of a disk, as `what` sees it.
fn after_crashes<T: Ord>(disk: &SimDisk, what: impl Fn(&SimDisk) -> T) -> BTreeSet<T> {
    (0..500).map(|seed| what(&disk.crash(&mut Random::new(seed)))).collect()
}

fn fault(calls: Calls, after: u64, failure: Failure, lasting: bool) -> Fault {
    Fault { calls, after, failure, lasting }
}

fn is_full<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::StorageFull)
}

#[test]
fn what_is_synced_survives_and_what_is_not_may() {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    file.write_at(&[1; 1_024], 0).unwrap();
    file.sync().unwrap();
    disk.sync_names().unwrap();
    let synced = vec![1; 1_024];
    assert_eq!(after_crashes(&disk.kill(), |disk| disk.bytes_of("a")), BTreeSet::from([synced]));
}

#[test]
fn each_sector_that_was_not_synced_survives_by_itself_and_as_a_whole() {
    let disk = disk_with(&[1; 1_536]);
    overwrite(&disk, "a", &[2; 1_536]);
    overwrite(&disk, "a", &[3; 512]);
    let left = after_crashes(&disk, |disk| {
        let bytes = disk.bytes_of("a");
        let sectors: Vec<_> = bytes.chunks(512).map(|sector| sector[0]).collect();
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        sectors
    });
    let firsts: BTreeSet<_> = left.iter().map(|sectors| sectors[0]).collect();
    assert_eq!((left.len(), firsts), (3 * 2 * 2, BTreeSet::from([1, 2, 3])));
}

/// Writes over a file that is there, without making it durable.
fn overwrite(disk: &SimDisk, name: &str, bytes: &[u8]) {
    content(&disk.inode(name)).write(bytes, 0, || true);
}

/// How many bytes are 1, where the others are 0.
fn ones(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(*byte)).sum()
}

#[test]
fn all_and_nothing_are_likely() {
    let disk = disk_with(&[0; 32 * 512]);
    overwrite(&disk, "a", &[1; 32 * 512]);
    let mut counts = [0; 2];
    for seed in 0..600 {
        let ones = ones(&disk.crash(&mut Random::new(seed)).bytes_of("a"));
        counts[0] += u32::from(ones == 0);
        counts[1] += u32::from(ones == 32 * 512);
    }
    assert!(counts.iter().all(|count| (100..300).contains(count)), "{counts:?}");
}

#[test]
fn a_file_that_was_never_synced_has_any_length_and_zeros_in_it() {
    let disk = SimDisk::new(1);
    disk.create("a").unwrap().write_at(&[7; 700], 0).unwrap();
    disk.sync_names().unwrap();
    let left = after_crashes(&disk, |disk| disk.bytes_of("a"));
    let lengths: BTreeSet<_> = left.iter().map(Vec::len).collect();
    assert!(lengths.len() > 50 && lengths.contains(&0) && lengths.contains(&700), "{lengths:?}");
    let zeros =
        [vec![0; 700], [[7; 512].as_slice(), &[0; 188]].concat(), [[0; 512].as_slice(), &[7; 188]].concat()];
    assert!(zeros.iter().all(|bytes| left.contains(bytes)));
    // What was cut off does not come back when the file grows again.
    let crashed = (0..).map(|seed| disk.crash(&mut Random::new(seed)));
    let cut = crashed.into_iter().find(|disk| (1..500).contains(&disk.bytes_of("a").len())).unwrap();
    let length = cut.bytes_of("a").len();
    content(&cut.inode("a")).write(&[9], 699, || true);
    assert!(cut.bytes_of("a")[length..699].iter().all(|byte| *byte == 0));
}

#[test]
fn each_change_of_a_name_survives_by_itself() {
    let disk = SimDisk::new(1);
    disk.put_file("old", b"old");
    disk.create("a").unwrap().sync().unwrap();
    disk.rename("a", "b").unwrap();
    disk.remove("old").unwrap();
    disk.allocate("c", 10).unwrap();
    let left = after_crashes(&disk, SimDisk::file_names);
    let one = |name: &str, is: &[&str]| is.contains(&name).then(|| name.to_owned());
    // The file `a` has one of its names, or none.
    let expect = [[].as_slice(), &["a"], &["b"]].into_iter().flat_map(|is| {
        [[].as_slice(), &["c"], &["old"], &["c", "old"]].map(|others| {
            let all = [one("a", is), one("b", is), one("c", others), one("old", others)];
            all.into_iter().flatten().collect::<Vec<_>>()
        })
    });
    assert_eq!(left, expect.collect());
    let disk = disk.kill();
    disk.sync_names().unwrap();
    assert_eq!(after_crashes(&disk, SimDisk::file_names).len(), 1);
}

#[test]
fn a_file_takes_the_place_of_another_with_its_name() {
    let disk = disk_with(b"old");
    let reader = disk.open("a", Access::Read).unwrap();
    let file = disk.create("a.new").unwrap();
    file.write_at(b"new", 0).unwrap();
    file.sync().unwrap();
    disk.rename("a.new", "a").unwrap();
    let mut bytes = [0; 3];
    reader.read_at(&mut bytes, 0).unwrap();
    assert_eq!((&bytes, disk.bytes_of("a")), (b"old", b"new".to_vec()));
    let left = after_crashes(&disk, |disk| disk.bytes_of("a"));
    assert_eq!(left, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]));
}

#[test]
fn what_is_committed_is_durable_at_once() {
    let disk = disk_with(&[0; 3 * PAGE_BYTES]);
    commit(&disk, "a", 1, PAGE).unwrap();
    let expect = [[0; PAGE_BYTES], [1; PAGE_BYTES], [0; PAGE_BYTES]].concat();
    assert_eq!(after_crashes(&disk, |disk| disk.bytes_of("a")), BTreeSet::from([expect]));
}

#[test]
fn a_commit_makes_durable_how_far_it_reaches() {
    let disk = SimDisk::new(1);
    disk.allocate("a", 3 * PAGE).unwrap();
    disk.sync_names().unwrap();
    commit(&disk, "a", 1, 0).unwrap();
    let left = after_crashes(&disk, |disk| disk.bytes_of("a"));
    assert!(left.iter().all(|bytes| bytes.len() >= PAGE_BYTES && bytes[..PAGE_BYTES] == [1; PAGE_BYTES]));
    assert!(left.iter().any(|bytes| bytes.len() < 2 * PAGE_BYTES));
}

#[test]
fn what_breaks_the_rules_of_commits_panics() {
    let panics = |offset, length, skip: usize| {
        let disk = disk_with(&[0; 2 * PAGE_BYTES]);
        let file = disk.open("a", Access::Commit).unwrap();
        let bytes = vec![0; 3 * PAGE_BYTES];
        let commit = || with_pages(&bytes, |pages| file.commit_at(&pages[skip..][..length], offset));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(commit)).is_err()
    };
    assert!(!panics(PAGE, PAGE_BYTES, 0));
    assert!(panics(512, PAGE_BYTES, 0), "the offset");
    assert!(panics(0, 512, 0), "the length");
    assert!(panics(0, PAGE_BYTES, 512), "the address");
    assert!(panics(PAGE, 2 * PAGE_BYTES, 0), "the end");
}

#[test]
fn a_machine_that_stops_in_a_call_has_done_any_part_of_it() {
    let check = |name: &str, after, change: fn(&SimDisk) -> io::Result<()>| {
        let disk = disk_with(&[0; PAGE_BYTES]);
        disk.stop_after(after);
        assert!(change(&disk).is_err() && disk.has_stopped(), "{name}");
        let left = after_crashes(&disk, files);
        assert!(left.contains(&files(&disk_with(&[0; PAGE_BYTES]))) && left.len() > 1, "{name}");
    };
    check("create", 0, |disk| disk.create("b").map(drop));
    check("allocate", 0, |disk| disk.allocate("b", 512).map(drop));
    check("rename", 0, |disk| disk.rename("a", "b"));
    check("remove", 0, |disk| disk.remove("a"));
    check("commit_at", 0, |disk| commit(disk, "a", 1, 0));
    check("sync_names", 1, create_and_sync_names);
    check("sync", 0, |disk| {
        overwrite(disk, "a", &[1; PAGE_BYTES]);
        disk.open("a", Access::Commit)?.sync()
    });
}

/// All files, with their bytes.
fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.file_names().into_iter();
    names.map(|name| (name.clone(), disk.bytes_of(&name))).collect()
}

fn create_and_sync_names(disk: &SimDisk) -> io::Result<()> {
    disk.create("b")?;
    disk.sync_names()
}

#[test]
fn a_machine_that_has_stopped_answers_nothing() {
    let disk = disk_with(&[0; PAGE_BYTES]);
    let file = disk.create("b").unwrap();
    let lock = disk.lock().unwrap();
    disk.stop_after(1);
    file.write_at(b"x", 0).unwrap();
    assert!(file.write_at(b"y", 1).is_err());
    let check = |disk: &SimDisk, file: &dyn DiskFile| {
        assert!(disk.list().is_err() && disk.lock().is_err() && disk.open("a", Access::Read).is_err());
        assert!(file.bytes().is_err() && file.read_at(&mut [0], 0).is_err());
        assert!(file.write_at(b"z", 0).is_err() && file.sync().is_err());
        assert!(disk.create("c").is_err() && disk.sync_names().is_err());
    };
    check(&disk, &*file);
    let next = disk.kill();
    check(&disk, &*file);
    assert_eq!(
        next.bytes_of("b"),
        b"xy",
        "the call in which the machine stopped may have done what it should"
    );
    drop(lock);
    assert!(next.lock().unwrap().is_some());
}

#[test]
fn a_process_that_is_killed_leaves_what_it_wrote_and_no_lock() {
    let disk = SimDisk::new(1);
    disk.create("a").unwrap().write_at(b"written", 0).unwrap();
    let held = disk.lock().unwrap();
    assert!(held.is_some() && disk.lock().unwrap().is_none());
    let next = disk.kill();
    assert!(next.lock().unwrap().is_some());
    assert_eq!(next.bytes_of("a"), b"written");
    assert!(after_crashes(&next, SimDisk::file_names).len() > 1, "it is not durable yet");
    drop(held);
    assert!(disk.lock().is_err());
}

#[test]
fn a_lock_ends_when_it_is_dropped() {
    let disk = SimDisk::new(1);
    let held = disk.lock().unwrap();
    drop(held);
    assert!(disk.lock().unwrap().is_some());
    assert_eq!(disk.file_names(), [LOCK]);
}

#[test]
fn faults_hit_the_call_they_were_planned_for() {
    let disk = disk_with(b"abc");
    disk.fail(fault(Calls::Of(Call::ReadAt), 1, Failure::Broken, false));
    disk.fail(fault(Calls::Of(Call::Create), 0, Failure::Full, true));
    let file = disk.open("a", Access::Read).unwrap();
    let read = || file.read_at(&mut [0], 0);
    let errors: Vec<_> = (0..4).map(|_| read().err().and_then(|error| error.raw_os_error())).collect();
    assert_eq!(errors, [None, Some(5), None, None]);
    assert!((0..3).all(|_| is_full(&disk.create("b"))));
    assert_eq!((disk.failed_calls(), disk.file_names()), (4, vec!["a".to_owned()]));
    disk.heal();
    disk.create("b").unwrap();
    disk.fail(fault(Calls::Changing, 1, Failure::Broken, false));
    disk.list().unwrap();
    disk.remove("b").unwrap();
    assert!(disk.sync_names().is_err());
    disk.fail(fault(Calls::Any, 0, Failure::Broken, false));
    assert!(disk.list().is_err() && disk.list().is_ok());
}

#[test]
fn a_write_that_fails_has_done_any_part_of_itself() {
    let outcomes: BTreeSet<_> = (0..300)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            disk.put_file("a", &[0; PAGE_BYTES]);
            disk.fail(fault(Calls::Of(Call::CommitAt), 0, Failure::Broken, false));
            assert!(commit(&disk, "a", 1, 0).is_err());
            let there = disk.bytes_of("a");
            assert_eq!(after_crashes(&disk, |disk| disk.bytes_of("a")), BTreeSet::from([there.clone()]));
            ones(&there)
        })
        .collect();
    assert!(outcomes.contains(&0) && outcomes.contains(&PAGE_BYTES) && outcomes.len() > 4, "{outcomes:?}");
}

#[test]
fn a_sync_that_fails_once_loses_what_was_written_although_the_next_goes_well() {
    let disk = disk_with(&[1; 512]);
    overwrite(&disk, "a", &[2; 512]);
    disk.fail(fault(Calls::Of(Call::Sync), 0, Failure::Broken, false));
    let file = disk.open("a", Access::Commit).unwrap();
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(disk.bytes_of("a"), [2; 512], "the page cache has it");
    assert_eq!(disk.kill().bytes_of("a"), [2; 512]);
    let mut random = Random::new(1);
    assert_eq!(disk.kill().crash(&mut random).bytes_of("a"), [1; 512]);
    let again = disk.kill();
    overwrite(&again, "a", &[3; 512]);
    again.open("a", Access::Commit).unwrap().sync().unwrap();
    assert_eq!(again.crash(&mut random).bytes_of("a"), [3; 512], "what is written again is synced");
}

#[test]
fn a_commit_through_the_cache_that_fails_is_read_and_lost() {
    let disk = disk_with(&[1; PAGE_BYTES]).with_cached_commits();
    disk.fail(fault(Calls::Of(Call::CommitAt), 0, Failure::Broken, false));
    assert!(commit(&disk, "a", 2, 0).is_err());
    disk.open("a", Access::Commit).unwrap().sync().unwrap();
    assert_eq!(disk.bytes_of("a"), [2; PAGE_BYTES]);
    assert_eq!(disk.crash(&mut Random::new(1)).bytes_of("a"), [1; PAGE_BYTES]);
}

#[test]
fn names_that_could_not_be_synced_are_synced_by_the_next_call() {
    let disk = SimDisk::new(1);
    disk.create("a").unwrap();
    disk.fail(fault(Calls::Of(Call::SyncNames), 0, Failure::Broken, false));
    assert!(disk.sync_names().is_err());
    assert_eq!(after_crashes(&disk, SimDisk::file_names).len(), 2);
    let disk = disk.kill();
    disk.sync_names().unwrap();
    assert_eq!(after_crashes(&disk, SimDisk::file_names).len(), 1);
}

#[test]
fn a_full_disk_says_so_until_there_is_room() {
    let disk = disk_with(&[0; 600]);
    disk.set_bytes_max(Some(1_000));
    assert!(is_full(&disk.allocate("b", 401)));
    let file = disk.allocate("b", 400).unwrap();
    file.write_at(&[1; 400], 0).unwrap();
    assert!(is_full(&file.write_at(&[1], 400)));
    assert_eq!(file.bytes().unwrap(), 400);
    disk.remove("a").unwrap();
    file.write_at(&[1], 999).unwrap();
    disk.set_bytes_max(None);
    file.write_at(&[1], 9_999).unwrap();
}

#[test]
fn a_disk_that_lies_loses_what_it_says_is_durable() {
    let lost = |call: Call, work: fn(&SimDisk)| {
        let disk = disk_with(&[0; PAGE_BYTES]).ignoring(call);
        work(&disk);
        after_crashes(&disk, |disk| (disk.file_names(), disk.bytes_of("a"))).len() > 1
    };
    assert!(lost(Call::CommitAt, |disk| commit(disk, "a", 1, 0).unwrap()));
    assert!(lost(Call::Sync, |disk| {
        overwrite(disk, "a", &[1; 512]);
        disk.open("a", Access::Commit).unwrap().sync().unwrap();
    }));
    assert!(lost(Call::SyncNames, |disk| create_and_sync_names(disk).unwrap()));
    assert!(!lost(Call::Sync, |disk| create_and_sync_names(disk).unwrap()));
}

#[test]
fn calls_are_counted_by_kind_and_from_the_last_crash() {
    let disk = disk_with(b"abc");
    disk.list().unwrap();
    disk.open("a", Access::Read).unwrap().read_at(&mut [0], 0).unwrap();
    disk.create("b").unwrap().write_at(b"b", 0).unwrap();
    create_and_sync_names(&disk).unwrap();
    let calls = disk.calls();
    assert_eq!(
        (calls.of(Calls::Any), calls.of(Calls::Changing), calls.of(Calls::Of(Call::Create))),
        (7, 4, 2)
    );
    assert_eq!(disk.crash(&mut Random::new(1)).calls().of(Calls::Any), 0);
}

#[test]
fn damage_is_on_the_disk_too() {
    let disk = disk_with(b"ab");
    disk.put_file("b", b"other");
    overwrite(&disk, "a", b"xy");
    disk.flip("a", 9);
    let left = after_crashes(&disk, |disk| disk.bytes_of("a"));
    assert_eq!(left, BTreeSet::from([b"a`".to_vec(), b"x{".to_vec()]));
    disk.truncate_file("b", 3);
    assert_eq!(after_crashes(&disk, |disk| disk.bytes_of("b")), BTreeSet::from([b"oth".to_vec()]));
    disk.remove_file("b");
    assert_eq!(after_crashes(&disk, SimDisk::file_names), BTreeSet::from([vec!["a".to_owned()]]));
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let disk = disk_with(&[0; 32 * 512]);
    overwrite(&disk, "a", &[1; 32 * 512]);
    let crash = |seed| disk.crash(&mut Random::new(seed)).bytes_of("a");
    assert!((0..50).all(|seed| crash(seed) == crash(seed)));
}

#[test]
fn what_is_missing_is_not_found() {
    let disk = SimDisk::new(1);
    let missing = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::NotFound;
    assert!(missing(disk.open("a", Access::Read).map(drop)) && missing(disk.remove("a")));
    assert!(missing(disk.rename("a", "b")));
    disk.create("a").unwrap();
    let error = disk.open("a", Access::Read).unwrap().read_at(&mut [0], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
