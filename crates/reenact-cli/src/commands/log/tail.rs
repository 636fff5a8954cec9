//! `reenact log tail`: the last events of a log, and those that come.

use anyhow::Context;
use reenact_store::{Direction, Event, EventStore, LogReader, ReadError, Scope, Sequence, StreamId};
use serde::Serialize;

use super::{Source, fault, time};
use crate::output::{Exit, Fault, Output, say};

/// Bytes of a payload that are shown.
const SHOWN_BYTES: usize = 48;

/// Show the last events of a log, one a line
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=10_000))]
    events: u64,
    /// Of one stream alone
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamId>,
    /// Go on with the events that come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
}

#[derive(Serialize)]
struct Document {
    position: u64,
    timestamp: String,
    stream: String,
    sequence: u64,
    event_id: String,
    kind: String,
    occurred_at: Option<String>,
    traceparent: Option<String>,
    payload_bytes: usize,
    /// Its begin: text, or hexadecimal digits after `0x`.
    payload: String,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("start the runtime")?;
    let log = LogReader::open(args.source.log()).map_err(|error| fault(error.into()))?;
    runtime.block_on(show(&log, args, output)).map_err(|error| fault(error.into()))?;
    Ok(Exit::Fine)
}

/// Shows events until there are no more, or nobody reads any more.
async fn show(log: &LogReader, args: &Args, output: &Output) -> Result<(), ReadError> {
    let mut rest = match &args.stream {
        Some(stream) => {
            let head = log.head(stream).await?;
            if head.is_none() && !args.follow {
                say(&format!("there is no stream {stream}"));
            }
            let next = head.map_or(0, |head| head.sequence.0 + 1);
            Scope::Stream(stream.clone(), Sequence(next.saturating_sub(args.events)))
        }
        None => Scope::All(log.last(args.events as usize).await?),
    };
    loop {
        let page = match &rest {
            Scope::Stream(stream, from) => log.read(stream, *from, Direction::Forward, 256).await?,
            Scope::All(after) => log.read_all(after, 256).await?,
        };
        if page.is_empty() {
            break;
        }
        for event in page {
            match &mut rest {
                Scope::Stream(_, next) => *next = event.sequence.plus(1),
                Scope::All(seen) => seen.advance(event.partition, event.position),
            }
            if !print(&event, output) {
                return Ok(());
            }
        }
    }
    if args.follow {
        let mut events = log.subscribe(rest);
        while print(&events.next().await?, output) {}
    }
    Ok(())
}

/// Prints an event; false if nobody reads any more.
fn print(event: &Event, output: &Output) -> bool {
    let document = Document {
        position: event.position.0,
        timestamp: time(event.timestamp),
        stream: event.stream.to_string(),
        sequence: event.sequence.0,
        event_id: event.id.to_string(),
        kind: event.kind.to_string(),
        occurred_at: event.occurred_at.map(time),
        traceparent: event.trace.as_ref().map(ToString::to_string),
        payload_bytes: event.payload.len(),
        payload: shown(&event.payload),
    };
    let text = format!(
        "{} {} {}/{} {} {}",
        document.position,
        document.timestamp,
        document.stream,
        document.sequence,
        document.kind,
        document.payload
    );
    output.line("log-event", &text, &document)
}

/// The begin of a payload, as text if it is some.
fn shown(payload: &[u8]) -> String {
    let begin = &payload[..payload.len().min(SHOWN_BYTES)];
    let more =
        if payload.len() > SHOWN_BYTES { format!("... ({} bytes)", payload.len()) } else { String::new() };
    // The last character may be cut.
    let text = match std::str::from_utf8(begin) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() && !more.is_empty() => {
            std::str::from_utf8(&begin[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    if let Some(text) = text.filter(|text| !text.chars().any(char::is_control)) {
        return format!("{text}{more}");
    }
    let digits: Vec<_> = begin.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{}{more}", digits.concat())
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn payloads_are_shown_shortly() {
        let check = |payload: &[u8], expect: &str| assert_eq!(shown(payload), expect);
        check(b"{\"a\":1}", "{\"a\":1}");
        check(b"", "");
        check(b"\x00\xff", "0x00ff");
        check(b"a\nb", "0x610a62");
        check(&[b'x'; 50], &format!("{}... (50 bytes)", "x".repeat(48)));
        check("é".repeat(30).as_bytes(), &format!("{}... (60 bytes)", "é".repeat(24)));
        check(
            &["x".repeat(47), "éé".into()].concat().into_bytes(),
            &format!("{}... (51 bytes)", "x".repeat(47)),
        );
    }
}
