//! What holds for every tracked file: its size, and that links between pages lead somewhere.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Bytes of a tracked file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with the tracked files; one line each.
pub(crate) fn violations(root: &Path) -> Result<Vec<String>> {
    let output =
        Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().context("run git")?;
    ensure!(output.status.success(), "failed: git ls-files");
    let text = String::from_utf8(output.stdout).context("a tracked file's name is not UTF-8")?;
    let tracked: Vec<&str> = text.split_terminator('\0').collect();
    let mut violations = Vec::new();
    for name in &tracked {
        // A file that is deleted and not committed yet is tracked, and not there.
        let Ok(metadata) = std::fs::symlink_metadata(root.join(name)) else { continue };
        if metadata.len() > FILE_BYTES_MAX {
            violations
                .push(format!("{name} has {} bytes, at most {FILE_BYTES_MAX} are allowed", metadata.len()));
        }
        if Path::new(name).extension().is_some_and(|extension| extension == "md") {
            let page = std::fs::read_to_string(root.join(name)).with_context(|| format!("read {name}"))?;
            let broken = links(&page).filter(|link| !leads_somewhere(&tracked, name, link));
            violations.extend(broken.map(|link| format!("{name} links to {link}, which is not there")));
        }
    }
    Ok(violations)
}

/// The targets of a page's links to other files, without anchors. Code is passed over.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    let text = page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !fence && !in_code
    });
    let targets = text.flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    let relative = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    relative.filter_map(|target| target.split('#').next()).filter(|target| !target.is_empty())
}

/// Whether a link on the page `name` leads to a tracked file, or a folder of some.
fn leads_somewhere(tracked: &[&str], name: &str, link: &str) -> bool {
    let mut target = PathBuf::new();
    for part in Path::new(name).parent().unwrap_or(Path::new("")).join(link).components() {
        match part {
            Component::ParentDir if !target.pop() => return false,
            Component::Normal(part) => target.push(part),
            Component::RootDir | Component::Prefix(_) => return false,
            Component::ParentDir | Component::CurDir => {}
        }
    }
    tracked.iter().any(|file| Path::new(file).starts_with(&target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found_outside_code() {
        let page =
            "[a](a.md) and [b](../b/#part), [c](https://x.y/z) [d](#here)\n```\n[e](e.md)\n```\n[f](f.md)";
        assert_eq!(links(page).collect::<Vec<_>>(), ["a.md", "../b/", "f.md"]);
    }

    #[test]
    fn links_lead_to_tracked_files_and_folders() {
        let tracked = ["README.md", "docs/spec/state.md", "docs/decisions/README.md"];
        let check = |page: &str, link: &str, expect: bool| {
            assert_eq!(leads_somewhere(&tracked, page, link), expect, "{link} on {page}");
        };
        check("README.md", "docs/spec/state.md", true);
        check("README.md", "docs/spec/", true);
        check("docs/spec/state.md", "../decisions/README.md", true);
        check("docs/spec/state.md", "../../README.md", true);
        check("docs/spec/state.md", "README.md", false);
        check("README.md", "docs/sp", false);
        check("README.md", "../README.md", false);
        check("README.md", "/README.md", false);
    }
}
