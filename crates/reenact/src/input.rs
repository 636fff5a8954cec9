//! What participants did: declared columns, and the values of one tick.

use thiserror::Error;

use crate::Tick;
use crate::limits::{COLUMNS_MAX, NAME_BYTES_MAX, PARTICIPANTS_MAX};

/// Bits of one value of an input column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    Bits8,
    /// 16 bits.
    Bits16,
    /// 32 bits.
    Bits32,
}

impl Width {
    /// The width of `bits` bits; `None` unless it is 8, 16 or 32.
    pub fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            8 => Some(Self::Bits8),
            16 => Some(Self::Bits16),
            32 => Some(Self::Bits32),
            _ => None,
        }
    }

    /// 8, 16 or 32.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits8 => 8,
            Self::Bits16 => 16,
            Self::Bits32 => 32,
        }
    }

    /// 1, 2 or 4.
    pub fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}

/// What the values of a column mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A mask of buttons; the names go from bit 0 up and may be fewer than the bits.
    Buttons(Vec<String>),
    /// A signed number: a stick, a mouse coordinate, an angle.
    Axis,
}

/// One declared number of a participant's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// 1 to 64 bytes of `[A-Za-z0-9_.-]`, unique within the schema.
    pub name: String,
    /// What the values mean.
    pub kind: ColumnKind,
    /// How many bits a value has.
    pub width: Width,
}

impl Column {
    /// A mask of buttons without names.
    pub fn buttons(name: &str, width: Width) -> Self {
        Self { name: name.into(), kind: ColumnKind::Buttons(Vec::new()), width }
    }

    /// A signed axis.
    pub fn axis(name: &str, width: Width) -> Self {
        Self { name: name.into(), kind: ColumnKind::Axis, width }
    }

    /// The smallest and the largest value, both allowed.
    pub fn range(&self) -> (i64, i64) {
        let bits = self.width.bits();
        match self.kind {
            ColumnKind::Buttons(_) => (0, (1_i64 << bits) - 1),
            ColumnKind::Axis => (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1),
        }
    }

    /// `value` as it is kept: a 32-bit mask is kept as the number with the same bits.
    pub(crate) fn store(&self, value: i64) -> Option<i32> {
        let (min, max) = self.range();
        (min..=max).contains(&value).then_some(value as i32)
    }

    /// The number that was handed to [`Column::store`].
    pub(crate) fn load(&self, stored: i32) -> i64 {
        match self.kind {
            ColumnKind::Buttons(_) => i64::from(stored as u32),
            ColumnKind::Axis => i64::from(stored),
        }
    }
}

/// Why a set of columns is not an input schema.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// Too few or too many participants.
    #[error("{participants} participants, where 1 to {limit} are allowed")]
    Participants {
        /// As declared.
        participants: usize,
        /// [`PARTICIPANTS_MAX`].
        limit: usize,
    },
    /// Too few or too many columns.
    #[error("{columns} input columns, where 1 to {limit} are allowed")]
    Columns {
        /// As declared.
        columns: usize,
        /// [`COLUMNS_MAX`].
        limit: usize,
    },
    /// A name that is empty, too long, or holds other characters than `[A-Za-z0-9_.-]`.
    #[error("name {name:?} is not 1 to {limit} bytes of [A-Za-z0-9_.-]")]
    Name {
        /// As declared.
        name: String,
        /// [`NAME_BYTES_MAX`].
        limit: usize,
    },
    /// Two columns of one name.
    #[error("two input columns are named {name:?}")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// More button names than bits.
    #[error("column {column:?} names {buttons} buttons in {bits} bits")]
    Buttons {
        /// The column.
        column: String,
        /// Names given.
        buttons: usize,
        /// Bits of the mask.
        bits: u32,
    },
}

/// The declared input of a session: how many participants, and the columns that each of them has.
///
/// ```
/// use reenact::input::{Column, InputSchema, Width};
/// let schema = InputSchema::new(2, vec![Column::buttons("pad", Width::Bits8), Column::axis("aim", Width::Bits16)])?;
/// assert_eq!(schema.stride_bytes(), 3);
/// # Ok::<(), reenact::input::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSchema {
    /// 1 to [`PARTICIPANTS_MAX`].
    participants: usize,
    /// 1 to [`COLUMNS_MAX`] columns of different names.
    columns: Vec<Column>,
}

impl InputSchema {
    /// # Errors
    /// A count or a name is outside its limits.
    pub fn new(participants: usize, columns: Vec<Column>) -> Result<Self, SchemaError> {
        if !(1..=PARTICIPANTS_MAX).contains(&participants) {
            return Err(SchemaError::Participants { participants, limit: PARTICIPANTS_MAX });
        }
        if !(1..=COLUMNS_MAX).contains(&columns.len()) {
            return Err(SchemaError::Columns { columns: columns.len(), limit: COLUMNS_MAX });
        }
        for (n, column) in columns.iter().enumerate() {
            check_column(column)?;
            if columns[..n].iter().any(|other| other.name == column.name) {
                return Err(SchemaError::DuplicateName { name: column.name.clone() });
            }
        }
        Ok(Self { participants, columns })
    }

    /// How many participants a session has room for.
    pub fn participants(&self) -> usize {
        self.participants
    }

    /// The columns of each participant, in the order of their bytes in a row.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Bytes of one participant's row.
    pub fn stride_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.width.bytes()).sum()
    }

    /// Bytes of one tick's input frame, head included.
    pub fn frame_bytes(&self) -> usize {
        FRAME_HEAD_BYTES + self.participants * self.stride_bytes()
    }

    /// Decodes one row (`stride_bytes()` bytes), as a game suggests it for a bot; `None` on another length.
    pub fn row_from_bytes(&self, bytes: &[u8]) -> Option<Vec<i64>> {
        if bytes.len() != self.stride_bytes() {
            return None;
        }
        let mut rest = bytes;
        let row = self.columns.iter().map(|column| {
            let (value, tail) = rest.split_at(column.width.bytes());
            rest = tail;
            read_value(column, value)
        });
        Some(row.collect())
    }
}

fn same(what: &'static str, actual: usize, expected: usize) -> Result<(), FrameError> {
    if actual == expected { Ok(()) } else { Err(FrameError::Head { what, actual, expected }) }
}

/// Bytes before the rows of an input frame.
const FRAME_HEAD_BYTES: usize = 16;

fn check_column(column: &Column) -> Result<(), SchemaError> {
    check_name(&column.name)?;
    if let ColumnKind::Buttons(names) = &column.kind {
        names.iter().try_for_each(|name| check_name(name))?;
        let bits = column.width.bits();
        if names.len() > bits as usize {
            let column = column.name.clone();
            return Err(SchemaError::Buttons { column, buttons: names.len(), bits });
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), SchemaError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(SchemaError::Name { name: name.chars().take(80).collect(), limit: NAME_BYTES_MAX })
    }
}

fn read_value(column: &Column, bytes: &[u8]) -> i64 {
    let mut word = [0; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    let raw = u32::from_le_bytes(word);
    match column.kind {
        ColumnKind::Buttons(_) => i64::from(raw),
        ColumnKind::Axis => {
            let shift = 32 - column.width.bits();
            i64::from((raw << shift) as i32 >> shift)
        }
    }
}

/// Why a value is not an input of the session.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// No such participant.
    #[error("participant {participant} in a session of {participants}")]
    UnknownParticipant {
        /// As given, counted from 0.
        participant: usize,
        /// How many there are.
        participants: usize,
    },
    /// A row of another number of columns.
    #[error("{values} values for {columns} input columns")]
    Columns {
        /// As given.
        values: usize,
        /// As declared.
        columns: usize,
    },
    /// A value that its column cannot hold.
    #[error("{value} in column {column:?}, which holds {min} to {max}")]
    OutOfRange {
        /// The column's name.
        column: String,
        /// As given.
        value: i64,
        /// The least allowed.
        min: i64,
        /// The greatest allowed.
        max: i64,
    },
}

/// Why bytes are no input frame of a session.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// Too few bytes, or too many.
    #[error("an input frame of {actual} bytes, where the session's have {expected}")]
    Length {
        /// As given.
        actual: usize,
        /// [`InputSchema::frame_bytes`].
        expected: usize,
    },
    /// A frame of another session.
    #[error("{what} {actual} in an input frame, where the session has {expected}")]
    Head {
        /// `participants` or `stride`.
        what: &'static str,
        /// As given.
        actual: usize,
        /// As the session's schema has it.
        expected: usize,
    },
    /// A participant that the session has no room for is present.
    #[error("participants {present:#x} are present in a session of {participants}")]
    Present {
        /// As given.
        present: u64,
        /// How many there are.
        participants: usize,
    },
    /// An absent participant whose row is not all zero.
    #[error("the row of participant {participant}, who is absent, is not all zero")]
    Absent {
        /// Counted from 0.
        participant: usize,
    },
}

/// The merged inputs of all participants at one tick.
///
/// An absent participant's values are all zero, so that equal inputs are equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Bit `p` is set while participant `p` takes part.
    present: u64,
    /// Participants x columns, participant by participant.
    values: Vec<i32>,
    columns: usize,
}

impl Inputs {
    /// Nobody present.
    pub fn absent(schema: &InputSchema) -> Self {
        let columns = schema.columns.len();
        Self { present: 0, values: vec![0; schema.participants * columns], columns }
    }

    /// Bit `p` is set while participant `p` takes part.
    pub fn present(&self) -> u64 {
        self.present
    }

    /// How many participants there is room for.
    pub fn participants(&self) -> usize {
        self.values.len() / self.columns
    }

    /// How many input columns each participant has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The stored values of a participant, one a column; `None` while absent. A 32-bit mask shows as the
    /// signed number of the same bits.
    pub fn get(&self, participant: usize) -> Option<&[i32]> {
        let there = participant < self.participants() && self.present >> participant & 1 == 1;
        there.then(|| self.row(participant))
    }

    /// The values of a participant as [`set`](Self::set) takes them; all zero while absent.
    ///
    /// # Panics
    /// The participant is unknown.
    pub fn values(&self, schema: &InputSchema, participant: usize) -> Vec<i64> {
        schema.columns.iter().zip(self.row(participant)).map(|(column, value)| column.load(*value)).collect()
    }

    /// Sets what `participant` did, one value a column, and makes it present.
    ///
    /// # Errors
    /// The participant is unknown, or a value does not fit its column; nothing is changed then.
    pub fn set(&mut self, schema: &InputSchema, participant: usize, row: &[i64]) -> Result<(), InputError> {
        let participants = self.participants();
        if participant >= participants {
            return Err(InputError::UnknownParticipant { participant, participants });
        }
        if row.len() != self.columns {
            return Err(InputError::Columns { values: row.len(), columns: self.columns });
        }
        if let Some((column, value)) =
            schema.columns.iter().zip(row).find(|(column, value)| column.store(**value).is_none())
        {
            let (min, max) = column.range();
            return Err(InputError::OutOfRange { column: column.name.clone(), value: *value, min, max });
        }
        let stored: Vec<i32> = row.iter().map(|value| *value as i32).collect();
        self.set_stored(participant, Some(&stored));
        Ok(())
    }

    /// Makes `participant` absent; an unknown one is absent already.
    pub fn remove(&mut self, participant: usize) {
        if participant < self.participants() {
            self.set_stored(participant, None);
        }
    }

    /// The values of a participant, present or not.
    pub(crate) fn row(&self, participant: usize) -> &[i32] {
        &self.values[participant * self.columns..][..self.columns]
    }

    pub(crate) fn set_stored(&mut self, participant: usize, row: Option<&[i32]>) {
        let slot = &mut self.values[participant * self.columns..][..self.columns];
        if let Some(row) = row {
            slot.copy_from_slice(row);
            self.present |= 1 << participant;
        } else {
            slot.fill(0);
            self.present &= !(1 << participant);
        }
    }

    /// Reads what [`write_frame`](Self::write_frame) wrote: the tick, and its inputs.
    ///
    /// # Errors
    /// The bytes are no input frame of a session with `schema`.
    pub fn read_frame(schema: &InputSchema, frame: &[u8]) -> Result<(Tick, Self), FrameError> {
        let (actual, expected) = (frame.len(), schema.frame_bytes());
        let length = FrameError::Length { actual, expected };
        let (head, rows) = frame.split_first_chunk::<FRAME_HEAD_BYTES>().ok_or(length)?;
        if actual != expected {
            return Err(FrameError::Length { actual, expected });
        }
        let [tick, shape, low, high] = *head.as_chunks::<4>().0 else { unreachable!("a head is four words") };
        let shape = u32::from_le_bytes(shape);
        same("participants", (shape & 0xffff) as usize, schema.participants)?;
        same("stride", (shape >> 16) as usize, schema.stride_bytes())?;
        let present = u64::from(u32::from_le_bytes(low)) | u64::from(u32::from_le_bytes(high)) << 32;
        if present.checked_shr(schema.participants as u32).unwrap_or(0) != 0 {
            return Err(FrameError::Present { present, participants: schema.participants });
        }
        let mut inputs = Self::absent(schema);
        for (participant, row) in rows.chunks_exact(schema.stride_bytes()).enumerate() {
            inputs.read_row(schema, participant, row, present >> participant & 1 == 1)?;
        }
        Ok((Tick(u32::from_le_bytes(tick)), inputs))
    }

    fn read_row(
        &mut self,
        schema: &InputSchema,
        participant: usize,
        row: &[u8],
        present: bool,
    ) -> Result<(), FrameError> {
        if !present {
            let zero = row.iter().all(|byte| *byte == 0);
            return if zero { Ok(()) } else { Err(FrameError::Absent { participant }) };
        }
        let columns = schema.columns.len();
        let slot = &mut self.values[participant * columns..][..columns];
        let mut rest = row;
        for (column, value) in schema.columns.iter().zip(slot) {
            let (bytes, tail) = rest.split_at(column.width.bytes());
            *value = read_value(column, bytes) as i32;
            rest = tail;
        }
        self.present |= 1 << participant;
        Ok(())
    }

    /// Writes the input frame of `docs/spec/reenact1.md` over `out`.
    pub fn write_frame(&self, schema: &InputSchema, tick: Tick, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&tick.0.to_le_bytes());
        out.extend_from_slice(&(self.participants() as u16).to_le_bytes());
        out.extend_from_slice(&(schema.stride_bytes() as u16).to_le_bytes());
        out.extend_from_slice(&self.present.to_le_bytes());
        for row in self.values.chunks_exact(self.columns) {
            for (column, value) in schema.columns.iter().zip(row) {
                out.extend_from_slice(&value.to_le_bytes()[..column.width.bytes()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> InputSchema {
        let columns = vec![
            Column::buttons("pad", Width::Bits8),
            Column::axis("aim", Width::Bits16),
            Column::buttons("keys", Width::Bits32),
        ];
        InputSchema::new(2, columns).unwrap()
    }

    #[test]
    fn a_schema_outside_its_limits_is_refused_by_name() {
        let pad = || Column::buttons("pad", Width::Bits8);
        let check = |participants, columns, part: &str| {
            let error = InputSchema::new(participants, columns).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(0, vec![pad()], "0 participants");
        check(65, vec![pad()], "65 participants");
        check(1, vec![], "0 input columns");
        check(1, (0..17).map(|n| Column::axis(&format!("c{n}"), Width::Bits8)).collect(), "17 input columns");
        check(1, vec![pad(), pad()], "two input columns");
        check(1, vec![Column::axis("a b", Width::Bits8)], "name \"a b\"");
        let names = vec!["x".to_string(); 9];
        let crowded = Column { kind: ColumnKind::Buttons(names), ..pad() };
        check(1, vec![crowded], "9 buttons in 8 bits");
    }

    #[test]
    fn values_that_do_not_fit_are_refused_and_change_nothing() {
        let schema = schema();
        let mut inputs = Inputs::absent(&schema);
        let before = inputs.clone();
        let check = |inputs: &mut Inputs, participant, row: &[i64], part: &str| {
            let error = inputs.set(&schema, participant, row).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(&mut inputs, 2, &[0, 0, 0], "participant 2");
        check(&mut inputs, 0, &[0, 0], "2 values for 3");
        check(&mut inputs, 0, &[256, 0, 0], "256 in column \"pad\", which holds 0 to 255");
        check(&mut inputs, 0, &[0, 32_768, 0], "-32768 to 32767");
        check(&mut inputs, 0, &[0, 0, -1], "4294967295");
        assert_eq!(inputs, before);
    }

    #[test]
    fn a_frame_has_the_bytes_of_the_spec() {
        let schema = schema();
        let mut inputs = Inputs::absent(&schema);
        inputs.set(&schema, 1, &[5, -2, 0xffff_fffe]).unwrap();
        let mut frame = Vec::new();
        inputs.write_frame(&schema, Tick(258), &mut frame);
        let head = [2, 1, 0, 0, 2, 0, 7, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(frame[..16], head);
        assert_eq!(frame[16..], [0, 0, 0, 0, 0, 0, 0, 5, 0xfe, 0xff, 0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(frame.len(), schema.frame_bytes());
        assert_eq!(schema.row_from_bytes(&frame[23..]), Some(vec![5, -2, 0xffff_fffe]));
        assert_eq!(schema.row_from_bytes(&frame), None);
    }

    #[test]
    fn a_frame_comes_back_and_others_are_refused_by_name() {
        let schema = schema();
        let mut inputs = Inputs::absent(&schema);
        inputs.set(&schema, 1, &[5, -2, 0xffff_fffe]).unwrap();
        let mut frame = Vec::new();
        inputs.write_frame(&schema, Tick(258), &mut frame);
        assert_eq!(Inputs::read_frame(&schema, &frame), Ok((Tick(258), inputs)));
        for length in 0..frame.len() {
            let expect = FrameError::Length { actual: length, expected: frame.len() };
            assert_eq!(Inputs::read_frame(&schema, &frame[..length]), Err(expect));
        }
        let check = |at: usize, value: u8, part: &str| {
            let mut other = frame.clone();
            other[at] = value;
            let error = Inputs::read_frame(&schema, &other).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(4, 3, "participants 3 in an input frame, where the session has 2");
        check(6, 6, "stride 6");
        check(8, 6, "participants 0x6 are present in a session of 2");
        check(15, 0x80, "participants 0x8000000000000002");
        check(16, 1, "participant 0, who is absent");
    }

    #[test]
    fn the_absent_are_all_zero() {
        let schema = schema();
        let mut inputs = Inputs::absent(&schema);
        inputs.set(&schema, 0, &[1, 2, 3]).unwrap();
        assert_eq!(inputs.get(0), Some(&[1, 2, 3][..]));
        inputs.remove(0);
        assert_eq!((inputs.get(0), inputs.get(9)), (None, None));
        assert_eq!(inputs, Inputs::absent(&schema));
    }
}
