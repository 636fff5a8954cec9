//! Rounds, and what lies about in them.

use reenact_guest::{mark, Fx, Plain, Status};

use crate::map::{self, PADS};
use crate::{banner, burst, marks, shots, Arena, Kill, Pad, Shot, Stain, SHIPS};

/// A round is being played.
pub(crate) const PLAYING: u8 = 0;
/// The winner of a round is celebrated.
pub(crate) const CELEBRATING: u8 = 1;
/// No ship won the round.
pub(crate) const DRAW: u8 = 255;
/// The pick-up that is no weapon; weapons have their own numbers.
pub(crate) const HEALTH: u8 = 0;

const ROUND_TICKS: u16 = 60 * 60;
const CELEBRATION_TICKS: u16 = 5 * 60;
const LAST_SECONDS_TICKS: u16 = 10 * 60;
/// After so much of the next kill deciding, a round is a draw.
const OVERTIME_TICKS: u16 = 30 * 60;
const SCORE_TO_WIN: i32 = 12;
const PAD_TICKS: u32 = 6 * 60;
const HEALTH_MAX: i32 = 100;
const HEALTH_GAIN: i32 = 50;
const REACH: Fx = Fx::int(9);

impl Arena {
    pub(crate) fn start_round(&mut self) {
        self.phase = PLAYING;
        self.phase_ticks_left = ROUND_TICKS;
        self.overtime_ticks = 0;
        self.score = [0; SHIPS];
        self.health = [0; SHIPS];
        self.respawn = [0; SHIPS];
        self.streak = [0; SHIPS];
        self.shots = [Shot::ZERO; crate::SHOTS_MAX];
        self.shots_in_flight = 0;
        self.stains = [Stain::ZERO; crate::STAINS];
        self.feed = [Kill::ZERO; crate::FEED];
        for pad in 0..PADS.len() {
            self.refill_pad(pad);
            self.pads[pad].wait = 60;
        }
        self.show(banner::ROUND, 0);
        self.mark_round();
    }

    fn mark_round(&self) {
        mark(marks::ROUND, &[self.round as u8, self.phase, self.winner]);
    }

    /// Runs the clock; the winner of a round is known before its celebration.
    pub(crate) fn step_round(&mut self) -> Status {
        self.phase_ticks_left = self.phase_ticks_left.saturating_sub(1);
        if self.phase == PLAYING {
            self.step_play();
        } else if self.phase_ticks_left == 0 {
            self.round += 1;
            if self.round == self.rounds_max {
                return Status::Over;
            }
            self.start_round();
        }
        Status::Running
    }

    fn step_play(&mut self) {
        if self.phase_ticks_left == LAST_SECONDS_TICKS {
            self.show(banner::LAST_SECONDS, 0);
        }
        let leader = self.leader();
        if self.phase_ticks_left == 0 && leader == DRAW && self.overtime_ticks < OVERTIME_TICKS {
            if self.overtime_ticks == 0 {
                self.show(banner::SUDDEN_DEATH, 0);
            }
            self.overtime_ticks += 1;
        } else if self.phase_ticks_left == 0 || self.score.iter().any(|score| *score >= SCORE_TO_WIN) {
            self.end_round(leader);
        }
    }

    /// The ship that is ahead of all others; `DRAW` where several are.
    fn leader(&self) -> u8 {
        let (mut best, mut leader) = (i32::MIN, DRAW);
        for ship in (0..SHIPS).filter(|ship| self.present[*ship]) {
            if self.score[ship] > best {
                (best, leader) = (self.score[ship], ship as u8);
            } else if self.score[ship] == best {
                leader = DRAW;
            }
        }
        leader
    }

    fn end_round(&mut self, winner: u8) {
        if let Some(wins) = self.wins.get_mut(winner as usize) {
            *wins += 1;
        }
        self.winner = winner;
        self.phase = CELEBRATING;
        self.phase_ticks_left = CELEBRATION_TICKS;
        self.mark_round();
    }

    fn refill_pad(&mut self, pad: usize) {
        let kind = if pad < 2 { HEALTH } else { 1 + self.rng.below(shots::WEAPONS as u32 - 1) as u8 };
        self.pads[pad] = Pad { wait: 0, kind };
    }

    pub(crate) fn step_pads(&mut self) {
        for (pad, (column, row)) in PADS.into_iter().enumerate() {
            if self.pads[pad].wait > 0 {
                self.pads[pad].wait -= 1;
                continue;
            }
            let (x, y) = map::middle(column, row);
            let taker = (0..SHIPS).find(|ship| self.may_take(*ship, pad, x, y));
            if let Some(ship) = taker {
                self.take(ship, pad, x, y);
            }
        }
    }

    fn may_take(&self, ship: usize, pad: usize, x: Fx, y: Fx) -> bool {
        let wants = self.pads[pad].kind != HEALTH || self.health[ship] < HEALTH_MAX;
        self.is_alive(ship) && wants && (self.x[ship] - x).abs() < REACH && (self.y[ship] - y).abs() < REACH
    }

    fn take(&mut self, ship: usize, pad: usize, x: Fx, y: Fx) {
        let kind = self.pads[pad].kind;
        if kind == HEALTH {
            self.health[ship] = (self.health[ship] + HEALTH_GAIN).min(HEALTH_MAX);
        } else {
            self.weapon[ship] = kind;
            self.ammo[ship] = shots::ammo(kind);
        }
        mark(marks::PICKUP, &[ship as u8, kind]);
        self.add_burst(burst::PICKUP, x, y, ship);
        self.refill_pad(pad);
        self.pads[pad].wait = (PAD_TICKS + self.rng.below(180)) as u16;
    }
}
