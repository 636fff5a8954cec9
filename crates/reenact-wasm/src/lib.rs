//! reenact-wasm
