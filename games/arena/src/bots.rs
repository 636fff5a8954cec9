//! Bots: what a participant might press now, from the state alone.
//!
//! A bot picks a rival, decides where it would like to go, and then takes the best of nine directions by
//! weighing that wish against shots that would hit it and walls in the way.

use reenact_guest::{mix, Angle, Fx};

use crate::map::{self, Map, COLUMNS, PADS, ROWS, TILE};
use crate::ships::{direction, HALF};
use crate::{pad, shots, Arena, Row, Shot, SHIPS};

const TILES: usize = (COLUMNS * ROWS) as usize;
const UNREACHED: u8 = 255;
const HURT: i32 = 45;
const SHOPPING_DISTANCE: i32 = 130;
/// How far ahead shots are looked at, in ticks.
const FORESIGHT: Fx = Fx::int(26);
const DIRECTIONS: [u8; 9] = [
    0,
    pad::UP,
    pad::DOWN,
    pad::LEFT,
    pad::RIGHT,
    pad::UP | pad::LEFT,
    pad::UP | pad::RIGHT,
    pad::DOWN | pad::LEFT,
    pad::DOWN | pad::RIGHT,
];

type Vector = (Fx, Fx);

/// What the bot of a ship would press.
pub(crate) fn suggest(arena: &Arena, ship: usize) -> Row {
    if ship >= SHIPS || !arena.is_alive(ship) {
        return Row::default();
    }
    Bot { arena, ship, walls: map::of_round(arena.round), at: (arena.x[ship], arena.y[ship]) }.suggest()
}

struct Bot<'a> {
    arena: &'a Arena,
    ship: usize,
    walls: &'a Map,
    at: Vector,
}

impl Bot<'_> {
    fn suggest(&self) -> Row {
        let rival = self.rival();
        let seen = rival.filter(|rival| self.sees(self.place(*rival)));
        let wish = match (self.errand(seen.is_some()), seen, rival) {
            (Some(errand), _, _) => self.way_to(errand),
            (None, Some(seen), _) => self.dance(seen),
            (None, None, Some(rival)) => self.way_to(self.place(rival)),
            (None, None, None) => self.way_to(map::spawn(self.luck(300, 0, 16) as usize)),
        };
        let (buttons, danger) = self.steer(wish);
        let mut row = Row { pad: buttons, aim: self.angle_of(wish) };
        if let Some(seen) = seen {
            self.shoot(seen, &mut row);
        }
        let bored = seen.is_none() && self.luck(40, 1, 6) == 0;
        if buttons != 0 && (danger > Fx::int(4) || bored) && self.arena.dash_wait[self.ship] == 0 {
            row.pad |= pad::DASH;
        }
        row
    }

    /// A number below `bound` that stays the same for `ticks` ticks.
    fn luck(&self, ticks: u32, purpose: u64, bound: u64) -> i32 {
        // Ships change their minds at different times.
        let bucket = (self.arena.tick + 17 * self.ship as u32) / ticks;
        let key = u64::from(bucket) << 16 | purpose << 8 | self.ship as u64;
        (mix(self.arena.flavour ^ mix(key)) % bound) as i32
    }

    fn place(&self, ship: usize) -> Vector {
        (self.arena.x[ship], self.arena.y[ship])
    }

    fn distance_to(&self, place: Vector) -> i32 {
        Fx::length(place.0 - self.at.0, place.1 - self.at.1).floor()
    }

    fn angle_of(&self, vector: Vector) -> i16 {
        // 0 would ask for the assisted aim.
        (Angle::of(vector.0, vector.1).0 | 1) as i16
    }

    /// Whether nothing stands between here and a place.
    fn sees(&self, place: Vector) -> bool {
        self.is_open(place, Fx::ONE)
    }

    /// Whether a box of this half side can be moved from here to a place.
    fn is_open(&self, place: Vector, half: Fx) -> bool {
        let steps = self.distance_to(place) / 5 + 1;
        let (dx, dy) = (place.0 - self.at.0, place.1 - self.at.1);
        (1..=steps).all(|step| {
            let share = Fx::ratio(step, steps);
            !map::is_box_solid(self.walls, self.at.0 + dx * share, self.at.1 + dy * share, half)
        })
    }

    /// The rival to go for: near, in sight, weak, and not just shielded.
    fn rival(&self) -> Option<usize> {
        let others = (0..SHIPS).filter(|other| *other != self.ship && self.arena.is_alive(*other));
        others.min_by_key(|other| {
            let hidden = if self.sees(self.place(*other)) { 0 } else { 70 };
            let shielded = if self.arena.shield[*other] > 20 { 90 } else { 0 };
            let whim = self.luck(150, 2 + *other as u64, 60);
            self.distance_to(self.place(*other)) + hidden + shielded + whim + self.arena.health[*other] / 2
        })
    }

    /// A pick-up worth fetching.
    fn errand(&self, in_fight: bool) -> Option<Vector> {
        let hurt = self.arena.health[self.ship] < HURT;
        let armed = self.arena.ammo[self.ship] > 0;
        let reach = if hurt { 400 } else { SHOPPING_DISTANCE / if in_fight { 2 } else { 1 } };
        let wanted = |index: usize| if index < 2 { hurt } else { !hurt && !armed };
        let lying = (0..PADS.len()).filter(|index| self.arena.pads[*index].wait < 20 && wanted(*index));
        let places = lying.map(|index| map::middle(PADS[index].0, PADS[index].1));
        places.filter(|place| self.distance_to(*place) < reach).min_by_key(|place| self.distance_to(*place))
    }

    /// Circles a rival at the distance that suits the weapon.
    fn dance(&self, rival: usize) -> Vector {
        let place = self.place(rival);
        let distance = self.distance_to(place).max(1);
        let best = match self.arena.weapon[self.ship] {
            shots::SPREAD => 32,
            shots::ROCKET => 85,
            _ => 50 + self.luck(200, 7, 40),
        };
        let (x, y) = ((place.0 - self.at.0) / Fx::int(distance), (place.1 - self.at.1) / Fx::int(distance));
        let closer = Fx::ratio((distance - best).clamp(-30, 30), 25);
        let side = Fx::int(if self.luck(45, 8, 2) == 0 { 1 } else { -1 });
        (x * closer - y * side, y * closer + x * side)
    }

    /// The direction of the first step on the shortest way to a place.
    fn way_to(&self, goal: Vector) -> Vector {
        let target = if self.is_open(goal, HALF) { goal } else { self.next_tile_to(goal) };
        let (dx, dy) = (target.0 - self.at.0, target.1 - self.at.1);
        let length = Fx::length(dx, dy).max(Fx::ONE);
        (dx / length * 2, dy / length * 2)
    }

    /// The middle of the neighbouring tile that is nearest to the goal, by the ways that there are.
    fn next_tile_to(&self, goal: Vector) -> Vector {
        let distances = self.distances_to(tile_of(goal));
        let here = tile_of(self.at);
        let (mut best, mut least) = (here, UNREACHED);
        for (across, down) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)] {
            let (column, row) = (here.0 + across, here.1 + down);
            let cuts = map::is_wall(self.walls, column, here.1) || map::is_wall(self.walls, here.0, row);
            let blocked = map::is_wall(self.walls, column, row) || (across != 0 && down != 0 && cuts);
            if !blocked && distances[index_of(column, row)] < least {
                least = distances[index_of(column, row)];
                best = (column, row);
            }
        }
        map::middle(best.0, best.1)
    }

    /// For each tile how many steps it is away from the goal.
    fn distances_to(&self, goal: (i32, i32)) -> [u8; TILES] {
        let mut distances = [UNREACHED; TILES];
        let mut queue = [(0_i8, 0_i8); TILES];
        let (mut head, mut tail) = (0, 1);
        queue[0] = (goal.0 as i8, goal.1 as i8);
        distances[index_of(goal.0, goal.1)] = 0;
        while head < tail {
            let (column, row) = (i32::from(queue[head].0), i32::from(queue[head].1));
            let next = distances[index_of(column, row)].saturating_add(1);
            head += 1;
            for (column, row) in [(column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)]
            {
                if !map::is_wall(self.walls, column, row) && distances[index_of(column, row)] == UNREACHED {
                    distances[index_of(column, row)] = next;
                    queue[tail] = (column as i8, row as i8);
                    tail += 1;
                }
            }
        }
        distances
    }

    /// The buttons that go best with the wish, and the danger of doing nothing about it.
    fn steer(&self, wish: Vector) -> (u8, Fx) {
        let (mut best, mut highest) = (0, Fx::int(-10_000));
        for buttons in DIRECTIONS {
            let (across, down) = direction(buttons);
            let worth = wish.0 * across + wish.1 * down
                - self.danger(across, down)
                - self.walls_ahead(across, down)
                - self.crowd(across, down);
            if worth > highest {
                (best, highest) = (buttons, worth);
            }
        }
        (best, self.danger(Fx::ZERO, Fx::ZERO))
    }

    /// How many shots come close while flying that way, and how close.
    fn danger(&self, across: Fx, down: Fx) -> Fx {
        let arena = self.arena;
        let speed = Fx::ratio(13, 10);
        let velocity = (
            (arena.vx[self.ship] + across * speed) * Fx::ratio(1, 2),
            (arena.vy[self.ship] + down * speed) * Fx::ratio(1, 2),
        );
        let flying = &arena.shots[..arena.shots_in_flight as usize];
        let others = flying.iter().filter(|shot| shot.owner as usize != self.ship);
        others.fold(Fx::ZERO, |sum, shot| sum + self.threat(shot, velocity))
    }

    fn threat(&self, shot: &Shot, velocity: Vector) -> Fx {
        let (x, y) = (shot.x - self.at.0, shot.y - self.at.1);
        let (vx, vy) = (shot.vx - velocity.0, shot.vy - velocity.1);
        let square = vx * vx + vy * vy;
        if square < Fx::ratio(1, 4) || x.abs() > Fx::int(110) || y.abs() > Fx::int(110) {
            return Fx::ZERO;
        }
        let when = (-(x * vx + y * vy) / square).clamp(Fx::ZERO, FORESIGHT);
        let miss = Fx::length(x + vx * when, y + vy * when);
        let wide = if shot.weapon == shots::ROCKET { Fx::int(20) } else { Fx::int(10) };
        if when == Fx::ZERO || miss >= wide {
            return Fx::ZERO;
        }
        let soon = Fx::ONE - when / FORESIGHT * Fx::ratio(1, 2);
        (wide - miss) / wide * 3 * soon
    }

    fn walls_ahead(&self, across: Fx, down: Fx) -> Fx {
        let is_wall = |far: i32| {
            let (x, y) = (self.at.0 + across * far, self.at.1 + down * far);
            map::is_box_solid(self.walls, x, y, HALF)
        };
        Fx::ratio(9, 10) * i32::from(is_wall(5)) + Fx::ratio(5, 10) * i32::from(is_wall(12))
    }

    fn crowd(&self, across: Fx, down: Fx) -> Fx {
        let mut sum = Fx::ZERO;
        for other in (0..SHIPS).filter(|other| *other != self.ship && self.arena.is_alive(*other)) {
            let place = self.place(other);
            if self.distance_to(place) < 24 {
                let toward = (place.0 - self.at.0) * across + (place.1 - self.at.1) * down;
                sum += toward * Fx::ratio(1, 16);
            }
        }
        sum
    }

    /// Aims where the rival will be, not quite steadily, and fires when that makes sense.
    fn shoot(&self, rival: usize, row: &mut Row) {
        let weapon = self.arena.weapon[self.ship];
        let place = self.place(rival);
        let distance = self.distance_to(place);
        let flight = Fx::int(distance) / shots::speed(weapon) * Fx::ratio(8, 10);
        let lead = (place.0 + self.arena.vx[rival] * flight, place.1 + self.arena.vy[rival] * flight);
        let lead = if self.sees(lead) { lead } else { place };
        let tremor = (self.luck(9, 9, 1_401) - 700) as i16;
        let ahead = Angle::of(lead.0 - self.at.0, lead.1 - self.at.1).turned(tremor);
        row.aim = (ahead.0 | 1) as i16;
        let suits = match weapon {
            shots::ROCKET => distance > 38,
            shots::SPREAD => distance < 90,
            _ => distance < 220,
        };
        let resting = self.luck(30, 10, 5) == 0;
        if suits && !resting && self.arena.shield[rival] < 20 {
            row.pad |= pad::FIRE;
        }
    }
}

fn tile_of(place: Vector) -> (i32, i32) {
    let column = place.0.floor().div_euclid(TILE).clamp(0, COLUMNS - 1);
    let row = place.1.floor().div_euclid(TILE).clamp(0, ROWS - 1);
    (column, row)
}

fn index_of(column: i32, row: i32) -> usize {
    (row.clamp(0, ROWS - 1) * COLUMNS + column.clamp(0, COLUMNS - 1)) as usize
}
