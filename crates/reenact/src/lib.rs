//! reenact
