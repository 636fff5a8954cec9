//! The picture: everything seen is derived from the state, so that drawing costs a replay nothing.

mod floor;
mod hud;
mod sparks;

use reenact_guest::{mix, Canvas, Fx, Rgb};

use crate::map::{self, PADS};
use crate::ships::DASH_TICKS;
use crate::{rounds, shots, Arena, SHIPS, TRAIL};

/// What each ship is painted in.
pub(crate) const PAINT: [Rgb; SHIPS] =
    [Rgb(255, 92, 84), Rgb(64, 190, 255), Rgb(255, 214, 60), Rgb(96, 240, 120)];

/// What each ship is called.
pub(crate) const NAMES: [&str; SHIPS] = ["CORAL", "AZURE", "AMBER", "JADE"];

const OUTLINE: Rgb = Rgb::BLACK;

/// Draws the whole picture.
pub(crate) fn draw(arena: &Arena, canvas: &mut Canvas) {
    let mut scene = Scene { arena, canvas, shift: shift(arena) };
    floor::draw(&mut scene);
    scene.pads();
    scene.trails();
    scene.shots();
    scene.ships();
    sparks::draw(&mut scene);
    hud::draw(&mut scene);
}

/// Where the arena is drawn, in pixels from its place, while it shakes.
fn shift(arena: &Arena) -> (i32, i32) {
    let swing = i32::from(arena.shake) / 4;
    let luck = mix(u64::from(arena.tick));
    let along = |bits: u64| (bits % (2 * swing as u64 + 1)) as i32 - swing;
    (along(luck & 0xffff), along(luck >> 16 & 0xffff))
}

pub(crate) struct Scene<'a, 'b> {
    pub(crate) arena: &'a Arena,
    pub(crate) canvas: &'a mut Canvas<'b>,
    pub(crate) shift: (i32, i32),
}

impl Scene<'_, '_> {
    /// Where a place of the arena is on the canvas.
    pub(crate) fn at(&self, x: Fx, y: Fx) -> (i32, i32) {
        (x.floor() + self.shift.0, y.floor() + self.shift.1)
    }

    fn pads(&mut self) {
        for (pad, (column, row)) in self.arena.pads.iter().zip(PADS) {
            let (x, y) = map::middle(column, row);
            let (x, y) = self.at(x, y);
            self.canvas.ring(x, y, 6, Rgb(150, 160, 220), 90);
            if pad.wait == 0 {
                let bob = (Fx::ratio(3, 2) * self.wave(90, column * 9).raw().signum()).round();
                self.icon(x, y - bob, pad.kind);
            }
        }
    }

    /// A wave of this many ticks.
    fn wave(&self, ticks: u32, phase: i32) -> Fx {
        let turn = (self.arena.tick % ticks) * 65_536 / ticks;
        reenact_guest::Angle(turn as u16).turned((phase * 1_000) as i16).sin()
    }

    fn icon(&mut self, x: i32, y: i32, kind: u8) {
        let canvas = &mut *self.canvas;
        let colour = weapon_colour(kind);
        canvas.disc_blend(x + 1, y + 4, 4, Rgb::BLACK, 110);
        canvas.glow(x, y, 10, colour, 130);
        canvas.disc(x, y, 4, OUTLINE);
        match kind {
            rounds::HEALTH => {
                canvas.rect(x - 1, y - 3, 3, 7, Rgb::WHITE);
                canvas.rect(x - 3, y - 1, 7, 3, Rgb::WHITE);
            }
            shots::ROCKET => {
                canvas.rect(x - 1, y - 2, 3, 5, colour);
                canvas.set(x, y - 3, Rgb::WHITE);
                canvas.rect(x - 2, y + 2, 5, 1, Rgb(255, 230, 140));
            }
            shots::SPREAD => {
                for (across, down) in [(-2, 1), (0, -2), (2, 1), (-1, -1), (1, -1)] {
                    canvas.rect(x + across, y + down, 1, 2, colour);
                }
            }
            _ => {
                canvas.disc(x, y, 2, colour);
                canvas.set(x, y, OUTLINE);
            }
        }
    }

    /// Where a ship has been: long while it dashes, faint else.
    fn trails(&mut self) {
        for ship in (0..SHIPS).filter(|ship| self.arena.is_alive(*ship)) {
            let dashing = self.arena.dash_wait[ship] > DASH_TICKS - 22;
            for age in 1..TRAIL {
                let index = (self.arena.tick as usize / 2 + TRAIL - age) % TRAIL;
                let [x, y] = self.arena.trail[ship][index];
                let (x, y) = (i32::from(x) + self.shift.0, i32::from(y) + self.shift.1);
                let left = (TRAIL - age) as i32;
                if dashing {
                    self.canvas.glow(x, y, 2 + left / 2, PAINT[ship], 22 * left);
                } else {
                    self.canvas.glow(x, y, 1 + left / 3, PAINT[ship], 8 * left);
                }
            }
        }
    }

    fn shots(&mut self) {
        for shot in &self.arena.shots[..self.arena.shots_in_flight as usize] {
            let colour = PAINT[shot.owner as usize % SHIPS];
            let head = self.at(shot.x, shot.y);
            let length = if shot.weapon == shots::ROCKET { Fx::int(3) } else { Fx::int(4) };
            let (back_x, back_y) = (shot.vx * length, shot.vy * length);
            let flown = Fx::length(shot.x - shot.origin_x, shot.y - shot.origin_y);
            let tail = if flown < Fx::length(back_x, back_y) {
                self.at(shot.origin_x, shot.origin_y)
            } else {
                self.at(shot.x - back_x, shot.y - back_y)
            };
            self.canvas.streak(tail, head, colour, 300);
            self.head(head, shot.weapon, colour, shot.life);
        }
    }

    fn head(&mut self, (x, y): (i32, i32), weapon: u8, colour: Rgb, life: u8) {
        let canvas = &mut *self.canvas;
        match weapon {
            shots::ROCKET => {
                canvas.glow(x, y, 8, Rgb(255, 150, 60), 190);
                canvas.disc(x, y, 2, colour);
                canvas.set(x, y, Rgb::WHITE);
            }
            shots::DISC => {
                canvas.disc(x, y, 3, colour);
                canvas.disc(x, y, 1, if life / 3 % 2 == 0 { OUTLINE } else { Rgb::WHITE });
            }
            shots::SPREAD => {
                canvas.glow(x, y, 2, colour, 200);
                canvas.set(x, y, Rgb::WHITE);
            }
            _ => {
                canvas.glow(x, y, 4, colour, 180);
                canvas.disc(x, y, 1, colour.mix(Rgb::WHITE, 150));
            }
        }
    }

    fn ships(&mut self) {
        for ship in (0..SHIPS).filter(|ship| self.arena.is_alive(*ship)) {
            let (x, y) = self.at(self.arena.x[ship], self.arena.y[ship]);
            self.canvas.disc_blend(x + 2, y + 3, 5, Rgb::BLACK, 130);
            self.hull(ship, x, y);
            self.health_bar(ship, x, y);
        }
    }

    fn hull(&mut self, ship: usize, x: i32, y: i32) {
        let arena = self.arena;
        let paint = if arena.flash[ship] > 2 { Rgb::WHITE } else { PAINT[ship] };
        let (across, down) = (arena.aim[ship].cos(), arena.aim[ship].sin());
        let reach = 8 - i32::from(arena.reload[ship] > 8) * 2;
        let muzzle = (x + (across * reach).round(), y + (down * reach).round());
        self.canvas.disc(x, y, 5, OUTLINE);
        self.barrel((x, y), muzzle);
        self.canvas.disc(x, y, 4, paint.mix(OUTLINE, 96));
        self.canvas.disc(x, y - 1, 3, paint);
        self.canvas.disc(x - 1, y - 2, 1, paint.mix(Rgb::WHITE, 170));
        let eye = (x + (across * 2).round(), y + (down * 2).round());
        self.canvas.rect(eye.0, eye.1, 2, 2, OUTLINE);
        let fired = arena.reload[ship];
        if fired > 9 && fired < 14 || fired > 22 {
            self.canvas.glow(muzzle.0, muzzle.1, 4, Rgb(255, 240, 180), 220);
        }
        if arena.shield[ship] > 0 && (arena.shield[ship] > 20 || arena.tick / 3 % 2 == 0) {
            self.canvas.ring(x, y, 8, PAINT[ship].mix(Rgb::WHITE, 120), 190);
        }
    }

    fn barrel(&mut self, from: (i32, i32), to: (i32, i32)) {
        for (across, down) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
            self.canvas.line((from.0 + across, from.1 + down), (to.0 + across, to.1 + down), OUTLINE);
        }
        self.canvas.line(from, to, Rgb(226, 230, 255));
    }

    fn health_bar(&mut self, ship: usize, x: i32, y: i32) {
        let (left, top) = (x - 6, y - 11);
        let filled = (self.arena.health[ship] * 11 + 99) / 100;
        let low = self.arena.health[ship] < 35 && self.arena.tick / 8 % 2 == 0;
        let colour = if low { Rgb(255, 60, 60) } else { PAINT[ship].mix(Rgb::WHITE, 60) };
        self.canvas.rect(left, top, 13, 4, OUTLINE);
        self.canvas.rect(left + 1, top + 1, 11, 2, Rgb(64, 56, 84));
        self.canvas.rect(left + 1, top + 1, filled.clamp(0, 11), 2, colour);
    }
}

/// What stands for a weapon or, at 0, for health.
pub(crate) fn weapon_colour(kind: u8) -> Rgb {
    match kind {
        rounds::HEALTH => Rgb(255, 110, 150),
        shots::ROCKET => Rgb(255, 150, 60),
        shots::SPREAD => Rgb(200, 130, 255),
        _ => Rgb(90, 240, 230),
    }
}
