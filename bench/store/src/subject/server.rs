//! A server that runs as long as it is needed.

use std::process::{Child, Command};

use anyhow::{Context, Result};

pub(super) struct Server(Child);

impl Server {
    pub(super) fn start(mut command: Command) -> Result<Self> {
        let program = command.get_program().to_owned();
        Ok(Self(command.spawn().with_context(|| format!("failed to start {}", program.display()))?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have processes and shared memory of its own, which it gives up when it is asked to end.
        let _asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ended = self.0.wait();
    }
}
