//! A game that is played and recorded, and the journal of it.

use std::collections::BTreeMap;
use std::time::Duration;

use reenact::bot::Bot;
use reenact::format::block::InputBlock;
use reenact::{Inputs, Mark, Replay, Simulation, StateHash, Tick, Verdict, Verifier};
use reenact_server::record::protocol::{Answer, End, Opening};
use reenact_server::{ClientError, RecorderClient};
use reenact_wasm::{Module, Setup, WasmSimulation};

use crate::server::Server;

const HASH_EVERY: u32 = 60;

/// Everything that was ever recorded of a game: what a recorder keeps until it is acknowledged, kept for good, so
/// that the server's memory can be held against it.
pub(crate) struct Journal {
    module: Module,
    simulation: WasmSimulation,
    bot: Bot,
    inputs: Vec<Inputs>,
    hashes: BTreeMap<u32, StateHash>,
    marks: BTreeMap<u32, Vec<Mark>>,
}

impl Journal {
    fn new(module: Module, seed: u64) -> Self {
        let mut simulation = module.simulation(&Setup { seed, ..Setup::default() }).unwrap();
        let hashes = BTreeMap::from([(0, simulation.state_hash())]);
        let (inputs, marks) = (Vec::new(), BTreeMap::new());
        Self { module, simulation, bot: Bot::new(seed), inputs, hashes, marks }
    }

    pub(crate) fn tick(&self) -> u32 {
        self.inputs.len() as u32
    }

    fn play_tick(&mut self) {
        let schema = self.module.input_schema();
        let mut inputs = self.inputs.last().cloned().unwrap_or_else(|| Inputs::absent(schema));
        self.bot.act(schema, &mut inputs);
        let mut marks = Vec::new();
        self.simulation.step(Tick(self.tick()), &inputs, &mut marks).unwrap();
        self.inputs.push(inputs);
        let tick = self.tick();
        self.marks.insert(tick, marks);
        if tick.is_multiple_of(HASH_EVERY) {
            self.hash_state();
        }
    }

    fn hash_state(&mut self) {
        self.hashes.insert(self.tick(), self.simulation.state_hash());
    }

    /// Says what stands at `tick`: its hash and its marks.
    async fn say_state(&self, client: &mut RecorderClient, tick: u32) -> Result<(), ClientError> {
        if let Some(hash) = self.hashes.get(&tick) {
            client.hash(Tick(tick), *hash).await?;
        }
        for mark in self.marks.get(&tick).into_iter().flatten() {
            client.mark(Tick(tick), mark).await?;
        }
        Ok(())
    }

    async fn say_tick(&self, client: &mut RecorderClient, tick: u32) -> Result<(), ClientError> {
        client.record(Tick(tick), self.inputs[tick as usize].clone()).await?;
        self.say_state(client, tick + 1).await
    }

    /// Says again what is not acknowledged.
    async fn resend(&self, client: &mut RecorderClient) -> Result<(), ClientError> {
        let from = client.acknowledged.0;
        self.say_state(client, from).await?;
        for tick in from..self.tick() {
            self.say_tick(client, tick).await?;
        }
        client.flush().await
    }

    /// Plays some ticks and records them, faster than people play.
    async fn play(&mut self, client: &mut RecorderClient) -> Result<(), ClientError> {
        for _ in 0..5 {
            self.play_tick();
            self.say_tick(client, self.tick() - 1).await?;
        }
        client.flush().await?;
        while let Ok(answer) = tokio::time::timeout(Duration::from_millis(2), client.answer()).await {
            assert!(matches!(answer?, Answer::Acknowledged { .. }));
        }
        Ok(())
    }

    /// How many ticks a server has of which these are the input blocks, as it gives them; all of them are as they
    /// were played.
    fn check_inputs(&self, mut blocks: &[u8]) -> u32 {
        let schema = self.module.input_schema();
        let mut there = 0;
        while let Some((length, rest)) = blocks.split_first_chunk::<4>() {
            let (block, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
            let block = InputBlock::decode(schema, block).unwrap();
            assert_eq!(block.first_tick(), Tick(there));
            let (mut row, mut inputs) = (0, Inputs::absent(schema));
            for tick in there..block.end_tick().0 {
                row = block.apply(row, Tick(tick), &mut inputs);
                assert_eq!(self.inputs.get(tick as usize), Some(&inputs), "inputs of tick {tick}");
            }
            (blocks, there) = (rest, block.end_tick().0);
        }
        there
    }

    /// A replay is what was played, to the end, and true.
    pub(crate) fn check(&self, replay: Replay) {
        assert_eq!(replay.last_tick(), Tick(self.tick()));
        let mut reader = replay.inputs.reader();
        for (tick, inputs) in (0..).map(Tick).zip(&self.inputs) {
            assert_eq!(reader.at(&replay.inputs, tick), Some(inputs), "inputs of tick {tick}");
        }
        let of_tick = |(tick, marks): (&u32, &Vec<Mark>)| {
            let tick = Tick(*tick);
            marks.iter().map(|mark| (tick, mark.clone())).collect::<Vec<_>>()
        };
        assert_eq!(replay.marks, self.marks.iter().flat_map(of_tick).collect::<Vec<_>>());
        let (hashes, through) = (self.hashes.len(), replay.last_tick());
        let simulation = self.module.simulation_of(&replay.started).unwrap();
        let verdict = Verifier::new(simulation, replay.into()).advance(u32::MAX);
        assert_eq!(verdict, Some(Verdict::Verified { through, hashes }));
    }
}

/// A game's recorder: the journal, and the connection while there is one.
pub(crate) struct Recorder {
    pub(crate) journal: Journal,
    client: RecorderClient,
}

/// What a server that was killed has of what it acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) acknowledged: u32,
    pub(crate) lost: u32,
    /// Ticks that were said, and are not there; nobody was told that they are.
    pub(crate) sent_again: u32,
}

impl Recorder {
    pub(crate) async fn start(server: &Server, module: Module, seed: u64) -> Self {
        let opening = Opening::Start {
            module: module.id().module.to_string(),
            seed: seed.to_string(),
            config: String::new(),
            disk: String::new(),
            hash_every: HASH_EVERY,
        };
        let schema = module.input_schema().clone();
        let mut client = RecorderClient::open(server.address, schema, &opening).await.unwrap();
        let journal = Journal::new(module, seed);
        journal.say_state(&mut client, 0).await.unwrap();
        Self { journal, client }
    }

    pub(crate) fn session(&self) -> &str {
        &self.client.session
    }

    /// Plays and records until the connection is lost.
    pub(crate) async fn play(mut self) -> Self {
        let error = loop {
            if let Err(error) = self.journal.play(&mut self.client).await {
                break error;
            }
        };
        assert!(matches!(error, ClientError::Lost(_) | ClientError::Closed), "{error:?}");
        // What was acknowledged before the kill may still lie in the socket.
        let patience = Duration::from_millis(200);
        while let Ok(Ok(_)) = tokio::time::timeout(patience, self.client.answer()).await {}
        self
    }

    /// Takes the session up again: what the server acknowledged is there as it was, and the rest is sent once more.
    pub(crate) async fn resume(&mut self, server: &Server) -> Kept {
        let acknowledged = self.client.acknowledged.0;
        let there =
            self.journal.check_inputs(&server.get(&format!("/v1/sessions/{}/inputs", self.session())));
        let opening = Opening::Resume { session: self.session().to_owned(), key: self.client.key.clone() };
        let schema = self.journal.module.input_schema().clone();
        self.client = RecorderClient::open(server.address, schema, &opening).await.unwrap();
        assert_eq!(self.client.acknowledged, Tick(there), "the server goes on where its inputs end");
        self.journal.resend(&mut self.client).await.unwrap();
        let (lost, sent_again) = (acknowledged.saturating_sub(there), self.journal.tick() - there);
        Kept { acknowledged, lost, sent_again }
    }

    /// Ends the session; gives its id and the journal.
    pub(crate) async fn end(self) -> (String, Journal) {
        let Self { mut journal, mut client } = self;
        let last = journal.tick();
        if !last.is_multiple_of(HASH_EVERY) {
            journal.hash_state();
            client.hash(Tick(last), journal.hashes[&last]).await.unwrap();
        }
        let session = client.session.clone();
        assert_eq!(client.end(&End::Stopped).await.unwrap(), Tick(last));
        (session, journal)
    }
}
