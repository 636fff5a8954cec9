//! Waiting for what is to come.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take that is waited for.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const EVERY: Duration = Duration::from_millis(25);

/// Looks until there is something; an error ends the wait at once.
pub async fn until<T>(what: impl Display, look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(DEADLINE, what, look).await
}

/// Looks for so long until there is something.
pub async fn until_within<T>(
    limit: Duration,
    what: impl Display,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if begin.elapsed() > limit {
            bail!("waited {} s in vain: {what}", limit.as_secs());
        }
        tokio::time::sleep(EVERY).await;
    }
}
