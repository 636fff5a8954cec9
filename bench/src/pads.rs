//! What four people might do with the console's pads and its mouse: the same for the same seed.
//!
//! Directions are held for a while, buttons are tapped or held, the mouse glides from place to place. Unlike
//! uniform noise this passes title screens and reaches games.

use reenact::bot::Random;
use reenact::input::{InputSchema, Inputs};

const PARTICIPANTS: usize = 4;
const BUTTONS: [u8; 2] = [0b01, 0b10];
/// Left, right, up, down, the four diagonals, and nothing, which is as likely as two of them.
const DIRECTIONS: [u8; 10] = [0x10, 0x20, 0x40, 0x80, 0x50, 0x60, 0x90, 0xa0, 0, 0];
/// Pixels of the screen's width and height.
const SCREEN: u64 = 160;

/// Four people.
#[derive(Debug)]
pub struct People {
    random: Random,
    players: [Player; PARTICIPANTS],
    mouse: Mouse,
}

/// One of them.
#[derive(Clone, Copy, Debug, Default)]
struct Player {
    here: bool,
    direction: Held,
    buttons: [Held; BUTTONS.len()],
}

/// Something that is held for a while.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    value: u8,
    ticks_left: u64,
}

impl Held {
    /// The value at this tick; `next` gives another and how long it is held.
    fn at_tick(&mut self, next: impl FnOnce(u8) -> (u8, u64)) -> u8 {
        if self.ticks_left == 0 {
            (self.value, self.ticks_left) = next(self.value);
        }
        self.ticks_left -= 1;
        self.value
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Mouse {
    x: i64,
    y: i64,
    target: (i64, i64),
    buttons: Held,
}

impl People {
    /// The people of a seed.
    pub fn new(seed: u64) -> Self {
        let mut people =
            Self { random: Random::new(seed), players: Default::default(), mouse: Mouse::default() };
        people.players[0].here = true;
        people
    }

    /// What they do at the next tick.
    pub fn next(&mut self, schema: &InputSchema) -> Inputs {
        let mut inputs = Inputs::absent(schema);
        let mouse = self.mouse();
        for participant in 0..PARTICIPANTS {
            let pad = self.pad(participant);
            if self.players[participant].here {
                let [x, y, buttons] = if participant == 0 { mouse } else { [0; 3] };
                let set = inputs.set(schema, participant, &[i64::from(pad), x, y, buttons]);
                set.expect("pads and mouse are within the console's columns");
            }
        }
        inputs
    }

    fn pad(&mut self, participant: usize) -> u8 {
        let (random, player) = (&mut self.random, &mut self.players[participant]);
        // The first player stays; the others come within seconds, and rarely leave.
        if participant != 0 && random.below(if player.here { 2_000 } else { 200 }) == 0 {
            player.here = !player.here;
        }
        let mut pad = player.direction.at_tick(|_| {
            let direction = DIRECTIONS[random.below(DIRECTIONS.len() as u64) as usize];
            (direction, 3 + random.below(40))
        });
        for (held, bit) in player.buttons.iter_mut().zip(BUTTONS) {
            pad |= held.at_tick(|before| match before {
                0 => (bit, 1 + random.below(12)),
                _ => (0, 2 + random.below(50)),
            });
        }
        pad
    }

    fn mouse(&mut self) -> [i64; 3] {
        let (random, mouse) = (&mut self.random, &mut self.mouse);
        if random.below(30) == 0 {
            mouse.target = (random.below(SCREEN) as i64, random.below(SCREEN) as i64);
        }
        mouse.x += (mouse.target.0 - mouse.x) / 4;
        mouse.y += (mouse.target.1 - mouse.y) / 4;
        let buttons = mouse.buttons.at_tick(|before| match before {
            0 => ([1, 1, 1, 2, 4][random.below(5) as usize], 2 + random.below(10)),
            _ => (0, 5 + random.below(60)),
        });
        [mouse.x, mouse.y, i64::from(buttons)]
    }
}

#[cfg(test)]
mod tests {
    use reenact::input::{Column, Width};

    use super::*;

    #[test]
    fn everything_is_used_and_a_seed_repeats() {
        let columns = vec![
            Column::buttons("pad", Width::Bits8),
            Column::axis("mouse_x", Width::Bits16),
            Column::axis("mouse_y", Width::Bits16),
            Column::buttons("mouse", Width::Bits8),
        ];
        let schema = InputSchema::new(PARTICIPANTS, columns).unwrap();
        let run = |seed| {
            let mut people = People::new(seed);
            (0..3_600).map(|_| people.next(&schema)).collect::<Vec<_>>()
        };
        let session = run(1);
        assert_eq!(session, run(1));
        assert_ne!(session, run(2));
        let pads = |participant| session.iter().filter_map(move |inputs| Some(inputs.get(participant)?[0]));
        for participant in 0..PARTICIPANTS {
            assert_eq!(pads(participant).fold(0, |all, pad| all | pad), 0xf3);
        }
        let mouse = session.iter().filter_map(|inputs| inputs.get(0)).fold(0, |all, row| all | row[3]);
        assert_eq!(mouse, 7);
    }
}
