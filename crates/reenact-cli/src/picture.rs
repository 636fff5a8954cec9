//! Pictures to PNG files.

use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};
use reenact::Picture;

/// Writes a picture as PNG.
pub(crate) fn write_png(picture: &Picture, path: &Path) -> Result<()> {
    let file = std::fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
    let (width, height) = (picture.width.into(), picture.height.into());
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let write = || -> Result<(), png::EncodingError> {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&picture.rgba)?;
        writer.finish()
    };
    write().with_context(|| format!("write {}", path.display()))
}
