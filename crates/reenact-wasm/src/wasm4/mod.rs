//! The WASM-4 console, as `docs/spec/wasm4.md` fixes it.

mod blit;
mod draw;
mod font;
mod oval;
mod text;
mod trace;

use reenact::input::{Column, ColumnKind, InputSchema, Inputs, Width};
use reenact::{Failure, Picture, Trap};

use crate::guest::{Guest, PARAMETERS_MAX};
use blit::Blit;
use draw::{OutOfBounds, Screen};
use oval::OvalTooLarge;

const PALETTE: usize = 0x04;
const PADS: usize = 0x16;
const MOUSE: usize = 0x1a;
const SYSTEM_FLAGS: usize = 0x1f;
const PRESERVE_FRAMEBUFFER: u8 = 1;
const FRAMEBUFFER: usize = 0xa0;
/// Where the mouse is while nobody has one.
const MOUSE_AWAY: [u8; 5] = [0xff, 0x7f, 0xff, 0x7f, 0];
const PARTICIPANTS: usize = 4;

const MARK_TONE: u32 = 1;
const MARK_TRACE: u32 = 2;

/// The functions that the console lends a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Blit,
    BlitSub,
    Line,
    Hline,
    Vline,
    Oval,
    Rect,
    Text,
    TextUtf8,
    TextUtf16,
    Tone,
    Diskr,
    Diskw,
    Trace,
    TraceUtf8,
    TraceUtf16,
    Tracef,
}

impl Call {
    const NAMES: [(&'static str, Self); 17] = [
        ("blit", Self::Blit),
        ("blitSub", Self::BlitSub),
        ("line", Self::Line),
        ("hline", Self::Hline),
        ("vline", Self::Vline),
        ("oval", Self::Oval),
        ("rect", Self::Rect),
        ("text", Self::Text),
        ("textUtf8", Self::TextUtf8),
        ("textUtf16", Self::TextUtf16),
        ("tone", Self::Tone),
        ("diskr", Self::Diskr),
        ("diskw", Self::Diskw),
        ("trace", Self::Trace),
        ("traceUtf8", Self::TraceUtf8),
        ("traceUtf16", Self::TraceUtf16),
        ("tracef", Self::Tracef),
    ];

    /// The function that a cart imports as `name` from `env`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, call)| *call)
    }
}

impl From<OutOfBounds> for Failure {
    fn from(_: OutOfBounds) -> Self {
        Self::Trap(Trap::MemoryOutOfBounds)
    }
}

impl From<OvalTooLarge> for Failure {
    fn from(error: OvalTooLarge) -> Self {
        Self::Limit { what: "pixels of an oval's width or height".into(), limit: error.limit.into() }
    }
}

/// Runs one function on the cart's memory; gives its result, 0 where it has none, and its work.
pub(crate) fn call(
    guest: &mut Guest,
    call: Call,
    args: &[i32; PARAMETERS_MAX],
    memory: &mut [u8],
) -> Result<(i32, u64), Failure> {
    let [a, b, c, d, ..] = *args;
    let work = match call {
        Call::Diskr => return Ok(disk_read(guest, memory, a as u32, b as u32)?),
        Call::Diskw => return Ok(disk_write(guest, memory, a as u32, b as u32)?),
        Call::Tone => tone(guest, [a, b, c, d]),
        Call::Trace => mark_trace(guest, &trace::trace(memory, a as u32)?),
        Call::TraceUtf8 => mark_trace(guest, &trace::trace_utf8(memory, a as u32, b as u32)?),
        Call::TraceUtf16 => mark_trace(guest, &trace::trace_utf16(memory, a as u32, b as u32)?),
        Call::Tracef => mark_trace(guest, &trace::tracef(memory, a as u32, b as u32)?),
        _ => draw(&mut Screen::new(memory)?, call, args)?,
    };
    Ok((0, work))
}

fn draw(screen: &mut Screen<'_>, call: Call, args: &[i32; PARAMETERS_MAX]) -> Result<u64, Failure> {
    let [a, b, c, d, e, f, g, h, i] = *args;
    Ok(match call {
        Call::Blit => screen.blit(&Blit::whole(a as u32, (b, c), (d, e), f as u32))?,
        Call::BlitSub => screen.blit(&Blit {
            sprite: a as u32,
            x: b,
            y: c,
            width: d,
            height: e,
            source_x: f,
            source_y: g,
            stride: h,
            flags: i as u32,
        })?,
        Call::Line => screen.line(a, b, c, d),
        Call::Hline => screen.hline(a, b, c),
        Call::Vline => screen.vline(a, b, c),
        Call::Oval => screen.oval(a, b, c, d)?,
        Call::Rect => screen.rect(a, b, c, d),
        Call::Text => screen.text(a as u32, b, c)?,
        Call::TextUtf8 => screen.text_utf8(a as u32, b as u32, c, d)?,
        Call::TextUtf16 => screen.text_utf16(a as u32, b as u32, c, d)?,
        _ => unreachable!("the caller runs the functions that do not draw"),
    })
}

fn tone(guest: &mut Guest, parts: [i32; 4]) -> u64 {
    guest.mark_if_room(MARK_TONE, parts.map(i32::to_le_bytes).as_flattened());
    parts.len() as u64
}

fn mark_trace(guest: &mut Guest, traced: &trace::Traced) -> u64 {
    guest.mark_if_room(MARK_TRACE, traced.text.as_bytes());
    traced.work
}

fn disk_read(guest: &Guest, memory: &mut [u8], address: u32, size: u32) -> Result<(i32, u64), OutOfBounds> {
    let length = guest.disk.len().min(size as usize);
    OutOfBounds::check(address, length as u32, memory.len())?;
    memory[address as usize..][..length].copy_from_slice(&guest.disk[..length]);
    Ok((length as i32, length as u64))
}

fn disk_write(guest: &mut Guest, memory: &[u8], address: u32, size: u32) -> Result<(i32, u64), OutOfBounds> {
    let length = reenact::limits::DISK_BYTES_MAX.min(size as usize);
    OutOfBounds::check(address, length as u32, memory.len())?;
    guest.disk.clear();
    guest.disk.extend_from_slice(&memory[address as usize..][..length]);
    Ok((length as i32, length as u64))
}

/// Four participants, each with a pad; the mouse is participant 0's.
pub(crate) fn schema() -> InputSchema {
    let buttons = |name: &str, buttons: &[&str]| Column {
        name: name.into(),
        kind: ColumnKind::Buttons(buttons.iter().map(ToString::to_string).collect()),
        width: Width::Bits8,
    };
    let columns = vec![
        buttons("pad", &["x", "z", "reserved2", "reserved3", "left", "right", "up", "down"]),
        Column::axis("mouse_x", Width::Bits16),
        Column::axis("mouse_y", Width::Bits16),
        buttons("mouse", &["left", "right", "middle"]),
    ];
    InputSchema::new(PARTICIPANTS, columns).expect("four columns of different names")
}

/// What happens before `update`: pads and mouse are written, the screen is cleared unless the cart keeps it.
pub(crate) fn begin_tick(memory: &mut [u8], inputs: &Inputs) -> Result<(), Failure> {
    let mut mouse = MOUSE_AWAY;
    for participant in 0..PARTICIPANTS {
        let row = inputs.get(participant);
        memory[PADS + participant] = row.map_or(0, |row| row[0] as u8);
        if let (0, Some(&[_, x, y, buttons])) = (participant, row) {
            mouse[..2].copy_from_slice(&(x as i16).to_le_bytes());
            mouse[2..4].copy_from_slice(&(y as i16).to_le_bytes());
            mouse[4] = buttons as u8;
        }
    }
    memory[MOUSE..MOUSE + mouse.len()].copy_from_slice(&mouse);
    if memory[SYSTEM_FLAGS] & PRESERVE_FRAMEBUFFER == 0 {
        Screen::new(memory)?.clear();
    }
    Ok(())
}

/// The screen through the palette.
pub(crate) fn picture(memory: &[u8]) -> Picture {
    let (width, height) = (draw::WIDTH, draw::HEIGHT);
    let colours: [[u8; 4]; 4] = std::array::from_fn(|n| {
        let [blue, green, red, _] = *memory[PALETTE + 4 * n..].first_chunk().expect("memory is a page");
        [red, green, blue, 0xff]
    });
    let frame = &memory[FRAMEBUFFER..][..width * height / 4];
    let pixels = frame.iter().flat_map(|byte| (0..4).map(move |n| byte >> (2 * n) & 3));
    let rgba = pixels.flat_map(|pixel| colours[usize::from(pixel)]).collect();
    Picture { width: width as u16, height: height as u16, rgba }
}
