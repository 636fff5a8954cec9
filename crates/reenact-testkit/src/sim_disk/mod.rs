//! A disk in memory that loses, fails and lies as real ones do, by a seed.
//!
//! ```text
//!   written ──┬─ sync, commit_at ──► durable ────────────────► survives a power cut
//!             ├─ nothing ──────────► in the page cache ──────► each sector of 512 bytes may survive
//!             └─ sync that fails ──► forgotten by the system ► is lost, whatever a later sync says
//!   named ────┬─ sync_names ───────► durable
//!             └─ nothing ──────────► each such change may survive
//! ```
//!
//! Where file systems differ, the rules are those of POSIX: a file that is synced has no name yet; one that
//! has its name may have any part of what was written, with zeros between, at any length; a sector that was
//! written twice holds either, or what was there before. Journals keep changes of names in their order, and
//! other file systems do not: any of them may be lost, though each as a whole.

mod content;
mod file;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reenact::bot::Random;
use reenact_store::disk::{Access, Disk, DiskEntry, DiskFile, DiskLock};

use content::{Content, Survival};
use file::SimFile;
use plan::{Fate, Plan};

pub use content::SECTOR_BYTES;
pub use plan::{Call, CallCounts, Calls, Failure, Fault};

/// A disk in memory. Clones are the same disk.
///
/// ```
/// use reenact::bot::Random;
/// use reenact_store::disk::{Access, Disk};
/// use reenact_testkit::sim_disk::SimDisk;
///
/// let disk = SimDisk::new(7);
/// let file = disk.create("a")?;
/// file.write_at(b"kept", 0)?;
/// file.sync()?;
/// disk.sync_names()?;
/// file.write_at(b"lost", 0)?;
/// assert!((0..100).any(|seed| disk.crash(&mut Random::new(seed)).bytes_of("a") == b"kept"));
/// assert!(disk.open("a", Access::Read).is_err(), "the machine has stopped");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// The real disk has this file too when it is locked.
const LOCK: &str = "lock";

type Inode = Arc<Mutex<Content>>;
type Names = BTreeMap<String, Inode>;

#[derive(Clone, Debug)]
struct State {
    names: Names,
    names_on_disk: Names,
    /// What happened to names since they were synced.
    unsynced: Vec<NameChange>,
    locked: bool,
    plan: Plan,
    /// What is to be durable when these return is not.
    ignored: Vec<Call>,
    bytes_max: Option<u64>,
    cached_commits: bool,
    /// Decides what a call that fails has done.
    random: Random,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(String, Inode),
    /// The new name is that of the file, whether or not the old one ever got to the disk.
    Rename(String, String, Inode),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Link(name, inode) => drop(names.insert(name.clone(), Arc::clone(inode))),
            Self::Rename(from, to, inode) => {
                if names.get(from).is_some_and(|there| Arc::ptr_eq(there, inode)) {
                    names.remove(from);
                }
                names.insert(to.clone(), Arc::clone(inode));
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl SimDisk {
    /// An empty disk; the seed decides how much of a write that fails is done.
    pub fn new(seed: u64) -> Self {
        Self::with(State {
            names: Names::new(),
            names_on_disk: Names::new(),
            unsynced: Vec::new(),
            locked: false,
            plan: Plan::default(),
            ignored: Vec::new(),
            bytes_max: None,
            cached_commits: false,
            random: Random::new(seed),
        })
    }

    fn with(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A disk that breaks its word: `call` says that something is durable, and it is not. For tests of tests.
    ///
    /// # Panics
    /// `call` makes nothing durable.
    #[must_use]
    pub fn ignoring(self, call: Call) -> Self {
        assert!(
            matches!(call, Call::Sync | Call::SyncNames | Call::CommitAt),
            "{call:?} makes nothing durable"
        );
        self.state().ignored.push(call);
        self
    }

    /// A disk that writes with [`commit_at`](DiskFile::commit_at) through the page cache, as one that refuses
    /// direct writes: if that fails, readers see what is not durable, and the system forgets that it is not.
    #[must_use]
    pub fn with_cached_commits(self) -> Self {
        self.state().cached_commits = true;
        self
    }

    /// The machine stops in the midst of a call, after so many more that [change](Call::changes) something
    /// went well. That call and all later ones fail.
    pub fn stop_after(&self, changes: u64) {
        self.state().plan.stop_after(changes);
    }

    /// A call fails. More than one fault may be planned.
    pub fn fail(&self, fault: Fault) {
        self.state().plan.fail(fault);
    }

    /// Nothing that was planned happens any more.
    pub fn heal(&self) {
        self.state().plan.heal();
    }

    /// How many bytes the files may have together; `None` for as many as there is memory.
    pub fn set_bytes_max(&self, bytes_max: Option<u64>) {
        self.state().bytes_max = bytes_max;
    }

    /// The calls since the disk was made, or since the last [`crash`](Self::crash) or [`kill`](Self::kill).
    pub fn calls(&self) -> CallCounts {
        self.state().plan.counts
    }

    /// How many of them a fault made fail.
    pub fn failed_calls(&self) -> u64 {
        self.state().plan.failed
    }

    /// Whether the machine has stopped.
    pub fn has_stopped(&self) -> bool {
        self.state().plan.stopped
    }

    /// Cuts the power, if that has not happened yet, and gives the disk as it may be found afterwards: with
    /// other random numbers another one, from the same state. Nothing that was planned happens there.
    #[must_use]
    pub fn crash(&self, random: &mut Random) -> Self {
        let mut state = self.state();
        state.plan.stopped = true;
        let survival = Survival::draw(random);
        let mut names = state.names_on_disk.clone();
        for change in survival.survivors(&state.unsynced, random) {
            change.apply(&mut names);
        }
        for inode in names.values_mut() {
            let after = content(inode).after_power_cut(survival, random);
            *inode = Arc::new(Mutex::new(after));
        }
        let names_on_disk = names.clone();
        let random = Random::new(random.bits());
        Self::with(State { names, names_on_disk, unsynced: Vec::new(), random, ..state.next_life() })
    }

    /// Kills the process: whatever it had open fails from now on, and everything that it wrote is there,
    /// though a power cut may still take it. Nothing that was planned happens any more.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut state = self.state();
        state.plan.stopped = true;
        Self::with(state.next_life())
    }

    /// The names of all files, in their order.
    pub fn file_names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What a file holds.
    ///
    /// # Panics
    /// There is no such file.
    pub fn bytes_of(&self, name: &str) -> Vec<u8> {
        content(&self.inode(name)).bytes().to_vec()
    }

    /// Inverts a bit of a file, on the disk too.
    ///
    /// # Panics
    /// There is no such bit.
    pub fn flip(&self, name: &str, bit: usize) {
        content(&self.inode(name)).flip(bit);
    }

    /// Cuts a file off, on the disk too.
    ///
    /// # Panics
    /// There is no such file.
    pub fn truncate_file(&self, name: &str, bytes: usize) {
        content(&self.inode(name)).truncate(bytes);
    }

    /// Puts a file there, durably, in place of one that has the name.
    pub fn put_file(&self, name: &str, bytes: &[u8]) {
        let inode = Arc::new(Mutex::new(Content::durable(bytes)));
        self.state().change_durably(&NameChange::Link(name.to_owned(), inode));
    }

    /// Takes a file away, durably.
    pub fn remove_file(&self, name: &str) {
        self.state().change_durably(&NameChange::Remove(name.to_owned()));
    }

    /// A panic leaves the state whole: what may panic does so before something is changed.
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn inode(&self, name: &str) -> Inode {
        self.state().find(name).unwrap_or_else(|_| panic!("there is no file {name}"))
    }

    fn file(&self, inode: Inode, access: Option<Access>) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { state: Arc::clone(&self.state), inode, access })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn content(inode: &Inode) -> MutexGuard<'_, Content> {
    lock(inode)
}

impl State {
    /// The same disk for the process that follows; whoever holds this one has stopped.
    fn next_life(&self) -> Self {
        Self { locked: false, plan: Plan::default(), ..self.clone() }
    }

    fn find(&self, name: &str) -> io::Result<Inode> {
        self.names.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced.push(change);
    }

    fn change_durably(&mut self, change: &NameChange) {
        self.sync_names();
        change.apply(&mut self.names);
        change.apply(&mut self.names_on_disk);
    }

    fn sync_names(&mut self) {
        let Self { unsynced, names_on_disk, .. } = self;
        unsynced.drain(..).for_each(|change| change.apply(names_on_disk));
    }

    fn link(&mut self, name: &str, content: Content) -> Inode {
        let inode = Arc::new(Mutex::new(content));
        self.change(NameChange::Link(name.to_owned(), Arc::clone(&inode)));
        inode
    }

    /// Whether there is room for so many bytes more.
    fn has_room(&self, more: u64) -> bool {
        let taken = || self.names.values().map(|inode| content(inode).length() as u64).sum::<u64>();
        self.bytes_max.is_none_or(|bytes_max| taken().saturating_add(more) <= bytes_max)
    }

    /// Which sectors of a write that fails get through: all, none, or each by itself.
    fn survivors(&mut self) -> impl FnMut() -> bool {
        let survival = Survival::draw(&mut self.random);
        move || survival.prefix(1, &mut self.random) == 1
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<DiskEntry>> {
        let mut state = self.state();
        state.plan.meet(Call::List)?.unless_it_fails()?;
        let entry = |(name, inode): (&String, &Inode)| DiskEntry {
            name: name.clone(),
            bytes: content(inode).length() as u64,
        };
        Ok(state.names.iter().map(entry).collect())
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.plan.meet(Call::Open)?.unless_it_fails()?;
        Ok(self.file(state.find(name)?, Some(access)))
    }

    /// A file that had the name stays what it was to those who have it open.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let fate = state.plan.meet(Call::Create)?;
        fate.unless_it_fails()?;
        let inode = state.link(name, Content::default());
        fate.answer(self.file(inode, None))
    }

    /// When there is no room, or it fails, there may be an empty file: it is made before room is taken for
    /// it.
    fn allocate(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let fate = match state.plan.meet(Call::Allocate)? {
            Fate::GoesWell if !state.has_room(bytes) => Fate::Fails(Failure::Full),
            fate => fate,
        };
        if matches!(fate, Fate::Fails(_)) {
            if state.random.below(2) == 0 {
                state.link(name, Content::default());
            }
            fate.unless_it_fails()?;
        }
        let inode = state.link(name, Content::zeros(bytes as usize));
        fate.answer(self.file(inode, None))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.plan.meet(Call::Rename)?;
        fate.unless_it_fails()?;
        let inode = state.find(from)?;
        state.change(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        fate.answer(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.plan.meet(Call::Remove)?;
        fate.unless_it_fails()?;
        state.find(name)?;
        state.change(NameChange::Remove(name.to_owned()));
        fate.answer(())
    }

    /// One that fails does nothing, and a later one makes up for it: journals that cannot write do not
    /// forget.
    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.plan.meet(Call::SyncNames)?;
        if fate == Fate::GoesWell && !state.ignored.contains(&Call::SyncNames) {
            state.sync_names();
        }
        fate.answer(())
    }

    fn lock(&self) -> io::Result<Option<DiskLock>> {
        let mut state = self.state();
        state.plan.meet(Call::Lock)?.unless_it_fails()?;
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        if state.find(LOCK).is_err() {
            let made = NameChange::Link(LOCK.to_owned(), Inode::default());
            made.apply(&mut state.names);
            made.apply(&mut state.names_on_disk);
        }
        Ok(Some(Box::new(Hold(Arc::clone(&self.state)))))
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("simulated").join(name)
    }
}

struct Hold(Arc<Mutex<State>>);

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.0).locked = false;
    }
}
