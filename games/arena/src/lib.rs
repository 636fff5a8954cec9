//! Arena: a top-down shooter for four. Ships dash about a walled arena, shoot bolts that bounce, and fetch
//! stronger weapons; twelve kills or a minute end a round, and the next is played on another map.
//!
//! All of the game is [`Arena`]; what happens in a tick is in `ships`, `shots` and `rounds`. The picture
//! (`view`) and the bots (`bots`) only read it.
#![cfg_attr(target_arch = "wasm32", no_std)]

mod bots;
mod map;
mod rounds;
mod ships;
mod shots;
mod view;

use reenact_guest::{game, plain, Angle, Canvas, ConfigRefused, Fx, Game, Random, Status, Viewer};

/// How many ships there are.
pub const SHIPS: usize = 4;
const SHOTS_MAX: usize = 64;
const BURSTS: usize = 48;
const STAINS: usize = 48;
const FEED: usize = 4;
const TRAIL: usize = 8;

plain! {
    /// Something in flight.
    pub struct Shot {
        x: Fx,
        y: Fx,
        vx: Fx,
        vy: Fx,
        /// Where it was fired or last bounced: its tail reaches no further back.
        origin_x: Fx,
        origin_y: Fx,
        life: u8,
        owner: u8,
        weapon: u8,
        bounces: u8,
    }

    /// Something to be seen for a moment, from which the picture derives its particles.
    pub struct Burst {
        x: i16,
        y: i16,
        tick: u32,
        kind: u8,
        ship: u8,
    }

    /// Paint on the floor, where a ship was lost in this round.
    pub struct Stain {
        x: i16,
        y: i16,
        ship: u8,
        used: bool,
    }

    /// A line of the kill feed.
    pub struct Kill {
        tick: u32,
        killer: u8,
        victim: u8,
        weapon: u8,
        used: bool,
    }

    /// A place where pick-ups appear.
    pub struct Pad {
        /// Ticks until something lies there; 0 while it does.
        wait: u16,
        kind: u8,
    }

    /// A line of text across the picture.
    pub struct Banner {
        tick: u32,
        kind: u8,
        ship: u8,
    }
}

game! {
    name: "Arena",
    participants: 4,
    rate: 60,
    inputs: { buttons pad: u8 [UP, DOWN, LEFT, RIGHT, FIRE, DASH], axis aim: i16 },
    marks: { 1 => SPAWN, 2 => SHOT, 3 => HIT, 4 => KILL, 5 => SCORE, 6 => PICKUP, 7 => ROUND },
    picture: 320 x 180,
    bot: true,
    state:
    /// The whole game.
    Arena {
        tick: u32,
        round: u32,
        /// 0 while a round is played, 1 while its winner is celebrated.
        phase: u8,
        /// The winner of the round that is celebrated; 255 for a draw.
        winner: u8,
        phase_ticks_left: u16,
        rng: Random,
        score: [i32; SHIPS],
        wins: [u32; SHIPS],
        kills: [u32; SHIPS],
        deaths: [u32; SHIPS],
        health: [i32; SHIPS],
        x: [Fx; SHIPS],
        y: [Fx; SHIPS],
        vx: [Fx; SHIPS],
        vy: [Fx; SHIPS],
        aim: [Angle; SHIPS],
        weapon: [u8; SHIPS],
        ammo: [u8; SHIPS],
        shots_in_flight: u32,
    } hidden {
        /// Varies the bots from game to game.
        flavour: u64,
        rounds_max: u32,
        /// Ticks since the clock ran out on a tie.
        overtime_ticks: u16,
        present: [bool; SHIPS],
        reload: [u8; SHIPS],
        dash_wait: [u8; SHIPS],
        shield: [u8; SHIPS],
        respawn: [u8; SHIPS],
        flash: [u8; SHIPS],
        streak: [u8; SHIPS],
        last_kill: [u32; SHIPS],
        trail: [[[i16; 2]; TRAIL]; SHIPS],
        shots: [Shot; SHOTS_MAX],
        pads: [Pad; map::PADS.len()],
        bursts: [Burst; BURSTS],
        next_burst: u8,
        stains: [Stain; STAINS],
        next_stain: u8,
        feed: [Kill; FEED],
        banner: Banner,
        shake: u8,
    },
}

impl Game for Arena {
    /// The configuration is empty, or the number of rounds as a `u32`; 0 is endless.
    fn init(&mut self, seed: u64, config: &[u8]) -> Result<(), ConfigRefused> {
        self.rounds_max = match *config {
            [] => 0,
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => return Err(ConfigRefused),
        };
        self.rng = Random::new(seed);
        self.flavour = self.rng.next_u64();
        self.start_round();
        Ok(())
    }

    fn step(&mut self, inputs: &Inputs) -> Status {
        self.tick = inputs.tick;
        for ship in 0..SHIPS {
            self.step_presence(ship, inputs.is_present(ship));
            if self.is_alive(ship) {
                self.step_ship(ship, inputs.rows[ship]);
            }
        }
        self.push_ships_apart();
        self.step_shots();
        self.step_pads();
        self.shake = self.shake.saturating_sub(1);
        self.step_round()
    }

    fn view(&self, _viewer: Viewer, canvas: &mut Canvas) {
        view::draw(self, canvas);
    }

    fn bot(&self, participant: usize) -> Row {
        bots::suggest(self, participant)
    }
}

/// What a burst shows.
mod burst {
    pub(crate) const SPARK: u8 = 0;
    pub(crate) const HIT: u8 = 1;
    pub(crate) const DEATH: u8 = 2;
    pub(crate) const BLAST: u8 = 3;
    pub(crate) const SPAWN: u8 = 4;
    pub(crate) const PICKUP: u8 = 5;
    pub(crate) const DASH: u8 = 6;
    pub(crate) const SMOKE: u8 = 7;
}

/// What a banner says.
mod banner {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const ROUND: u8 = 1;
    pub(crate) const DOUBLE: u8 = 2;
    pub(crate) const TRIPLE: u8 = 3;
    pub(crate) const STREAK: u8 = 4;
    pub(crate) const LAST_SECONDS: u8 = 5;
    pub(crate) const SUDDEN_DEATH: u8 = 6;
}

impl Arena {
    fn is_alive(&self, ship: usize) -> bool {
        self.health[ship] > 0
    }

    fn add_burst(&mut self, kind: u8, x: Fx, y: Fx, ship: usize) {
        let burst =
            Burst { x: x.floor() as i16, y: y.floor() as i16, tick: self.tick, kind, ship: ship as u8 };
        self.bursts[self.next_burst as usize] = burst;
        self.next_burst = (self.next_burst + 1) % BURSTS as u8;
    }

    fn show(&mut self, kind: u8, ship: usize) {
        self.banner = Banner { tick: self.tick, kind, ship: ship as u8 };
    }
}
