//! Floor and walls under the light of everything that glows.

use reenact_guest::Rgb;

use super::{weapon_colour, Scene, PAINT};
use crate::map::{self, Map, PADS, TILE};
use crate::{burst, shots, Arena, SHIPS};

/// Light is known at the corners of cells of this many pixels.
const CELL: i32 = 4;
const LIGHT_COLUMNS: usize = 81;
const LIGHT_ROWS: usize = 46;

type Light = [[[u8; 3]; LIGHT_COLUMNS]; LIGHT_ROWS];

/// The colours of a round's map. Those of the floor exist on the canvas, so that it is calm in the dark.
struct Theme {
    floor: [Rgb; 2],
    wall: Rgb,
}

const THEMES: [Theme; map::MAPS] = [
    Theme { floor: [Rgb(36, 36, 85), Rgb(0, 36, 85)], wall: Rgb(109, 109, 212) },
    Theme { floor: [Rgb(0, 72, 85), Rgb(0, 36, 85)], wall: Rgb(60, 150, 170) },
    Theme { floor: [Rgb(72, 36, 85), Rgb(36, 0, 85)], wall: Rgb(180, 90, 180) },
    Theme { floor: [Rgb(72, 36, 0), Rgb(36, 36, 0)], wall: Rgb(182, 126, 85) },
];

/// How bright the floor is where light falls on it, in 256ths.
const FLOOR_SHADE: i32 = 150;

/// Draws the ground of the whole picture.
pub(crate) fn draw(scene: &mut Scene) {
    let light = light_of(scene);
    let theme = &THEMES[scene.arena.round as usize % map::MAPS];
    let walls = map::of_round(scene.arena.round);
    let (width, height) = (scene.canvas.width(), scene.canvas.height());
    for y in 0..height {
        let along = light_along(&light, y);
        for x in 0..width {
            let light = light_at(&along, x);
            let colour = ground(theme, walls, x - scene.shift.0, y - scene.shift.1, light);
            scene.canvas.pixels()[(y * width + x) as usize] = colour.dither(x, y);
        }
    }
    stains(scene, walls);
}

fn light_of(scene: &Scene) -> Light {
    let arena = scene.arena;
    let mut light = [[[0; 3]; LIGHT_COLUMNS]; LIGHT_ROWS];
    for ship in (0..SHIPS).filter(|ship| arena.is_alive(*ship)) {
        add(&mut light, scene.at(arena.x[ship], arena.y[ship]), 52, PAINT[ship], 130);
    }
    for shot in &arena.shots[..arena.shots_in_flight as usize] {
        let radius = if shot.weapon == shots::ROCKET { 40 } else { 20 };
        add(&mut light, scene.at(shot.x, shot.y), radius, PAINT[shot.owner as usize % SHIPS], 110);
    }
    for (pad, (column, row)) in arena.pads.iter().zip(PADS).filter(|(pad, _)| pad.wait == 0) {
        let (x, y) = map::middle(column, row);
        add(&mut light, scene.at(x, y), 26, weapon_colour(pad.kind), 100);
    }
    flashes(scene, arena, &mut light);
    light
}

fn flashes(scene: &Scene, arena: &Arena, light: &mut Light) {
    for flash in arena.bursts.iter().filter(|burst| burst.tick > 0) {
        let age = (arena.tick - flash.tick) as i32;
        let place = (i32::from(flash.x) + scene.shift.0, i32::from(flash.y) + scene.shift.1);
        let (ticks, radius, colour) = match flash.kind {
            burst::BLAST => (26, 84, Rgb(255, 170, 80)),
            burst::DEATH => (34, 80, PAINT[flash.ship as usize % SHIPS].mix(Rgb::WHITE, 60)),
            burst::SPAWN => (30, 50, PAINT[flash.ship as usize % SHIPS]),
            burst::PICKUP => (20, 44, Rgb::WHITE),
            _ => continue,
        };
        if age < ticks {
            add(light, place, radius, colour, 300 * (ticks - age) / ticks);
        }
    }
}

/// Adds a lamp that is `share` 256ths bright in its middle.
fn add(light: &mut Light, (x, y): (i32, i32), radius: i32, colour: Rgb, share: i32) {
    let rows = (y - radius).max(0) / CELL..(y + radius).clamp(0, 179) / CELL + 1;
    for row in rows {
        for column in (x - radius).max(0) / CELL..(x + radius).clamp(0, 319) / CELL + 1 {
            let (across, down) = (column * CELL - x, row * CELL - y);
            let left = radius * radius - across * across - down * down;
            if left > 0 {
                let falloff = left * 256 / (radius * radius);
                let share = (share * falloff * falloff) >> 16;
                let [red, green, blue] = light[row as usize][column as usize];
                let Rgb(red, green, blue) = Rgb(red, green, blue).lit(colour, share);
                light[row as usize][column as usize] = [red, green, blue];
            }
        }
    }
}

/// The light along a row of pixels, at the left edge of each cell, `CELL` times as large.
fn light_along(light: &Light, y: i32) -> [[u16; 3]; LIGHT_COLUMNS] {
    let (above, below) = (&light[(y / CELL) as usize], &light[(y / CELL) as usize + 1]);
    let down = (y % CELL) as u16;
    let mut along = [[0; 3]; LIGHT_COLUMNS];
    for (column, corner) in along.iter_mut().enumerate() {
        for (channel, sum) in corner.iter_mut().enumerate() {
            let (above, below) = (u16::from(above[column][channel]), u16::from(below[column][channel]));
            *sum = above * (CELL as u16 - down) + below * down;
        }
    }
    along
}

/// The light at a pixel of that row.
fn light_at(along: &[[u16; 3]; LIGHT_COLUMNS], x: i32) -> Rgb {
    let (left, right) = (&along[(x / CELL) as usize], &along[(x / CELL) as usize + 1]);
    let across = (x % CELL) as u16;
    let channel = |index: usize| ((left[index] * (CELL as u16 - across) + right[index] * across) >> 4) as u8;
    Rgb(channel(0), channel(1), channel(2))
}

fn ground(theme: &Theme, walls: &Map, x: i32, y: i32, light: Rgb) -> Rgb {
    let (column, row) = (x.div_euclid(TILE), y.div_euclid(TILE));
    let (across, down) = (x.rem_euclid(TILE), y.rem_euclid(TILE));
    if map::is_wall(walls, column, row) {
        return wall(theme, walls, (column, row), (across, down), light);
    }
    let floor = theme.floor[((column / 2 + row / 2) & 1) as usize];
    let grid = across == 0 && column & 1 == 0 || down == 0 && row & 1 == 0;
    let shade = if grid { FLOOR_SHADE + 60 } else { FLOOR_SHADE };
    let colour = floor.lit(light, shade);
    let shadow = down < 4 && map::is_wall(walls, column, row - 1)
        || across < 3 && map::is_wall(walls, column - 1, row)
        || down < 4 && across < 3 && map::is_wall(walls, column - 1, row - 1);
    if shadow {
        colour.mix(Rgb::BLACK, 128)
    } else {
        colour
    }
}

/// A wall seen from above and a little from the front.
fn wall(theme: &Theme, walls: &Map, tile: (i32, i32), inside: (i32, i32), light: Rgb) -> Rgb {
    let open = |across: i32, down: i32| !map::is_wall(walls, tile.0 + across, tile.1 + down);
    let (across, down) = inside;
    if open(0, 1) && down >= TILE - 4 {
        let foot = if down == TILE - 1 { 150 } else { 100 };
        return theme.wall.mix(Rgb::BLACK, foot).lit(light, 170);
    }
    let bright_edge = open(0, -1) && down == 0 || open(-1, 0) && across == 0;
    let dark_edge = open(1, 0) && across == TILE - 1 || open(0, 1) && down == TILE - 5;
    let top = theme.wall.mix(theme.floor[0], 70).lit(light, 90);
    if bright_edge {
        top.lit(theme.wall, 130)
    } else if dark_edge {
        top.lit(theme.wall, 60)
    } else {
        top
    }
}

/// Paint that lost ships have left on the floor.
fn stains(scene: &mut Scene, walls: &Map) {
    for (index, stain) in scene.arena.stains.iter().enumerate().filter(|(_, stain)| stain.used) {
        let colour = PAINT[stain.ship as usize % SHIPS].mix(Rgb::BLACK, 70);
        for drop in 0..9_u64 {
            let luck = reenact_guest::mix(drop << 8 | index as u64);
            let far = if drop == 0 { 0 } else { 13 };
            let x = i32::from(stain.x) + (luck % 2048) as i32 * far / 1024 - far;
            let y = i32::from(stain.y) + (luck >> 16 & 2047) as i32 * far / 1024 - far;
            let radius = if drop == 0 { 6 } else { (luck >> 32 & 3) as i32 };
            if !map::is_wall(walls, x.div_euclid(TILE), y.div_euclid(TILE)) {
                scene.canvas.disc_blend(x + scene.shift.0, y + scene.shift.1, radius, colour, 90);
            }
        }
    }
}
