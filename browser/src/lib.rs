//! Drives a real Chromium against the real `reenact`, so that what holds for the shipped command and its page is
//! seen from outside: nothing here is linked with them.
//!
//! # Layout
//!
//! - [`server`]: `reenact serve` in a directory of its own, and the other verbs of the command
//! - [`chromium`]: a Chromium without a window, and what it complains about
//! - [`page`], [`live`]: Reenact's page in it, and games that are played there
//! - [`scene`]: a test's server and page, and what is kept of it when it fails
//! - [`carts`], [`report`], [`stats`]: the carts of a folder, and how results are printed and kept
//! - [`deadline`], [`process`]: waiting, and programs that end with whoever started them

#[path = "../../bench/src/carts.rs"]
pub mod carts;
pub mod chromium;
pub mod deadline;
pub mod live;
pub mod page;
pub mod process;
#[path = "../../bench/src/report.rs"]
pub mod report;
pub mod scene;
pub mod server;
#[path = "../../bench/src/stats.rs"]
pub mod stats;

pub use chromium::Browser;
pub use page::Page;
pub use scene::scene;
pub use server::{Recording, Reenact};
