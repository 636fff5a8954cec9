//! The trait that a game implements.

use crate::{Canvas, InputRow, Plain};

/// The configuration was not one that the game understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigRefused;

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There will be another tick.
    Running,
    /// The game is over.
    Over,
}

/// For whom a picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Someone who only watches.
    Spectator,
    /// The participant of this index.
    Participant(usize),
}

/// What [`game!`](crate::game) says of a state struct; not for implementing by hand.
pub trait Declared: Plain {
    /// One participant's input for one tick.
    type Row: InputRow;
    /// All participants' input for one tick.
    type Inputs;
    /// The text of the module's `reenact.schema` section.
    const SCHEMA: &'static [u8];
    /// Whether [`Game::bot`] gives suggestions.
    const BOT: bool;

    /// Decodes an input frame; `None` for one of another shape than declared.
    fn parse(frame: &[u8]) -> Option<Self::Inputs>;
}

/// A game: a pure function of seed, configuration and inputs, whose whole memory is `self`.
///
/// A panic anywhere traps, and the host ends the session at the tick before.
pub trait Game: Declared {
    /// Sets up the state of tick 0, starting from [`Plain::ZERO`].
    fn init(&mut self, seed: u64, config: &[u8]) -> Result<(), ConfigRefused>;

    /// Runs exactly one tick.
    fn step(&mut self, inputs: &Self::Inputs) -> Status;

    /// Draws the state; the canvas is black. It runs on a copy of the game and cannot influence it.
    fn view(&self, _viewer: Viewer, _canvas: &mut Canvas) {}

    /// What a bot would press now in the place of `participant`.
    fn bot(&self, _participant: usize) -> Self::Row {
        Self::Row::default()
    }
}
