//! The guest side of Reenact: what a game author needs to write a module of the `reenact1` ABI.
//!
//! [`game!`] declares a game: its inputs, its state, its marks and its picture. It makes the state
//! struct, a `Row` of input, the exports of the ABI and the custom sections that describe them. The game
//! itself is an implementation of [`Game`] for the state struct, in safe code.
//!
//! A game must be a pure function of its seed, its configuration and its inputs. The tools for that are
//! here: [`Fx`] and [`Angle`] in place of floats, [`Random`] kept in the state, [`mark`] to say that
//! something happened and a [`Canvas`] to draw on. There is no allocator: the state is one struct of
//! fixed size, which is what makes saving it a copy.
//!
//! ```
//! use reenact_guest::{game, mark, Canvas, ConfigRefused, Game, Rgb, Status, Viewer};
//!
//! game! {
//!     name: "Count",
//!     participants: 2,
//!     rate: 60,
//!     inputs: { buttons pad: u8 [UP, DOWN] },
//!     marks: { 1 => HUNDRED },
//!     picture: 64 x 32,
//!     bot: true,
//!     state: Count { total: i32 } hidden { presses: [u32; 2] },
//! }
//!
//! impl Game for Count {
//!     fn init(&mut self, seed: u64, _config: &[u8]) -> Result<(), ConfigRefused> {
//!         self.total = (seed % 10) as i32;
//!         Ok(())
//!     }
//!
//!     fn step(&mut self, inputs: &Inputs) -> Status {
//!         for (row, presses) in inputs.rows.iter().zip(&mut self.presses) {
//!             if row.pad & pad::UP != 0 {
//!                 self.total += 1;
//!                 *presses += 1;
//!             }
//!         }
//!         if self.total < 100 {
//!             return Status::Running;
//!         }
//!         mark(marks::HUNDRED, &[]);
//!         Status::Over
//!     }
//!
//!     fn view(&self, _viewer: Viewer, canvas: &mut Canvas) {
//!         canvas.number(4, 4, self.total, 1, Rgb::WHITE);
//!     }
//!
//!     fn bot(&self, _participant: usize) -> Row {
//!         Row { pad: pad::UP }
//!     }
//! }
//!
//! fn main() {
//!     let mut game = <Count as reenact_guest::Plain>::ZERO;
//!     game.init(7, &[]).unwrap();
//!     let inputs = Inputs { tick: 0, present: 3, rows: [game.bot(0); 2] };
//!     assert_eq!(game.step(&inputs), Status::Running);
//!     assert_eq!(game.total, 9);
//! }
//! ```
#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod canvas;
mod declare;
mod field;
mod font;
mod fx;
mod game;
mod host;
mod input;
mod random;
mod schema;

#[doc(hidden)]
pub mod export;

pub use canvas::{Canvas, Rgb};
pub use field::{Field, Plain};
pub use fx::{Angle, Fx};
pub use game::{ConfigRefused, Declared, Game, Status, Viewer};
pub use host::{log, mark, Level};
pub use input::{Column, InputRow, Inputs};
pub use random::{mix, Random};
#[doc(hidden)]
pub use schema::{align_up, same, Text};
