//! Keyframes of ended sessions: each is re-simulated once, on a thread of its own, so that no game and no
//! viewer waits for it; and while that goes on, compared with the hashes that were recorded.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use reenact::recording::KEYFRAME_EVERY_DEFAULT;
use reenact::session::SessionPayload;
use reenact::verify::Obstacle;
use reenact::{
    Attachments, Failure, Player, Replay, Simulation, StateHash, Tick, Verdict, Verifier, replay_from_session,
};
use reenact_store::derived::DerivedDir;
use reenact_store::session::{SessionId, load};
use reenact_wasm::{StartError, WasmSimulation};
use tokio::runtime::Handle;

use crate::data::DataDir;
use crate::documents::{KeyframeDocument, KeyframesDocument, VerdictDocument};
use crate::error::chain;
use crate::limits::{KEYFRAME_BYTES_MAX, KEYFRAME_JOBS_MAX, KEYFRAMER_TIMEOUT, SIMULATION_STACK_BYTES};
use crate::modules::ModuleError;
use crate::work::lock;

/// Takes keyframes of the sessions it is told of, one after the other.
#[derive(Debug)]
pub struct Keyframer {
    /// None once the server stops.
    jobs: Mutex<Option<SyncSender<SessionId>>>,
    waiting: Arc<Mutex<HashSet<SessionId>>>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keyframer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(data: DataDir, runtime: Handle) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(KEYFRAME_JOBS_MAX);
        let (waiting, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::Builder::new().name("keyframer".into()).stack_size(SIMULATION_STACK_BYTES);
        let worker = Worker { data, runtime, waiting: Arc::clone(&waiting), stop: Arc::clone(&stop) };
        let thread = thread.spawn(move || worker.run(&queue))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), waiting, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Asks for the keyframes of an ended session. When too many wait, it is left for the next start of the
    /// server: a keyframe is never needed.
    pub fn take(&self, session: &SessionId) {
        if !lock(&self.waiting).insert(session.clone()) {
            return;
        }
        let sent = lock(&self.jobs).as_ref().is_some_and(|jobs| jobs.try_send(session.clone()).is_ok());
        if !sent {
            lock(&self.waiting).remove(session);
        }
    }

    /// Ends the work at the next tick, and waits for that.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // Without a sender the thread waits for nothing more.
        lock(&self.jobs).take();
        let thread = lock(&self.thread).take();
        // A thread that has panicked has ended, too.
        let _ended = thread.map(JoinHandle::join);
    }
}

struct Worker {
    data: DataDir,
    runtime: Handle,
    waiting: Arc<Mutex<HashSet<SessionId>>>,
    stop: Arc<AtomicBool>,
}

/// The work was interrupted: the server stops.
struct Stopped;

impl Worker {
    fn run(&self, queue: &Receiver<SessionId>) {
        while let Ok(session) = queue.recv() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if let Ok(Some(list)) = self.take(&session) {
                let json = serde_json::to_vec(&list).expect("a list has text keys and whole numbers");
                // A list that cannot be kept is made again when the server starts.
                let _unkept = self.data.lists.put(session.stream(), &json);
            }
            lock(&self.waiting).remove(&session);
        }
    }

    /// The keyframes of a session; `None` if it has not ended, or is not there.
    fn take(&self, session: &SessionId) -> Result<Option<KeyframesDocument>, Stopped> {
        let loaded = self.runtime.block_on(load(&*self.data.store, session));
        let Ok((_, payloads)) = loaded else { return Ok(None) };
        if !matches!(payloads.last(), Some(SessionPayload::Ended(_))) {
            return Ok(None);
        }
        let file = replay_from_session(payloads, &Attachments::default());
        let replay = file.ok().and_then(|file| Replay::decode(&file).ok());
        let Some(replay) = replay.map(Arc::new) else { return Ok(None) };
        let mut list = Vec::new();
        let verdict = match self.simulation_of(&replay) {
            None => return Ok(None),
            Some(Ok(simulation)) => self.simulate(simulation, &replay, &mut list)?,
            Some(Err(detail)) => VerdictDocument::NotVerifiable { detail },
        };
        Ok(Some(KeyframesDocument { keyframes: list, verdict: Some(verdict) }))
    }

    /// The simulation; `None` if only this server lacks what it takes, so that another try may succeed.
    fn simulation_of(&self, replay: &Replay) -> Option<Result<WasmSimulation, String>> {
        let module = match self.data.modules.of_session(&replay.started) {
            Ok(module) => module,
            Err(ModuleError::Missing { .. } | ModuleError::Blob(_)) => return None,
            Err(error) => return Some(Err(chain(&error))),
        };
        Some(module.simulation_of(&replay.started).map_err(|error| match error {
            StartError::Failed(limit @ Failure::Limit { .. }) => Obstacle::Limit(limit).to_string(),
            other => chain(&other),
        }))
    }

    fn simulate(
        &self,
        mut simulation: WasmSimulation,
        replay: &Arc<Replay>,
        list: &mut Vec<KeyframeDocument>,
    ) -> Result<VerdictDocument, Stopped> {
        let mut state = Vec::new();
        simulation.save(&mut state);
        let every = keyframe_every(replay.started.hash_every, replay.last_tick(), state.len());
        let mut keep = |tick: Tick, simulation: &mut WasmSimulation| {
            simulation.save(&mut state);
            let hash = StateHash::of(&state);
            // Without it, seeking takes longer; nothing else.
            if self.data.blobs.put(&state).is_ok() {
                list.push(KeyframeDocument { tick: tick.0, state: hash.to_string(), bytes: state.len() });
            }
        };
        if replay.hashes.is_empty() {
            return self.play(simulation, replay, every, keep);
        }
        let deadline = Instant::now() + KEYFRAMER_TIMEOUT;
        let mut verifier = Verifier::new(simulation, Arc::clone(replay));
        loop {
            // A tick may take seconds: whether to stop is asked before each.
            self.check_stop()?;
            if Instant::now() > deadline {
                let detail = format!("re-simulation took more than {} s", KEYFRAMER_TIMEOUT.as_secs());
                return Ok(VerdictDocument::NotVerifiable { detail });
            }
            if verifier.tick().0.is_multiple_of(every) {
                keep(verifier.tick(), verifier.simulation());
            }
            if let Some(verdict) = verifier.advance(1) {
                return Ok(VerdictDocument::from(&verdict));
            }
        }
    }

    /// Takes the keyframes of a session that recorded no hashes, as far as it plays.
    fn play(
        &self,
        simulation: WasmSimulation,
        replay: &Arc<Replay>,
        every: u32,
        mut keep: impl FnMut(Tick, &mut WasmSimulation),
    ) -> Result<VerdictDocument, Stopped> {
        let deadline = Instant::now() + KEYFRAMER_TIMEOUT;
        let mut player = Player::new(simulation, Arc::clone(replay));
        loop {
            self.check_stop()?;
            let tick = player.playhead();
            if tick.0.is_multiple_of(every) {
                keep(tick, player.simulation());
            }
            let late = Instant::now() > deadline;
            if late || tick >= replay.last_tick() || player.step().is_err() {
                return Ok(VerdictDocument::from(&Verdict::NotVerifiable(Obstacle::NoHashes)));
            }
        }
    }

    fn check_stop(&self) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

/// Keyframes stand where hashes were recorded, so that whoever plays can tell a good one from a bad one; and as
/// far apart as the bytes that all of them may have ask for.
fn keyframe_every(hash_every: u32, last_tick: Tick, state_bytes: usize) -> u32 {
    let most = (KEYFRAME_BYTES_MAX / (state_bytes as u64).max(1)).max(1);
    let spaced = u64::from(last_tick.0).div_ceil(most).max(u64::from(KEYFRAME_EVERY_DEFAULT));
    let step = u64::from(hash_every.max(1));
    u32::try_from(spaced.div_ceil(step) * step).unwrap_or(u32::MAX)
}

/// The keyframes of a session, as far as they were taken.
pub(crate) fn keyframes_of(lists: &DerivedDir, session: &SessionId) -> Option<KeyframesDocument> {
    let json = lists.get(session.stream()).ok().flatten()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_stand_where_hashes_do() {
        let check = |hash_every, ticks, bytes, expect| {
            assert_eq!(
                keyframe_every(hash_every, Tick(ticks), bytes),
                expect,
                "{hash_every} {ticks} {bytes}"
            );
        };
        check(0, 0, 0, 600);
        check(0, 216_000, 65_536, 600);
        check(1, 216_000, 65_536, 600);
        check(60, 216_000, 65_536, 600);
        check(7, 216_000, 65_536, 602);
        check(1_000, 216_000, 65_536, 1_000);
        check(u32::MAX, 216_000, 65_536, u32::MAX);
        // 16 states of 64 MiB are a gibibyte.
        check(60, 216_000, 64 << 20, 13_500);
        check(60, u32::MAX, 64 << 20, 268_435_500);
    }
}
