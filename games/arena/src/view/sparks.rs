//! Particles, each a function of its burst and of the time since.

use reenact_guest::{mix, Angle, Fx, Rgb};

use super::{Scene, PAINT};
use crate::{burst, Burst, SHIPS};

/// What a burst throws about.
struct Shower {
    ticks: i32,
    count: u64,
    /// How far the fastest particle gets, in pixels.
    reach: i32,
    colour: Rgb,
}

/// Draws all bursts that can still be seen.
pub(crate) fn draw(scene: &mut Scene) {
    for burst in &scene.arena.bursts {
        let age = (scene.arena.tick - burst.tick) as i32;
        let shower = shower_of(burst);
        if burst.tick > 0 && age < shower.ticks {
            let place = (i32::from(burst.x) + scene.shift.0, i32::from(burst.y) + scene.shift.1);
            body(scene, burst.kind, place, age, &shower);
            particles(scene, burst, place, age, &shower);
        }
    }
}

fn shower_of(burst: &Burst) -> Shower {
    let paint = PAINT[burst.ship as usize % SHIPS];
    match burst.kind {
        burst::SPARK => Shower { ticks: 14, count: 5, reach: 11, colour: paint.mix(Rgb::WHITE, 100) },
        burst::HIT => Shower { ticks: 20, count: 10, reach: 18, colour: paint.mix(Rgb::WHITE, 60) },
        burst::DEATH => Shower { ticks: 55, count: 46, reach: 46, colour: paint },
        burst::BLAST => Shower { ticks: 34, count: 26, reach: 34, colour: Rgb(255, 170, 60) },
        burst::SPAWN => Shower { ticks: 30, count: 14, reach: 20, colour: paint },
        burst::PICKUP => Shower { ticks: 26, count: 12, reach: 16, colour: Rgb(255, 255, 220) },
        burst::DASH => Shower { ticks: 18, count: 8, reach: 12, colour: paint },
        _ => Shower { ticks: 30, count: 2, reach: 5, colour: Rgb(120, 112, 130) },
    }
}

/// Rings and fire in the middle of the larger bursts.
fn body(scene: &mut Scene, kind: u8, (x, y): (i32, i32), age: i32, shower: &Shower) {
    let left = (shower.ticks - age) * 256 / shower.ticks;
    let grown = shower.reach * (256 - left * left / 256) / 256;
    match kind {
        burst::BLAST => {
            scene.canvas.ring(x, y, grown, Rgb(255, 220, 150), left);
            if age < 16 {
                scene.canvas.glow(x, y, 6 + grown / 2, Rgb(255, 140, 50), left);
                scene.canvas.glow(x, y, 3 + grown / 3, Rgb(255, 240, 190), left);
            }
        }
        burst::DEATH => {
            scene.canvas.ring(x, y, grown * 3 / 4, shower.colour, left);
            if age < 10 {
                scene.canvas.glow(x, y, 16 - age, Rgb::WHITE, 320 - 28 * age);
            }
        }
        burst::SPAWN | burst::PICKUP => {
            scene.canvas.ring(x, y, (shower.ticks - age) * 2 / 3 + 5, shower.colour, left / 2);
        }
        burst::HIT if age < 5 => scene.canvas.glow(x, y, 6, Rgb::WHITE, 200 - 40 * age),
        _ => {}
    }
}

fn particles(scene: &mut Scene, burst: &Burst, place: (i32, i32), age: i32, shower: &Shower) {
    let seed = mix(u64::from(burst.tick) << 32 | u64::from(burst.x as u16) << 16 | u64::from(burst.y as u16));
    for particle in 0..shower.count {
        let luck = mix(seed ^ particle);
        let ticks = shower.ticks * (128 + (luck >> 40 & 127) as i32) / 256;
        if age >= ticks {
            continue;
        }
        // Speed falls evenly to nothing, so the way is a parabola.
        let way = Fx::ratio(age * (2 * ticks - age), ticks * ticks);
        let far = way * Fx::ratio(shower.reach * (60 + (luck >> 20 & 127) as i32), 187);
        let angle = Angle(luck as u16);
        let x = place.0 + (angle.cos() * far).round();
        let y = place.1 + (angle.sin() * far).round();
        let left = (ticks - age) * 256 / ticks;
        if burst.kind == burst::SMOKE {
            scene.canvas.disc_blend(x, y, 1 + age / 10, shower.colour, left / 3);
        } else {
            let hot = shower.colour.mix(Rgb::WHITE, left / 2);
            scene.canvas.light(x, y, hot, left + 60);
            if shower.count > 20 && luck >> 60 & 1 == 0 {
                scene.canvas.light(x + 1, y, hot, left);
            }
        }
    }
}
