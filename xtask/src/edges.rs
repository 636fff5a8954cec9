//! Which crate may use which: the table, and a comparison with every `Cargo.toml`.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

/// Each crate of `crates/` and the crates of the house that it may use. A crate that is not in the table
/// is refused, so that adding one is a decision.
const EDGES: [(&str, &[&str]); 6] = [
    ("reenact", &[]),
    ("reenact-store", &["reenact"]),
    ("reenact-wasm", &["reenact"]),
    ("reenact-server", &["reenact", "reenact-store", "reenact-wasm"]),
    ("reenact-cli", &["reenact", "reenact-server", "reenact-store", "reenact-wasm"]),
    (TESTKIT, &["reenact", "reenact-store"]),
];

/// May be used by any crate's tests, and by nothing else.
const TESTKIT: &str = "reenact-testkit";

/// What the crates of `root` do that the table does not allow; one line each.
pub(crate) fn violations(root: &Path) -> Result<Vec<String>> {
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let path = entry?.path().join("Cargo.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let manifest: Table = text.parse().with_context(|| format!("parse {}", path.display()))?;
        let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        manifests.push((folder.unwrap_or_default(), manifest));
    }
    manifests.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(compare(&EDGES, &manifests))
}

fn compare(edges: &[(&str, &[&str])], manifests: &[(String, Table)]) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, _) in edges {
        if manifests.iter().all(|(folder, _)| folder != name) {
            violations.push(format!("the table of edges names {name}, which is not in crates/"));
        }
    }
    for (folder, manifest) in manifests {
        let Some((_, allowed)) = edges.iter().find(|(name, _)| name == folder) else {
            violations.push(format!("{folder} is not in the table of edges"));
            continue;
        };
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        if name != Some(folder) {
            violations.push(format!("the crate in crates/{folder} has another name"));
        }
        for (used, in_tests) in used_crates(manifest) {
            // A crate's tests may name the crate itself, with other features.
            let for_tests = in_tests && (used == TESTKIT || used == *folder);
            if !(for_tests || allowed.contains(&used.as_str())) {
                violations.push(format!("{folder} may not use {used}"));
            }
        }
    }
    violations
}

/// The crates of the house that a crate names, and whether only its tests use them.
fn used_crates(manifest: &Table) -> Vec<(String, bool)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut used = Vec::new();
    for table in std::iter::once(manifest).chain(targets) {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let dependencies = table.get(kind).and_then(Value::as_table);
            for (name, value) in dependencies.into_iter().flatten() {
                let name = value.get("package").and_then(Value::as_str).unwrap_or(name);
                if name == "reenact" || name.starts_with("reenact-") {
                    used.push((name.to_owned(), kind == "dev-dependencies"));
                }
            }
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spine: &str, wasm: &str, expect: &[&str]) {
        let edges: [(&str, &[&str]); 2] = [("reenact", &[]), ("reenact-wasm", &["reenact"])];
        let manifest = |name: &str, text: &str| {
            (name.to_owned(), format!("[package]\nname = \"{name}\"\n{text}").parse().unwrap())
        };
        let manifests = [manifest("reenact", spine), manifest("reenact-wasm", wasm)];
        assert_eq!(compare(&edges, &manifests), expect);
    }

    #[test]
    fn edges_within_the_table_are_allowed() {
        let spine = "[dev-dependencies]\nreenact-testkit.workspace = true\nproptest = '1'";
        check(spine, "[dependencies]\nreenact.workspace = true", &[]);
        check(spine, "", &[]);
        check(spine, "[dev-dependencies]\nreenact-wasm = { features = ['wasmi'] }", &[]);
    }

    #[test]
    fn other_edges_are_named() {
        check("[dependencies]\nreenact-wasm.workspace = true", "", &["reenact may not use reenact-wasm"]);
        check("[dev-dependencies]\nreenact-wasm = {}", "", &["reenact may not use reenact-wasm"]);
        check("[dependencies]\nreenact-testkit = {}", "", &["reenact may not use reenact-testkit"]);
        check(
            "[build-dependencies]\nx = { package = 'reenact-cli' }",
            "",
            &["reenact may not use reenact-cli"],
        );
        let target = "[target.'cfg(unix)'.dependencies]\nreenact-cli = {}";
        check("", target, &["reenact-wasm may not use reenact-cli"]);
    }

    #[test]
    fn the_table_and_the_folders_are_the_same_crates() {
        let manifest = "[package]\nname = 'other'".parse().unwrap();
        let violations = compare(&[("reenact", &[])], &[("stray".to_owned(), manifest)]);
        let missing = "the table of edges names reenact, which is not in crates/";
        assert_eq!(violations, [missing, "stray is not in the table of edges"]);
    }
}
