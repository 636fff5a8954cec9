//! Sprites.

use super::draw::{
    FRAME, FRAME_END, HEIGHT, MEMORY_BYTES, OutOfBounds, Paint, Row, Screen, WIDTH, WORD_PIXELS, blend, clip,
    rows,
};

const TWO_BITS: u32 = 1;
const FLIP_X: u32 = 2;
const FLIP_Y: u32 = 4;
const ROTATE: u32 = 8;

/// A bit in each of a word's pixels.
const LOW_BITS: u64 = 0x5555_5555_5555_5555;

/// What a guest asks for with `blit` or `blitSub`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blit {
    /// Address of the sprite.
    pub(crate) sprite: u32,
    /// Column of the left edge on the screen.
    pub(crate) x: i32,
    /// Row of the upper edge on the screen.
    pub(crate) y: i32,
    /// Columns to take of the sprite; with rotation they become rows of the screen.
    pub(crate) width: i32,
    /// Rows to take of the sprite.
    pub(crate) height: i32,
    /// First column to take of the sprite.
    pub(crate) source_x: i32,
    /// First row to take of the sprite.
    pub(crate) source_y: i32,
    /// Pixels from one row of the sprite to the next.
    pub(crate) stride: i32,
    /// Bit 0: two bits a pixel, not one; bits 1 and 2: flip in x and in y; bit 3: rotate.
    pub(crate) flags: u32,
}

impl Blit {
    /// A whole sprite, as `blit` draws it.
    pub(crate) fn whole(sprite: u32, (x, y): (i32, i32), (width, height): (i32, i32), flags: u32) -> Self {
        Self { sprite, x, y, width, height, source_x: 0, source_y: 0, stride: width, flags }
    }
}

impl Screen<'_> {
    /// Draws a part of a sprite; its colours 0 to 3 stand for draw colours 1 to 4.
    ///
    /// Pixels taken from outside memory are 0. The sprite's address must be within memory or at its end.
    /// A pixel's index in the sprite counts modulo 2^32.
    pub(crate) fn blit(&mut self, call: &Blit) -> Result<u64, OutOfBounds> {
        OutOfBounds::check(call.sprite, 0, MEMORY_BYTES)?;
        let Some(samples) = Samples::new(call) else { return Ok(0) };
        let colours = self.draw_colours();
        if call.flags & TWO_BITS == 0 {
            self.copy::<1>(call, &samples, Pens::new(colours));
        } else {
            self.copy::<2>(call, &samples, Pens::new(colours));
        }
        Ok(samples.pixels())
    }

    fn copy<const BITS: u32>(&mut self, call: &Blit, samples: &Samples, pens: Pens) {
        let base = call.sprite as usize;
        let (head, rest) = self.memory.split_at_mut(FRAME);
        let (frame, tail) = rest.split_at_mut(FRAME_END - FRAME);
        let per_byte = i64::from(8 / BITS);
        let source = samples.range().and_then(|(first, last)| {
            let byte = |pixel: i64| base + (pixel / per_byte) as usize;
            if byte(last) < FRAME {
                Some((&*head, samples.start as i64 + per_byte * base as i64))
            } else if byte(first) >= FRAME_END {
                Some((&*tail, samples.start as i64 + per_byte * (base as i64 - FRAME_END as i64)))
            } else {
                None
            }
        });
        match source {
            Some((source, start)) => copy_apart::<BITS>(rows(frame), source, start, samples, pens),
            None => self.copy_over::<BITS>(base, call.flags & ROTATE != 0, samples, pens),
        }
    }

    /// Copies pixel by pixel in the console's order, reading memory as the pixels before have left it:
    /// the sprite may lie in the framebuffer.
    fn copy_over<const BITS: u32>(&mut self, base: usize, rotate: bool, samples: &Samples, pens: Pens) {
        let (columns, rows) = (samples.columns.1, samples.rows.1);
        let (outer, inner) = if rotate { (columns, rows) } else { (rows, columns) };
        let (start, step_x, step_y) = (samples.start as u32, samples.step_x as u32, samples.step_y as u32);
        for far in 0..outer {
            for near in 0..inner {
                let (x, y) = if rotate { (far, near) } else { (near, far) };
                let offset = step_x.wrapping_mul(x as u32).wrapping_add(step_y.wrapping_mul(y as u32));
                let index = start.wrapping_add(offset);
                let colour = pixel::<BITS>(&self.memory[base..], index as usize) as usize;
                let at = (samples.rows.0 + y) * WIDTH + samples.columns.0 + x;
                let cell = &mut self.memory[FRAME + at / 4];
                let mask = (pens.masks[colour] as u8) & 3 << (at % 4 * 2);
                *cell = *cell & !mask | pens.colours[colour] as u8 & mask;
            }
        }
    }
}

/// Copies from a source that is apart from the framebuffer; `start` is the first pixel's index in it.
fn copy_apart<const BITS: u32>(rows: &mut [Row], source: &[u8], start: i64, samples: &Samples, pens: Pens) {
    match samples.step_x {
        1 => copy_columns(rows, start, samples, pens, |index, _| forwards::<BITS>(source, index)),
        -1 => {
            copy_columns(rows, start, samples, pens, |index, count| backwards::<BITS>(source, index, count));
        }
        step => {
            copy_columns(rows, start, samples, pens, |index, count| {
                gather::<BITS>(source, index, step, count)
            });
        }
    }
}

/// Draws a word's width at a time, all rows of it. `take` returns the colours of the pixels at and after
/// an index, as many as it is told, two bits each, the first in the lowest bits.
fn copy_columns(
    rows: &mut [Row],
    start: i64,
    samples: &Samples,
    pens: Pens,
    take: impl Fn(i64, usize) -> u64,
) {
    let (left, count) = samples.columns;
    let mut done = 0;
    while done < count {
        let x = left + done;
        let (word, indent) = (x / WORD_PIXELS, x % WORD_PIXELS);
        let taken = (count - done).min(WORD_PIXELS - indent);
        let valid = u64::MAX >> (64 - 2 * taken);
        let mut index = start + done as i64 * samples.step_x;
        for row in &mut rows[samples.rows.0..][..samples.rows.1] {
            let (mask, value) = pens.apply(take(index, taken));
            blend(&mut row[word], value << (2 * indent), (mask & valid) << (2 * indent));
            index += samples.step_y;
        }
        done += taken;
    }
}

/// Takes a word of pixels at ascending indices from `first`.
fn forwards<const BITS: u32>(source: &[u8], first: i64) -> u64 {
    let word = load::<BITS>(source, first as usize);
    reverse_pixels(if BITS == 1 { spread((word >> 32) as u32) } else { word })
}

/// Takes `count` pixels (at least one, at most a word) at descending indices from `first`.
fn backwards<const BITS: u32>(source: &[u8], first: i64, count: usize) -> u64 {
    let word = load::<BITS>(source, (first + 1) as usize - count);
    let word = word >> (64 - BITS as usize * count);
    if BITS == 1 { spread(word as u32) } else { word }
}

/// Takes `count` pixels, `step` indices apart.
fn gather<const BITS: u32>(source: &[u8], first: i64, step: i64, count: usize) -> u64 {
    let mut word = 0;
    let mut index = first;
    for at in 0..count {
        word |= pixel::<BITS>(source, index as usize) << (2 * at);
        index += step;
    }
    word
}

fn pixel<const BITS: u32>(source: &[u8], index: usize) -> u64 {
    let per_byte = 8 / BITS as usize;
    let byte = source.get(index / per_byte).copied().unwrap_or(0);
    let shift = 8 - BITS as usize * (index % per_byte + 1);
    u64::from(byte >> shift) & ((1 << BITS) - 1)
}

/// Reads the pixels from `index` on as they are stored, the first in the highest bits: a word of them
/// if they have two bits each, and rather more if one. Past the end they are 0.
fn load<const BITS: u32>(source: &[u8], index: usize) -> u64 {
    let per_byte = 8 / BITS as usize;
    let from = source.get(index / per_byte..).unwrap_or(&[]);
    let shift = index % per_byte * BITS as usize;
    let (word, next) = match from.first_chunk::<9>() {
        Some(&[a, b, c, d, e, f, g, h, next]) => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), next),
        None => load_padded(from),
    };
    // One-bit pixels need half of the word only, to which the ninth byte adds nothing.
    if BITS == 1 { word << shift } else { word << shift | u64::from(next) << shift >> 8 }
}

#[cold]
fn load_padded(from: &[u8]) -> (u64, u8) {
    let mut bytes = [0; 8];
    let length = from.len().min(8);
    bytes[..length].copy_from_slice(&from[..length]);
    (u64::from_be_bytes(bytes), 0)
}

/// Puts a word of pixels into the opposite order.
fn reverse_pixels(word: u64) -> u64 {
    const NIBBLES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    const PAIRS: u64 = 0x3333_3333_3333_3333;
    let word = word.swap_bytes();
    let word = word >> 4 & NIBBLES | (word & NIBBLES) << 4;
    word >> 2 & PAIRS | (word & PAIRS) << 2
}

/// Moves bit n to bit 2n.
fn spread(bits: u32) -> u64 {
    let mut word = u64::from(bits);
    word = (word | word << 16) & 0x0000_ffff_0000_ffff;
    word = (word | word << 8) & 0x00ff_00ff_00ff_00ff;
    word = (word | word << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    word = (word | word << 2) & 0x3333_3333_3333_3333;
    (word | word << 1) & LOW_BITS
}

/// Where a blit lands on the screen, and where its pixels are in the sprite.
#[derive(Debug)]
struct Samples {
    /// First visible column, and how many there are; likewise rows. Neither count is 0.
    columns: (usize, usize),
    rows: (usize, usize),
    /// Index in the sprite of the pixel shown at the first visible column and row.
    start: i128,
    /// What to add to the index for the next column, and for the next row.
    step_x: i64,
    step_y: i64,
}

impl Samples {
    /// `None` if nothing is visible.
    fn new(call: &Blit) -> Option<Self> {
        let rotate = call.flags & ROTATE != 0;
        // Rotation turns counterclockwise by a transposition and a flip.
        let flip_x = (call.flags & FLIP_X != 0) != rotate;
        let flip_y = call.flags & FLIP_Y != 0;
        let (x, y) = (i64::from(call.x), i64::from(call.y));
        let (width, height) = (i64::from(call.width), i64::from(call.height));
        let stride = i64::from(call.stride);
        let first_column = i64::from(call.source_x) + if flip_x { width - 1 } else { 0 };
        let first_row = i64::from(call.source_y) + if flip_y { height - 1 } else { 0 };
        let along = if flip_x { -1 } else { 1 };
        let across = if flip_y { -stride } else { stride };
        let (wide, high, step_x, step_y) =
            if rotate { (height, width, across, along) } else { (width, height, along, across) };
        let (left, right) = clip(x, x + wide, WIDTH);
        let (top, bottom) = clip(y, y + high, HEIGHT);
        if left >= right || top >= bottom {
            return None;
        }
        let (skip_x, skip_y) = (left as i64 - x, top as i64 - y);
        let start = product(first_row, stride)
            + i128::from(first_column)
            + product(skip_x, step_x)
            + product(skip_y, step_y);
        Some(Self { columns: (left, right - left), rows: (top, bottom - top), start, step_x, step_y })
    }

    fn pixels(&self) -> u64 {
        (self.columns.1 * self.rows.1) as u64
    }

    /// The least and the greatest index, if no index wraps.
    fn range(&self) -> Option<(i64, i64)> {
        let start = u32::try_from(self.start).ok()?;
        let spans = [self.step_x * (self.columns.1 as i64 - 1), self.step_y * (self.rows.1 as i64 - 1)];
        let first = i64::from(start) + spans.iter().map(|&span| span.min(0)).sum::<i64>();
        let last = i64::from(start) + spans.iter().map(|&span| span.max(0)).sum::<i64>();
        (first >= 0 && last <= i64::from(u32::MAX)).then_some((first, last))
    }
}

fn product(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

/// The four draw colours, each repeated over a word; mask and colour are zero if it is transparent.
#[derive(Debug, Clone, Copy)]
struct Pens {
    masks: [u64; 4],
    colours: [u64; 4],
}

impl Pens {
    fn new(colours: u16) -> Self {
        let paints = [0, 4, 8, 12].map(|shift| Paint::visible(colours >> shift));
        Self {
            masks: paints.map(|paint| if paint.is_some() { u64::MAX } else { 0 }),
            colours: paints.map(|paint| paint.map_or(0, Paint::word)),
        }
    }

    /// The mask of what is drawn and the colours to draw, for a word of sprite colours.
    fn apply(&self, pixels: u64) -> (u64, u64) {
        let low = (pixels & LOW_BITS) * 3;
        let high = (pixels >> 1 & LOW_BITS) * 3;
        let select = |of: &[u64; 4]| {
            let even = of[0] & !low | of[1] & low;
            let odd = of[2] & !low | of[3] & low;
            even & !high | odd & high
        };
        (select(&self.masks), select(&self.colours))
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::tests::{Numbers, check, memory};
    use super::*;

    const SPRITE: u32 = 0x2000;

    /// Draws a 3 x 2 sprite that holds colours 1, 2, 3 above 3, 0, 0 (or set, clear, set above set,
    /// clear, clear if it has one bit a pixel).
    fn check_sprite(flags: u32, picture: &str) {
        let draw = |screen: &mut Screen<'_>| {
            let sprite: &[u8] = if flags & TWO_BITS == 0 { &[0b1011_0000] } else { &[0b0110_1111, 0] };
            screen.memory[SPRITE as usize..][..sprite.len()].copy_from_slice(sprite);
            assert_eq!(screen.blit(&Blit::whole(SPRITE, (0, 0), (3, 2), flags)), Ok(6));
        };
        check(0x4320, draw, picture);
    }

    #[test]
    fn flags() {
        check_sprite(TWO_BITS, "123. 3... ....");
        check_sprite(TWO_BITS | FLIP_X, "321. ..3. ....");
        check_sprite(TWO_BITS | FLIP_Y, "3... 123. ....");
        check_sprite(TWO_BITS | ROTATE, "3.. 2.. 13. ...");
        check_sprite(TWO_BITS | ROTATE | FLIP_X, "13. 2.. 3.. ...");
        check_sprite(0, "1.1. 1... ....");
        check_sprite(FLIP_X, "1.1. ..1. ....");
        check_sprite(ROTATE, "1.. ... 11. ...");
    }

    fn random_call(numbers: &mut Numbers, coordinate: fn(&mut Numbers) -> i32) -> Blit {
        Blit {
            sprite: [0, 0x98, 0xa0, 0x1998, 0x19a0, 0x2000, 0xffe0, 0x1_0000][numbers.below(8) as usize],
            x: coordinate(numbers),
            y: coordinate(numbers),
            width: coordinate(numbers),
            height: coordinate(numbers),
            source_x: coordinate(numbers) / 8,
            source_y: coordinate(numbers) / 8,
            stride: coordinate(numbers),
            flags: numbers.below(16) as u32,
        }
    }

    fn noise(numbers: &mut Numbers) -> Vec<u8> {
        let mut noise = memory(0x4302);
        noise[0x16..].fill_with(|| numbers.below(256) as u8);
        noise
    }

    #[test]
    fn words_equal_pixels() {
        let mut numbers = Numbers(4);
        let before = noise(&mut numbers);
        for _ in 0..5_000 {
            let call = random_call(&mut numbers, Numbers::near);
            let (mut fast, mut slow) = (before.clone(), before.clone());
            let mut screen = Screen::new(&mut slow).unwrap();
            if let Some(samples) = Samples::new(&call) {
                let (base, rotate) = (call.sprite as usize, call.flags & ROTATE != 0);
                if call.flags & TWO_BITS == 0 {
                    screen.copy_over::<1>(base, rotate, &samples, Pens::new(0x4302));
                } else {
                    screen.copy_over::<2>(base, rotate, &samples, Pens::new(0x4302));
                }
            }
            Screen::new(&mut fast).unwrap().blit(&call).unwrap();
            assert!(fast == slow, "{call:?}");
        }
    }

    #[test]
    fn every_call_is_bounded() {
        let mut numbers = Numbers(5);
        let mut memory = noise(&mut numbers);
        for _ in 0..5_000 {
            let call = random_call(&mut numbers, Numbers::any);
            assert!(Screen::new(&mut memory).unwrap().blit(&call).unwrap() <= 25_600, "{call:?}");
        }
    }

    #[test]
    fn a_sprite_beyond_memory_is_refused() {
        let mut memory = memory(0x4302);
        let mut screen = Screen::new(&mut memory).unwrap();
        let mut blit = |sprite| screen.blit(&Blit::whole(sprite, (0, 0), (8, 8), 0));
        assert_eq!(blit(0x1_0000), Ok(64));
        assert_eq!(blit(0x1_0001), Err(OutOfBounds { address: 0x1_0001, bytes: 0 }));
        assert_eq!(blit(u32::MAX), Err(OutOfBounds { address: u32::MAX, bytes: 0 }));
    }
}
