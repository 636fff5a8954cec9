//! The `reenact1` contract, as `docs/spec/reenact1.md` fixes it.

use reenact::input::{InputSchema, Inputs};
use reenact::limits::CONFIG_BYTES_MAX;
use reenact::{Failure, Field, FieldValue, Picture, Status, Tick, Trap, Viewer};

use crate::engine::{Function, Instance, Value};
use crate::schema::{self, FieldKind, PictureFormat, Schema};

/// The exports of a game that the host calls, resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries {
    input: Function,
    init: Function,
    step: Function,
    view: Option<Function>,
    /// Where the declared fields begin.
    state: Option<u32>,
}

/// What view is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ViewKind {
    Picture = 0,
    Suggestion = 1,
}

impl Entries {
    /// `None` if an export that admission demands is not there.
    pub(crate) fn resolve(instance: &mut dyn Instance) -> Option<Self> {
        Some(Self {
            input: instance.function("reenact1_input")?,
            init: instance.function("reenact1_init")?,
            step: instance.function("reenact1_step")?,
            view: instance.function("reenact1_view"),
            state: instance.constant("reenact_state"),
        })
    }

    /// Sets up the state of tick 0.
    pub(crate) fn init(self, instance: &mut dyn Instance, seed: u64, config: &[u8]) -> Result<(), Failure> {
        debug_assert!(config.len() <= CONFIG_BYTES_MAX, "sessions are held to the limit when they start");
        let address = self.hand_over(instance, config)?;
        let args = [Value::I64(seed as i64), Value::I32(address), Value::I32(config.len() as i32)];
        match instance.call(self.init, &args)? {
            Some(Value::I32(0)) => Ok(()),
            Some(Value::I32(code)) => Err(Failure::Game { code }),
            _ => Err(Failure::Trap(Trap::BadSignature)),
        }
    }

    /// Runs one tick; `frame` is room for the input frame.
    pub(crate) fn step(
        self,
        instance: &mut dyn Instance,
        schema: &InputSchema,
        (tick, inputs): (Tick, &Inputs),
        frame: &mut Vec<u8>,
    ) -> Result<Status, Failure> {
        inputs.write_frame(schema, tick, frame);
        self.hand_over(instance, frame)?;
        match instance.call(self.step, &[Value::I32(frame.len() as i32)])? {
            Some(Value::I32(0)) => Ok(Status::Running),
            Some(Value::I32(1)) => Ok(Status::Over),
            Some(Value::I32(code)) => Err(Failure::Game { code }),
            _ => Err(Failure::Trap(Trap::BadSignature)),
        }
    }

    /// The bytes of a view; the guest has changed whatever it liked.
    pub(crate) fn view(
        self,
        instance: &mut dyn Instance,
        viewer: Viewer,
        kind: ViewKind,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(view) = self.view else { return Ok(None) };
        let viewer = match viewer {
            Viewer::Spectator => -1,
            Viewer::Participant(participant) => participant as i32,
        };
        let Some(Value::I64(place)) = instance.call(view, &[Value::I32(viewer), Value::I32(kind as i32)])?
        else {
            return Err(Failure::Trap(Trap::BadSignature));
        };
        if place == 0 {
            return Ok(None);
        }
        let (address, bytes) = ((place as u64 >> 32) as usize, place as u32 as usize);
        let view = instance.memory().get(address..address + bytes);
        view.map(|view| Some(view.to_vec())).ok_or(Failure::Trap(Trap::MemoryOutOfBounds))
    }

    /// The declared fields that lie in memory.
    pub(crate) fn fields(self, instance: &mut dyn Instance, schema: &Schema) -> Vec<Field> {
        let Some(base) = self.state else { return Vec::new() };
        let memory = instance.memory();
        let read = |field| read_field(memory, base, field);
        schema.fields.iter().filter_map(read).collect()
    }

    /// Puts bytes where the guest wants them; gives the address.
    fn hand_over(self, instance: &mut dyn Instance, bytes: &[u8]) -> Result<i32, Failure> {
        let length = Value::I32(bytes.len() as i32);
        let Some(Value::I32(address)) = instance.call(self.input, &[length])? else {
            return Err(Failure::Trap(Trap::BadSignature));
        };
        let start = address as u32 as usize;
        let room = instance.memory().get_mut(start..start + bytes.len());
        room.ok_or(Failure::Trap(Trap::MemoryOutOfBounds))?.copy_from_slice(bytes);
        Ok(address)
    }
}

fn read_field(memory: &[u8], base: u32, field: &schema::Field) -> Option<Field> {
    let size = field.kind.bytes() as usize;
    let start = (base as usize).checked_add(field.offset_bytes as usize)?;
    let bytes = memory.get(start..start.checked_add(size.checked_mul(field.count as usize)?)?)?;
    let values = bytes.chunks_exact(size).map(|element| read_value(field.kind, element)).collect();
    Some(Field { name: field.name.clone(), values })
}

fn read_value(kind: FieldKind, element: &[u8]) -> FieldValue {
    let mut word = [0; 8];
    word[..element.len()].copy_from_slice(element);
    let bits = u64::from_le_bytes(word);
    match kind {
        FieldKind::U8 | FieldKind::U16 | FieldKind::U32 | FieldKind::U64 => FieldValue::Uint(bits),
        FieldKind::I8 => FieldValue::Int((bits as i8).into()),
        FieldKind::I16 => FieldValue::Int((bits as i16).into()),
        FieldKind::I32 => FieldValue::Int((bits as i32).into()),
        FieldKind::I64 => FieldValue::Int(bits as i64),
        FieldKind::F32 => FieldValue::Float(f32::from_bits(bits as u32).into()),
        FieldKind::F64 => FieldValue::Float(f64::from_bits(bits)),
    }
}

/// The picture in the bytes of a view; `None` if they are none of the declared size and format.
pub(crate) fn picture(view: &[u8], declared: schema::Picture) -> Option<Picture> {
    let ([w0, w1, h0, h1], pixels) = view.split_first_chunk::<4>()?;
    let (width, height) = (u16::from_le_bytes([*w0, *w1]), u16::from_le_bytes([*h0, *h1]));
    if (width, height) != (declared.width, declared.height) {
        return None;
    }
    let count = usize::from(width) * usize::from(height);
    let rgba = match declared.format {
        PictureFormat::Rgba8 if pixels.len() == count * 4 => pixels.to_vec(),
        PictureFormat::Rgb332 if pixels.len() == count => {
            pixels.iter().flat_map(|pixel| rgb332(*pixel)).collect()
        }
        _ => return None,
    };
    Some(Picture { width, height, rgba })
}

/// Each part is stretched over 0 to 255.
fn rgb332(pixel: u8) -> [u8; 4] {
    let stretch = |value: u8, max: u16| (u16::from(value) * 255 / max) as u8;
    [stretch(pixel >> 5, 7), stretch(pixel >> 2 & 7, 7), stretch(pixel & 3, 3), 0xff]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_another_length_are_none() {
        let declared = schema::Picture { width: 2, height: 1, format: PictureFormat::Rgb332 };
        let picture = picture(&[2, 0, 1, 0, 0xff, 0x03], declared).unwrap();
        assert_eq!(picture.rgba, [255, 255, 255, 255, 0, 0, 255, 255]);
        for view in [&[2, 0, 1, 0, 0xff][..], &[0; 4], &[1, 0], &[1, 0, 2, 0, 9, 9]] {
            assert_eq!(super::picture(view, declared), None);
        }
    }
}
