//! Ships: how they appear, move, aim and fire.

use reenact_guest::{mark, Angle, Fx};

use crate::rounds::PLAYING;
use crate::{burst, map, marks, pad, shots, Arena, Row, SHIPS, TRAIL};

/// Half the side of a ship's box.
pub(crate) const HALF: Fx = Fx::int(4);
/// Ticks between two dashes.
pub(crate) const DASH_TICKS: u8 = 80;
/// Ticks until a lost ship is back.
pub(crate) const RESPAWN_TICKS: u8 = 100;

const SHIELD_TICKS: u8 = 75;
const DASH_SHIELD_TICKS: u8 = 7;
const THRUST: Fx = Fx::ratio(15, 100);
const FRICTION: Fx = Fx::ratio(91, 100);
const BOUNCE: Fx = Fx::ratio(-45, 100);
const DASH_SPEED: Fx = Fx::ratio(46, 10);
/// One over the square root of two.
const DIAGONAL: Fx = Fx::ratio(7071, 10_000);
/// How far from where it points a ship without a free aim finds a target.
const ASSIST: i16 = 5_000;

/// The direction that a row's buttons ask for, of length 1 or 0.
pub(crate) fn direction(buttons: u8) -> (Fx, Fx) {
    let held = |button: u8| i32::from(buttons & button != 0);
    let across = held(pad::RIGHT) - held(pad::LEFT);
    let down = held(pad::DOWN) - held(pad::UP);
    let length = if across != 0 && down != 0 { DIAGONAL } else { Fx::ONE };
    (length * across, length * down)
}

impl Arena {
    /// Brings ships in and takes them out as participants come and go.
    pub(crate) fn step_presence(&mut self, ship: usize, present: bool) {
        if !present {
            self.health[ship] = 0;
            self.respawn[ship] = 0;
        } else if !self.is_alive(ship) {
            self.respawn[ship] = self.respawn[ship].saturating_sub(1);
            if self.respawn[ship] == 0 {
                self.spawn(ship);
            }
        }
        self.present[ship] = present;
    }

    fn spawn(&mut self, ship: usize) {
        let (x, y) = self.quietest_place(ship);
        (self.x[ship], self.y[ship]) = (x, y);
        (self.vx[ship], self.vy[ship]) = (Fx::ZERO, Fx::ZERO);
        self.health[ship] = 100;
        self.weapon[ship] = shots::BLASTER;
        self.ammo[ship] = 0;
        self.shield[ship] = SHIELD_TICKS;
        self.reload[ship] = 0;
        self.dash_wait[ship] = 0;
        self.flash[ship] = 0;
        self.aim[ship] = Angle::of(Fx::int(160) - x, Fx::int(90) - y);
        self.trail[ship] = [[x.floor() as i16, y.floor() as i16]; TRAIL];
        self.add_burst(burst::SPAWN, x, y, ship);
        mark(marks::SPAWN, &[ship as u8]);
    }

    /// The place that is furthest from the nearest other ship, give or take some luck.
    fn quietest_place(&mut self, ship: usize) -> (Fx, Fx) {
        let (mut best, mut quietest) = (map::spawn(0), -1);
        for place in 0..map::SPAWN_PLACES {
            let (x, y) = map::spawn(place);
            let mut nearest = 400;
            for other in (0..SHIPS).filter(|other| *other != ship && self.is_alive(*other)) {
                nearest = nearest.min(Fx::length(self.x[other] - x, self.y[other] - y).floor());
            }
            let quiet = nearest + self.rng.below(90) as i32;
            if quiet > quietest {
                (best, quietest) = ((x, y), quiet);
            }
        }
        best
    }

    pub(crate) fn step_ship(&mut self, ship: usize, row: Row) {
        self.reload[ship] = self.reload[ship].saturating_sub(1);
        self.dash_wait[ship] = self.dash_wait[ship].saturating_sub(1);
        self.shield[ship] = self.shield[ship].saturating_sub(1);
        self.flash[ship] = self.flash[ship].saturating_sub(1);
        let (across, down) = direction(row.pad);
        self.turn(ship, row, across, down);
        self.vx[ship] = (self.vx[ship] + THRUST * across) * FRICTION;
        self.vy[ship] = (self.vy[ship] + THRUST * down) * FRICTION;
        if row.pad & pad::DASH != 0 && self.dash_wait[ship] == 0 {
            self.dash(ship, across, down);
        }
        self.fly(ship);
        if row.pad & pad::FIRE != 0 && self.reload[ship] == 0 && self.phase == PLAYING {
            self.fire(ship);
        }
    }

    /// A free aim is taken as it is; without one a ship points where it goes, or near there at another.
    fn turn(&mut self, ship: usize, row: Row, across: Fx, down: Fx) {
        if row.aim != 0 {
            self.aim[ship] = Angle(row.aim as u16);
            return;
        }
        if row.pad & (pad::UP | pad::DOWN | pad::LEFT | pad::RIGHT) != 0 {
            self.aim[ship] = Angle::of(across, down);
        }
        let mut closest = ASSIST;
        let ahead = self.aim[ship];
        for other in (0..SHIPS).filter(|other| *other != ship) {
            let to = Angle::of(self.x[other] - self.x[ship], self.y[other] - self.y[ship]);
            let turn = ahead.turn_to(to).saturating_abs();
            if self.is_alive(other) && turn < closest {
                closest = turn;
                self.aim[ship] = to;
            }
        }
    }

    fn dash(&mut self, ship: usize, across: Fx, down: Fx) {
        let (across, down) = if across == Fx::ZERO && down == Fx::ZERO {
            (self.aim[ship].cos(), self.aim[ship].sin())
        } else {
            (across, down)
        };
        self.vx[ship] = DASH_SPEED * across;
        self.vy[ship] = DASH_SPEED * down;
        self.dash_wait[ship] = DASH_TICKS;
        self.shield[ship] = self.shield[ship].max(DASH_SHIELD_TICKS);
        self.add_burst(burst::DASH, self.x[ship], self.y[ship], ship);
    }

    /// Moves along each axis by itself, so that ships slide along walls and bounce off them.
    fn fly(&mut self, ship: usize) {
        let walls = map::of_round(self.round);
        let x = self.x[ship] + self.vx[ship];
        if map::is_box_solid(walls, x, self.y[ship], HALF) {
            self.vx[ship] = self.vx[ship] * BOUNCE;
        } else {
            self.x[ship] = x;
        }
        let y = self.y[ship] + self.vy[ship];
        if map::is_box_solid(walls, self.x[ship], y, HALF) {
            self.vy[ship] = self.vy[ship] * BOUNCE;
        } else {
            self.y[ship] = y;
        }
        if self.tick % 2 == 0 {
            let at = self.tick as usize / 2 % TRAIL;
            self.trail[ship][at] = [self.x[ship].floor() as i16, self.y[ship].floor() as i16];
        }
    }

    /// Ships that overlap drift apart, without a check for walls: `fly` keeps them out of those.
    pub(crate) fn push_ships_apart(&mut self) {
        let reach = Fx::int(9);
        for a in 0..SHIPS {
            for b in a + 1..SHIPS {
                let (dx, dy) = (self.x[b] - self.x[a], self.y[b] - self.y[a]);
                if dx.abs() < reach && dy.abs() < reach && self.is_alive(a) && self.is_alive(b) {
                    let push = Fx::ratio(1, 30);
                    self.vx[a] -= dx * push;
                    self.vy[a] -= dy * push;
                    self.vx[b] += dx * push;
                    self.vy[b] += dy * push;
                }
            }
        }
    }
}
