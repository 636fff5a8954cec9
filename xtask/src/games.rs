//! `cargo xtask games`: the modules of `games/build.toml`, built and compared or checked in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::shell::Shell;
use crate::tools::Tools;

/// `games/build.toml`: how each module is built, from the root of the workspace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    step: Vec<Step>,
}

/// One run of a tool that leaves one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    tool: String,
    /// Below `{out}` an intermediate file, otherwise a module that is checked in.
    output: String,
    args: Vec<String>,
}

/// The folders that a plan's placeholders stand for.
#[derive(Debug)]
struct Folders {
    root: PathBuf,
    out: PathBuf,
}

/// Builds every module below the target folder, then compares with what is checked in, or copies over it.
pub(crate) fn run(shell: &Shell, check: bool) -> Result<()> {
    let path = shell.root.join("games/build.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let plan: Plan = toml::from_str(&text).with_context(|| format!("read {}", path.display()))?;
    let tools = Tools::load()?;
    let folders = Folders { root: shell.root.clone(), out: shell.target_dir().join("games") };
    let mut stale = Vec::new();
    for step in &plan.step {
        let built = folders.built(step);
        build(shell, &tools, &folders, step, &built)?;
        if step.is_module() && !settle(&built, &shell.root.join(&step.output), check)? {
            stale.push(step.output.as_str());
        }
    }
    ensure!(
        stale.is_empty(),
        "not what games/build.toml builds: {}; run `cargo xtask games`",
        stale.join(", ")
    );
    Ok(())
}

impl Step {
    fn is_module(&self) -> bool {
        !self.output.contains("{out}")
    }
}

impl Folders {
    fn fill(&self, text: &str) -> String {
        text.replace("{root}", &self.root.to_string_lossy()).replace("{out}", &self.out.to_string_lossy())
    }

    /// Where a step's file is built: never among what is checked in.
    fn built(&self, step: &Step) -> PathBuf {
        if step.is_module() { self.out.join(&step.output) } else { PathBuf::from(self.fill(&step.output)) }
    }

    /// A step's arguments, with its output where it is built.
    fn args(&self, step: &Step) -> Vec<String> {
        let built = self.built(step).to_string_lossy().into_owned();
        let arg = |arg: &String| if *arg == step.output { built.clone() } else { self.fill(arg) };
        step.args.iter().map(arg).collect()
    }
}

fn build(shell: &Shell, tools: &Tools, folders: &Folders, step: &Step, built: &Path) -> Result<()> {
    if let Some(folder) = built.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // What an earlier run left must not pass for what this one builds.
    if built.exists() {
        std::fs::remove_file(built)?;
    }
    let mut command = shell.command("", tools.command(&step.tool), &[]);
    // rustup points this at its own toolchain's libraries; another compiler must not find them.
    command.args(folders.args(step)).env_remove("LD_LIBRARY_PATH");
    shell.run(&mut command).with_context(|| format!("build {}", step.name))?;
    ensure!(built.exists(), "{} was not written to {}", step.name, built.display());
    Ok(())
}

/// Whether what is checked in is what was built; without `check` it is afterwards.
fn settle(built: &Path, module: &Path, check: bool) -> Result<bool> {
    let bytes = std::fs::read(built)?;
    if std::fs::read(module).is_ok_and(|present| present == bytes) {
        return Ok(true);
    }
    if !check {
        std::fs::write(module, bytes).with_context(|| format!("write {}", module.display()))?;
    }
    Ok(!check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_built_beside_what_is_checked_in() {
        let folders = Folders { root: "/r".into(), out: "/t/games".into() };
        let check = |output: &str, args: &[&str], expect: &[&str]| {
            let args = args.iter().map(ToString::to_string).collect();
            let step = Step { name: "x".into(), tool: "rustc".into(), output: output.into(), args };
            assert_eq!(folders.args(&step), expect);
        };
        check(
            "{out}/a.rlib",
            &["-o", "{out}/a.rlib", "--x={root}=."],
            &["-o", "/t/games/a.rlib", "--x=/r=."],
        );
        check(
            "games/a/a.wasm",
            &["-o", "games/a/a.wasm", "games/a/a.c"],
            &["-o", "/t/games/games/a/a.wasm", "games/a/a.c"],
        );
    }

    #[test]
    fn a_module_is_replaced_unless_it_is_only_checked() {
        let folder = std::env::temp_dir().join(format!("reenact-xtask-games-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (built, module) = (folder.join("built"), folder.join("module"));
        std::fs::write(&built, b"new").unwrap();
        for (check, expect) in [(true, false), (false, true), (true, true)] {
            assert_eq!(settle(&built, &module, check).unwrap(), expect);
        }
        assert_eq!(std::fs::read(&module).unwrap(), b"new");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
