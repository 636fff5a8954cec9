//! What the service says in JSON, as `docs/spec/service.md` fixes it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reenact::input::{Column, ColumnKind, InputSchema};
use reenact::session::{EndReason, Limits, SessionEnded, SessionStarted, SimulationId};
use reenact::{Mark, Tick, TickRate, Verdict};
use reenact_wasm::rewrite::Rewritten;
use reenact_wasm::schema::{PictureFormat, Schema};
use serde::{Deserialize, Serialize};

/// How fast a game is meant to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateDocument {
    /// So many ticks
    pub ticks: u32,
    /// in so many seconds.
    pub seconds: u32,
}

impl From<TickRate> for RateDocument {
    fn from(rate: TickRate) -> Self {
        Self { ticks: rate.numerator(), seconds: rate.denominator() }
    }
}

/// An input column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDocument {
    /// Unique within the schema.
    pub name: String,
    /// `buttons` or `axis`.
    pub kind: String,
    /// 8, 16 or 32.
    pub bits: u32,
    /// Names of buttons from bit 0 up.
    pub buttons: Vec<String>,
}

impl From<&Column> for ColumnDocument {
    fn from(column: &Column) -> Self {
        let (kind, buttons) = match &column.kind {
            ColumnKind::Buttons(names) => ("buttons", names.clone()),
            ColumnKind::Axis => ("axis", Vec::new()),
        };
        Self { name: column.name.clone(), kind: kind.into(), bits: column.width.bits(), buttons }
    }
}

fn columns(schema: &InputSchema) -> Vec<ColumnDocument> {
    schema.columns().iter().map(ColumnDocument::from).collect()
}

/// What pictures a game gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureDocument {
    /// Pixels a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// `rgba8` or `rgb332`.
    pub format: String,
}

/// The name of a mark kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkNameDocument {
    /// As the game passes it.
    pub kind: u32,
    /// For people.
    pub name: String,
}

fn picture(schema: &Schema) -> Option<PictureDocument> {
    schema.picture.map(|picture| PictureDocument {
        width: picture.width,
        height: picture.height,
        format: match picture.format {
            PictureFormat::Rgba8 => "rgba8".into(),
            PictureFormat::Rgb332 => "rgb332".into(),
        },
    })
}

fn mark_names(schema: &Schema) -> Vec<MarkNameDocument> {
    let name = |mark: &reenact_wasm::schema::Mark| MarkNameDocument {
        kind: mark.kind.into(),
        name: mark.name.clone(),
    };
    schema.marks.iter().map(name).collect()
}

/// A module that was admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleDocument {
    /// Its hash.
    pub module: String,
    /// `reenact1` or `wasm4`.
    pub console: String,
    /// What the game calls itself; may be empty.
    pub game: String,
    /// How many it is for.
    pub participants: usize,
    /// How fast it is played.
    pub rate: RateDocument,
    /// Of each participant.
    pub columns: Vec<ColumnDocument>,
    /// Unless it draws none.
    pub picture: Option<PictureDocument>,
    /// Whether it suggests inputs.
    pub bot: bool,
    /// Names of mark kinds.
    pub marks: Vec<MarkNameDocument>,
    /// Of the module.
    pub bytes: usize,
}

impl ModuleDocument {
    pub(crate) fn new(module: String, bytes: usize, rewritten: &Rewritten) -> Self {
        let input = rewritten.input_schema();
        let schema = rewritten.schema.clone().unwrap_or_default();
        let wasm4 = rewritten.console == reenact::session::Console::Wasm4;
        let console_picture = PictureDocument { width: 160, height: 160, format: "rgba8".into() };
        Self {
            module,
            console: rewritten.console.name().into(),
            game: schema.game.clone(),
            participants: input.participants(),
            rate: RateDocument { ticks: schema.rate, seconds: 1 },
            columns: columns(&input),
            picture: if wasm4 { Some(console_picture) } else { picture(&schema) },
            bot: schema.bot,
            marks: mark_names(&schema),
            bytes,
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndDocument {
    /// `stopped`, `over`, `failed` or `truncated`.
    pub reason: String,
    /// For people; empty where the reason says it all.
    pub detail: String,
}

/// The name of an end's reason.
pub(crate) fn reason_name(reason: &EndReason) -> &'static str {
    match reason {
        EndReason::Stopped => "stopped",
        EndReason::Over => "over",
        EndReason::Failed(_) => "failed",
        EndReason::Truncated => "truncated",
    }
}

impl From<&SessionEnded> for EndDocument {
    fn from(ended: &SessionEnded) -> Self {
        let detail = match &ended.reason {
            EndReason::Failed(failure) => failure.to_string(),
            EndReason::Truncated => "the store was slower than the recorder".into(),
            EndReason::Stopped | EndReason::Over => String::new(),
        };
        Self { reason: reason_name(&ended.reason).into(), detail }
    }
}

/// A session in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryDocument {
    /// Its id.
    pub session: String,
    /// What the game calls itself; may be empty.
    pub game: String,
    /// `reenact1`, `wasm4` or `native`.
    pub console: String,
    /// The module's hash; null for a native simulation.
    pub module: Option<String>,
    /// How many it has room for.
    pub participants: usize,
    /// How fast it is played.
    pub rate: RateDocument,
    /// RFC 3339.
    pub started_at: String,
    /// Acknowledged.
    pub ticks: u32,
    /// `recording`, `interrupted` or `ended`.
    pub state: String,
    /// Null until it has.
    pub end: Option<EndDocument>,
}

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulationDocument {
    /// `reenact1`, `wasm4` or `native`.
    pub console: String,
    /// The module's hash; null for a native simulation.
    pub module: Option<String>,
    /// The version that the session names.
    pub rewriter_version: u32,
    /// What the module may use.
    pub limits: Option<LimitsDocument>,
    /// The blob of the rewritten module; null where there is an obstacle.
    pub rewritten: Option<String>,
    /// Why there is none.
    pub obstacle: Option<String>,
}

/// What a module may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsDocument {
    /// Of 64 KiB.
    pub memory_pages: u32,
    /// As the rewriter counts them.
    pub stack_bytes: u32,
    /// Decimal.
    pub init_fuel: String,
    /// Decimal.
    pub tick_fuel: String,
}

impl From<Limits> for LimitsDocument {
    fn from(limits: Limits) -> Self {
        Self {
            memory_pages: limits.memory_pages,
            stack_bytes: limits.stack_bytes,
            init_fuel: limits.init_fuel.to_string(),
            tick_fuel: limits.tick_fuel.to_string(),
        }
    }
}

/// Everything a page needs to simulate a session, but its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDocument {
    /// What the list says of it.
    #[serde(flatten)]
    pub summary: SummaryDocument,
    /// What is simulated.
    pub simulation: SimulationDocument,
    /// Decimal.
    pub seed: String,
    /// Base64.
    pub config: String,
    /// Base64.
    pub disk: String,
    /// Of each participant.
    pub columns: Vec<ColumnDocument>,
    /// Ticks between state hashes; 0 for none.
    pub hash_every: u32,
    /// Null where the game draws none, or its module is missing.
    pub picture: Option<PictureDocument>,
    /// Names of mark kinds.
    pub marks: Vec<MarkNameDocument>,
}

impl SessionDocument {
    /// `simulation` and `module` are what could be found out about the module.
    pub(crate) fn new(
        summary: SummaryDocument,
        started: &SessionStarted,
        simulation: SimulationDocument,
        module: Option<&ModuleDocument>,
    ) -> Self {
        Self {
            summary,
            simulation,
            seed: started.seed.to_string(),
            config: BASE64_STANDARD.encode(&started.config),
            disk: BASE64_STANDARD.encode(&started.disk),
            columns: columns(&started.schema),
            hash_every: started.hash_every,
            picture: module.and_then(|module| module.picture.clone()),
            marks: module.map_or_else(Vec::new, |module| module.marks.clone()),
        }
    }
}

/// The console and the module of a simulation.
pub(crate) fn console_and_module(simulation: &SimulationId) -> (String, Option<String>) {
    match simulation {
        SimulationId::Wasm(id) => (id.console.name().into(), Some(id.module.to_string())),
        SimulationId::Native { .. } => ("native".into(), None),
    }
}

/// A mark of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkDocument {
    /// The tick to which the step that emitted it led.
    pub tick: u32,
    /// What it is.
    pub kind: u32,
    /// Base64.
    pub payload: String,
}

impl MarkDocument {
    pub(crate) fn new(tick: Tick, mark: &Mark) -> Self {
        Self { tick: tick.0, kind: mark.kind, payload: BASE64_STANDARD.encode(&mark.payload) }
    }
}

/// A keyframe, whose bytes are a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyframeDocument {
    /// Whose state it is.
    pub tick: u32,
    /// The state hash, by which the blob is addressed too.
    pub state: String,
    /// Of the state.
    pub bytes: usize,
}

/// What re-simulation on the server said of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum VerdictDocument {
    /// Every recorded hash is that of the re-simulated state.
    Verified {
        /// The last tick that was compared.
        ticks: u32,
        /// How many hashes were compared.
        hashes: usize,
    },
    /// The re-simulation differs.
    Mismatch {
        /// The first tick that was seen to differ.
        tick: u32,
        /// What differs.
        detail: String,
    },
    /// Nothing can be said.
    NotVerifiable {
        /// Why.
        detail: String,
    },
}

impl From<&Verdict> for VerdictDocument {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Verified { through, hashes } => Self::Verified { ticks: through.0, hashes: *hashes },
            Verdict::Mismatch(mismatch) => {
                Self::Mismatch { tick: mismatch.tick.0, detail: mismatch.difference.to_string() }
            }
            Verdict::NotVerifiable(obstacle) => Self::NotVerifiable { detail: obstacle.to_string() },
        }
    }
}

/// The keyframes of a session, and what was found while they were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyframesDocument {
    /// In order of ticks.
    pub keyframes: Vec<KeyframeDocument>,
    /// Null until the session has ended and was re-simulated.
    pub verdict: Option<VerdictDocument>,
}
