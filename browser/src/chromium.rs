//! A Chromium without a window.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    BrowserLogEntry, Capabilities, ChromeCapabilities, ChromiumLikeCapabilities, LoggingPrefsLogLevel,
    WebDriver,
};

use crate::process::Process;

/// Pixels of the window.
pub const WINDOW: (u32, u32) = (1280, 800);
/// How long a script may take.
const SCRIPT_MAX: Duration = Duration::from_mins(2);

/// A Chromium and the program that drives it, in a directory of their own. All of it goes away when this is
/// dropped, also while a panic is under way.
#[derive(Debug)]
pub struct Browser {
    /// The session with it.
    pub driver: WebDriver,
    _chromedriver: Process,
    _home: TempDir,
}

impl Browser {
    /// Starts one.
    pub async fn start() -> Result<Self> {
        let home = tempfile::tempdir()?;
        let mut command = Command::new("chromedriver");
        // What it and Chromium leave in the home and for temporary files goes away with the directory.
        command.arg("--port=0").env("TMPDIR", home.path()).env("HOME", home.path());
        let mut chromedriver = Process::start(command, home.path(), "chromedriver")?;
        let port = |line: &str| {
            let (_, port) = line.rsplit_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        };
        let port = chromedriver.line("chromedriver's port", port).await?;
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities(home.path())?)
            .request_timeout(SCRIPT_MAX)
            .await
            .context("start Chromium")?;
        driver.set_script_timeout(SCRIPT_MAX).await?;
        let browser = Self { driver, _chromedriver: chromedriver, _home: home };
        browser.set_size(WINDOW.0, WINDOW.1).await?;
        Ok(browser)
    }

    /// Runs the body of an async function, whose parameters are `args`, and gives what it returns.
    pub async fn call(&self, body: &str, args: Vec<Value>) -> Result<Value> {
        let script = format!("return (async (...args) => {{ {body} }})(...arguments)");
        let result = self.driver.execute(script, args).await.with_context(|| format!("run {body}"))?;
        Ok(result.json().clone())
    }

    /// Gives the page a place of so many pixels, each one of the picture's.
    pub async fn set_size(&self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", metrics).await?;
        Ok(())
    }

    /// What the system is said to prefer: `light` or `dark`.
    pub async fn prefer(&self, scheme: &str) -> Result<()> {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.driver.cdp().send_raw("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// The errors on the console since the last call: of scripts, of the content security policy, of requests.
    pub async fn console_errors(&self) -> Result<Vec<String>> {
        let log = self.driver.browser_log().await?;
        let errors = log.into_iter().filter(|entry| entry.level == "SEVERE");
        let line =
            |BrowserLogEntry { source, message, .. }| format!("{}: {message}", source.unwrap_or_default());
        Ok(errors.map(line).collect())
    }

    /// Ends it, and fails if anything is on the console that no part of `expected` explains.
    pub async fn finish(self, expected: &[String]) -> Result<()> {
        let errors = self.console_errors().await?;
        self.driver.clone().quit().await?;
        let explained = |error: &String| expected.iter().any(|part| error.contains(part.as_str()));
        let errors: Vec<_> = errors.into_iter().filter(|error| !explained(error)).collect();
        ensure!(errors.is_empty(), "errors on the console:\n{}", errors.join("\n"));
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session ends with the programs. Dropped by itself it would ask a driver that is gone, and wait.
        let _already_ended = self.driver.clone().leak();
    }
}

fn capabilities(home: &Path) -> Result<Capabilities> {
    let mut capabilities = ChromeCapabilities::new();
    let profile = format!("--user-data-dir={}", home.join("profile").display());
    let fixed = ["--headless=new", "--hide-scrollbars", "--mute-audio", "--no-first-run", "--disable-gpu"];
    // Where shared memory is small, as in containers, Chromium crashes for want of it.
    let shared = ["--disable-dev-shm-usage"];
    // Its sandbox does not start for root.
    let root = rustix::process::getuid().is_root().then_some("--no-sandbox");
    for arg in fixed.into_iter().chain(shared).chain(root).chain([profile.as_str()]) {
        capabilities.add_arg(arg)?;
    }
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(capabilities.into())
}
