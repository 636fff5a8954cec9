//! The maps: 32 x 18 tiles of 10 pixels, mirrored from a quarter.

use reenact_guest::Fx;

/// Pixels along a tile's side.
pub const TILE: i32 = 10;
/// Tiles across.
pub const COLUMNS: i32 = 32;
/// Tiles down.
pub const ROWS: i32 = 18;
/// How many maps there are.
pub const MAPS: usize = 4;

const QUARTERS: [[&[u8; 16]; 9]; MAPS] = [
    [
        b"################",
        b"#...............",
        b"#...............",
        b"#...##....##....",
        b"#...##....##....",
        b"#...............",
        b"#...............",
        b"#......#......##",
        b"#......#......##",
    ],
    [
        b"################",
        b"#...............",
        b"#.......#.......",
        b"#..###..#.......",
        b"#..#............",
        b"#..#.......##...",
        b"#...........#...",
        b"#...........#...",
        b"#....##.........",
    ],
    [
        b"################",
        b"#...............",
        b"#...............",
        b"#....######.....",
        b"#...............",
        b"#.............##",
        b"#..##...........",
        b"#..##....#......",
        b"#........#......",
    ],
    [
        b"################",
        b"#......#........",
        b"#......#........",
        b"#..............#",
        b"#...........####",
        b"####............",
        b"#...............",
        b"#.........#.....",
        b"#.........##....",
    ],
];

/// Tiles of a quarter where ships appear.
const SPAWNS: [(i32, i32); 4] = [(2, 2), (13, 1), (1, 7), (9, 5)];
/// How many places there are where ships appear.
pub const SPAWN_PLACES: usize = 16;

/// Tiles where pick-ups lie; the first two are for health.
pub const PADS: [(i32, i32); 6] = [(13, 1), (18, 16), (9, 5), (22, 5), (9, 12), (22, 12)];

/// A map: a bit for each tile of a row, set where there is a wall.
pub type Map = [u32; ROWS as usize];

const WALLS: [Map; MAPS] = [unfold(0), unfold(1), unfold(2), unfold(3)];

const fn unfold(map: usize) -> Map {
    let mut rows = [0; ROWS as usize];
    let mut row = 0;
    while row < ROWS as usize {
        let quarter = QUARTERS[map][if row < 9 { row } else { 17 - row }];
        let mut column = 0;
        while column < COLUMNS as usize {
            if quarter[if column < 16 { column } else { 31 - column }] == b'#' {
                rows[row] |= 1 << column;
            }
            column += 1;
        }
        row += 1;
    }
    rows
}

/// The map of a round.
pub fn of_round(round: u32) -> &'static Map {
    &WALLS[round as usize % MAPS]
}

/// Whether a tile is a wall; everything outside is.
pub fn is_wall(map: &Map, column: i32, row: i32) -> bool {
    if !(0..COLUMNS).contains(&column) || !(0..ROWS).contains(&row) {
        return true;
    }
    map[row as usize] >> column & 1 != 0
}

/// Whether there is a wall at a place.
pub fn is_solid(map: &Map, x: Fx, y: Fx) -> bool {
    is_wall(map, x.floor().div_euclid(TILE), y.floor().div_euclid(TILE))
}

/// Whether a box of this half side around a place touches a wall; the box is smaller than a tile.
pub fn is_box_solid(map: &Map, x: Fx, y: Fx, half: Fx) -> bool {
    is_solid(map, x - half, y - half)
        || is_solid(map, x + half, y - half)
        || is_solid(map, x - half, y + half)
        || is_solid(map, x + half, y + half)
}

/// The middle of a tile.
pub fn middle(column: i32, row: i32) -> (Fx, Fx) {
    (Fx::int(column * TILE + TILE / 2), Fx::int(row * TILE + TILE / 2))
}

/// One of the places where ships appear.
pub fn spawn(place: usize) -> (Fx, Fx) {
    let (column, row) = SPAWNS[place / 4 % 4];
    let column = if place & 1 == 0 { column } else { COLUMNS - 1 - column };
    let row = if place & 2 == 0 { row } else { ROWS - 1 - row };
    middle(column, row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_interest_is_open() {
        for round in 0..MAPS as u32 {
            let map = of_round(round);
            for place in 0..SPAWN_PLACES {
                let (x, y) = spawn(place);
                assert!(!is_box_solid(map, x, y, Fx::int(4)), "map {round}, place {place}");
            }
            for (column, row) in PADS {
                assert!(!is_wall(map, column, row), "map {round}, pad {column} {row}");
            }
        }
    }

    #[test]
    fn maps_are_closed_and_symmetric() {
        for map in WALLS {
            assert_eq!((map[0], map[17]), (u32::MAX, u32::MAX));
            assert!(map.iter().all(|row| *row == row.reverse_bits()));
        }
    }
}
