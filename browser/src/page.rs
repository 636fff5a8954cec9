//! Reenact's page in a Chromium.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use thirtyfour::action_chain::ActionChain;
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::{By, TypingData, WebElement};

use crate::chromium::Browser;
use crate::deadline::{until, until_within};

/// How long the page may compute: some carts are slower than real time.
const WORK_MAX: Duration = Duration::from_mins(5);

/// The page that a server gives.
#[derive(Debug)]
pub struct Page {
    /// The browser that shows it.
    pub browser: Browser,
    address: String,
    expected: Vec<String>,
}

/// A message of the page.
#[derive(Clone, Debug, Deserialize)]
pub struct Notice {
    /// What programs match on.
    pub code: String,
    /// What happened.
    pub title: String,
    /// As the failing part put it.
    pub detail: String,
    /// What is not lost.
    pub kept: String,
    /// What to do.
    pub advice: String,
}

/// The message with the code `args[0]`, if somebody who looks at the page can read it.
const NOTICE: &str = "
    for (const notice of document.querySelectorAll(`[data-testid=notice][data-code=\"${args[0]}\"]`)) {
        const text = (selector) => notice.querySelector(selector)?.innerText.trim() ?? '';
        const box = notice.getBoundingClientRect();
        const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        if (!notice.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || !notice.contains(top)) continue;
        return {
            code: notice.dataset.code, title: text('h2'), detail: text('.notice-detail'), kept: text('[data-testid=notice-kept]'),
            advice: text('p:not(.notice-detail):not([data-testid=notice-kept])'),
        };
    }
    return null;";

/// A state hash that the page without controls computed, on its way from tick 0.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Checked {
    /// The tick.
    pub tick: u32,
    /// The hash of the state at it.
    pub hash: String,
    /// Of the ticks since the one before.
    pub micros_per_tick: f64,
}

/// What is worth knowing of a page that does not do what it should.
const SITUATION: &str = "
    const notices = [...document.querySelectorAll('[data-testid=notice]')].map((notice) => notice.innerText);
    return { address: location.href, state: globalThis.reenact?.state(), notices };";

impl Page {
    /// A page of the server at `address`, such as `http://127.0.0.1:7117/`; nothing is opened yet.
    pub fn new(browser: Browser, address: String) -> Self {
        Self { browser, address, expected: Vec::new() }
    }

    /// Errors on the console that hold this text are no failure of the test.
    pub fn expect_error(&mut self, part: &str) {
        self.expected.push(part.to_owned());
    }

    /// Opens what lies at a path such as `#/session/ID`, afresh.
    pub async fn open(&self, path: &str) -> Result<()> {
        // Another part of the same document would not be loaded again.
        self.browser.driver.goto("about:blank").await?;
        self.browser.driver.goto(format!("{}{path}", self.address)).await?;
        self.until("the page's scripts", "globalThis.reenact").await
    }

    /// Runs the body of an async function, whose parameters are `args`, and gives what it returns.
    pub async fn call(&self, body: &str, args: Vec<Value>) -> Result<Value> {
        self.browser.call(body, args).await
    }

    /// The same of a function that takes its time: the driver is not made to wait, which it does not do well.
    async fn work(&self, body: &str, args: Vec<Value>) -> Result<Value> {
        let begin = format!(
            "const run = async (...args) => {{ {body} }};
            const work = {{ done: false, value: null, error: null }};
            globalThis.work = work;
            run(...args).then((value) => {{ work.value = value; }}, (error) => {{ work.error = String(error); }})
                .finally(() => {{ work.done = true; }});"
        );
        self.call(&begin, args).await?;
        until_within(WORK_MAX, body, async || {
            let work = self.get("globalThis.work?.done ? globalThis.work : null").await?;
            match &work["error"] {
                Value::Null => Ok(work.get("value").cloned()),
                error => bail!("{error}"),
            }
        })
        .await
    }

    /// The value of an expression.
    pub async fn get(&self, expression: &str) -> Result<Value> {
        self.call(&format!("return {expression}"), Vec::new()).await
    }

    /// What the page says of itself.
    pub async fn state(&self) -> Result<Value> {
        self.get("reenact.state()").await
    }

    /// A number of what the page says of itself.
    pub async fn number(&self, field: &str) -> Result<u64> {
        let value = self.get(&format!("reenact.state().{field}")).await?;
        value.as_u64().with_context(|| format!("{field} is {value}"))
    }

    /// Waits until an expression is true; in it, `state` is what the page says of itself.
    pub async fn until(&self, what: impl Display, condition: &str) -> Result<()> {
        let body = format!("const state = globalThis.reenact?.state() ?? {{}}; return Boolean({condition})");
        let waited = until(&what, async || {
            Ok((self.call(&body, Vec::new()).await? == Value::Bool(true)).then_some(()))
        });
        self.explain(waited.await).await
    }

    /// The state hash at a tick, computed in the browser.
    pub async fn hash_at(&self, session: &str, tick: u32) -> Result<String> {
        let hash =
            self.call("return reenact.hashAt(args[0], args[1])", vec![json!(session), json!(tick)]).await;
        let hash = self.explain(hash).await.with_context(|| format!("the hash at tick {tick}"))?;
        Ok(hash.as_str().context("a hash is text")?.to_owned())
    }

    /// Plays a session once from tick 0, as fast as it goes; the state hashes at `ticks`, or wherever one was recorded.
    pub async fn check(&self, session: &str, ticks: Option<&[u32]>) -> Result<Vec<Checked>> {
        self.browser.driver.goto(format!("{}web/check.html", self.address)).await?;
        self.until("the scripts of the check", "globalThis.check").await?;
        let script = "return check(args[0], args[1] ?? undefined)";
        let checked = self.work(script, vec![json!(session), json!(ticks)]).await;
        Ok(serde_json::from_value(self.explain(checked).await?)?)
    }

    /// Waits for a message that can be seen, with everything that a message needs.
    pub async fn notice(&self, code: &str) -> Result<Notice> {
        let waited = until(format!("a message {code}"), async || {
            Ok(serde_json::from_value(self.call(NOTICE, vec![json!(code)]).await?)?)
        });
        let notice: Notice = self.explain(waited.await).await?;
        ensure!(!notice.title.is_empty() && !notice.advice.is_empty(), "{notice:?} leaves somebody alone");
        Ok(notice)
    }

    /// Waits for the element with a `data-testid` that can be seen.
    pub async fn element(&self, id: &str) -> Result<WebElement> {
        self.select(&format!("[data-testid=\"{id}\"]")).await
    }

    /// Waits for the element of a selector that can be seen.
    pub async fn select(&self, selector: &str) -> Result<WebElement> {
        let waited = until(selector, async || {
            for element in self.browser.driver.find_all(By::Css(selector)).await? {
                if passing(element.is_displayed().await)?.unwrap_or(false) {
                    return Ok(Some(element));
                }
            }
            Ok(None)
        });
        self.explain(waited.await).await
    }

    /// Clicks an element with a `data-testid`, as soon as it can be clicked.
    pub async fn click(&self, id: &str) -> Result<()> {
        self.click_on(&format!("[data-testid=\"{id}\"]")).await
    }

    /// Clicks the element of a selector, as soon as it can be clicked.
    pub async fn click_on(&self, selector: &str) -> Result<()> {
        let waited = until(format!("a click on {selector}"), async || {
            let element = self.select(selector).await?;
            Ok(match passing(element.is_enabled().await)? {
                Some(true) => passing(element.click().await)?,
                _ => None,
            })
        });
        self.explain(waited.await).await
    }

    /// The words of an element with a `data-testid`.
    pub async fn text(&self, id: &str) -> Result<String> {
        let selector = json!(format!("[data-testid=\"{id}\"]"));
        let text = self.call("return document.querySelector(args[0]).innerText", vec![selector]).await?;
        Ok(text.as_str().unwrap_or_default().trim().to_owned())
    }

    fn keys(&self) -> ActionChain {
        self.browser.driver.action_chain_with_delay(Some(Duration::ZERO), Some(Duration::ZERO))
    }

    /// Presses and releases keys, one after the other, wherever the focus is.
    pub async fn press(&self, keys: impl Into<TypingData>) -> Result<()> {
        let chain = self.keys();
        Ok(chain.send_keys(keys).perform().await?)
    }

    /// Holds keys down, all at a time.
    pub async fn hold(&self, keys: &[char]) -> Result<()> {
        let chain = self.keys();
        Ok(keys.iter().fold(chain, |chain, key| chain.key_down(*key)).perform().await?)
    }

    /// Lets keys go, all at a time.
    pub async fn release(&self, keys: &[char]) -> Result<()> {
        let chain = self.keys();
        Ok(keys.iter().fold(chain, |chain, key| chain.key_up(*key)).perform().await?)
    }

    /// The game's picture, as an address that holds all of it.
    pub async fn picture(&self) -> Result<String> {
        let picture = self.get("document.querySelector('[data-testid=screen]').toDataURL()").await?;
        Ok(picture.as_str().context("a picture is text")?.to_owned())
    }

    /// Says of a failure what the page showed.
    async fn explain<T>(&self, result: Result<T>) -> Result<T> {
        let Err(error) = result else { return result };
        let situation = self.call(SITUATION, Vec::new()).await;
        Err(error
            .context(format!("the page: {}", situation.unwrap_or_else(|error| json!(error.to_string())))))
    }

    /// A picture of the whole page, in a file.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        Ok(self.browser.driver.screenshot(path).await?)
    }

    /// Ends the browser; anything on its console that was not expected is an error.
    pub async fn finish(self) -> Result<()> {
        self.browser.finish(&self.expected).await
    }
}

/// `None` for what passes by itself: an element that was replaced meanwhile, or that something lies over.
fn passing<T>(result: thirtyfour::error::WebDriverResult<T>) -> Result<Option<T>> {
    use WebDriverErrorInner as Inner;
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.as_inner() {
            Inner::StaleElementReference(_)
            | Inner::NoSuchElement(_)
            | Inner::ElementClickIntercepted(_)
            | Inner::ElementNotInteractable(_) => Ok(None),
            _ => Err(error.into()),
        },
    }
}
