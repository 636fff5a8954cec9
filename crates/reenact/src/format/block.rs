//! The input block: what participants did in a span of ticks, decodable by itself.

use thiserror::Error;

use super::varint::{self, VarintError};
use crate::input::{Column, InputSchema, Inputs};
use crate::limits::{BLOCK_ROWS_MAX, PARTICIPANTS_MAX};
use crate::tick::Tick;

/// Codec 0: rows one after the other, values as differences in LEB128.
const CODEC_RAW: u64 = 0;

/// One participant's input from a tick on: it holds until the participant's next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    tick: Tick,
    participant: u8,
    present: bool,
}

/// What participants did in a span of ticks, as rows of what changed.
///
/// Before the first row everybody is absent, so a block says all by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputBlock {
    first_tick: Tick,
    /// How many ticks the block covers; `first_tick + ticks` is at most [`Tick::MAX`].
    ticks: u32,
    columns: usize,
    /// In order of ticks, then of participants; all within the span.
    rows: Vec<Row>,
    /// One a row and column; those of an absent participant are zero.
    values: Vec<i32>,
}

/// Why bytes are no input block of a session.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// The bytes end before the block does.
    #[error("{what} is cut off")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// Bytes after the end of the block.
    #[error("{bytes} bytes after the last row")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A number of more bytes than it needs, or outside what may stand there.
    #[error("{what} is not a canonical number or out of range")]
    Number {
        /// What was being read.
        what: &'static str,
    },
    /// A codec of a later version.
    #[error("codec {codec}, where at most {supported} is known")]
    Codec {
        /// As given.
        codec: u64,
        /// The last one known.
        supported: u64,
    },
    /// More rows than a block may have.
    #[error("{rows} rows, where at most {limit} are allowed")]
    Rows {
        /// As declared.
        rows: u64,
        /// [`BLOCK_ROWS_MAX`].
        limit: usize,
    },
    /// Rows that are not in order of ticks, then of participants, or outside the block's span.
    #[error("row {row} is out of order or outside the block's ticks")]
    Order {
        /// Which row, from 0.
        row: usize,
    },
    /// A row that says what holds already: a block holds changes only.
    #[error("row {row} changes nothing")]
    Idle {
        /// Which row, from 0.
        row: usize,
    },
    /// Columns that are not those of the session.
    #[error("{actual} columns in a session of {expected}")]
    Columns {
        /// As given.
        actual: u64,
        /// As declared by the session.
        expected: usize,
    },
}

impl InputBlock {
    /// An empty block that begins at `first_tick`, in which nobody takes part yet.
    pub(crate) fn new(schema: &InputSchema, first_tick: Tick) -> Self {
        let columns = schema.columns().len();
        Self { first_tick, ticks: 0, columns, rows: Vec::new(), values: Vec::new() }
    }

    /// The first tick whose inputs the block holds.
    pub fn first_tick(&self) -> Tick {
        self.first_tick
    }

    /// The first tick after the block.
    pub fn end_tick(&self) -> Tick {
        Tick(self.first_tick.0 + self.ticks)
    }

    /// Whether a session with `schema` can have such inputs.
    pub fn fits(&self, schema: &InputSchema) -> bool {
        let columns = schema.columns();
        let row_fits = |(row, values): (&Row, &[i32])| {
            let holds = |(column, value): (&Column, &i32)| {
                let (min, max) = column.range();
                (min..=max).contains(&column.load(*value))
            };
            usize::from(row.participant) < schema.participants() && columns.iter().zip(values).all(holds)
        };
        self.columns == columns.len()
            && self.rows.iter().zip(self.values.chunks_exact(self.columns)).all(row_fits)
    }

    /// How many rows changed something.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Bytes the block takes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.rows.len() * (size_of::<Row>() + self.columns * size_of::<i32>())
    }

    /// Adds the next tick: `inputs` are its inputs, `before` those of the tick before in this block.
    /// The caller sees to it that ticks end at [`Tick::MAX`].
    pub(crate) fn push(&mut self, before: &Inputs, inputs: &Inputs) {
        let tick = self.end_tick();
        self.ticks += 1;
        for participant in 0..inputs.participants() {
            let (was, is) = (before.get(participant), inputs.get(participant));
            if was != is {
                self.rows.push(Row { tick, participant: participant as u8, present: is.is_some() });
                self.values.extend_from_slice(inputs.row(participant));
            }
        }
    }

    /// Applies the rows from `row` on that take effect at or before `tick` to `inputs`, which are what the rows
    /// before lead to; gives the next row. Begins with row 0 and absent inputs of a schema that the block
    /// [`fits`](Self::fits).
    pub fn apply(&self, mut row: usize, tick: Tick, inputs: &mut Inputs) -> usize {
        while let Some(next) = self.rows.get(row).filter(|next| next.tick <= tick) {
            let values = &self.values[row * self.columns..][..self.columns];
            inputs.set_stored(usize::from(next.participant), next.present.then_some(values));
            row += 1;
        }
        row
    }

    /// The block's bytes, as `docs/spec/replay-format.md` lays them out.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.rows.len() * (2 + self.columns));
        let (first_tick, ticks) = (self.first_tick.0.into(), self.ticks.into());
        for value in [CODEC_RAW, first_tick, ticks, self.columns as u64, self.rows.len() as u64] {
            varint::write(value, &mut out);
        }
        let mut last_tick = self.first_tick;
        let mut last_values = LastValues::new(self.columns);
        for (row, values) in self.rows.iter().zip(self.values.chunks_exact(self.columns)) {
            varint::write(u64::from(row.tick.0 - last_tick.0), &mut out);
            varint::write(u64::from(row.participant) << 1 | u64::from(row.present), &mut out);
            last_tick = row.tick;
            if row.present {
                for (last, &value) in last_values.of(row.participant).iter_mut().zip(values) {
                    varint::write(varint::zigzag(value.wrapping_sub(*last)), &mut out);
                    *last = value;
                }
            }
        }
        out
    }

    /// Reads what [`InputBlock::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are no block of a session with `schema`. Nothing is allocated past what the bytes need.
    pub fn decode(schema: &InputSchema, mut bytes: &[u8]) -> Result<Self, BlockError> {
        let bytes = &mut bytes;
        let codec = number(bytes, "codec", u64::MAX)?;
        if codec != CODEC_RAW {
            return Err(BlockError::Codec { codec, supported: CODEC_RAW });
        }
        let first_tick = number(bytes, "first tick", u32::MAX.into())? as u32;
        let ticks = number(bytes, "tick count", (u32::MAX - first_tick).into())? as u32;
        let columns = number(bytes, "column count", u64::MAX)?;
        if columns != schema.columns().len() as u64 {
            return Err(BlockError::Columns { actual: columns, expected: schema.columns().len() });
        }
        let rows = number(bytes, "row count", u64::MAX)?;
        if rows > BLOCK_ROWS_MAX as u64 {
            return Err(BlockError::Rows { rows, limit: BLOCK_ROWS_MAX });
        }
        let mut block = Self { ticks, ..Self::new(schema, Tick(first_tick)) };
        let mut last_values = LastValues::new(block.columns);
        for _ in 0..rows {
            block.decode_row(schema, bytes, &mut last_values)?;
        }
        if bytes.is_empty() { Ok(block) } else { Err(BlockError::Trailing { bytes: bytes.len() }) }
    }

    fn decode_row(
        &mut self,
        schema: &InputSchema,
        bytes: &mut &[u8],
        last_values: &mut LastValues,
    ) -> Result<(), BlockError> {
        let last = self.rows.last().copied();
        let last_tick = last.map_or(self.first_tick, |row| row.tick);
        let delta = number(bytes, "row tick", (self.end_tick().0 - last_tick.0).into())?;
        let tick = Tick(last_tick.0 + delta as u32);
        let participants = schema.participants() as u64;
        let head = number(bytes, "row participant", participants * 2 - 1)?;
        let row = Row { tick, participant: (head >> 1) as u8, present: head & 1 == 1 };
        let ordered = last.is_none_or(|last| (last.tick, last.participant) < (tick, row.participant));
        if !ordered || tick >= self.end_tick() {
            return Err(BlockError::Order { row: self.rows.len() });
        }
        let was_present =
            std::mem::replace(&mut last_values.present[usize::from(row.participant)], row.present);
        let idle = BlockError::Idle { row: self.rows.len() };
        self.rows.push(row);
        if !row.present {
            self.values.extend(std::iter::repeat_n(0, self.columns));
            return if was_present { Ok(()) } else { Err(idle) };
        }
        let mut changed = !was_present;
        for (last, column) in last_values.of(row.participant).iter_mut().zip(schema.columns()) {
            let delta = varint::unzigzag(number(bytes, "row value", u64::MAX)?);
            let value = delta.map(|delta| last.wrapping_add(delta)).filter(|value| {
                let (min, max) = column.range();
                (min..=max).contains(&column.load(*value))
            });
            let value = value.ok_or(BlockError::Number { what: "row value" })?;
            changed |= value != *last;
            *last = value;
            self.values.push(value);
        }
        if changed { Ok(()) } else { Err(idle) }
    }
}

/// Each participant's last values while present, from which the next ones are told apart.
struct LastValues {
    present: [bool; PARTICIPANTS_MAX],
    values: Vec<i32>,
    columns: usize,
}

impl LastValues {
    fn new(columns: usize) -> Self {
        Self { present: [false; PARTICIPANTS_MAX], values: vec![0; columns * PARTICIPANTS_MAX], columns }
    }

    fn of(&mut self, participant: u8) -> &mut [i32] {
        &mut self.values[usize::from(participant) * self.columns..][..self.columns]
    }
}

fn number(bytes: &mut &[u8], what: &'static str, max: u64) -> Result<u64, BlockError> {
    match varint::read(bytes) {
        Ok(value) if value <= max => Ok(value),
        Ok(_) | Err(VarintError::NotCanonical) => Err(BlockError::Number { what }),
        Err(VarintError::Truncated) => Err(BlockError::Truncated { what }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Width;

    fn schema() -> InputSchema {
        let columns = vec![Column::buttons("pad", Width::Bits8), Column::axis("aim", Width::Bits16)];
        InputSchema::new(3, columns).unwrap()
    }

    fn block(ticks: &[&[(usize, i64, i64)]]) -> InputBlock {
        let schema = schema();
        let mut block = InputBlock::new(&schema, Tick(100));
        let mut before = Inputs::absent(&schema);
        for tick in ticks {
            let mut inputs = Inputs::absent(&schema);
            for &(participant, pad, aim) in *tick {
                inputs.set(&schema, participant, &[pad, aim]).unwrap();
            }
            block.push(&before, &inputs);
            before = inputs;
        }
        block
    }

    #[test]
    fn a_block_comes_back_with_only_what_changed() {
        let block = block(&[&[(0, 1, 5), (2, 255, -300)], &[(0, 1, 5), (2, 255, -300)], &[(0, 1, 6)]]);
        assert_eq!((block.rows(), block.end_tick()), (4, Tick(103)));
        let bytes = block.encode();
        assert_eq!(InputBlock::decode(&schema(), &bytes), Ok(block.clone()));
        let mut inputs = Inputs::absent(&schema());
        let next = block.apply(0, Tick(101), &mut inputs);
        assert_eq!((next, inputs.get(2)), (2, Some(&[255, -300][..])));
        block.apply(next, Tick(102), &mut inputs);
        assert_eq!((inputs.get(0), inputs.get(2)), (Some(&[1, 6][..]), None));
    }

    #[test]
    fn a_block_fits_sessions_that_can_have_its_inputs() {
        let block = block(&[&[(2, 255, -300)]]);
        let check = |participants, columns: &[Column], expect| {
            let schema = InputSchema::new(participants, columns.to_vec()).unwrap();
            assert_eq!(block.fits(&schema), expect);
        };
        let (pad, aim) = (Column::buttons("pad", Width::Bits8), Column::axis("aim", Width::Bits16));
        check(3, &[pad.clone(), aim.clone()], true);
        check(2, &[pad.clone(), aim.clone()], false);
        check(3, std::slice::from_ref(&pad), false);
        check(3, &[pad, Column::axis("narrow", Width::Bits8)], false);
    }

    #[test]
    fn a_block_cut_anywhere_or_made_longer_is_refused() {
        let mut bytes = block(&[&[(0, 1, 5)], &[(0, 2, 5), (1, 7, 7)]]).encode();
        for length in 0..bytes.len() {
            let error = InputBlock::decode(&schema(), &bytes[..length]).unwrap_err();
            assert!(matches!(error, BlockError::Truncated { .. }), "{length}: {error}");
        }
        bytes.push(0);
        assert_eq!(InputBlock::decode(&schema(), &bytes), Err(BlockError::Trailing { bytes: 1 }));
    }

    #[test]
    fn declared_numbers_are_bounded_before_they_are_believed() {
        let check = |numbers: &[u64], expect: BlockError| {
            let mut bytes = Vec::new();
            for &value in numbers {
                varint::write(value, &mut bytes);
            }
            assert_eq!(InputBlock::decode(&schema(), &bytes), Err(expect));
        };
        check(&[1], BlockError::Codec { codec: 1, supported: 0 });
        check(&[0, 1 << 32], BlockError::Number { what: "first tick" });
        check(&[0, 5, u64::from(u32::MAX) - 4], BlockError::Number { what: "tick count" });
        check(&[0, 0, 1, 3], BlockError::Columns { actual: 3, expected: 2 });
        check(&[0, 0, 1, 2, 65_537], BlockError::Rows { rows: 65_537, limit: BLOCK_ROWS_MAX });
        check(&[0, 0, 4, 2, 1, 5], BlockError::Number { what: "row tick" });
        check(&[0, 0, 4, 2, 1, 4, 0], BlockError::Order { row: 0 });
        check(&[0, 0, 4, 2, 1, 0, 6], BlockError::Number { what: "row participant" });
        check(&[0, 0, 4, 2, 2, 0, 3, 2, 0, 0, 0], BlockError::Order { row: 1 });
        check(&[0, 0, 4, 2, 1, 0, 1, 512], BlockError::Number { what: "row value" });
        check(&[0, 0, 4, 2, 1, 0, 0], BlockError::Idle { row: 0 });
        check(&[0, 0, 4, 2, 2, 0, 1, 2, 0, 1, 1, 0, 0], BlockError::Idle { row: 1 });
    }
}
