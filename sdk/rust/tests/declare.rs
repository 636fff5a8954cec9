//! What `game!` makes of a declaration.

use reenact_guest::{game, plain, ConfigRefused, Declared, Fx, Game, InputRow, Plain, Random, Status};

plain! {
    struct Bullet {
        x: i32,
        owner: u8,
    }
}

game! {
    name: "Layout test",
    participants: 3,
    rate: 30,
    inputs: { buttons pad: u8 [UP, B], axis aim: i16, buttons more: u32 },
    marks: { 1 => HIT, 700 => LONG_NAME },
    picture: 8 x 4,
    bot: true,
    state: Layout {
        flag: u8,
        wide: u64,
        grid: [[i16; 3]; 2],
        speed: [Fx; 2],
        random: Random,
    } hidden { bullets: [Bullet; 2], done: bool },
}

impl Game for Layout {
    fn init(&mut self, _seed: u64, config: &[u8]) -> Result<(), ConfigRefused> {
        self.done = config == [1];
        self.bullets[0] = Bullet { x: 1, owner: 2 };
        if config.len() > 1 {
            return Err(ConfigRefused);
        }
        Ok(())
    }

    fn step(&mut self, inputs: &Inputs) -> Status {
        self.wide += u64::from(inputs.tick);
        if self.done && self.bullets[0].x + i32::from(self.bullets[0].owner) == 3 {
            return Status::Over;
        }
        Status::Running
    }
}

fn offset_in_schema(field: &str) -> usize {
    let schema = std::str::from_utf8(Layout::SCHEMA).expect("a schema is text");
    let line = schema.lines().find(|line| line.starts_with(&format!("field {field} "))).expect("a field");
    line.rsplit(' ').next().and_then(|offset| offset.parse().ok()).expect("an offset")
}

#[test]
fn the_schema_says_what_was_declared() {
    let expected = "game Layout test\nparticipants 3\nrate 30\nbuttons pad 8 up,b\naxis aim 16\nbuttons more 32\n\
        field flag u8 1 0\nfield wide u64 1 8\nfield grid i16 6 16\nfield speed i32 2 28\nfield random u64 1 40\n\
        mark 1 hit\nmark 700 long_name\npicture 8 4 rgb332\nbot\n";
    assert_eq!(std::str::from_utf8(Layout::SCHEMA), Ok(expected));
}

#[test]
fn offsets_are_those_of_the_compiler() {
    let state = Layout::ZERO;
    let base = std::ptr::addr_of!(state) as usize;
    assert_eq!(std::ptr::addr_of!(state.wide) as usize - base, offset_in_schema("wide"));
    assert_eq!(std::ptr::addr_of!(state.grid) as usize - base, offset_in_schema("grid"));
    assert_eq!(std::ptr::addr_of!(state.speed) as usize - base, offset_in_schema("speed"));
    assert_eq!(std::ptr::addr_of!(state.random) as usize - base, offset_in_schema("random"));
}

#[test]
fn rows_and_masks_follow_the_columns() {
    let row = Row { pad: pad::UP | pad::B, aim: -2, more: 0x0102_0304 };
    let mut bytes = [0; Row::BYTES];
    row.write(&mut bytes);
    assert_eq!(bytes, [3, 0xfe, 0xff, 4, 3, 2, 1]);
    assert_eq!(Row::read(&bytes), row);
    assert_eq!((marks::HIT, marks::LONG_NAME), (1, 700));
}

#[test]
fn frames_are_parsed_or_refused() {
    let mut frame = [0; Inputs::FRAME_BYTES];
    frame[..16].copy_from_slice(&[9, 0, 0, 0, 2, 0, 7, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    frame[16] = pad::B;
    let inputs = Inputs::parse(&frame).expect("a frame");
    assert_eq!((inputs.tick, inputs.rows[0].pad, inputs.rows[2].pad), (9, pad::B, 0));
    assert!(inputs.is_present(0) && !inputs.is_present(1));
    assert_eq!(Inputs::parse(&frame[..29]), None);
    frame[6] = 8;
    assert_eq!(Inputs::parse(&frame), None);
}

#[test]
fn a_game_runs_on_the_host() {
    let mut game = Layout::ZERO;
    assert_eq!(game.init(0, &[1, 2]), Err(ConfigRefused));
    assert_eq!(game.init(0, &[1]), Ok(()));
    let inputs = Inputs { tick: 5, present: 7, rows: [Row::default(); 3] };
    assert_eq!((game.step(&inputs), game.wide), (Status::Over, 5));
}
