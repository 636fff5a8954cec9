//! What the other tests rely on: whatever the console says is heard, and fails a test.

use anyhow::{Result, ensure};
use reenact_browser::scene;

#[tokio::test]
async fn errors_on_the_console_are_heard() -> Result<()> {
    scene(async |page, _| {
        page.open("").await?;
        for (script, expect) in [
            ("console.error('out of cheese')", "out of cheese"),
            ("await new Promise((done) => setTimeout(() => { setTimeout(done); throw new Error('later'); }))", "later"),
            ("Promise.reject(new Error('broken')); await new Promise((done) => setTimeout(done))", "broken"),
            ("document.body.append(Object.assign(document.createElement('script'), { text: '1' }))", "Content Security"),
            ("await fetch('/nowhere')", "404"),
            // A page's script does not run in a worker.
            (
                "const worker = new Worker('/web/main.js', { type: 'module' }); \
                 await new Promise((done) => { worker.onerror = done; })",
                "document",
            ),
        ] {
            page.call(script, Vec::new()).await?;
            let errors = page.browser.console_errors().await?;
            ensure!(errors.iter().any(|error| error.contains(expect)), "{script} gives {errors:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_error_on_the_console_fails_a_test_that_is_content() -> Result<()> {
    let ended = scene(async |page, _| {
        page.open("").await?;
        page.call("console.error('out of cheese')", Vec::new()).await.map(drop)
    });
    let error = format!("{:#}", ended.await.expect_err("there was an error on the console"));
    ensure!(error.contains("out of cheese"), "{error}");
    Ok(())
}
