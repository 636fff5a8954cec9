//! Ovals.

use super::draw::{Paint, Screen};

/// The largest width and height, either sign, of an oval that is drawn.
pub(crate) const OVAL_SIZE_MAX: u32 = 8_192;

/// An oval is larger than the console walks around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an oval of {width} x {height} pixels is beyond the limit of {limit}")]
pub(crate) struct OvalTooLarge {
    /// Width the guest asked for.
    pub(crate) width: i32,
    /// Height the guest asked for.
    pub(crate) height: i32,
    /// The limit on the magnitude of both, [`OVAL_SIZE_MAX`].
    pub(crate) limit: u32,
}

impl Screen<'_> {
    /// Draws an oval within the given box, its inside in draw colour 1 and its edge in draw colour 2.
    ///
    /// Draw colour 2 differs here from all other shapes: 0 is not transparent but stands for colour 4,
    /// and 15 draws nothing at all, the inside included. The console has always done so, and carts'
    /// pixels depend on it.
    pub(crate) fn oval(&mut self, x: i32, y: i32, width: i32, height: i32) -> Result<u64, OvalTooLarge> {
        let colours = self.draw_colours();
        if colours >> 4 & 0xf == 0xf {
            return Ok(0);
        }
        if width.unsigned_abs().max(height.unsigned_abs()) > OVAL_SIZE_MAX {
            return Err(OvalTooLarge { width, height, limit: OVAL_SIZE_MAX });
        }
        let pens = Pens { fill: Paint::visible(colours), edge: Paint::opaque(colours >> 4) };
        let mut outline = Outline::new(i64::from(x), i64::from(y), i64::from(width), i64::from(height));
        let mut work = 0;
        loop {
            let band = outline.next_band();
            work += band.steps + self.paint_band(&band, pens);
            if outline.is_closed() {
                break;
            }
        }
        Ok(work + self.paint_caps(&outline, i64::from(height), pens.edge))
    }

    fn paint_band(&mut self, band: &Band, pens: Pens) -> u64 {
        let mut work = 0;
        for y in [band.low, band.high] {
            work += self.paint_span(pens.edge, band.left.0, band.left.1 + 1, y);
            work += self.paint_span(pens.edge, band.right.0, band.right.1 + 1, y);
            if let Some(fill) = pens.fill {
                work += self.paint_span(fill, band.left.1 + 1, band.right.0, y);
            }
        }
        work
    }

    /// Finishes a long thin oval, whose sides met before its ends were reached.
    fn paint_caps(&mut self, outline: &Outline, height: i64, edge: Paint) -> u64 {
        let (low, high) = (outline.low, outline.high);
        let rows = (height - (low - high) + 1).div_euclid(2);
        if rows <= 0 {
            return 0;
        }
        let mut work = 0;
        for x in [outline.left - 1, outline.right + 1] {
            work += self.paint_column(edge, x, low, low + rows);
            work += self.paint_column(edge, x, high - rows + 1, high + 1);
        }
        work
    }
}

#[derive(Debug, Clone, Copy)]
struct Pens {
    fill: Option<Paint>,
    edge: Paint,
}

/// The steps of the outline that share one pair of rows.
#[derive(Debug)]
struct Band {
    /// The row below the middle, and the one above.
    low: i64,
    high: i64,
    /// First and last column of the left edge, and of the right edge.
    left: (i64, i64),
    right: (i64, i64),
    steps: u64,
}

/// A walk around one quarter of an oval, from the ends of its middle row inwards; the other quarters
/// mirror it.
///
/// Below the size limit every term fits 64 bits and also a double exactly, so that integers give what
/// the original console's doubles give. A step never stands still, and the walk inwards ends it: the
/// limit bounds the steps, by about half the width plus half the height.
#[derive(Debug)]
struct Outline {
    low: i64,
    high: i64,
    left: i64,
    right: i64,
    /// How far the curve lies from the walk, and what a step in either direction adds to that.
    error: i64,
    inward: i64,
    outward: i64,
    inward_growth: i64,
    outward_growth: i64,
}

impl Outline {
    fn new(x: i64, y: i64, width: i64, height: i64) -> Self {
        let (a, b) = (width - 1, height - 1);
        let (a_squared, b_squared) = (a * a, b * b);
        // An even height has two middle rows. For an even height of 0 or less this is -1, and the two
        // halves start out crossed.
        let parity = b % 2;
        let low = y + height.div_euclid(2);
        let inward = 4 * (1 - a) * b_squared;
        let outward = 4 * (parity + 1) * a_squared;
        Self {
            low,
            high: low - parity,
            left: x,
            right: x + a,
            error: inward + outward + parity * a_squared,
            inward,
            outward,
            inward_growth: 8 * b_squared,
            outward_growth: 8 * a_squared,
        }
    }

    /// Whether the left and the right edge have passed each other.
    fn is_closed(&self) -> bool {
        self.left > self.right
    }

    /// Walks until the rows change or the outline closes, and returns the rows left behind.
    fn next_band(&mut self) -> Band {
        let (low, high) = (self.low, self.high);
        let (left, right) = (self.left, self.right);
        let mut steps = 0;
        loop {
            let (last_left, last_right) = (self.left, self.right);
            steps += 1;
            let changed_rows = self.step();
            if changed_rows || self.is_closed() {
                let (left, right) = ((left, last_left), (last_right, right));
                return Band { low, high, left, right, steps };
            }
        }
    }

    /// Takes one step, outwards to the next pair of rows, inwards to the next pair of columns or both,
    /// and tells whether the rows changed.
    fn step(&mut self) -> bool {
        let doubled = 2 * self.error;
        let outwards = doubled <= self.outward;
        // The second comparison is with the increment as the outward step leaves it.
        if outwards {
            self.low += 1;
            self.high -= 1;
            self.outward += self.outward_growth;
            self.error += self.outward;
        }
        if doubled >= self.inward || doubled > self.outward {
            self.left += 1;
            self.right -= 1;
            self.inward += self.inward_growth;
            self.error += self.inward;
        }
        outwards
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::tests::{Numbers, check, memory};
    use super::super::draw::{FRAME, FRAME_END};
    use super::*;

    fn draw(colours: u16, [x, y, width, height]: [i32; 4]) -> (Vec<u8>, u64) {
        let mut memory = memory(colours);
        let work = Screen::new(&mut memory).unwrap().oval(x, y, width, height).unwrap();
        (memory, work)
    }

    /// The same walk, but every step sets its four points and fills between them.
    fn draw_slowly(colours: u16, [x, y, width, height]: [i32; 4]) -> Vec<u8> {
        let mut memory = memory(colours);
        let mut screen = Screen::new(&mut memory).unwrap();
        let mut put = |paint: Paint, x: i64, y: i64| _ = screen.paint_span(paint, x, x + 1, y);
        let (edge, fill) = (Paint::opaque(colours >> 4), Paint::visible(colours));
        let height = i64::from(height);
        let mut outline = Outline::new(i64::from(x), i64::from(y), i64::from(width), height);
        loop {
            let (left, right) = (outline.left, outline.right);
            for y in [outline.low, outline.high] {
                put(edge, left, y);
                put(edge, right, y);
                if let Some(fill) = fill {
                    (left + 1..right).for_each(|x| put(fill, x, y));
                }
            }
            outline.step();
            if outline.is_closed() {
                break;
            }
        }
        while outline.low - outline.high < height {
            for x in [outline.left - 1, outline.right + 1] {
                put(edge, x, outline.low);
                put(edge, x, outline.high);
            }
            outline.low += 1;
            outline.high -= 1;
        }
        memory
    }

    #[test]
    fn ovals() {
        check(0x42, |s| _ = s.oval(0, 0, 5, 5).unwrap(), ".333. 31113 31113 31113 .333. .....");
        check(0x42, |s| _ = s.oval(0, 0, 2, 2).unwrap(), "33. 33. ...");
        check(0x02, |s| _ = s.oval(0, 0, 1, 1).unwrap(), "3. ..");
        check(0xf2, |s| assert_eq!(s.oval(0, 0, 9, 9), Ok(0)), "...");
    }

    #[test]
    fn bands_equal_steps() {
        let mut numbers = Numbers(3);
        for _ in 0..2_000 {
            let colours = [0x42, 0x20, 0x31][numbers.below(3) as usize];
            let oval = [numbers.near(), numbers.near(), numbers.below(300) - 60, numbers.below(300) - 60];
            assert!(draw(colours, oval).0 == draw_slowly(colours, oval), "oval {oval:?}");
        }
    }

    #[test]
    fn every_size_within_the_limit_is_bounded() {
        let limit = OVAL_SIZE_MAX as i32;
        let sizes = [-limit, 1 - limit, -1, 0, 1, 2, 3, 160, limit - 1, limit];
        let places = [i32::MIN, -limit, -limit / 2, 0, 80, i32::MAX];
        for (width, height) in sizes.iter().flat_map(|&w| sizes.map(|h| (w, h))) {
            for (x, y) in places.iter().flat_map(|&x| places.map(|y| (x, y))) {
                let (memory, work) = draw(0x42, [x, y, width, height]);
                assert!(work <= 40_000, "{work} for {width} x {height} at {x}, {y}");
                assert!(memory[FRAME_END..].iter().chain(&memory[0x16..FRAME]).all(|&byte| byte == 0));
            }
        }
    }

    #[test]
    fn a_larger_oval_is_refused() {
        let mut memory = memory(0x42);
        let mut screen = Screen::new(&mut memory).unwrap();
        for (width, height) in [(8_193, 1), (1, -8_193), (i32::MIN, 0), (i32::MAX, i32::MAX)] {
            let error = OvalTooLarge { width, height, limit: OVAL_SIZE_MAX };
            assert_eq!(screen.oval(0, 0, width, height), Err(error));
        }
    }
}
