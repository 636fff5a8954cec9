//! reenact-testkit
