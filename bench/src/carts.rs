//! The carts of a folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// Its file's name without the extension.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Cart {
    /// The seed of everything that is random about its sessions: the FNV-1a hash of its name.
    pub fn seed(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

/// The carts `*.wasm` of a folder whose name contains `filter`, by name.
pub fn in_folder(folder: &Path, filter: &str) -> Result<Vec<Cart>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut carts = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if path.extension().is_some_and(|extension| extension == "wasm") && name.contains(filter) {
            carts.push(Cart { name, path });
        }
    }
    carts.sort_by(|a, b| a.name.cmp(&b.name));
    anyhow::ensure!(!carts.is_empty(), "no cart in {} is named like {filter:?}", folder.display());
    Ok(carts)
}
