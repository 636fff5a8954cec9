//! The console's screen: the draw colours and the framebuffer inside the guest's memory, and the
//! shapes drawn there.
//!
//! A [`Screen`] borrows the whole linear memory for one call. Ovals, sprites and text are further
//! methods of it, in `oval.rs`, `blit.rs` and `text.rs`. Coordinates are the guest's signed 32-bit
//! numbers; sums are formed in 64 bits or more, so that none wraps. That is what the original console
//! draws wherever its own arithmetic is exact, and defines the result where it is not: rectangles of
//! negative width that start within three pixels of the greatest coordinate, and sprites whose pixel
//! indices pass 2^53.
//!
//! Every method is bounded whatever its arguments and returns its cost in work units: about one for each
//! pixel set, byte scanned or step walked. The host adds its own charge for the call itself.

/// Bytes of the guest's linear memory.
pub(crate) const MEMORY_BYTES: usize = 0x1_0000;
/// Pixels in a row of the screen.
pub(crate) const WIDTH: usize = 160;
/// Rows of the screen.
pub(crate) const HEIGHT: usize = 160;

pub(super) const DRAW_COLOURS: usize = 0x14;
pub(super) const FRAME: usize = 0xa0;
pub(super) const FRAME_END: usize = FRAME + WIDTH * HEIGHT / 4;

/// Pixels in a word, two bits each, the leftmost in the lowest bits.
pub(super) const WORD_PIXELS: usize = 32;
/// Words in a row of the screen.
pub(super) const ROW_WORDS: usize = WIDTH / WORD_PIXELS;

/// A word of the framebuffer as it lies in memory. Drawing reads and writes whole words at their own
/// alignment: a processor waits when it reads back bytes that were just written in other portions.
pub(super) type Word = [u8; 8];
/// One row of the screen.
pub(super) type Row = [Word; ROW_WORDS];

/// A guest named an address range that does not lie within its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes at address {address:#x} are outside the guest's memory")]
pub(crate) struct OutOfBounds {
    /// First address of the range.
    pub(crate) address: u32,
    /// Length of the range.
    pub(crate) bytes: u32,
}

impl OutOfBounds {
    /// Checks that `bytes` bytes from `address` on lie within a memory of `memory_bytes` bytes.
    pub(crate) fn check(address: u32, bytes: u32, memory_bytes: usize) -> Result<(), Self> {
        if u64::from(address) + u64::from(bytes) <= memory_bytes as u64 {
            Ok(())
        } else {
            Err(Self { address, bytes })
        }
    }
}

/// The colour of a draw-colour nibble, repeated over the four pixels of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint(pub(super) u8);

impl Paint {
    /// The colour that the lowest nibble of `nibbles` stands for, also when that nibble is 0.
    pub(super) fn opaque(nibbles: u16) -> Self {
        Self((nibbles.wrapping_sub(1) & 3) as u8 * 0x55)
    }

    /// As [`Paint::opaque`], or nothing for nibble 0, which is transparent.
    pub(super) fn visible(nibbles: u16) -> Option<Self> {
        (nibbles & 0xf != 0).then(|| Self::opaque(nibbles))
    }

    /// The colour repeated over the pixels of a word.
    pub(super) fn word(self) -> u64 {
        u64::from(self.0) * 0x0101_0101_0101_0101
    }
}

/// The guest's memory, seen as the console's screen.
#[derive(Debug)]
pub(crate) struct Screen<'m> {
    pub(super) memory: &'m mut [u8; MEMORY_BYTES],
}

impl<'m> Screen<'m> {
    /// Borrows a guest's linear memory, of which the first 64 KiB count.
    pub(crate) fn new(memory: &'m mut [u8]) -> Result<Self, OutOfBounds> {
        let memory = memory.first_chunk_mut();
        memory.map(|memory| Self { memory }).ok_or(OutOfBounds { address: 0, bytes: MEMORY_BYTES as u32 })
    }

    /// Sets every pixel to colour 0.
    pub(crate) fn clear(&mut self) {
        self.memory[FRAME..FRAME_END].fill(0);
    }

    /// Draws `length` pixels to the right of (`x`, `y`) in draw colour 1.
    pub(crate) fn hline(&mut self, x: i32, y: i32, length: i32) -> u64 {
        let Some(paint) = Paint::visible(self.draw_colours()) else { return 0 };
        let x = i64::from(x);
        self.paint_span(paint, x, x + i64::from(length), i64::from(y))
    }

    /// Draws `length` pixels downwards from (`x`, `y`) in draw colour 1.
    pub(crate) fn vline(&mut self, x: i32, y: i32, length: i32) -> u64 {
        let Some(paint) = Paint::visible(self.draw_colours()) else { return 0 };
        let y = i64::from(y);
        self.paint_column(paint, i64::from(x), y, y + i64::from(length))
    }

    /// Draws a rectangle, its inside in draw colour 1 and its edge in draw colour 2.
    ///
    /// With a width of 0 or less only the two vertical edges remain, at `x` and at `x + width - 1`; with
    /// such a height, the two horizontal ones.
    pub(crate) fn rect(&mut self, x: i32, y: i32, width: i32, height: i32) -> u64 {
        let (left, top) = (i64::from(x), i64::from(y));
        let (right, bottom) = (left + i64::from(width), top + i64::from(height));
        let colours = self.draw_colours();
        let mut work = 0;
        if let Some(fill) = Paint::visible(colours) {
            work += self.paint_box(fill, (left, right), (top, bottom));
        }
        if let Some(edge) = Paint::visible(colours >> 4) {
            work += self.paint_column(edge, left, top, bottom);
            work += self.paint_column(edge, right - 1, top, bottom);
            work += self.paint_span(edge, left, right, top);
            work += self.paint_span(edge, left, right, bottom - 1);
        }
        work
    }

    /// Draws a line between two points, both included, in draw colour 1.
    ///
    /// The line is cut to the screen by arithmetic, so that its cost depends only on what is seen of it.
    pub(crate) fn line(&mut self, x1: i32, y1: i32, x2: i32, y2: i32) -> u64 {
        let Some(paint) = Paint::visible(self.draw_colours()) else { return 0 };
        let mut ends = [(i64::from(x1), i64::from(y1)), (i64::from(x2), i64::from(y2))];
        if y1 > y2 {
            ends.swap(0, 1);
        }
        let [(x1, y1), (x2, y2)] = ends;
        if y1 == y2 {
            return self.paint_span(paint, x1.min(x2), x1.max(x2) + 1, y1);
        }
        if x1 == x2 {
            return self.paint_column(paint, x1, y1, y2 + 1);
        }
        self.paint_slope(paint, (x1, y1), (x2, y2))
    }

    /// Draws a line that is neither horizontal nor vertical; `from` is its upper end.
    fn paint_slope(&mut self, paint: Paint, from: (i64, i64), to: (i64, i64)) -> u64 {
        let rightwards = from.0 < to.0;
        let across = Axis::new(from.0, (to.0 - from.0).abs(), rightwards, WIDTH as i64);
        let down = Axis::new(from.1, to.1 - from.1, true, HEIGHT as i64);
        let across_stride = if rightwards { 1 } else { -1 };
        let down_stride = WIDTH as i64;
        let (slope, strides) = if across.steps > down.steps {
            (Slope { major: across, minor: down }, (across_stride, down_stride))
        } else {
            (Slope { major: down, minor: across }, (down_stride, across_stride))
        };
        let Some((first, last)) = slope.visible_steps() else { return 0 };
        let (minor_steps, mut slack) = slope.position(first);
        let start = from.0 + from.1 * down_stride + first * strides.0 + minor_steps * strides.1;
        let (advance, turn) = (2 * slope.minor.steps, 2 * slope.major.steps);
        let words = self.rows().as_flattened_mut();
        let mut pixel = start;
        for _ in first..=last {
            let (word, indent) = (pixel as usize / WORD_PIXELS, pixel as usize % WORD_PIXELS);
            blend(&mut words[word], paint.word(), 3 << (2 * indent));
            pixel += strides.0;
            slack -= advance;
            if slack < 0 {
                slack += turn;
                pixel += strides.1;
            }
        }
        (last - first + 1) as u64
    }

    pub(super) fn draw_colours(&self) -> u16 {
        u16::from_le_bytes([self.memory[DRAW_COLOURS], self.memory[DRAW_COLOURS + 1]])
    }

    pub(super) fn rows(&mut self) -> &mut [Row] {
        rows(&mut self.memory[FRAME..FRAME_END])
    }

    /// Paints the visible part of row `y` from `left` up to but not including `right`.
    pub(super) fn paint_span(&mut self, paint: Paint, left: i64, right: i64, y: i64) -> u64 {
        let (left, right) = clip(left, right, WIDTH);
        if left >= right || !(0..HEIGHT as i64).contains(&y) {
            return 0;
        }
        fill_row(&mut self.rows()[y as usize], left, right, paint);
        (right - left) as u64
    }

    /// Paints the visible part of column `x` from `top` up to but not including `bottom`.
    pub(super) fn paint_column(&mut self, paint: Paint, x: i64, top: i64, bottom: i64) -> u64 {
        let (top, bottom) = clip(top, bottom, HEIGHT);
        if top >= bottom || !(0..WIDTH as i64).contains(&x) {
            return 0;
        }
        let (word, indent) = (x as usize / WORD_PIXELS, x as usize % WORD_PIXELS);
        for row in &mut self.rows()[top..bottom] {
            blend(&mut row[word], paint.word(), 3 << (2 * indent));
        }
        (bottom - top) as u64
    }

    fn paint_box(&mut self, paint: Paint, (left, right): (i64, i64), (top, bottom): (i64, i64)) -> u64 {
        let (left, right) = clip(left, right, WIDTH);
        let (top, bottom) = clip(top, bottom, HEIGHT);
        if left >= right || top >= bottom {
            return 0;
        }
        let rows = &mut self.rows()[top..bottom];
        if right - left == WIDTH {
            rows.as_flattened_mut().fill(paint.word().to_le_bytes());
        } else {
            for row in rows {
                fill_row(row, left, right, paint);
            }
        }
        ((right - left) * (bottom - top)) as u64
    }
}

/// How a line moves in one direction.
#[derive(Debug, Clone, Copy)]
struct Axis {
    /// Steps from one end of the line to the other.
    steps: i64,
    /// The first step count at which the line is between the screen's two edges; may be negative.
    enters: i64,
    /// The last such step count; may lie beyond `steps`.
    leaves: i64,
}

impl Axis {
    fn new(from: i64, steps: i64, forwards: bool, size: i64) -> Self {
        let far = size - 1;
        if forwards {
            Self { steps, enters: -from, leaves: far - from }
        } else {
            Self { steps, enters: from - far, leaves: from }
        }
    }
}

/// A sloping line, which moves along `major` at each step and along `minor` at some of them.
///
/// After `k` steps along `major` the line has made `m` along `minor`, where `m` is the least whole number
/// not below `k * minor / major - 1/2`. That closed form is what the console's incremental error term
/// amounts to, exactly, for all 32-bit end points.
#[derive(Debug, Clone, Copy)]
struct Slope {
    major: Axis,
    minor: Axis,
}

impl Slope {
    /// The first and the last step along `major` that land on the screen.
    fn visible_steps(&self) -> Option<(i64, i64)> {
        let (major, minor) = (self.major, self.minor);
        let mut first = major.enters.max(0);
        let mut last = major.leaves.min(major.steps);
        if minor.enters > 0 {
            first = first.max(self.last_step_within(minor.enters - 1) + 1);
        }
        if minor.leaves < minor.steps {
            last = last.min(self.last_step_within(minor.leaves));
        }
        (first <= last).then_some((first, last))
    }

    /// The last step along `major` with at most `minor_steps` made along `minor`, -1 if there is none.
    fn last_step_within(&self, minor_steps: i64) -> i64 {
        if minor_steps < 0 {
            return -1;
        }
        let reach = i128::from(self.major.steps) * i128::from(2 * minor_steps + 1);
        let last = reach / i128::from(2 * self.minor.steps);
        last.min(i128::from(self.major.steps)) as i64
    }

    /// Steps made along `minor` after `step` steps along `major`, and the slack left until the next one.
    /// Each step along `major` uses up twice the minor steps of it, each along `minor` adds twice the
    /// major ones, so that it stays at 0 or above.
    fn position(&self, step: i64) -> (i64, i64) {
        if step == 0 {
            return (0, self.major.steps);
        }
        let turn = 2 * i128::from(self.major.steps);
        let offset = 2 * i128::from(self.minor.steps) * i128::from(step) - i128::from(self.major.steps);
        let minor_steps = -(-offset).div_euclid(turn);
        (minor_steps as i64, (minor_steps * turn - offset) as i64)
    }
}

/// Cuts the range from `start` up to but not including `end` to `0..size`.
pub(super) fn clip(start: i64, end: i64, size: usize) -> (usize, usize) {
    let size = size as i64;
    (start.clamp(0, size) as usize, end.clamp(0, size) as usize)
}

/// Sees the bytes of the framebuffer as rows.
pub(super) fn rows(frame: &mut [u8]) -> &mut [Row] {
    frame.as_chunks_mut().0.as_chunks_mut().0
}

/// Puts the bits of `above` that `mask` selects into a word.
pub(super) fn blend(word: &mut Word, above: u64, mask: u64) {
    let below = u64::from_le_bytes(*word);
    *word = (below & !mask | above & mask).to_le_bytes();
}

/// Fills pixels `left..right` of a row; the range is not empty and lies within the row.
fn fill_row(row: &mut Row, left: usize, right: usize, paint: Paint) {
    let (first, last) = (left / WORD_PIXELS, (right - 1) / WORD_PIXELS);
    let head = u64::MAX << (left % WORD_PIXELS * 2);
    let tail = u64::MAX >> ((WORD_PIXELS - 1 - (right - 1) % WORD_PIXELS) * 2);
    if first == last {
        blend(&mut row[first], paint.word(), head & tail);
        return;
    }
    blend(&mut row[first], paint.word(), head);
    for word in &mut row[first + 1..last] {
        *word = paint.word().to_le_bytes();
    }
    blend(&mut row[last], paint.word(), tail);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Numbers from a seed, among them edges of the screen and of 32 bits.
    pub(in super::super) struct Numbers(pub(in super::super) u64);

    impl Numbers {
        pub(in super::super) fn below(&mut self, end: i32) -> i32 {
            self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            ((self.0 >> 33) % end as u64) as i32
        }

        /// A number near the screen.
        pub(in super::super) fn near(&mut self) -> i32 {
            self.below(400) - 120
        }

        /// Any number at all.
        pub(in super::super) fn any(&mut self) -> i32 {
            match self.below(4) {
                0 => [i32::MIN, i32::MAX, i32::MIN + 1, -1, 0, 159, 160][self.below(7) as usize],
                1 => self.near(),
                _ => (self.below(i32::MAX) ^ (self.below(2) << 31)) >> self.below(31),
            }
        }
    }

    pub(in super::super) fn memory(colours: u16) -> Vec<u8> {
        let mut memory = vec![0; MEMORY_BYTES];
        memory[DRAW_COLOURS..][..2].copy_from_slice(&colours.to_le_bytes());
        memory
    }

    pub(in super::super) fn pixel(memory: &[u8], x: usize, y: usize) -> u8 {
        memory[FRAME + (y * WIDTH + x) / 4] >> (x % 4 * 2) & 3
    }

    /// Draws on an empty screen and compares its upper left corner with `picture`, a row a line.
    pub(in super::super) fn check(colours: u16, draw: impl FnOnce(&mut Screen<'_>), picture: &str) {
        let mut memory = memory(colours);
        draw(&mut Screen::new(&mut memory).unwrap());
        let rows: Vec<&str> = picture.split_whitespace().collect();
        for (y, row) in rows.iter().enumerate() {
            let seen: String =
                (0..row.len()).map(|x| b".123"[pixel(&memory, x, y) as usize] as char).collect();
            assert_eq!(&seen, row, "row {y} of\n{}", rows.join("\n"));
        }
    }

    #[test]
    fn rectangles() {
        check(0x42, |s| _ = s.rect(0, 0, 4, 3), "3333. 3113. 3333. .....");
        check(0x40, |s| _ = s.rect(-1, 0, 4, 3), "333.. ..3.. 333.. .....");
        check(0x02, |s| _ = s.rect(1, 1, 2, 2), ".... .11. .11. ....");
        check(0x42, |s| _ = s.rect(3, 0, 0, 2), "..33. ..33. .....");
        check(0x42, |s| _ = s.rect(3, 0, -2, 2), "3..3. 3..3. .....");
        check(0x42, |s| _ = s.rect(0, 2, 2, -1), "33. ... 33. ...");
        check(0x00, |s| assert_eq!(s.rect(0, 0, 4, 3), 0), "....");
    }

    #[test]
    fn straight_lines() {
        check(0x2, |s| _ = s.hline(-2, 0, 4), "11..");
        check(0x2, |s| _ = s.vline(1, -2, 4), ".1. .1. ...");
        check(0x2, |s| _ = s.line(2, 1, 0, 1), ".... 111. ....");
        check(0x4, |s| assert_eq!(s.hline(0, 0, -5) + s.vline(0, 0, i32::MIN), 0), ".");
        check(0x4, |s| assert_eq!(s.hline(i32::MIN, 0, i32::MAX), 0), ".");
        check(0x4, |s| assert_eq!(s.vline(0, i32::MIN + 1, i32::MAX), 0), ".");
        check(0x4, |s| assert_eq!(s.line(i32::MIN, 0, i32::MAX, 0), 160), "333");
    }

    #[test]
    fn sloping_lines() {
        check(0x2, |s| _ = s.line(0, 0, 4, 2), "11... ..11. ....1 .....");
        check(0x2, |s| _ = s.line(4, 2, 0, 0), "11... ..11. ....1 .....");
        check(0x2, |s| _ = s.line(4, 0, 0, 2), "...11 .11.. 1.... .....");
        check(0x2, |s| _ = s.line(i32::MIN, i32::MIN, i32::MAX, i32::MAX), "1.. .1. ..1");
    }

    /// Walks a line step by step, keeping its distance from the ideal one in halves.
    fn walk_line(from: (i32, i32), to: (i32, i32)) -> Vec<(i32, i32)> {
        let (from, to) = if from.1 > to.1 { (to, from) } else { (from, to) };
        let (wide, high) = (i64::from((to.0 - from.0).abs()), i64::from(to.1 - from.1));
        let mut at = from;
        let mut error = if wide > high { wide } else { -high };
        let mut points = vec![at];
        while at != to {
            let before = error;
            if before > -2 * wide {
                error -= 2 * high;
                at.0 += if from.0 < to.0 { 1 } else { -1 };
            }
            if before < 2 * high {
                error += 2 * wide;
                at.1 += 1;
            }
            points.push(at);
        }
        points
    }

    #[test]
    fn cut_lines_keep_the_pixels_of_whole_ones() {
        let mut numbers = Numbers(1);
        for _ in 0..4_000 {
            let scale = [1, 1, 1, 40][numbers.below(4) as usize];
            let [x1, y1, x2, y2] = [(); 4].map(|()| numbers.near() * scale);
            let mut expected = memory(0x4);
            for (x, y) in walk_line((x1, y1), (x2, y2)) {
                if (0..160).contains(&x) && (0..160).contains(&y) {
                    let at = (y * 160 + x) as usize;
                    expected[FRAME + at / 4] |= 3 << (at % 4 * 2);
                }
            }
            let mut memory = memory(0x4);
            Screen::new(&mut memory).unwrap().line(x1, y1, x2, y2);
            assert!(memory == expected, "line {x1} {y1} {x2} {y2}");
        }
    }

    #[test]
    fn no_shape_costs_more_than_the_screen() {
        let mut numbers = Numbers(2);
        let mut memory = memory(0x42);
        let mut screen = Screen::new(&mut memory).unwrap();
        for _ in 0..20_000 {
            let [a, b, c, d] = [(); 4].map(|()| numbers.any());
            assert!(screen.line(a, b, c, d) <= 160);
            assert!(screen.rect(a, b, c, d) <= 160 * 164);
            assert!(screen.hline(a, b, c) <= 160 && screen.vline(a, b, c) <= 160);
        }
        assert!(memory[FRAME_END..].iter().all(|&byte| byte == 0), "drew behind the framebuffer");
    }

    #[test]
    fn a_short_memory_is_refused() {
        let mut short = [0; 100];
        assert_eq!(Screen::new(&mut short).unwrap_err(), OutOfBounds { address: 0, bytes: 0x1_0000 });
    }
}
