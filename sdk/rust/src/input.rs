//! Input frames and the rows in them.

/// A number that can be an input column.
pub trait Column: Copy + Default {
    /// The schema's word for such columns: masks of buttons are unsigned, axes signed.
    const KIND: &'static str;
    /// The size of the number.
    const BITS: usize;

    /// Reads the number from the start of `bytes`.
    fn read(bytes: &[u8]) -> Self;

    /// Writes the number to the start of `bytes`.
    fn write(self, bytes: &mut [u8]);
}

macro_rules! column {
    ($($type:ty, $kind:literal;)*) => {$(
        impl Column for $type {
            const KIND: &'static str = $kind;
            const BITS: usize = <$type>::BITS as usize;

            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; (<$type>::BITS / 8) as usize];
                own.copy_from_slice(&bytes[..(<$type>::BITS / 8) as usize]);
                <$type>::from_le_bytes(own)
            }

            fn write(self, bytes: &mut [u8]) {
                bytes[..(<$type>::BITS / 8) as usize].copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

column! {
    u8, "buttons";
    u16, "buttons";
    u32, "buttons";
    i8, "axis";
    i16, "axis";
    i32, "axis";
}

/// One participant's input for one tick; [`game!`](crate::game) makes one with a field for each column.
pub trait InputRow: Copy + Default {
    /// The size of an encoded row.
    const BYTES: usize;

    /// Decodes a row from the start of `bytes`.
    fn read(bytes: &[u8]) -> Self;

    /// Encodes the row to the start of `bytes`.
    fn write(&self, bytes: &mut [u8]);
}

/// The input of one tick from all participants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs<Row, const PARTICIPANTS: usize> {
    /// The tick to run; the first is 0.
    pub tick: u32,
    /// Bit *p* is set while participant *p* takes part.
    pub present: u64,
    /// A row for each participant; that of an absent one is all zero.
    pub rows: [Row; PARTICIPANTS],
}

/// Bytes of an input frame before its rows.
pub(crate) const HEADER_BYTES: usize = 16;

impl<Row: InputRow, const PARTICIPANTS: usize> Inputs<Row, PARTICIPANTS> {
    /// The size of a frame.
    pub const FRAME_BYTES: usize = HEADER_BYTES + PARTICIPANTS * Row::BYTES;

    /// Whether `participant` takes part in this tick.
    pub const fn is_present(&self, participant: usize) -> bool {
        self.present >> participant & 1 != 0
    }

    /// Decodes a frame; `None` where its shape is not that of this game.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        if frame.len() < HEADER_BYTES {
            return None;
        }
        let participants = <u16 as Column>::read(&frame[4..]) as usize;
        let stride = <u16 as Column>::read(&frame[6..]) as usize;
        if participants > PARTICIPANTS || stride != Row::BYTES {
            return None;
        }
        let rows_bytes = frame.get(HEADER_BYTES..HEADER_BYTES + participants * stride)?;
        let mut rows = [Row::default(); PARTICIPANTS];
        for (index, row) in rows.iter_mut().enumerate().take(participants) {
            *row = Row::read(&rows_bytes[index * stride..]);
        }
        let present = u64::from(<u32 as Column>::read(&frame[8..]))
            | u64::from(<u32 as Column>::read(&frame[12..])) << 32;
        Some(Self { tick: <u32 as Column>::read(frame), present, rows })
    }
}
