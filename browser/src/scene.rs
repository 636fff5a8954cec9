//! A test's server and page.

use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result};

use crate::chromium::Browser;
use crate::page::Page;
use crate::server::{Reenact, target_dir};

/// Runs a test with a server and a browser of its own. It also fails if an error is on the browser's console that
/// it did not expect.
pub async fn scene(test: impl AsyncFnOnce(&mut Page, &mut Reenact) -> Result<()>) -> Result<()> {
    let mut server = Reenact::start().await?;
    let mut page = Page::new(Browser::start().await?, server.address());
    let tested = test(&mut page, &mut server).await;
    let tested = match tested {
        Ok(()) => page.finish().await,
        Err(error) => Err(error.context(remains(&page).await)),
    };
    tested.with_context(|| format!("the server said:\n{}", server.complaints()))
}

/// What is left of a test that failed, for whoever looks into it.
async fn remains(page: &Page) -> String {
    let errors = page.browser.console_errors().await.unwrap_or_default();
    let picture = match save_picture(page).await {
        Ok(path) => format!("the page looked like {}", path.display()),
        Err(error) => format!("the page gives no picture: {error:#}"),
    };
    format!("{picture}; on its console:\n{}", errors.join("\n"))
}

async fn save_picture(page: &Page) -> Result<PathBuf> {
    let folder = target_dir().join("browser-failures");
    std::fs::create_dir_all(&folder)?;
    let name = thread::current().name().unwrap_or("page").replace(':', "-");
    let path = folder.join(format!("{name}.png"));
    page.screenshot(&path).await?;
    Ok(path)
}
