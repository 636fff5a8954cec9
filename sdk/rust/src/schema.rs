//! The text of a schema, put together at compile time.

const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A text that grows by value, since constant functions cannot take `&mut` on the oldest compiler.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl Text {
    /// An empty text.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self { bytes: [0; TEXT_BYTES_MAX], length: 0 }
    }

    /// The length in bytes.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The text as an array of exactly its length.
    pub const fn to_array<const N: usize>(&self) -> [u8; N] {
        assert!(N == self.length);
        let mut out = [0; N];
        let mut at = 0;
        while at < N {
            out[at] = self.bytes[at];
            at += 1;
        }
        out
    }

    const fn byte(mut self, byte: u8) -> Self {
        assert!(self.length < TEXT_BYTES_MAX, "the schema is too long");
        self.bytes[self.length] = byte;
        self.length += 1;
        self
    }

    /// Appends `text`.
    pub const fn text(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            self = self.byte(bytes[at]);
            at += 1;
        }
        self
    }

    /// Appends `text` with its ASCII letters in lower case: constants are in capitals, names are not.
    pub const fn lower(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            self = self.byte(bytes[at].to_ascii_lowercase());
            at += 1;
        }
        self
    }

    /// Appends `number` in decimal.
    pub const fn number(mut self, number: usize) -> Self {
        let mut unit = 1;
        while number / unit >= 10 {
            unit *= 10;
        }
        while unit > 0 {
            self = self.byte(b'0' + (number / unit % 10) as u8);
            unit /= 10;
        }
        self
    }

    /// Appends a space and `number`.
    pub const fn word(self, number: usize) -> Self {
        self.text(" ").number(number)
    }

    /// Appends the names of buttons, separated by commas.
    pub const fn buttons(mut self, names: &[&str]) -> Self {
        let mut at = 0;
        while at < names.len() {
            self = self.text(if at == 0 { " " } else { "," }).lower(names[at]);
            at += 1;
        }
        self
    }
}

/// Whether two texts are the same, for constant functions.
pub const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// The first multiple of `align` at or after `offset`.
pub const fn align_up(offset: usize, align: usize) -> usize {
    (offset + align - 1) / align * align
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_put_together() {
        const TEXT: Text = Text::new().number(0).word(7).word(65_535).buttons(&["UP", "B"]);
        assert_eq!(&TEXT.to_array::<14>(), b"0 7 65535 up,b");
    }

    #[test]
    fn same_compares_whole_texts() {
        assert!(same("axis", "axis"));
        assert!(!same("axis", "axi"));
        assert!(!same("axis", "axes"));
    }
}
