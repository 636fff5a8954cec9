//! Inputs that are stored already, to compare with.

use std::sync::Arc;

use reenact::format::block::InputBlock;
use reenact::session::SessionPayload;
use reenact::{InputSchema, Inputs, Tick};

use super::{EventError, LoadError, Session, SessionId, from_event};
use crate::event::Sequence;
use crate::store::{Direction, EventStore};

/// The inputs of a session up to where it was read: for a recorder that hands in again what is there.
#[derive(Debug)]
pub struct StoredInputs {
    store: Arc<dyn EventStore>,
    id: SessionId,
    session: Session,
    /// The block that was read last, and how far.
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    block: InputBlock,
    /// The next row, and the inputs that those before it lead to.
    row: usize,
    inputs: Inputs,
    tick: Tick,
}

impl Reading {
    fn new(schema: &InputSchema, block: InputBlock) -> Self {
        let tick = block.first_tick();
        Self { block, row: 0, inputs: Inputs::absent(schema), tick }
    }

    /// The inputs of a tick of the block, not before the one that was asked for last.
    fn at(&mut self, tick: Tick) -> &Inputs {
        self.row = self.block.apply(self.row, tick, &mut self.inputs);
        self.tick = tick;
        &self.inputs
    }
}

impl StoredInputs {
    /// Those of `session`.
    pub fn new(store: Arc<dyn EventStore>, id: SessionId, session: Session) -> Self {
        Self { store, id, session, reading: None }
    }

    /// The session up to where it was read.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The inputs of `tick`, if they are there. Quick if ticks are asked for in order.
    ///
    /// # Errors
    /// The session cannot be read.
    pub async fn at(&mut self, tick: Tick) -> Result<Option<Inputs>, LoadError> {
        let Some(place) = self.session.block_of(tick) else { return Ok(None) };
        let goes_on =
            |reading: &Reading| reading.block.first_tick() == place.first_tick && reading.tick <= tick;
        if !self.reading.as_ref().is_some_and(goes_on) {
            let block = self.read_block(place.sequence).await?;
            self.reading = Some(Reading::new(&self.session.started().schema, block));
        }
        Ok(self.reading.as_mut().map(|reading| reading.at(tick).clone()))
    }

    async fn read_block(&self, sequence: Sequence) -> Result<InputBlock, LoadError> {
        let session = || self.id.clone();
        let page = self.store.read(self.id.stream(), sequence, Direction::Forward, 1).await;
        let page = page.map_err(|source| LoadError::Read { session: session(), source })?;
        let event = page.first().ok_or_else(|| LoadError::Unknown { session: session() })?;
        match from_event(Some(&self.session.started().schema), event) {
            Ok(SessionPayload::InputsRecorded(block)) => Ok(block),
            Ok(_) => {
                let source = EventError::Kind { kind: event.kind.clone() };
                Err(LoadError::Event { session: session(), sequence, source })
            }
            Err(source) => Err(LoadError::Event { session: session(), sequence, source }),
        }
    }
}
