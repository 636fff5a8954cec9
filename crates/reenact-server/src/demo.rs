//! The demo: sample games, and a session of bots that is recorded as any game's would be.

use std::net::SocketAddr;

use reenact::ModuleHash;
use reenact::bot::Bot;
use reenact::session::HASH_EVERY_DEFAULT;
use reenact_wasm::{Setup, StartError};
use thiserror::Error;

use crate::client::ClientError;
use crate::modules::{ModuleError, Modules};
use crate::play::{Played, play_and_record};
use crate::record::refusal::RefusalCode;

/// The modules of the sample games.
pub const GAMES: [&[u8]; 2] =
    [include_bytes!("../../../games/arena/arena.wasm"), include_bytes!("../../../games/tour/tour.wasm")];

/// The seed and the length of the session: two minutes.
const SEED: u64 = 7;
const TICKS: u32 = 7_200;

/// Why there is no demo.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A sample game is not admitted.
    #[error("failed to admit a sample game")]
    Module(#[from] ModuleError),
    /// The game does not begin.
    #[error("failed to start the game")]
    Start(#[from] StartError),
    /// The game's bots failed.
    #[error("the game's bots failed")]
    Bots(#[from] reenact::Failure),
    /// It is not recorded.
    #[error("failed to record the session")]
    Record(#[from] ClientError),
}

impl DemoError {
    /// Whether the session is not recorded because the server stops.
    pub fn is_stop(&self) -> bool {
        let Self::Record(ClientError::Refused(refusal)) = self else { return false };
        refusal.code == RefusalCode::ServerStopping
    }
}

/// Admits the sample games. It compiles those that are new: call it where that holds up nobody.
///
/// # Errors
/// They cannot be kept.
pub fn admit_games(modules: &Modules) -> Result<(), DemoError> {
    for bytes in GAMES {
        modules.admit(bytes)?;
    }
    Ok(())
}

/// Records two minutes of bots in the arena on a server that has its module; gives the session's id.
///
/// # Errors
/// The server does not take the recording.
pub async fn record_bots(server: SocketAddr, modules: &Modules) -> Result<String, DemoError> {
    let module = modules.of_new_session(ModuleHash::of(GAMES[0]))?;
    let setup = Setup { seed: SEED, ..Setup::default() };
    let played = Played { module: &module, setup, ticks: TICKS, hash_every: HASH_EVERY_DEFAULT };
    let (mut bot, schema) = (Bot::new(SEED), module.input_schema());
    let act = |_, game: &mut _, inputs: &mut _| Ok::<_, DemoError>(bot.play(game, schema, inputs)?);
    let (session, _last_tick) = play_and_record(server, played, act).await?;
    Ok(session)
}
