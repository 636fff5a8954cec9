//! Text.

use super::draw::{HEIGHT, MEMORY_BYTES, OutOfBounds, Paint, ROW_WORDS, Screen, WIDTH, WORD_PIXELS, blend};
use super::font;

const GLYPH: i64 = 8;

impl Screen<'_> {
    /// Draws the text from `text` up to a zero byte or the end of memory, a character a byte.
    pub(crate) fn text(&mut self, text: u32, x: i32, y: i32) -> Result<u64, OutOfBounds> {
        OutOfBounds::check(text, 0, MEMORY_BYTES)?;
        let start = text as usize;
        Ok(self.draw_text(x, y, |memory, at| memory.get(start + at).map(|&byte| u16::from(byte))))
    }

    /// Draws `bytes` bytes of text from `text`, a character a byte, or fewer if there is a zero byte.
    pub(crate) fn text_utf8(&mut self, text: u32, bytes: u32, x: i32, y: i32) -> Result<u64, OutOfBounds> {
        OutOfBounds::check(text, bytes, MEMORY_BYTES)?;
        let (start, end) = (text as usize, text as usize + bytes as usize);
        Ok(self.draw_text(x, y, |memory, at| memory[..end].get(start + at).map(|&byte| u16::from(byte))))
    }

    /// Draws `bytes` bytes of text from `text`, a character every two bytes, or fewer if there is a zero.
    ///
    /// An odd address is out of bounds, as a 16-bit view cannot start there; an odd last byte is left out.
    pub(crate) fn text_utf16(&mut self, text: u32, bytes: u32, x: i32, y: i32) -> Result<u64, OutOfBounds> {
        OutOfBounds::check(text, bytes & !1, MEMORY_BYTES)?;
        if !text.is_multiple_of(2) {
            return Err(OutOfBounds { address: text, bytes });
        }
        let (start, end) = (text as usize, text as usize + (bytes & !1) as usize);
        Ok(self.draw_text(x, y, |memory, at| {
            let unit = memory[..end].get(start + 2 * at..)?.first_chunk()?;
            Some(u16::from_le_bytes(*unit))
        }))
    }

    /// Draws the characters that `unit` reads, one after another, until a zero or the end.
    ///
    /// Each is read after the one before was drawn: text may lie in the framebuffer. Reading stops at
    /// the bottom of the screen, beyond which no character can be seen.
    fn draw_text(&mut self, x: i32, y: i32, unit: impl Fn(&[u8; MEMORY_BYTES], usize) -> Option<u16>) -> u64 {
        let pens = Pens::new(self.draw_colours());
        let (mut left, mut top) = (i64::from(x), i64::from(y));
        let mut work = 0;
        for at in 0.. {
            let code = match unit(self.memory, at) {
                None | Some(0) => break,
                Some(code) => usize::from(code),
            };
            work += 1;
            if code == usize::from(b'\n') {
                (left, top) = (i64::from(x), top + GLYPH);
                continue;
            }
            if top >= HEIGHT as i64 {
                break;
            }
            if let Some(ink) = code.checked_sub(font::FIRST).and_then(|glyph| font::INK.get(glyph)) {
                work += self.draw_glyph(ink, left, top, pens);
            }
            left += GLYPH;
        }
        work
    }

    fn draw_glyph(&mut self, ink: &[u16; 8], x: i64, y: i64, pens: Pens) -> u64 {
        if x <= -GLYPH || x >= WIDTH as i64 || y <= -GLYPH || y >= HEIGHT as i64 {
            return 0;
        }
        // A glyph lies in one word or across two. Left of the screen that is word -1 and right of it the
        // word after the last, which are left out.
        let word = x.div_euclid(WORD_PIXELS as i64);
        let shift = 2 * x.rem_euclid(WORD_PIXELS as i64);
        let low = usize::try_from(word).ok();
        let high = Some((word + 1) as usize).filter(|&high| shift > 48 && high < ROW_WORDS);
        let hidden_rows = (-y).max(0) as usize;
        let rows = &mut self.rows()[y.max(0) as usize..];
        for (row, &ink) in rows.iter_mut().zip(&ink[hidden_rows..]) {
            let (mask, colour) = pens.apply(ink);
            if let Some(low) = low {
                blend(&mut row[low], u64::from(colour) << shift, u64::from(mask) << shift);
            }
            if let Some(high) = high {
                blend(&mut row[high], u64::from(colour) >> (64 - shift), u64::from(mask) >> (64 - shift));
            }
        }
        (GLYPH * GLYPH) as u64
    }
}

/// Draw colour 1, for ink, and draw colour 2, for the paper around it.
#[derive(Debug, Clone, Copy)]
struct Pens {
    ink: Pen,
    paper: Pen,
}

impl Pens {
    fn new(colours: u16) -> Self {
        Self { ink: Pen::new(colours), paper: Pen::new(colours >> 4) }
    }

    /// The pixels of a row that are drawn, and their colours.
    fn apply(self, ink: u16) -> (u16, u16) {
        let mask = self.ink.mask & ink | self.paper.mask & !ink;
        let colour = self.ink.colour & ink | self.paper.colour & !ink;
        (mask, colour)
    }
}

/// A draw colour repeated over eight pixels; both fields are zero if it is transparent.
#[derive(Debug, Clone, Copy)]
struct Pen {
    mask: u16,
    colour: u16,
}

impl Pen {
    fn new(colours: u16) -> Self {
        Paint::visible(colours).map_or(Self { mask: 0, colour: 0 }, |paint| Self {
            mask: 0xffff,
            colour: u16::from(paint.0) * 0x0101,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::tests::{check, memory, pixel};
    use super::*;

    const TEXT: u32 = 0x2000;

    fn check_text(text: &[u8], draw: impl FnOnce(&mut Screen<'_>), picture: &str) {
        check(
            0x02,
            |screen| {
                screen.memory[TEXT as usize..][..text.len()].copy_from_slice(text);
                draw(screen);
            },
            picture,
        );
    }

    #[test]
    fn the_three_forms() {
        let letters = "1111111.1111.... .11...1..11..... .11.1....11.....";
        check_text(b"FL\0F", |s| _ = s.text(TEXT, 0, 0).unwrap(), letters);
        check_text(b"FLF", |s| _ = s.text_utf8(TEXT, 2, 0, 0).unwrap(), letters);
        check_text(b"F\0L\0F", |s| _ = s.text_utf16(TEXT, 5, 0, 0).unwrap(), letters);
    }

    #[test]
    fn lines_and_characters_without_a_glyph() {
        check_text(b"\n\x01F", |s| _ = s.text(TEXT, -8, -8).unwrap(), "1111111. .11...1.");
        check_text(b"\x00\x01F\0", |s| _ = s.text_utf16(TEXT, 4, -8, 0).unwrap(), "1111111. .11...1.");
    }

    #[test]
    fn paper_is_draw_colour_2() {
        check(0x31, |s| s.memory[0x2000] = b'F', "........");
        let draw = |s: &mut Screen<'_>| {
            s.memory[0x2000] = b'F';
            s.text(TEXT, 0, 0).unwrap();
        };
        check(0x30, draw, ".......2. 2..222.2.");
    }

    #[test]
    fn cut_glyphs_keep_the_pixels_of_whole_ones() {
        let render = |x: i32, y: i32| {
            let mut memory = memory(0x42);
            memory[0x2000] = b'R';
            Screen::new(&mut memory).unwrap().text(TEXT, x, y).unwrap();
            memory
        };
        let whole = render(0, 0);
        for x in -9..=160 {
            for y in [-9, -8, -7, -1, 0, 77, 152, 153, 159, 160] {
                let shifted = render(x, y);
                for (column, row) in (0..160).flat_map(|column| (0..160).map(move |row| (column, row))) {
                    let (from_x, from_y) = (column - x, row - y);
                    let inside = (0..8).contains(&from_x) && (0..8).contains(&from_y);
                    let expected = if inside { pixel(&whole, from_x as usize, from_y as usize) } else { 0 };
                    assert_eq!(pixel(&shifted, column as usize, row as usize), expected, "at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn ranges_outside_memory_are_refused() {
        let mut memory = memory(0x42);
        let mut screen = Screen::new(&mut memory).unwrap();
        let outside = |address, bytes| Err(OutOfBounds { address, bytes });
        assert_eq!(screen.text(0x1_0001, 0, 0), outside(0x1_0001, 0));
        assert_eq!(screen.text_utf8(0xffff, 2, 0, 0), outside(0xffff, 2));
        assert_eq!(screen.text_utf8(0, u32::MAX, 0, 0), outside(0, u32::MAX));
        assert_eq!(screen.text_utf16(1, 2, 0, 0), outside(1, 2));
        assert_eq!(screen.text_utf8(0x1_0000, 0, 0, 0), Ok(0));
    }

    #[test]
    fn endless_text_is_bounded() {
        let mut memory = memory(0x42);
        memory[0x19a0..].fill(b'x');
        let mut screen = Screen::new(&mut memory).unwrap();
        for (x, y) in [(0, 0), (i32::MIN, i32::MIN), (i32::MAX, i32::MAX), (-300_000, -4)] {
            assert!(screen.text(0x19a0, x, y).unwrap() <= 0x1_0000 + 21 * 64);
        }
    }
}
