//! Makes the picture of the page for the README: the demo's session at a moment worth seeing.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Parser;
use reenact_browser::chromium::WINDOW;
use reenact_browser::{Browser, Page, Reenact};

/// A file above this is no picture for a README.
const BYTES_MAX: u64 = 300_000;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Where the picture goes
    #[arg(long, default_value_os_t = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images/page.png"))]
    output: PathBuf,
    /// The tick that is shown
    #[arg(long, default_value_t = 4_380)]
    tick: u32,
    /// Light or dark
    #[arg(long, default_value = "dark", value_parser = ["light", "dark"])]
    scheme: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let server = Reenact::demo().await?;
    let watch = server.document["watch"].as_str().unwrap_or_default();
    let path = watch.strip_prefix(&server.address());
    ensure!(path.is_some(), "the demo has no session: {}", server.document);
    let session = path.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    // With the verdict, the picture shows all that the page has to say.
    server.verdict(session).await?;

    let page = Page::new(Browser::start().await?, server.address());
    page.browser.prefer(&args.scheme).await?;
    page.open(&format!("{}?t={}", path.unwrap_or_default(), args.tick)).await?;
    let shown = format!("state.playhead === {} && state.seeking === null && state.verdict", args.tick);
    page.until("the tick to be shown", &shown).await?;
    let hash = "/^[0-9a-f]{64}$/.test(document.querySelector('[data-testid=state-hash]').innerText.trim())";
    page.until("the hash of its state", hash).await?;
    page.screenshot(&args.output).await?;
    page.finish().await?;

    let bytes = std::fs::metadata(&args.output)?.len();
    println!("{}: {} x {} pixels, {bytes} bytes", args.output.display(), WINDOW.0, WINDOW.1);
    ensure!(bytes <= BYTES_MAX, "{bytes} bytes are too many; at most {BYTES_MAX} are allowed");
    Ok(())
}
