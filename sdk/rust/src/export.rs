//! What the exports that [`game!`](crate::game) emits call. Not part of the public interface.

use core::cell::UnsafeCell;

use crate::{Canvas, Column, Game, InputRow, Status, Viewer};

/// The largest configuration a module takes.
pub const CONFIG_BYTES_MAX: usize = 1024;

/// Bytes before the pixels of a picture.
pub const PICTURE_HEADER_BYTES: usize = 4;

/// The input frame does not fit the declaration.
const FRAME_REFUSED: i32 = -1;

/// A static that the exports of a module change.
#[derive(Debug)]
#[repr(transparent)]
pub struct Shared<T>(UnsafeCell<T>);

// SAFETY: a module of the ABI runs on one thread: shared memory is refused at admission.
#[allow(unsafe_code)]
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// A static of this value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[allow(unsafe_code, clippy::mut_from_ref)]
    fn borrow(&self) -> &mut T {
        // SAFETY: each export borrows a static once, and no export runs inside another: the host
        // functions do not call back.
        unsafe { &mut *self.0.get() }
    }
}

/// `reenact1_input`: traps where the buffer is too small, since the host cannot be told otherwise.
pub fn input<const N: usize>(buffer: &Shared<[u8; N]>, bytes: usize) -> *const u8 {
    assert!(bytes <= N, "the input is larger than the buffer");
    buffer.0.get() as *const u8
}

/// `reenact1_init`.
pub fn init<G: Game, const N: usize>(
    state: &Shared<G>,
    buffer: &Shared<[u8; N]>,
    seed: u64,
    address: *const u8,
    bytes: usize,
) -> i32 {
    if bytes > N || (bytes > 0 && address != buffer.0.get() as *const u8) {
        return 1;
    }
    i32::from(state.borrow().init(seed, &buffer.borrow()[..bytes]).is_err())
}

/// `reenact1_step`.
pub fn step<G: Game, const N: usize>(state: &Shared<G>, buffer: &Shared<[u8; N]>, bytes: usize) -> i32 {
    let inputs = match buffer.borrow().get(..bytes).and_then(G::parse) {
        Some(inputs) => inputs,
        None => return FRAME_REFUSED,
    };
    match state.borrow().step(&inputs) {
        Status::Running => 0,
        Status::Over => 1,
    }
}

/// `reenact1_view` of a picture; 0 where the game declares none.
pub fn picture<G: Game, const N: usize>(
    state: &Shared<G>,
    picture: &Shared<[u8; N]>,
    viewer: i32,
    width: u16,
    height: u16,
) -> u64 {
    if width == 0 || height == 0 {
        return 0;
    }
    let viewer = usize::try_from(viewer).map_or(Viewer::Spectator, Viewer::Participant);
    let address = picture.0.get() as usize;
    let (header, pixels) = picture.borrow().split_at_mut(PICTURE_HEADER_BYTES);
    width.write(header);
    height.write(&mut header[2..]);
    pixels.fill(0);
    state.borrow().view(viewer, &mut Canvas::new(i32::from(width), i32::from(height), pixels));
    region(address, N)
}

/// `reenact1_view` of an input suggestion, which goes to the input buffer; 0 where there is none.
pub fn suggestion<G: Game, const N: usize>(state: &Shared<G>, buffer: &Shared<[u8; N]>, viewer: i32) -> u64 {
    match usize::try_from(viewer) {
        Ok(participant) if G::BOT => {
            state.borrow().bot(participant).write(buffer.borrow());
            region(buffer.0.get() as usize, G::Row::BYTES)
        }
        _ => 0,
    }
}

fn region(address: usize, bytes: usize) -> u64 {
    (address as u64) << 32 | bytes as u64
}

/// Says where a panic came from, then traps.
#[cfg(target_arch = "wasm32")]
pub fn panicked(info: &core::panic::PanicInfo) -> ! {
    if let Some(location) = info.location() {
        crate::log(crate::Level::Error, location.file());
        let mut digits = [0; 10];
        crate::log(crate::Level::Error, crate::canvas::decimal(location.line() as i32, &mut digits));
    }
    core::arch::wasm32::unreachable()
}
