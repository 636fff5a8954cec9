//! `cargo xtask proto`: the prost types of `proto/`, generated and checked in.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

const TARGETS: [(&str, &str, &str); 1] =
    [("reenact/v1/session.proto", "reenact.v1.rs", "crates/reenact/src/session/proto.rs")];

/// Writes the generated types, or with `check` compares them with what is checked in.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    for (source, module, target) in TARGETS {
        let generated = generate(root, source, module)?;
        let target = root.join(target);
        if check {
            let present = std::fs::read_to_string(&target).unwrap_or_default();
            ensure!(present == generated, "{} is stale: run `cargo xtask proto`", target.display());
        } else {
            std::fs::write(&target, generated).with_context(|| format!("write {}", target.display()))?;
        }
    }
    Ok(())
}

fn generate(root: &Path, source: &str, module: &str) -> Result<String> {
    let descriptors = protox::compile([source], [root.join("proto")])?;
    // Inside the workspace, so that its rustfmt.toml is found.
    let scratch = root.join("target/proto");
    std::fs::create_dir_all(&scratch)?;
    prost_build::Config::new().out_dir(&scratch).compile_fds(descriptors)?;
    let module = scratch.join(module);
    let status =
        Command::new("rustfmt").args(["--edition", "2024"]).arg(&module).current_dir(root).status()?;
    ensure!(status.success(), "rustfmt failed on {}", module.display());
    Ok(std::fs::read_to_string(module)?)
}
