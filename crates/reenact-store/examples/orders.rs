//! Orders in an event log: the store knows nothing of games, and holds the events of any domain.
//!
//! An order is an aggregate: it decides whether a command may be followed, and what happened then is appended,
//! expecting the stream to be as it was when it was decided. Its state is the fold of its own events.
//!
//! ```sh
//! cargo run -p reenact-store --example orders            # in a directory that is removed
//! cargo run -p reenact-store --example orders -- DIR     # in a directory that is kept
//! ```

use std::path::Path;

use reenact_store::{
    AppendError, Direction, Event, EventKind, EventLog, EventStore, ExpectedSequence, NameError, NewEvent,
    OpenError, ReadError, Receipt, Sequence, StreamId,
};
use thiserror::Error;

/// What somebody wants of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Begin it.
    Create,
    /// Add something that costs so many cents.
    AddItem {
        /// What it is; without a colon.
        item: String,
        /// What it costs.
        cents: u64,
    },
    /// Pay for everything in it.
    Pay,
}

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OrderEvent {
    /// It was begun.
    Created,
    /// Something was added.
    ItemAdded {
        /// What.
        item: String,
        /// What it costs.
        cents: u64,
    },
    /// So many cents were paid.
    Paid {
        /// All that its items cost.
        cents: u64,
    },
}

/// Why a command is not followed.
#[derive(Debug, Error)]
pub(crate) enum OrderError {
    /// The order is there already.
    #[error("the order exists")]
    Exists,
    /// There is no such order.
    #[error("there is no such order")]
    Missing,
    /// Nothing can be added to what was paid, and nobody pays twice.
    #[error("the order is paid")]
    Paid,
    /// There is nothing to pay for.
    #[error("the order is empty")]
    Empty,
    /// A stored event is none of an order.
    #[error("event {sequence} is none of an order")]
    Foreign {
        /// Which event.
        sequence: Sequence,
    },
    /// A name that is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The log was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log does not take the events. After `WrongExpectedSequence` somebody else was faster.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl OrderEvent {
    fn encode(&self) -> Result<NewEvent, OrderError> {
        let (kind, payload) = match self {
            Self::Created => ("Created", String::new()),
            Self::ItemAdded { item, cents } => ("ItemAdded", format!("{item}:{cents}")),
            Self::Paid { cents } => ("Paid", cents.to_string()),
        };
        Ok(NewEvent::new(EventKind::new(kind)?, payload))
    }

    fn decode(event: &Event) -> Result<Self, OrderError> {
        let text = std::str::from_utf8(&event.payload).ok();
        let decoded = match (event.kind.as_str(), text) {
            ("Created", Some("")) => Some(Self::Created),
            ("ItemAdded", Some(text)) => text.split_once(':').and_then(|(item, cents)| {
                Some(Self::ItemAdded { item: item.to_owned(), cents: cents.parse().ok()? })
            }),
            ("Paid", Some(text)) => text.parse().ok().map(|cents| Self::Paid { cents }),
            _ => None,
        };
        decoded.ok_or(OrderError::Foreign { sequence: event.sequence })
    }
}

/// The state of an order: nothing but the fold of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// What is in it, and what that costs.
    pub(crate) items: Vec<(String, u64)>,
    /// What was paid.
    pub(crate) paid: Option<u64>,
    /// The last of its events; none if there is no such order.
    pub(crate) last: Option<Sequence>,
}

impl Order {
    /// The state after one more event.
    fn apply(&mut self, event: OrderEvent, sequence: Sequence) {
        match event {
            OrderEvent::Created => {}
            OrderEvent::ItemAdded { item, cents } => self.items.push((item, cents)),
            OrderEvent::Paid { cents } => self.paid = Some(cents),
        }
        self.last = Some(sequence);
    }

    /// What happens if a command is followed.
    ///
    /// # Errors
    /// It is not followed.
    pub(crate) fn decide(&self, command: Command) -> Result<OrderEvent, OrderError> {
        let there = self.last.is_some();
        match command {
            Command::Create if there => Err(OrderError::Exists),
            Command::Create => Ok(OrderEvent::Created),
            _ if !there => Err(OrderError::Missing),
            _ if self.paid.is_some() => Err(OrderError::Paid),
            Command::AddItem { item, cents } => Ok(OrderEvent::ItemAdded { item, cents }),
            Command::Pay if self.items.is_empty() => Err(OrderError::Empty),
            Command::Pay => Ok(OrderEvent::Paid { cents: self.items.iter().map(|(_, cents)| cents).sum() }),
        }
    }
}

/// Folds the events of an order.
///
/// # Errors
/// They cannot be read, or are none of an order.
pub(crate) async fn load(store: &dyn EventStore, stream: &StreamId) -> Result<Order, OrderError> {
    let mut order = Order::default();
    loop {
        let next = order.last.map_or(Sequence::FIRST, |last| last.plus(1));
        let page = store.read(stream, next, Direction::Forward, 256).await?;
        if page.is_empty() {
            return Ok(order);
        }
        for event in &page {
            order.apply(OrderEvent::decode(event)?, event.sequence);
        }
    }
}

/// Appends what happened to an order that was loaded. Tried again with the same event, it gives the same receipt.
///
/// # Errors
/// Something else has happened to the order since, or the store takes nothing.
pub(crate) async fn append(
    store: &dyn EventStore,
    stream: &StreamId,
    order: &Order,
    event: &NewEvent,
) -> Result<Receipt, OrderError> {
    Ok(store.append(stream, ExpectedSequence::after(order.last), vec![event.clone()]).await?)
}

/// Follows a command: loads, decides and appends. Where somebody else was faster it decides anew, as the order may
/// have changed in a way that forbids it.
///
/// # Errors
/// The command is not followed, or the store fails.
pub(crate) async fn follow(
    store: &dyn EventStore,
    stream: &StreamId,
    command: &Command,
) -> Result<Receipt, OrderError> {
    loop {
        let order = load(store, stream).await?;
        let event = order.decide(command.clone())?.encode()?;
        match append(store, stream, &order, &event).await {
            Err(OrderError::Append(AppendError::WrongExpectedSequence { .. })) => {}
            appended => return appended,
        }
    }
}

/// The story of an order, in a log that is closed and opened in the middle of it. What is there at the end.
///
/// # Errors
/// The log fails.
pub(crate) async fn story(directory: &Path) -> Result<Order, OrderError> {
    let id = StreamId::new(&format!("order-{}", reenact_store::EventId::new()))?;
    let log = EventLog::open(directory)?;
    follow(&log, &id, &Command::Create).await?;
    let tea = Command::AddItem { item: "tea".into(), cents: 450 };
    follow(&log, &id, &tea).await?;

    // Two desks decide about the same order; the slower one is told, and would have to decide anew.
    let (one, other) = (load(&log, &id).await?, load(&log, &id).await?);
    let cup = one.decide(Command::AddItem { item: "cup".into(), cents: 1_200 })?.encode()?;
    let receipt = append(&log, &id, &one, &cup).await?;
    let paid = other.decide(Command::Pay)?.encode()?;
    let late = append(&log, &id, &other, &paid).await;
    assert!(matches!(late, Err(OrderError::Append(AppendError::WrongExpectedSequence { .. }))), "{late:?}");

    // The answer was lost on its way: the same event once more changes nothing.
    assert_eq!(append(&log, &id, &one, &cup).await?, receipt);
    drop(log);

    let log = EventLog::open(directory)?;
    assert_eq!(append(&log, &id, &one, &cup).await?, receipt, "also after opening the log again");
    follow(&log, &id, &Command::Pay).await?;
    let again = follow(&log, &id, &Command::Pay).await;
    assert!(matches!(again, Err(OrderError::Paid)), "{again:?}");
    load(&log, &id).await
}

#[allow(dead_code, reason = "the test that includes this file runs the story alone")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), OrderError> {
    let temporary = tempfile::tempdir().expect("a temporary directory can be made");
    let given = std::env::args_os().nth(1).map(std::path::PathBuf::from);
    let directory = given.as_deref().unwrap_or(temporary.path());
    let order = story(directory).await?;
    println!("{} items, {:?} cents paid, in {}", order.items.len(), order.paid, directory.display());
    Ok(())
}
