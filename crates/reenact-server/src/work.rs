//! Work that would hold others up, where it does not; and locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::error::ApiError;

/// Runs what waits for files or the processor on a thread where that is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| ApiError::internal(&panic))?
}

/// Polls a future that reads a whole session on a thread where waiting is allowed: reads of a store run to
/// their end on the thread that polls them.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    let handle = Handle::current();
    let work = tokio::task::spawn_blocking(move || handle.block_on(work));
    work.await.map_err(|panic| ApiError::internal(&panic))
}

/// Nothing that is held while a lock is taken can panic half-way.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
