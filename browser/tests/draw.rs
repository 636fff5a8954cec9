//! The console's drawing: a cart that draws at random gives the same framebuffers in the browser as outside it.

use std::fs;

use anyhow::{Result, ensure};
use reenact_browser::server::game;
use reenact_browser::{Recording, scene};

/// Of each session; a tick has 120 calls of functions that draw.
const TICKS: u32 = 1_000;

#[tokio::test]
async fn a_hundred_thousand_random_draw_calls_give_the_same_framebuffers() -> Result<()> {
    scene(async |page, server| {
        let module = server.home().join("scribble.wasm");
        fs::write(&module, wat::parse_file(game("scribble/scribble.wat"))?)?;
        server.upload(&module).await?;
        let disk = server.home().join("seed");
        fs::write(&disk, 0x5eed_0123_4567_89ab_u64.to_le_bytes())?;
        let recording =
            Recording { module: &module, seed: 3, ticks: TICKS, hash_every: 1, disk: Some(&disk) };
        let session = server.record(&recording).await?;
        let recorded = server.hashes(&session).await?;
        ensure!(recorded.len() == TICKS as usize + 1, "{} hashes were recorded", recorded.len());
        let computed = page.check(&session, None).await?;
        ensure!(computed.len() == recorded.len(), "the browser gives {} hashes", computed.len());
        let differs = recorded
            .iter()
            .zip(&computed)
            .find(|((tick, hash), there)| (*tick, hash) != (there.tick, &there.hash));
        ensure!(differs.is_none(), "the first difference is {differs:?}");
        Ok(())
    })
    .await
}
