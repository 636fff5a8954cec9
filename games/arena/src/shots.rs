//! Weapons, what they fire, and what that does.

use reenact_guest::{mark, Angle, Fx};

use crate::map::{self, Map};
use crate::rounds::PLAYING;
use crate::{banner, burst, marks, ships, Arena, Kill, Shot, Stain, FEED, SHIPS, SHOTS_MAX, STAINS};

/// The weapon that everyone has.
pub(crate) const BLASTER: u8 = 0;
/// Flies slowly at first, and hurts all around.
pub(crate) const ROCKET: u8 = 1;
/// Five pellets of short reach.
pub(crate) const SPREAD: u8 = 2;
/// A disc that bounces often.
pub(crate) const DISC: u8 = 3;
/// How many weapons there are.
pub(crate) const WEAPONS: usize = 4;

struct Weapon {
    speed: Fx,
    reload: u8,
    damage: i32,
    life: u8,
    bounces: u8,
    ammo: u8,
    recoil: Fx,
}

const ARSENAL: [Weapon; WEAPONS] = [
    Weapon {
        speed: Fx::ratio(42, 10),
        reload: 13,
        damage: 13,
        life: 80,
        bounces: 1,
        ammo: 0,
        recoil: Fx::ratio(1, 10),
    },
    Weapon {
        speed: Fx::ratio(20, 10),
        reload: 38,
        damage: 62,
        life: 140,
        bounces: 0,
        ammo: 4,
        recoil: Fx::ratio(8, 10),
    },
    Weapon {
        speed: Fx::ratio(48, 10),
        reload: 26,
        damage: 12,
        life: 22,
        bounces: 0,
        ammo: 7,
        recoil: Fx::ratio(7, 10),
    },
    Weapon {
        speed: Fx::ratio(34, 10),
        reload: 24,
        damage: 34,
        life: 200,
        bounces: 6,
        ammo: 5,
        recoil: Fx::ratio(3, 10),
    },
];

const PELLETS: i16 = 5;
const PELLET_ANGLE: i16 = 1_100;
const ROCKET_GROWTH: Fx = Fx::ratio(103, 100);
const ROCKET_SPEED_MAX: Fx = Fx::int(5);
const BLAST_RADIUS: Fx = Fx::int(30);
const MUZZLE: Fx = Fx::int(6);
const KNOCKBACK: Fx = Fx::ratio(22, 100);
const DOUBLE_KILL_TICKS: u32 = 150;

/// How often a weapon fires before it is used up.
pub(crate) fn ammo(weapon: u8) -> u8 {
    ARSENAL[weapon as usize].ammo
}

/// Pixels a tick of what a weapon fires.
pub(crate) fn speed(weapon: u8) -> Fx {
    if weapon == ROCKET {
        return Fx::ratio(32, 10);
    }
    ARSENAL[weapon as usize].speed
}

impl Arena {
    pub(crate) fn fire(&mut self, ship: usize) {
        let weapon = self.weapon[ship];
        let ahead = self.aim[ship];
        if weapon == SPREAD {
            for pellet in 0..PELLETS {
                let turn = (pellet - PELLETS / 2) * PELLET_ANGLE;
                self.add_shot(ship, weapon, ahead.turned(turn));
            }
        } else {
            self.add_shot(ship, weapon, ahead);
        }
        let Weapon { reload, recoil, .. } = ARSENAL[weapon as usize];
        self.reload[ship] = reload;
        self.vx[ship] -= ahead.cos() * recoil;
        self.vy[ship] -= ahead.sin() * recoil;
        mark(marks::SHOT, &[ship as u8, weapon]);
        if weapon != BLASTER {
            self.ammo[ship] -= 1;
            if self.ammo[ship] == 0 {
                self.weapon[ship] = BLASTER;
            }
        }
    }

    fn add_shot(&mut self, ship: usize, weapon: u8, angle: Angle) {
        let count = self.shots_in_flight as usize;
        let (across, down) = (angle.cos(), angle.sin());
        let (x, y) = (self.x[ship] + across * MUZZLE, self.y[ship] + down * MUZZLE);
        // A muzzle inside a wall would let shots through it.
        let (x, y) = if map::is_solid(map::of_round(self.round), x, y) {
            (self.x[ship], self.y[ship])
        } else {
            (x, y)
        };
        if count == SHOTS_MAX {
            return;
        }
        let Weapon { speed, life, bounces, .. } = ARSENAL[weapon as usize];
        self.shots[count] = Shot {
            x,
            y,
            vx: across * speed,
            vy: down * speed,
            origin_x: x,
            origin_y: y,
            life,
            owner: ship as u8,
            weapon,
            bounces,
        };
        self.shots_in_flight += 1;
    }

    pub(crate) fn step_shots(&mut self) {
        let walls = map::of_round(self.round);
        let mut index = 0;
        while index < self.shots_in_flight as usize {
            let mut shot = self.shots[index];
            let lives = self.step_shot(&mut shot, walls);
            if lives {
                self.shots[index] = shot;
                index += 1;
            } else {
                self.shots_in_flight -= 1;
                self.shots[index] = self.shots[self.shots_in_flight as usize];
            }
        }
    }

    /// Moves a shot; false where it is used up.
    fn step_shot(&mut self, shot: &mut Shot, walls: &Map) -> bool {
        if shot.weapon == ROCKET {
            self.burn(shot);
        }
        let (x, y) = (shot.x + shot.vx, shot.y + shot.vy);
        let free = !map::is_solid(walls, x, y);
        if free {
            (shot.x, shot.y) = (x, y);
        } else if !bounce(shot, walls, x, y) {
            self.spend(shot, burst::SPARK);
            return false;
        } else {
            self.add_burst(burst::SPARK, shot.x, shot.y, shot.owner as usize);
        }
        if let Some(victim) = self.victim_of(shot) {
            self.strike(shot, victim);
            return false;
        }
        shot.life -= 1;
        if shot.life == 0 {
            self.spend(shot, burst::SPARK);
            return false;
        }
        true
    }

    fn burn(&mut self, shot: &mut Shot) {
        if shot.vx.abs() < ROCKET_SPEED_MAX && shot.vy.abs() < ROCKET_SPEED_MAX {
            shot.vx = shot.vx * ROCKET_GROWTH;
            shot.vy = shot.vy * ROCKET_GROWTH;
        }
        if shot.life % 4 == 0 {
            self.add_burst(burst::SMOKE, shot.x, shot.y, shot.owner as usize);
        }
    }

    /// The ship that a shot has reached; its own only after it has bounced.
    fn victim_of(&self, shot: &Shot) -> Option<usize> {
        let reach = if shot.weapon == DISC { Fx::int(7) } else { Fx::int(6) };
        (0..SHIPS).find(|ship| {
            let (dx, dy) = (self.x[*ship] - shot.x, self.y[*ship] - shot.y);
            dx.abs() < reach
                && dy.abs() < reach
                && dx * dx + dy * dy < reach * reach
                && self.is_alive(*ship)
                && *ship != shot.owner as usize
        })
    }

    fn strike(&mut self, shot: &Shot, victim: usize) {
        if shot.weapon == ROCKET {
            self.explode(shot);
            return;
        }
        self.add_burst(burst::HIT, shot.x, shot.y, victim);
        let damage = ARSENAL[shot.weapon as usize].damage;
        let (push_x, push_y) = (shot.vx * KNOCKBACK, shot.vy * KNOCKBACK);
        self.hurt(victim, shot.owner as usize, damage, shot.weapon, (push_x, push_y));
    }

    /// The end of a shot that hit no ship.
    fn spend(&mut self, shot: &Shot, kind: u8) {
        if shot.weapon == ROCKET {
            self.explode(shot);
        } else {
            self.add_burst(kind, shot.x, shot.y, shot.owner as usize);
        }
    }

    fn explode(&mut self, shot: &Shot) {
        self.add_burst(burst::BLAST, shot.x, shot.y, shot.owner as usize);
        self.shake = self.shake.max(10);
        for ship in 0..SHIPS {
            let (dx, dy) = (self.x[ship] - shot.x, self.y[ship] - shot.y);
            let distance = Fx::length(dx, dy);
            if !self.is_alive(ship) || distance >= BLAST_RADIUS {
                continue;
            }
            let share = Fx::ONE - distance / BLAST_RADIUS * Fx::ratio(3, 4);
            let own = if ship == shot.owner as usize { 2 } else { 1 };
            let damage = (share * ARSENAL[ROCKET as usize].damage).floor() / own;
            let push = share * 3 / distance.max(Fx::ONE);
            self.hurt(ship, shot.owner as usize, damage, ROCKET, (dx * push, dy * push));
        }
    }

    fn hurt(&mut self, victim: usize, by: usize, damage: i32, weapon: u8, push: (Fx, Fx)) {
        self.vx[victim] += push.0;
        self.vy[victim] += push.1;
        if self.shield[victim] > 0 || self.phase != PLAYING {
            return;
        }
        mark(marks::HIT, &[by as u8, victim as u8, damage as u8]);
        self.flash[victim] = 5;
        self.health[victim] -= damage;
        if self.health[victim] <= 0 {
            self.lose(victim, by, weapon);
        }
    }

    fn lose(&mut self, victim: usize, killer: usize, weapon: u8) {
        self.health[victim] = 0;
        self.respawn[victim] = ships::RESPAWN_TICKS;
        self.deaths[victim] += 1;
        self.streak[victim] = 0;
        self.shake = self.shake.max(14);
        let (x, y) = (self.x[victim], self.y[victim]);
        self.add_burst(burst::DEATH, x, y, victim);
        self.stains[self.next_stain as usize] =
            Stain { x: x.floor() as i16, y: y.floor() as i16, ship: victim as u8, used: true };
        self.next_stain = (self.next_stain + 1) % STAINS as u8;
        self.feed.copy_within(0..FEED - 1, 1);
        self.feed[0] =
            Kill { tick: self.tick, killer: killer as u8, victim: victim as u8, weapon, used: true };
        mark(marks::KILL, &[killer as u8, victim as u8, weapon]);
        if killer == victim {
            self.score[killer] -= 1;
        } else {
            self.credit(killer);
        }
        mark(marks::SCORE, &[killer as u8, self.score[killer] as u8]);
    }

    fn credit(&mut self, killer: usize) {
        self.score[killer] += 1;
        self.kills[killer] += 1;
        self.streak[killer] = self.streak[killer].saturating_add(1);
        let quick = self.last_kill[killer] > 0 && self.tick - self.last_kill[killer] < DOUBLE_KILL_TICKS;
        if quick && self.banner.kind == banner::DOUBLE && self.banner.ship == killer as u8 {
            self.show(banner::TRIPLE, killer);
        } else if quick {
            self.show(banner::DOUBLE, killer);
        } else if self.streak[killer] == 4 {
            self.show(banner::STREAK, killer);
        }
        self.last_kill[killer] = self.tick;
    }
}

/// Turns a shot back from the wall that it would enter at `(x, y)`; false where it has no bounce left.
fn bounce(shot: &mut Shot, walls: &Map, x: Fx, y: Fx) -> bool {
    if shot.bounces == 0 {
        return false;
    }
    shot.bounces -= 1;
    let across = map::is_solid(walls, x, shot.y);
    let down = map::is_solid(walls, shot.x, y);
    if across || !down {
        shot.vx = -shot.vx;
    }
    if down || !across {
        shot.vy = -shot.vy;
    }
    (shot.origin_x, shot.origin_y) = (shot.x, shot.y);
    true
}
