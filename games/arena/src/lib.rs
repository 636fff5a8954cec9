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

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_guest::Plain;

    const EVERYONE: u64 = 0b1111;

    fn start(seed: u64, config: &[u8]) -> Arena {
        let mut arena = Arena::ZERO;
        arena.init(seed, config).expect("a configuration");
        arena
    }

    /// Lets bots play for so many ticks, or until the game is over.
    fn play(arena: &mut Arena, ticks: u32, present: u64) -> Status {
        for tick in 0..ticks {
            let rows = [0, 1, 2, 3].map(|ship| bots::suggest(arena, ship));
            if arena.step(&Inputs { tick, present, rows }) == Status::Over {
                return Status::Over;
            }
        }
        Status::Running
    }

    #[test]
    fn a_minute_of_bots_is_lively_and_depends_on_the_seed() {
        let mut totals = [0; 4];
        for (seed, total) in totals.iter_mut().enumerate() {
            let mut arena = start(seed as u64, &[]);
            play(&mut arena, 3_600, EVERYONE);
            assert!(arena.kills.iter().sum::<u32>() > 10, "seed {seed}: {:?}", arena.kills);
            *total = arena.x.iter().map(|x| i64::from(x.raw())).sum::<i64>();
        }
        assert!(totals.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn equal_seeds_and_inputs_give_equal_states() {
        let (mut one, mut other) = (start(5, &[]), start(5, &[]));
        play(&mut one, 5_000, EVERYONE);
        play(&mut other, 5_000, EVERYONE);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }

    #[test]
    fn ships_stay_out_of_walls() {
        let mut arena = start(3, &[]);
        for tick in 0..8_000 {
            let rows = [0, 1, 2, 3].map(|ship| bots::suggest(&arena, ship));
            arena.step(&Inputs { tick, present: EVERYONE, rows });
            let walls = map::of_round(arena.round);
            for ship in (0..SHIPS).filter(|ship| arena.is_alive(*ship)) {
                assert!(!map::is_solid(walls, arena.x[ship], arena.y[ship]), "tick {tick}, ship {ship}");
            }
        }
    }

    #[test]
    fn a_game_of_one_round_ends() {
        let mut arena = start(1, &1_u32.to_le_bytes());
        assert_eq!(play(&mut arena, 6_000, EVERYONE), Status::Over);
        assert_eq!(arena.round, 1);
    }

    #[test]
    fn a_game_without_participants_runs_on() {
        let mut arena = start(1, &[]);
        assert_eq!(play(&mut arena, 9_000, 0), Status::Running);
        assert_eq!(arena.health, [0; SHIPS]);
        assert_eq!(arena.winner, rounds::DRAW);
    }

    #[test]
    fn other_configurations_are_refused() {
        let mut arena = Arena::ZERO;
        assert_eq!(arena.init(0, &[1, 0]), Err(ConfigRefused));
    }
}
