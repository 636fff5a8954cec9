//! Progress of long work, on standard error and only where somebody looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reenact::Tick;

/// A bar that counts ticks or bytes; it hides itself where standard error is no terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `what` is being done up to `last`.
    pub(crate) fn new(what: &str, last: Tick) -> Self {
        let bar = ProgressBar::new(last.0.into());
        let template = "{msg} {wide_bar} {human_pos}/{human_len} ticks, {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is a constant that parses");
        bar.set_style(style);
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// `what` is being done to bytes, of which the first report says how many there are.
    pub(crate) fn bytes(what: &str) -> Self {
        let bar = ProgressBar::new(0);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is a constant that parses");
        bar.set_style(style);
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    pub(crate) fn at_bytes(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// Something is being done, and nobody knows for how long.
    pub(crate) fn spinner(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// What is being done now.
    pub(crate) fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    pub(crate) fn at(&self, tick: Tick) {
        self.0.set_position(tick.0.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
