//! Plays a game here and records it on a server, over the wire, as a game of one's own would.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reenact::{Inputs, Mark, Simulation, Status, Tick};
use reenact_wasm::{Module, Setup, StartError, WasmSimulation};

use crate::client::{ClientError, RecorderClient};
use crate::record::protocol::{End, Opening};

/// What is played.
#[derive(Clone, Debug)]
pub struct Played<'a> {
    /// The game; the server has it already.
    pub module: &'a Module,
    /// Where it begins.
    pub setup: Setup,
    /// How many ticks are played, unless the game is over before.
    pub ticks: u32,
    /// Ticks between state hashes; 0 for none.
    pub hash_every: u32,
}

/// Plays a game as fast as it runs and records it; gives the session's id and its last tick. Before each
/// tick `act` turns the inputs of the one before into those of this one.
///
/// # Errors
/// The game does not start, `act` fails, or the server does not take the recording.
pub async fn play_and_record<E: From<ClientError> + From<StartError>>(
    server: SocketAddr,
    played: Played<'_>,
    mut act: impl FnMut(Tick, &mut WasmSimulation, &mut Inputs) -> Result<(), E>,
) -> Result<(String, Tick), E> {
    let mut game = Game::new(&played)?;
    let opening = Opening::Start {
        module: played.module.id().module.to_string(),
        seed: played.setup.seed.to_string(),
        config: BASE64_STANDARD.encode(&played.setup.config),
        disk: BASE64_STANDARD.encode(&played.setup.disk),
        hash_every: played.hash_every,
    };
    let mut client = RecorderClient::open(server, played.module.input_schema().clone(), &opening).await?;
    let session = client.session.clone();
    game.hash_if_due(&mut client).await?;
    let mut end = None;
    while end.is_none() && game.tick.0 < played.ticks {
        act(game.tick, &mut game.simulation, &mut game.inputs)?;
        end = game.step(&mut client).await?;
    }
    let end = end.unwrap_or(End::Stopped);
    game.hash_last(&mut client, &end).await?;
    let last_tick = client.end(&end).await?;
    Ok((session, last_tick))
}

struct Game {
    simulation: WasmSimulation,
    inputs: Inputs,
    marks: Vec<Mark>,
    tick: Tick,
    hash_every: u32,
}

impl Game {
    fn new(played: &Played<'_>) -> Result<Self, StartError> {
        Ok(Self {
            simulation: played.module.simulation(&played.setup)?,
            inputs: Inputs::absent(played.module.input_schema()),
            marks: Vec::new(),
            tick: Tick::ZERO,
            hash_every: played.hash_every,
        })
    }

    /// Plays one tick and records it; how the session ends, if it does.
    async fn step(&mut self, client: &mut RecorderClient) -> Result<Option<End>, ClientError> {
        let status = match self.simulation.step(self.tick, &self.inputs, &mut self.marks) {
            Ok(status) => status,
            Err(failure) => return Ok(Some(End::Failed(failure, self.tick, self.inputs.clone()))),
        };
        client.record(self.tick, self.inputs.clone()).await?;
        self.tick = Tick(self.tick.0 + 1);
        self.hash_if_due(client).await?;
        for mark in self.marks.drain(..) {
            client.mark(self.tick, &mark).await?;
        }
        Ok((status == Status::Over).then_some(End::Over))
    }

    async fn hash_if_due(&mut self, client: &mut RecorderClient) -> Result<(), ClientError> {
        if self.is_due() { client.hash(self.tick, self.simulation.state_hash()).await } else { Ok(()) }
    }

    /// A session that did not fail has a hash of its last state.
    async fn hash_last(&mut self, client: &mut RecorderClient, end: &End) -> Result<(), ClientError> {
        let failed = matches!(end, End::Failed(..));
        if failed || self.hash_every == 0 || self.is_due() {
            return Ok(());
        }
        client.hash(self.tick, self.simulation.state_hash()).await
    }

    fn is_due(&self) -> bool {
        self.hash_every != 0 && self.tick.0.is_multiple_of(self.hash_every)
    }
}
