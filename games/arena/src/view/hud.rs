//! Scores, the clock, the kill feed and what is written across the picture.

use reenact_guest::{mix, Canvas, Rgb};

use super::{weapon_colour, Scene, NAMES, OUTLINE, PAINT};
use crate::rounds::{CELEBRATING, PLAYING};
use crate::{banner, shots, SHIPS};

const PANELS: [i32; SHIPS] = [4, 74, 184, 254];
const FEED_TICKS: u32 = 240;
const BANNER_TICKS: u32 = 110;
const GREY: Rgb = Rgb(190, 190, 220);

/// Draws over the arena.
pub(crate) fn draw(scene: &mut Scene) {
    scene.canvas.rect(0, 0, 320, 10, OUTLINE);
    for ship in 0..SHIPS {
        panel(scene, ship);
    }
    clock(scene);
    feed(scene);
    if scene.arena.phase == CELEBRATING {
        celebration(scene);
    } else {
        banner_line(scene);
    }
}

fn panel(scene: &mut Scene, ship: usize) {
    let arena = scene.arena;
    let left = PANELS[ship];
    let alive = arena.is_alive(ship);
    let paint = if alive { PAINT[ship] } else { PAINT[ship].mix(OUTLINE, 140) };
    scene.canvas.disc(left + 2, 4, 2, paint);
    let pen = scene.canvas.text(left + 7, 2, NAMES[ship], 1, paint);
    let pen = scene.canvas.number(pen + 2, 2, arena.score[ship], 1, Rgb::WHITE);
    for win in 0..arena.wins[ship].min(3) as i32 {
        scene.canvas.rect(pen + 1 + win * 3, 3, 2, 4, Rgb(255, 220, 100));
    }
    if arena.weapon[ship] != shots::BLASTER && alive {
        let width = 2 * i32::from(arena.ammo[ship]);
        scene.canvas.rect(left + 7, 9, width, 1, weapon_colour(arena.weapon[ship]));
    }
}

fn clock(scene: &mut Scene) {
    let seconds = (i32::from(scene.arena.phase_ticks_left) + 59) / 60;
    let hurry = seconds <= 10 && scene.arena.phase == PLAYING && scene.arena.tick / 15 % 2 == 0;
    let colour = if hurry { Rgb(255, 80, 70) } else { Rgb::WHITE };
    let pen = scene.canvas.number(149, 2, seconds / 60, 1, colour);
    let pen = scene.canvas.text(pen - 1, 2, ":", 1, colour);
    let pen = scene.canvas.number(pen - 1, 2, seconds % 60 / 10, 1, colour);
    scene.canvas.number(pen, 2, seconds % 10, 1, colour);
}

fn feed(scene: &mut Scene) {
    let arena = scene.arena;
    let fresh = arena.feed.iter().filter(|kill| kill.used && arena.tick - kill.tick < FEED_TICKS);
    for (line, kill) in fresh.enumerate() {
        let (killer, victim) = (kill.killer as usize % SHIPS, kill.victim as usize % SHIPS);
        let age = (arena.tick - kill.tick) as i32;
        let slide = (8 - age).max(0) * 10;
        let own = killer == victim;
        let width = Canvas::text_width(NAMES[victim], 1)
            + if own { 12 } else { Canvas::text_width(NAMES[killer], 1) + 14 };
        let (left, top) = (314 - width + slide, 13 + line as i32 * 10);
        scene.canvas.rect_blend(left - 3, top - 1, width + 6, 9, OUTLINE, 150);
        let pen = if own { left } else { scene.canvas.text(left, top, NAMES[killer], 1, PAINT[killer]) };
        cross(scene.canvas, pen + 1, top + 1, weapon_colour(if own { 0 } else { kill.weapon.max(1) }));
        scene.canvas.text(pen + 11, top, NAMES[victim], 1, PAINT[victim].mix(GREY, 60));
    }
}

/// What stands between a killer and a victim.
fn cross(canvas: &mut Canvas, x: i32, y: i32, colour: Rgb) {
    canvas.line((x, y), (x + 4, y + 4), colour);
    canvas.line((x + 4, y), (x, y + 4), colour);
    canvas.line((x + 2, y + 2), (x + 6, y + 2), colour);
}

fn banner_line(scene: &mut Scene) {
    let shown = scene.arena.banner;
    let age = scene.arena.tick - shown.tick;
    if shown.kind == banner::NONE || age >= BANNER_TICKS {
        return;
    }
    let name = NAMES[shown.ship as usize % SHIPS];
    let paint = PAINT[shown.ship as usize % SHIPS];
    let rise = (12 - age as i32).max(0) * 2 + (age as i32 - 98).max(0) * 2;
    match shown.kind {
        banner::ROUND => {
            let x = 160 - Canvas::text_width("ROUND 1", 3) / 2;
            let pen = scene.canvas.text_outlined(x, 60 - rise, "ROUND ", 3, Rgb::WHITE, OUTLINE);
            let round = scene.arena.round as i32 + 1;
            scene.canvas.number(pen + 1, 61 - rise, round, 3, OUTLINE);
            scene.canvas.number(pen, 60 - rise, round, 3, Rgb(255, 220, 100));
        }
        banner::DOUBLE => headline(scene, name, "DOUBLE KILL", 28 - rise.min(14), paint),
        banner::TRIPLE => headline(scene, name, "TRIPLE KILL!", 28 - rise.min(14), paint),
        banner::STREAK => headline(scene, name, "IS ON FIRE", 28 - rise.min(14), paint),
        banner::SUDDEN_DEATH => headline(scene, "", "SUDDEN DEATH", 28 - rise.min(14), Rgb(255, 120, 90)),
        _ => headline(scene, "", "10 SECONDS", 28 - rise.min(14), Rgb(255, 120, 90)),
    }
}

/// A name and what it did, in the middle.
fn headline(scene: &mut Scene, name: &str, text: &str, y: i32, paint: Rgb) {
    let gap = if name.is_empty() { 0 } else { 7 };
    let x = 160 - (Canvas::text_width(name, 1) + Canvas::text_width(text, 1) + gap) / 2;
    let pen = scene.canvas.text_outlined(x, y, name, 1, paint, OUTLINE);
    scene.canvas.text_outlined(pen + gap.min(1) * 6, y, text, 1, Rgb::WHITE, OUTLINE);
}

fn celebration(scene: &mut Scene) {
    let arena = scene.arena;
    let age = 300 - i32::from(arena.phase_ticks_left);
    scene.canvas.rect_blend(0, 10, 320, 170, OUTLINE, (age * 8).min(130));
    let winner = arena.winner as usize;
    let paint = *PAINT.get(winner).unwrap_or(&GREY);
    confetti(scene, age, paint);
    let text = if winner < SHIPS { "WINS!" } else { "DRAW" };
    let name = NAMES.get(winner).copied().unwrap_or("");
    let gap = if winner < SHIPS { 18 } else { 0 };
    let width = Canvas::text_width(name, 3) + Canvas::text_width(text, 3) + gap;
    let drop = (14 - age).max(0) * 4;
    let pen = scene.canvas.text_outlined(160 - width / 2, 44 - drop, name, 3, paint, OUTLINE);
    scene.canvas.text_outlined(pen + gap.min(15), 44 - drop, text, 3, Rgb::WHITE, OUTLINE);
    table(scene, age);
}

/// The ships from the best to the last, one after the other.
fn table(scene: &mut Scene, age: i32) {
    let arena = scene.arena;
    let mut order = [0, 1, 2, 3];
    order.sort_unstable_by_key(|ship| (-arena.score[*ship], *ship));
    for (line, ship) in order.into_iter().enumerate().filter(|(line, _)| age > 30 + 12 * *line as i32) {
        let y = 84 + line as i32 * 14;
        scene.canvas.rect_blend(96, y - 3, 128, 12, OUTLINE, 150);
        scene.canvas.disc(104, y + 3, 3, PAINT[ship]);
        scene.canvas.text(113, y, NAMES[ship], 1, PAINT[ship]);
        scene.canvas.number(166, y, arena.score[ship], 1, Rgb::WHITE);
        for win in 0..arena.wins[ship].min(10) as i32 {
            scene.canvas.rect(186 + win * 4, y + 1, 3, 5, Rgb(255, 220, 100));
        }
    }
}

fn confetti(scene: &mut Scene, age: i32, paint: Rgb) {
    for flake in 0..150_u64 {
        let luck = mix(flake ^ u64::from(scene.arena.round) << 20);
        let fall = age * (40 + (luck & 63) as i32) / 40 - (luck >> 8 & 127) as i32;
        let sway = reenact_guest::Angle((age * 900 + (luck >> 16 & 0xffff) as i32) as u16).sin() * 4;
        let x = (luck >> 32) as i32 & 0x1ff;
        let colour = match luck >> 60 & 3 {
            0 => Rgb::WHITE,
            1 => Rgb(255, 220, 100),
            _ => paint,
        };
        if fall > 0 {
            let tall = 1 + (age / 5 + flake as i32) % 2;
            scene.canvas.rect(x + sway.round(), 10 + fall, 3 - tall, tall, colour);
        }
    }
}
