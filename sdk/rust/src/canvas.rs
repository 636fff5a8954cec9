//! Drawing pictures of one byte a pixel: three bits of red, three of green, two of blue.

use crate::font::{glyph, GLYPH_HEIGHT, GLYPH_WIDTH};

/// A colour of 24 bits. Few of them exist on a canvas; the nearest, or a dither of them, is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// Where each pixel of a 4 x 4 tile rounds up, in 255ths.
const DITHER: [[u16; 4]; 4] =
    [[8, 135, 40, 167], [199, 72, 231, 104], [56, 183, 24, 151], [247, 120, 215, 88]];

impl Rgb {
    /// Black.
    pub const BLACK: Self = Self(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self(255, 255, 255);

    /// The nearest colour of one byte.
    pub const fn pack(self) -> u8 {
        self.pack_with(127)
    }

    /// The colour of one byte that stands for this one at a place, so that areas average out to it.
    pub fn dither(self, x: i32, y: i32) -> u8 {
        self.pack_with(DITHER[(y & 3) as usize][(x & 3) as usize])
    }

    const fn pack_with(self, rounding: u16) -> u8 {
        let red = (self.0 as u16 * 7 + rounding) / 255;
        let green = (self.1 as u16 * 7 + rounding) / 255;
        let blue = (self.2 as u16 * 3 + rounding) / 255;
        (red << 5 | green << 2 | blue) as u8
    }

    /// The colour that a byte of a picture shows.
    pub const fn unpack(byte: u8) -> Self {
        let (red, green, blue) = (byte >> 5, byte >> 2 & 7, byte & 3);
        Self((red as u16 * 255 / 7) as u8, (green as u16 * 255 / 7) as u8, blue * 85)
    }

    /// The colour `share` 256ths of the way to `other`.
    pub const fn mix(self, other: Self, share: i32) -> Self {
        Self(
            between(self.0, other.0, share),
            between(self.1, other.1, share),
            between(self.2, other.2, share),
        )
    }

    /// The colour with `share` 256ths of `light` added to it.
    pub const fn lit(self, light: Self, share: i32) -> Self {
        Self(added(self.0, light.0, share), added(self.1, light.1, share), added(self.2, light.2, share))
    }
}

const fn between(from: u8, to: u8, share: i32) -> u8 {
    (from as i32 + ((to as i32 - from as i32) * share >> 8)) as u8
}

const fn added(from: u8, light: u8, share: i32) -> u8 {
    let sum = from as i32 + (light as i32 * share >> 8);
    if sum > 255 {
        255
    } else {
        sum as u8
    }
}

/// A picture to draw on. What falls outside it is left out.
#[derive(Debug)]
pub struct Canvas<'a> {
    width: i32,
    height: i32,
    pixels: &'a mut [u8],
}

impl<'a> Canvas<'a> {
    /// A canvas on `pixels`, row by row from the top.
    ///
    /// Panics where `pixels` are not `width x height`.
    pub fn new(width: i32, height: i32, pixels: &'a mut [u8]) -> Self {
        assert!(width >= 0 && height >= 0 && pixels.len() == (width * height) as usize);
        Self { width, height, pixels }
    }

    /// Pixels across.
    pub const fn width(&self) -> i32 {
        self.width
    }

    /// Pixels down.
    pub const fn height(&self) -> i32 {
        self.height
    }

    /// All pixels, for a game that has its own way of drawing.
    pub fn pixels(&mut self) -> &mut [u8] {
        self.pixels
    }

    fn index(&self, x: i32, y: i32) -> Option<usize> {
        let inside = x >= 0 && y >= 0 && x < self.width && y < self.height;
        inside.then_some((y * self.width + x) as usize)
    }

    /// The colour at a place; black outside.
    pub fn get(&self, x: i32, y: i32) -> Rgb {
        self.index(x, y).map_or(Rgb::BLACK, |index| Rgb::unpack(self.pixels[index]))
    }

    /// Sets one pixel, dithered.
    pub fn set(&mut self, x: i32, y: i32, colour: Rgb) {
        if let Some(index) = self.index(x, y) {
            self.pixels[index] = colour.dither(x, y);
        }
    }

    /// Moves one pixel `share` 256ths of the way to `colour`.
    pub fn blend(&mut self, x: i32, y: i32, colour: Rgb, share: i32) {
        if let Some(index) = self.index(x, y) {
            self.pixels[index] = Rgb::unpack(self.pixels[index]).mix(colour, share).dither(x, y);
        }
    }

    /// Adds `share` 256ths of `light` to one pixel.
    pub fn light(&mut self, x: i32, y: i32, light: Rgb, share: i32) {
        if let Some(index) = self.index(x, y) {
            self.pixels[index] = Rgb::unpack(self.pixels[index]).lit(light, share).dither(x, y);
        }
    }

    /// Fills everything.
    pub fn fill(&mut self, colour: Rgb) {
        self.rect(0, 0, self.width, self.height, colour);
    }

    /// Fills a rectangle.
    pub fn rect(&mut self, x: i32, y: i32, width: i32, height: i32, colour: Rgb) {
        for y in y.max(0)..(y + height).min(self.height) {
            for x in x.max(0)..(x + width).min(self.width) {
                self.set(x, y, colour);
            }
        }
    }

    /// Blends a rectangle with a colour.
    pub fn rect_blend(&mut self, x: i32, y: i32, width: i32, height: i32, colour: Rgb, share: i32) {
        for y in y.max(0)..(y + height).min(self.height) {
            for x in x.max(0)..(x + width).min(self.width) {
                self.blend(x, y, colour, share);
            }
        }
    }

    /// Calls `draw` for each pixel within `radius` of a centre, with the square of its distance.
    fn each_within(&mut self, x: i32, y: i32, radius: i32, mut draw: impl FnMut(&mut Self, i32, i32, i32)) {
        for down in -radius..=radius {
            for across in -radius..=radius {
                let square = across * across + down * down;
                if square <= radius * radius + radius / 2 {
                    draw(self, x + across, y + down, square);
                }
            }
        }
    }

    /// Fills a disc.
    pub fn disc(&mut self, x: i32, y: i32, radius: i32, colour: Rgb) {
        self.each_within(x, y, radius, |canvas, x, y, _| canvas.set(x, y, colour));
    }

    /// Blends a disc with a colour.
    pub fn disc_blend(&mut self, x: i32, y: i32, radius: i32, colour: Rgb, share: i32) {
        self.each_within(x, y, radius, |canvas, x, y, _| canvas.blend(x, y, colour, share));
    }

    /// Lights a disc, `share` 256ths in the middle and less towards its edge.
    pub fn glow(&mut self, x: i32, y: i32, radius: i32, light: Rgb, share: i32) {
        let edge = (radius * radius + radius).max(1);
        self.each_within(x, y, radius, |canvas, x, y, square| {
            canvas.light(x, y, light, share * (edge - square) / edge);
        });
    }

    /// Draws a circle of one pixel's width, blended.
    pub fn ring(&mut self, x: i32, y: i32, radius: i32, colour: Rgb, share: i32) {
        let inner = (radius - 1) * (radius - 1) + (radius - 1) / 2;
        self.each_within(x, y, radius, |canvas, x, y, square| {
            if square > inner {
                canvas.blend(x, y, colour, share);
            }
        });
    }

    /// Calls `draw` for each pixel of a line, with how far along it is in 256ths.
    fn each_along(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        mut draw: impl FnMut(&mut Self, i32, i32, i32),
    ) {
        let (across, down) = (to.0 - from.0, to.1 - from.1);
        let steps = across.abs().max(down.abs()).max(1);
        for step in 0..=steps {
            let x = from.0 + (2 * across * step + steps).div_euclid(2 * steps);
            let y = from.1 + (2 * down * step + steps).div_euclid(2 * steps);
            draw(self, x, y, step * 256 / steps);
        }
    }

    /// Draws a line, both ends included.
    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), colour: Rgb) {
        self.each_along(from, to, |canvas, x, y, _| canvas.set(x, y, colour));
    }

    /// Draws a line of light that grows from nothing to `share` 256ths.
    pub fn streak(&mut self, from: (i32, i32), to: (i32, i32), light: Rgb, share: i32) {
        self.each_along(from, to, |canvas, x, y, along| canvas.light(x, y, light, share * along >> 8));
    }

    /// Writes text; each character takes 6 x 8 pixels, `scale` times enlarged. Small letters are drawn as
    /// capitals. Gives the place after the last character.
    pub fn text(&mut self, x: i32, y: i32, text: &str, scale: i32, colour: Rgb) -> i32 {
        let mut pen = x;
        for character in text.bytes() {
            let rows = glyph(character);
            for (row, bits) in rows.iter().enumerate() {
                for column in (0..GLYPH_WIDTH).filter(|column| bits >> (GLYPH_WIDTH - 1 - column) & 1 != 0) {
                    self.rect(pen + column * scale, y + row as i32 * scale, scale, scale, colour);
                }
            }
            pen += (GLYPH_WIDTH + 1) * scale;
        }
        pen
    }

    /// Writes text with an outline around it, for use on a busy ground.
    pub fn text_outlined(
        &mut self,
        x: i32,
        y: i32,
        text: &str,
        scale: i32,
        colour: Rgb,
        outline: Rgb,
    ) -> i32 {
        for (across, down) in [(-1, 0), (1, 0), (0, -1), (0, 1), (1, 1)] {
            self.text(x + across, y + down, text, scale, outline);
        }
        self.text(x, y, text, scale, colour)
    }

    /// Writes a whole number. Gives the place after the last digit.
    pub fn number(&mut self, x: i32, y: i32, number: i32, scale: i32, colour: Rgb) -> i32 {
        let mut digits = [0; 11];
        self.text(x, y, decimal(number, &mut digits), scale, colour)
    }

    /// The width of a text, without the space after its last character.
    pub const fn text_width(text: &str, scale: i32) -> i32 {
        text.len() as i32 * (GLYPH_WIDTH + 1) * scale - scale
    }

    /// The height of a line of text.
    pub const fn text_height(scale: i32) -> i32 {
        GLYPH_HEIGHT * scale
    }
}

/// Writes a number to the end of `digits`.
pub(crate) fn decimal(number: i32, digits: &mut [u8]) -> &str {
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 || at == 0 {
            break;
        }
    }
    if number < 0 && at > 0 {
        at -= 1;
        digits[at] = b'-';
    }
    core::str::from_utf8(&digits[at..]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture of a drawing in black and white, a row to a line.
    fn check(width: i32, height: i32, draw: impl Fn(&mut Canvas), expected: &[&str]) {
        let mut pixels = [0; 256];
        let pixels = &mut pixels[..(width * height) as usize];
        draw(&mut Canvas::new(width, height, pixels));
        for (row, expected) in pixels.chunks(width as usize).zip(expected) {
            let matches =
                row.iter().zip(expected.bytes()).all(|(pixel, expected)| (*pixel != 0) == (expected == b'#'));
            assert!(matches, "{row:?} is not {expected}");
        }
    }

    #[test]
    fn colours_survive_packing() {
        for byte in 0..=255 {
            assert_eq!(Rgb::unpack(byte).pack(), byte);
            assert_eq!(Rgb::unpack(byte).dither(i32::from(byte), 1), byte);
        }
    }

    #[test]
    fn shapes_are_clipped() {
        check(4, 3, |canvas| canvas.rect(2, -5, 9, 7, Rgb::WHITE), &["..##", "..##", "...."]);
        check(4, 3, |canvas| canvas.disc(0, 0, 1, Rgb::WHITE), &["##..", "#...", "...."]);
        check(4, 3, |canvas| canvas.line((0, 0), (9, 9), Rgb::WHITE), &["#...", ".#..", "..#."]);
    }

    #[test]
    fn text_is_legible() {
        let draw = |canvas: &mut Canvas| {
            canvas.number(0, 0, -7, 1, Rgb::WHITE);
        };
        check(
            11,
            7,
            draw,
            &[
                "......#####",
                "..........#",
                ".........#.",
                "#####...#..",
                "........#..",
                "........#..",
                "........#..",
            ],
        );
    }

    #[test]
    fn numbers_are_decimal() {
        let mut digits = [0; 11];
        assert_eq!(decimal(0, &mut digits), "0");
        assert_eq!(decimal(i32::MIN, &mut digits), "-2147483648");
    }
}
