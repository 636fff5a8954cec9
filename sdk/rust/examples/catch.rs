//! A game of one screen: move the paddle under the falling ball.
#![cfg_attr(target_arch = "wasm32", no_std)]

use reenact_guest::{game, mark, Canvas, ConfigRefused, Fx, Game, Random, Rgb, Status, Viewer};

game! {
    name: "Catch",
    participants: 1,
    rate: 60,
    inputs: { buttons pad: u8 [LEFT, RIGHT] },
    marks: { 1 => CAUGHT, 2 => MISSED },
    picture: 80 x 60,
    bot: true,
    state: Catch { score: u32, lives: u8, paddle: Fx, ball: [Fx; 2] } hidden { random: Random },
}

impl Game for Catch {
    fn init(&mut self, seed: u64, _config: &[u8]) -> Result<(), ConfigRefused> {
        *self = Self { random: Random::new(seed), lives: 3, paddle: Fx::int(40), ..*self };
        Ok(())
    }

    fn step(&mut self, inputs: &Inputs) -> Status {
        let held = |button| i32::from(inputs.rows[0].pad & button != 0);
        self.paddle += Fx::ratio(3, 2) * (held(pad::RIGHT) - held(pad::LEFT));
        self.ball[1] += Fx::ONE;
        if self.ball[1] >= Fx::int(54) {
            let caught = (self.ball[0] - self.paddle).abs() < Fx::int(8);
            self.score += u32::from(caught);
            self.lives -= u8::from(!caught);
            mark(if caught { marks::CAUGHT } else { marks::MISSED }, &[]);
            self.ball = [Fx::int(self.random.below(80) as i32), Fx::ZERO];
        }
        if self.lives > 0 {
            Status::Running
        } else {
            Status::Over
        }
    }

    fn view(&self, _viewer: Viewer, canvas: &mut Canvas) {
        canvas.glow(self.ball[0].floor(), self.ball[1].floor(), 6, Rgb(255, 200, 80), 256);
        canvas.rect(self.paddle.floor() - 7, 55, 15, 2, Rgb::WHITE);
        canvas.number(2, 2, self.score as i32, 1, Rgb(120, 160, 255));
    }

    fn bot(&self, _participant: usize) -> Row {
        Row { pad: if self.ball[0] < self.paddle { pad::LEFT } else { pad::RIGHT } }
    }
}
