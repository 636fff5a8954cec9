//! One file a verb.

pub(crate) mod export_session;
pub(crate) mod inspect;
pub(crate) mod log;
pub(crate) mod play;
pub(crate) mod record;
pub(crate) mod seek;
pub(crate) mod serve;
pub(crate) mod verify;
