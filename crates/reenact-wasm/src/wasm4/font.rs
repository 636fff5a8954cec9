//! The console's font: 224 glyphs of 8 x 8 pixels, for the characters 0x20 to 0xff.
//!
//! Letters and signs are the public-domain 8 x 8 font's, the pad's buttons (0x80 to 0x87) are our own,
//! and other characters are blank. Text pixels live in the guest's memory, so the glyphs are part of the
//! console's version: see `docs/decisions/0001-console-font.md`.

use font8x8::legacy::{BASIC_LEGACY, LATIN_LEGACY};

/// The first character that has a glyph.
pub(crate) const FIRST: usize = 0x20;
const COUNT: usize = 0x100 - FIRST;

/// The glyphs, a byte for each row, the leftmost pixel in the lowest bit; set bits are ink.
const FONT: [[u8; 8]; COUNT] = assemble();

/// The glyphs spread to the screen's two bits a pixel: both are set where there is ink.
pub(crate) static INK: [[u16; 8]; COUNT] = spread_all();

const fn assemble() -> [[u8; 8]; COUNT] {
    let mut font = [[0; 8]; COUNT];
    let mut code = FIRST;
    while code < 0x100 {
        font[code - FIRST] = match code {
            ..=0x7e => BASIC_LEGACY[code],
            0x80 => BUTTON_X,
            0x81 => BUTTON_Z,
            0x84 => ARROW_LEFT,
            0x85 => ARROW_RIGHT,
            0x86 => ARROW_UP,
            0x87 => ARROW_DOWN,
            0xa0.. => LATIN_LEGACY[code - 0xa0],
            _ => [0; 8],
        };
        code += 1;
    }
    font
}

const fn spread_all() -> [[u16; 8]; COUNT] {
    let mut ink = [[0; 8]; COUNT];
    let mut glyph = 0;
    while glyph < COUNT {
        let mut row = 0;
        while row < 8 {
            ink[glyph][row] = spread(FONT[glyph][row]);
            row += 1;
        }
        glyph += 1;
    }
    ink
}

const fn spread(bits: u8) -> u16 {
    let mut pixels = 0;
    let mut column = 0;
    while column < 8 {
        if bits >> column & 1 != 0 {
            pixels |= 3 << (2 * column);
        }
        column += 1;
    }
    pixels
}

const fn picture(rows: [&[u8; 8]; 8]) -> [u8; 8] {
    let mut glyph = [0; 8];
    let mut at = 0;
    while at < 64 {
        if rows[at / 8][at % 8] == b'#' {
            glyph[at / 8] |= 1 << (at % 8);
        }
        at += 1;
    }
    glyph
}

const BUTTON_X: [u8; 8] = picture([
    b".#####..",
    b"#.###.#.",
    b"##.#.##.",
    b"###.###.",
    b"##.#.##.",
    b"#.###.#.",
    b".#####..",
    b"........",
]);

const BUTTON_Z: [u8; 8] = picture([
    b".#####..",
    b"#.....#.",
    b"####.##.",
    b"###.###.",
    b"##.####.",
    b"#.....#.",
    b".#####..",
    b"........",
]);

const ARROW_LEFT: [u8; 8] = picture([
    b"...#....",
    b"..##....",
    b".######.",
    b"#######.",
    b".######.",
    b"..##....",
    b"...#....",
    b"........",
]);

const ARROW_RIGHT: [u8; 8] = picture([
    b"...#....",
    b"...##...",
    b"######..",
    b"#######.",
    b"######..",
    b"...##...",
    b"...#....",
    b"........",
]);

const ARROW_UP: [u8; 8] = picture([
    b"...#....",
    b"..###...",
    b".#####..",
    b"#######.",
    b"..###...",
    b"..###...",
    b"..###...",
    b"........",
]);

const ARROW_DOWN: [u8; 8] = picture([
    b"..###...",
    b"..###...",
    b"..###...",
    b"#######.",
    b".#####..",
    b"..###...",
    b"...#....",
    b"........",
]);

#[cfg(test)]
mod tests {
    use super::*;

    fn art(code: usize) -> String {
        let row = |bits: &u8| (0..8).map(|x| if bits >> x & 1 == 1 { '#' } else { '.' }).collect::<String>();
        FONT[code - FIRST].iter().map(row).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_table_is_the_one_of_console_version_1() {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = FONT.as_flattened().iter().fold(0xcbf2_9ce4_8422_2325, fnv);
        assert_eq!(
            hash, 0x992d_e696_5327_f0ce,
            "{hash:#x}: text pixels changed, which needs a new console version"
        );
    }

    #[test]
    fn letters_read_left_to_right() {
        let letter = "#######.\n.##...#.\n.##.#...\n.####...\n.##.#...\n.##.....\n####....\n........";
        assert_eq!(art(usize::from(b'F')), letter);
    }

    #[test]
    fn codes_without_a_glyph_are_blank() {
        let blank = |code: usize| FONT[code - FIRST] == [0; 8];
        assert!([0x20, 0x7f, 0x82, 0x83, 0x88, 0x9f, 0xa0].into_iter().all(blank));
        assert!(![0x21, 0x7e, 0x80, 0x81, 0x84, 0x85, 0x86, 0x87, 0xa1, 0xff].into_iter().any(blank));
    }

    #[test]
    fn ink_is_the_font_two_bits_a_pixel() {
        for (glyph, ink) in FONT.iter().zip(&INK) {
            for x in 0..8 {
                for y in 0..8 {
                    assert_eq!(ink[y] >> (2 * x) & 3, u16::from(glyph[y] >> x & 1) * 3);
                }
            }
        }
    }

    /// The page draws with a table of its own, which must be this one.
    #[test]
    fn the_browser_has_the_same_table() {
        let page = include_str!("../../../../web/sim/wasm4/font.js");
        let (_, table) = page.split_once("const FONT = [\n").expect("the table begins");
        let (table, _) = table.split_once("];").expect("the table ends");
        let rows = table.split(['\'', ',', ' ', '\n']).filter(|glyph| !glyph.is_empty());
        let expected: Vec<String> =
            FONT.iter().map(|glyph| format!("{:016x}", u64::from_be_bytes(*glyph))).collect();
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }
}
