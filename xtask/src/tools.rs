//! The outside tools of `tools.toml`: which are there, and how the missing ones are installed.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::Shell;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tool: Vec<Tool>,
}

/// One row of `tools.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    name: String,
    kind: Kind,
    package: String,
    /// As its packager writes it; only major and minor count.
    version: String,
    /// Whether another version serves as well.
    #[serde(default)]
    any_version: bool,
    /// What to start; the name without it.
    command: Option<String>,
    check: Vec<String>,
    /// Parts of `cargo xtask test`.
    used_by: Vec<String>,
    #[serde(default)]
    optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A Debian package: installed when missing.
    Debian,
    /// A cargo subcommand: used when there.
    Cargo,
}

/// The rows of `tools.toml`.
#[derive(Debug)]
pub(crate) struct Tools {
    rows: Vec<Tool>,
}

impl Tools {
    pub(crate) fn load() -> Result<Self> {
        let table: Table = toml::from_str(include_str!("../tools.toml")).context("read xtask/tools.toml")?;
        Ok(Self { rows: table.tool })
    }

    /// Installs the missing Debian packages that `parts` need, if this runs as root.
    pub(crate) fn install(&self, shell: &Shell, parts: &[&str]) {
        let needed = |tool: &&Tool| tool.used_by.iter().any(|part| parts.contains(&part.as_str()));
        let missing = self.rows.iter().filter(|tool| tool.kind == Kind::Debian && !tool.optional);
        let missing: Vec<_> = missing.filter(needed).filter(|tool| tool.problem().is_some()).collect();
        if missing.is_empty() {
            return;
        }
        let packages: Vec<_> = missing.iter().map(|tool| tool.package.as_str()).collect();
        if !is_root() {
            shell.say(&format!("only root can install {}", packages.join(" ")));
            return;
        }
        let mut install = vec!["install", "-y", "--no-install-recommends"];
        install.extend(packages);
        for args in [&["update"][..], &install] {
            let mut apt = shell.command("", "apt-get", args);
            apt.env("DEBIAN_FRONTEND", "noninteractive");
            // Whether it helped is seen when the tools are looked for again.
            if shell.stream(&mut apt, |_| ()).is_err() {
                shell.say("there is no apt-get here");
            }
        }
    }

    /// Why `part` cannot run, or `None` if every tool it needs is there.
    pub(crate) fn obstacle(&self, part: &str) -> Option<String> {
        let needed = self.rows.iter().filter(|tool| !tool.optional && tool.used_by.iter().any(|p| p == part));
        let problems: Vec<_> = needed.filter_map(Tool::problem).collect();
        (!problems.is_empty()).then(|| problems.join(", "))
    }

    /// Whether the tool is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|tool| tool.name == name && tool.problem().is_none())
    }

    /// The program to start for a tool.
    pub(crate) fn command<'a>(&'a self, name: &'a str) -> &'a str {
        let tool = self.rows.iter().find(|tool| tool.name == name);
        tool.and_then(|tool| tool.command.as_deref()).unwrap_or(name)
    }
}

impl Tool {
    /// Why the tool does not serve; `None` if it does.
    fn problem(&self) -> Option<String> {
        let wanted = major_minor(&self.version).unwrap_or_default();
        let Self { name, package, .. } = self;
        match self.found() {
            Some(found) if found == wanted || self.any_version => None,
            Some((major, minor)) => {
                Some(format!("{name} is {major}.{minor}, {}.{} is needed", wanted.0, wanted.1))
            }
            None => Some(format!("{name} {}.{} is missing (package {package})", wanted.0, wanted.1)),
        }
    }

    fn found(&self) -> Option<(u32, u32)> {
        let (program, args) = self.check.split_first()?;
        let mut command = Command::new(program);
        let output = command.args(args).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| major_minor(&String::from_utf8_lossy(&output.stdout)))?
    }
}

/// The first version number in a text, without what Debian puts before a colon.
fn major_minor(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let word = word.split_once(':').map_or(word, |(_, version)| version);
        let mut numbers = word.split(|letter: char| !letter.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_numbers_are_found_in_what_tools_print() {
        let check = |text, expect| assert_eq!(major_minor(text), expect, "{text}");
        check("rustc 1.63.0", Some((1, 63)));
        check("1.63.0+dfsg1-2", Some((1, 63)));
        check("1:14.0-55.7~deb12u1", Some((14, 0)));
        check("Debian LLD 14.0.6 (compatible with GNU linkers)", Some((14, 0)));
        check("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)", Some((0, 9)));
        check("no number, 7", None);
    }

    #[test]
    fn a_tool_serves_when_its_version_is_near_enough() {
        let tool = |version: &str, check: &[&str]| Tool {
            name: "echo".into(),
            kind: Kind::Debian,
            package: "coreutils".into(),
            version: version.into(),
            any_version: false,
            command: None,
            check: check.iter().map(ToString::to_string).collect(),
            used_by: Vec::new(),
            optional: false,
        };
        assert_eq!(tool("3.4.9", &["echo", "3.4.1"]).problem(), None);
        let other = tool("3.4", &["echo", "3.5.1"]).problem();
        assert_eq!(other.as_deref(), Some("echo is 3.5, 3.4 is needed"));
        let any = |check: &[&str]| Tool { any_version: true, ..tool("3.4", check) }.problem();
        assert_eq!(any(&["echo", "7.5.1"]), None);
        assert_eq!(any(&["no-such-program"]).as_deref(), Some("echo 3.4 is missing (package coreutils)"));
        let missing = tool("3.4", &["no-such-program"]).problem();
        assert_eq!(missing.as_deref(), Some("echo 3.4 is missing (package coreutils)"));
    }

    #[test]
    fn every_row_names_parts_that_there_are() {
        let parts: Vec<_> = crate::parts::PARTS.iter().map(|part| part.name).collect();
        for tool in Tools::load().unwrap().rows {
            assert!(major_minor(&tool.version).is_some() && !tool.check.is_empty(), "{}", tool.name);
            assert!(tool.used_by.iter().all(|part| parts.contains(&part.as_str())), "{}", tool.name);
        }
    }
}
