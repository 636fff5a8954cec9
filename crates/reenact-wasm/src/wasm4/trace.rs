//! The text of `trace`, `traceUtf8`, `traceUtf16` and `tracef`.

use super::draw::OutOfBounds;

/// The most bytes of text that one call yields; longer text is cut at a character.
pub(crate) const TRACE_BYTES_MAX: usize = 4_096;

/// What a guest wrote with one call, and what reading it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traced {
    /// The text, ill-formed parts replaced, at most [`TRACE_BYTES_MAX`] bytes.
    pub(crate) text: String,
    /// Bytes read of the guest's memory; nothing behind the cut is read.
    pub(crate) work: u64,
}

/// Reads the text from `text` up to a zero byte, a Latin-1 character a byte.
pub(crate) fn trace(memory: &[u8], text: u32) -> Result<Traced, OutOfBounds> {
    let mut line = Line::new(memory);
    line.push_c_string(text)?;
    Ok(line.finish())
}

/// Reads `bytes` bytes of UTF-8 from `text`.
pub(crate) fn trace_utf8(memory: &[u8], text: u32, bytes: u32) -> Result<Traced, OutOfBounds> {
    let text = slice(memory, text, bytes)?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // Decoding never shrinks UTF-8, so that a longest character more than the limit decides its bytes.
    let text = &text[..text.len().min(TRACE_BYTES_MAX + 4)];
    let work = text.len() as u64;
    Ok(Traced { text: cut(String::from_utf8_lossy(text).into_owned()), work })
}

/// Reads `bytes` bytes of little-endian UTF-16 from `text`; an odd last byte is ill-formed.
pub(crate) fn trace_utf16(memory: &[u8], text: u32, bytes: u32) -> Result<Traced, OutOfBounds> {
    const LONE_HALF: u16 = 0xdc00;
    let (pairs, odd) = slice(memory, text, bytes)?.as_chunks();
    let mut units: Vec<u16> =
        pairs.iter().take(TRACE_BYTES_MAX + 2).map(|&pair| u16::from_le_bytes(pair)).collect();
    let work = 2 * units.len() as u64;
    // The odd byte and a half character before it are one ill-formed part, not two.
    if !odd.is_empty() && !matches!(units.last(), Some(0xd800..0xdc00)) {
        units.push(LONE_HALF);
    }
    let start = usize::from(units.first() == Some(&0xfeff));
    Ok(Traced { text: decode(&units[start..]), work })
}

/// Fills in the format at `format` with the arguments at `arguments`.
///
/// `%c`, `%d`, `%x` and `%s` take four bytes of arguments, `%f` takes eight, `%%` none. Another character
/// after a percent sign stays as it is, a zero byte too, which then does not end the format.
pub(crate) fn tracef(memory: &[u8], format: u32, arguments: u32) -> Result<Traced, OutOfBounds> {
    let mut line = Line::new(memory);
    let mut format = format;
    let mut arguments = u64::from(arguments);
    while !line.is_full() {
        match line.take_byte(&mut format)? {
            0 => break,
            b'%' => {
                let verb = line.take_byte(&mut format)?;
                line.push_verb(verb, &mut arguments)?;
            }
            byte => line.push(u16::from(byte)),
        }
    }
    Ok(line.finish())
}

/// Text under way. It is kept as UTF-16, in which `%c` counts.
#[derive(Debug)]
struct Line<'m> {
    memory: &'m [u8],
    units: Vec<u16>,
    work: u64,
}

impl<'m> Line<'m> {
    fn new(memory: &'m [u8]) -> Self {
        Self { memory, units: Vec::new(), work: 0 }
    }

    /// Whether there is enough: a unit yields a byte or more, and the last may be half a character.
    fn is_full(&self) -> bool {
        self.units.len() > TRACE_BYTES_MAX
    }

    fn push(&mut self, unit: u16) {
        self.units.push(unit);
    }

    fn push_ascii(&mut self, text: &str) {
        self.units.extend(text.bytes().map(u16::from));
    }

    fn push_c_string(&mut self, address: u32) -> Result<(), OutOfBounds> {
        let mut address = address;
        while !self.is_full() {
            match self.take_byte(&mut address)? {
                0 => break,
                byte => self.push(u16::from(byte)),
            }
        }
        Ok(())
    }

    fn push_verb(&mut self, verb: u8, arguments: &mut u64) -> Result<(), OutOfBounds> {
        match verb {
            b'%' => self.push(u16::from(b'%')),
            b'c' => {
                let unit = i32::from_le_bytes(self.take(arguments)?) as u16;
                self.push(unit);
            }
            b'd' => {
                let number = i32::from_le_bytes(self.take(arguments)?);
                self.push_ascii(&number.to_string());
            }
            b'x' => {
                let number = i32::from_le_bytes(self.take(arguments)?);
                let sign = if number < 0 { "-" } else { "" };
                self.push_ascii(&format!("{sign}{:x}", number.unsigned_abs()));
            }
            b's' => {
                let address = u32::from_le_bytes(self.take(arguments)?);
                self.push_c_string(address)?;
            }
            b'f' => {
                let number = f64::from_le_bytes(self.take(arguments)?);
                self.push_ascii(&number_text(number));
            }
            other => self.units.extend([u16::from(b'%'), u16::from(other)]),
        }
        Ok(())
    }

    fn take_byte(&mut self, address: &mut u32) -> Result<u8, OutOfBounds> {
        let byte = self.memory.get(*address as usize).copied();
        let byte = byte.ok_or(OutOfBounds { address: *address, bytes: 1 })?;
        *address += 1;
        self.work += 1;
        Ok(byte)
    }

    fn take<const BYTES: usize>(&mut self, address: &mut u64) -> Result<[u8; BYTES], OutOfBounds> {
        let at = u32::try_from(*address).unwrap_or(u32::MAX);
        let found = self.memory.get(at as usize..).and_then(|from| from.first_chunk()).copied();
        let found = found.ok_or(OutOfBounds { address: at, bytes: BYTES as u32 })?;
        *address += BYTES as u64;
        self.work += BYTES as u64;
        Ok(found)
    }

    fn finish(self) -> Traced {
        Traced { text: decode(&self.units), work: self.work }
    }
}

fn slice(memory: &[u8], address: u32, bytes: u32) -> Result<&[u8], OutOfBounds> {
    OutOfBounds::check(address, bytes, memory.len())?;
    Ok(&memory[address as usize..][..bytes as usize])
}

fn decode(units: &[u16]) -> String {
    cut(String::from_utf16_lossy(units))
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TRACE_BYTES_MAX));
    text
}

/// Writes a number as JavaScript does: the fewest digits that read back as the same number, with an
/// exponent from 1e21 up and below 1e-6.
fn number_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let sign = if number < 0.0 { "-" } else { "" };
    if number.is_infinite() {
        return format!("{sign}Infinity");
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').expect("this format always has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a whole number below 400");
    let digits = mantissa.replace('.', "");
    format!("{sign}{}", positional_text(&digits, exponent))
}

/// Writes the decimal `digits`, of which the first counts 10 to the power of `exponent`.
fn positional_text(digits: &str, exponent: i32) -> String {
    let count = digits.len() as i32;
    match exponent {
        ..-6 | 21.. => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{first}{point}{rest}e{exponent:+}")
        }
        -6..0 => format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        0..21 if exponent + 1 < count => {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            format!("{whole}.{fraction}")
        }
        0..21 => format!("{digits}{}", "0".repeat((exponent + 1 - count) as usize)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut memory = vec![0; 0x1_0000];
        memory[at..][..bytes.len()].copy_from_slice(bytes);
        memory
    }

    fn check_format(format: &str, arguments: &[u8], expected: &str) {
        let mut memory = memory(0x100, format.as_bytes());
        memory[0x800..][..arguments.len()].copy_from_slice(arguments);
        assert_eq!(tracef(&memory, 0x100, 0x800).unwrap().text, expected, "{format}");
    }

    #[test]
    fn formats() {
        check_format("100%%, %q", &[], "100%, %q");
        check_format("%d %d", &[255, 255, 255, 255, 7, 0, 0, 0], "-1 7");
        check_format("%x %x", &[1, 255, 255, 255, 0, 1, 0, 0], "-ff 100");
        check_format("%c%c", &[0x3d, 0xd8, 0, 0, 0, 0xde, 0, 0], "\u{1f600}");
        check_format("%c", &[0x3d, 0xd8, 0, 0], "\u{fffd}");
        check_format("<%s>", &[2, 1, 0, 0], "<s>>");
        check_format("%d;%f;", &[&[9, 0, 0, 0][..], &(-1.5f64).to_le_bytes()].concat(), "9;-1.5;");
        check_format("a%", &[], "a%\0");
    }

    #[test]
    fn numbers_read_as_in_javascript() {
        let cases = [
            (0.1, "0.1"),
            (-0.0, "0"),
            (100.0, "100"),
            (123.456, "123.456"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.25e300, "-1.25e+300"),
            (0.000_001, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, text) in cases {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn encodings() {
        let text = |traced: Result<Traced, OutOfBounds>| traced.unwrap().text;
        assert_eq!(text(trace(&memory(8, b"caf\xe9\0x"), 8)), "caf\u{e9}");
        assert_eq!(text(trace_utf8(&memory(8, b"\xef\xbb\xbfa\xffb"), 8, 6)), "a\u{fffd}b");
        assert_eq!(text(trace_utf16(&memory(9, b"\xff\xfea\0\x00\xd8b"), 9, 7)), "a\u{fffd}");
        assert_eq!(text(trace_utf16(&memory(9, b"a\0b"), 9, 3)), "a\u{fffd}");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let mut memory = vec![0xe9; 0x1_0000];
        assert_eq!(trace(&memory, 0).unwrap().text, "\u{e9}".repeat(2_048));
        assert_eq!(trace_utf8(&memory, 0, 0x1_0000).unwrap().text.len(), 4_095);
        assert_eq!(trace_utf16(&memory, 0, 0x1_0000).unwrap().text.len(), 4_095);
        memory[0x800..].fill(b'%');
        let work = tracef(&memory, 0, 0).unwrap().work;
        assert!(work < 0x1_0000, "{work}");
    }

    #[test]
    fn ranges_outside_memory_are_refused() {
        let full = vec![b'a'; 0x100];
        let outside = |address, bytes| Err(OutOfBounds { address, bytes });
        assert_eq!(trace(&full, 0), outside(0x100, 1));
        assert_eq!(trace(&full, u32::MAX), outside(u32::MAX, 1));
        assert_eq!(trace_utf8(&full, 0xff, 2), outside(0xff, 2));
        assert_eq!(trace_utf16(&full, 0, u32::MAX), outside(0, u32::MAX));
        assert_eq!(tracef(b"%d\0", 0, 0x200), outside(0x200, 4));
        assert_eq!(tracef(b"%f\0", 0, u32::MAX), outside(u32::MAX, 8));
    }
}
